"""One self-contained HTML page: the verdict, the plots, the tables, and what each row stands for."""

from __future__ import annotations

import html
import re

from . import figures, machine, plots, report_text
from .figures import Table

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; color: #1c2733; margin: 0; background: white; }
main { max-width: 1100px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 44px 0 8px; padding-top: 12px; border-top: 1px solid #e3e8ed; }
h3 { font-size: 16px; margin: 26px 0 6px; }
p, li { max-width: 76ch; } .faint { color: #5d6b79; font-size: 13px; }
nav a { margin-right: 14px; } a { color: #0059a8; }
svg { max-width: 100%; height: auto; display: block; margin: 10px 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 10px 0; }
th { text-align: right; font-weight: 600; border-bottom: 2px solid #c8d0d8; padding: 4px 9px; background: white; }
td { text-align: right; padding: 3px 9px; border-bottom: 1px solid #edf0f3; white-space: nowrap; }
th.left, td.left { text-align: left; } td.name { white-space: normal; min-width: 200px; } td.text { white-space: normal; min-width: 90px; }
td b { color: #0b6b3a; } th.ours, td.ours { background: #fff3f2; }
tr:hover td { background: #f3f7fb; }
dt { font-weight: 600; margin-top: 10px; } dd { margin: 0; max-width: 76ch; }
details summary { cursor: pointer; font-weight: 600; margin: 14px 0; }
"""


def caption(facts: dict[str, str], mode: str) -> list[str]:
    where = f"{facts['processor']}, {facts['cpus']} CPUs, {facts['memory']}, {facts['kernel']}, {facts['system']}"
    return [where, f"{mode} run of {facts['date']}, commit {facts['commit']}; made by scripts/bench.sh"]


def summary(table: Table, facts: dict[str, str], mode: str) -> str:
    return plots.means(table, caption(facts, mode)) + "\n"


def _inline(text: str) -> str:
    escaped = html.escape(text.replace("\\*", "*"))
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escaped)


def _table(lines: list[str], ours: set[str]) -> str:
    """A Markdown table of report_text as HTML."""
    split = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines]
    header, alignment, body = split[0], split[1], split[2:]

    def cell(tag: str, index: int, text: str) -> str:
        classes = ["left" if alignment[index] == "---" else ""]
        classes.append("ours" if header[index] in ours else "")
        classes.append("name" if index == 0 else "text" if len(text) > 18 else "")
        joined = " ".join(c for c in classes if c)
        return f"<{tag}{f' class={chr(34)}{joined}{chr(34)}' if joined else ''}>{_inline(text)}</{tag}>"

    rows = ["<tr>" + "".join(cell("th", i, t) for i, t in enumerate(header)) + "</tr>"]
    rows += ["<tr>" + "".join(cell("td", i, t) for i, t in enumerate(line)) + "</tr>" for line in body]
    return "<div class='scroll'><table>" + "\n".join(rows) + "</table></div>"


def _list(lines: list[str]) -> str:
    items = "".join(f"<li>{_inline(line.strip().removeprefix('- '))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _markdown_tables(text: str, ours: set[str]) -> str:
    """Paragraphs and tables of a Markdown fragment."""
    parts, block = [], []
    for line in [*text.split("\n"), ""]:
        if line.startswith("|"):
            block.append(line)
            continue
        if block:
            parts.append(_table(block, ours))
            block = []
        if line.strip():
            parts.append(f"<h3>{_inline(line)}</h3>")
    return "\n".join(parts)


def _section(anchor: str, title: str, intro: str, *content: str) -> str:
    inner = "\n".join(c for c in content if c)
    return f"<h2 id='{anchor}'>{html.escape(title)}</h2>\n<p>{intro}</p>\n{inner}" if inner else ""


def _pair(*content: str) -> str:
    inner = "".join(f"<div>{c}</div>" for c in content if c)
    return f"<div class='pair'>{inner}</div>" if inner else ""


def page(table: Table, facts: dict[str, str], mode: str, notes: list[str]) -> str:
    ours = plots.ours(table)
    counted = table.of_group(*figures.MEANS_OVER)
    loops, programs = table.of_group("loops"), table.of_group("programs")
    families = list(dict.fromkeys(r.family for r in table.of_group("scaling")))
    timed = [r for r in table.rows if r.histogram]
    sections = []
    if counted:
        sections.append(_section(
            "summary", "Summary",
            "Each row's ratio is an allocator's median over the best peer's median of that row; "
            "the mean is geometric, over all loops and real programs.",
            plots.means(table, caption(facts, mode)), _table(report_text.means_lines(table), ours),
            _list(report_text.verdict_lines(table))))
        sections.append(_section("scatter", "Time against memory, every row", "One mark per row and allocator; hover for its name.",
                                 plots.scatter(table, counted)))
    swept = table.of_group("sweep")
    for rows, title, anchor in ((loops, "Loops", "loops"), (programs, "Real programs", "programs"),
                                (swept, "Found by a sweep, not in the means", "sweep")):
        if rows:
            sections.append(_section(
                anchor, title, "* marks a row in which some allocator's spread (interquartile range over median) is above 10%.",
                "<h3>Time</h3>", plots.ratios(table, rows, "time"), _table(report_text.ratio_lines(table, rows, "time"), ours),
                "<h3>Memory</h3>", plots.ratios(table, rows, "memory"), _table(report_text.ratio_lines(table, rows, "memory"), ours)))
    if table.of_group("promises"):
        sections.append(_section("promises", "Promises about memory", "Bold: within what collam promises for that figure.",
                                 _table(report_text.promise_lines(table), ours)))
    if table.of_group("memory"):
        sections.append(_section("memory", "Memory over time",
                                 "Bold: within what collam aims at; the curves follow. live: what the program asked for and has not freed.",
                                 _table(report_text.promise_lines(table, "memory"), ours)))
    sections.append(_section("rss", "RSS over time", "Sampled by the launcher; the run of median duration of each allocator.",
                             _pair(*[plots.rss_over_time(table, r) for r in table.rows if r.series])))
    sections.append(_section("ratio", "RSS over live memory", "Sampled by the workload itself, its own arrays left out; the same runs.",
                             _pair(*[plots.rss_over_live(table, r) for r in table.rows])))
    for row in timed:
        sections.append(_section(
            "latency", "Latency", html.escape(row.what),
            _pair(plots.latency_tails(table, row, "malloc"), plots.latency_tails(table, row, "free")),
            plots.latency_histograms(table, row, "malloc"), plots.latency_histograms(table, row, "free"),
            _markdown_tables("\n".join(report_text.latency_lines(table)), ours)))
    if families:
        sections.append(_section("scaling", "Scaling by decades", "Cost of one operation as one argument of a workload grows.",
                                 _pair(*[plots.scaling(table, f) for f in families]), _table(report_text.scaling_lines(table), ours)))
    every = counted + table.of_group("promises", "memory", "sweep")
    if every:
        sections.append(_section("figures", "All figures", "Medians; the samples themselves are in samples.csv.",
                                 "<details><summary>Show the table</summary>",
                                 _table(report_text.absolute_lines(table, every), ours), "</details>"))
    meanings = "".join(f"<dt>{html.escape(r.name)}</dt><dd>{html.escape(r.what)}</dd>" for r in table.rows if r.group != "scaling")
    sections.append(_section("rows", "What each row stands for", "From the head of each workload's source.", f"<dl>{meanings}</dl>"))
    sections = [s for s in sections if s]
    links = "".join(f"<a href='#{a}'>{t}</a>" for a, t in re.findall(r"^<h2 id='(\w+)'>(.+?)</h2>", "\n".join(sections), re.M))
    return (f"<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
            f"<title>collam benchmark, {facts['date'][:10]}</title><style>{STYLE}</style></head><body><main>"
            f"<h1>collam and other allocators</h1><p class='faint'>{html.escape(machine.one_line(facts))}<br>{mode} run, "
            f"{facts.get('duration', '')}, commit {html.escape(facts['commit'])}, "
            f"transparent huge pages: {facts['transparent huge pages']}</p>"
            f"<nav>{links}</nav>{_list(notes)}{chr(10).join(sections)}</main></body></html>\n")
