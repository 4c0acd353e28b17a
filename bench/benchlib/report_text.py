"""The Markdown table and the CSV of raw samples."""

from __future__ import annotations

import csv
import pathlib

from . import figures, machine
from .allocators import Allocator
from .figures import Table
from .rows import Row

COMMON = ["wall_s", "user_s", "sys_s", "peak_rss_kib", "faults", "instructions", "ns_per_op"]


def write_csv(table: Table, path: pathlib.Path) -> None:
    """One line per sample, with every figure that any row printed."""
    samples = sorted((s for cell in table.cells.values() for s in cell.samples), key=lambda s: s.order)
    keys = {k for s in samples for k in s.values} | {k for s in samples for k in s.texts if not k.startswith(("hist.", "series."))}
    columns = [k for k in COMMON if k in keys] + sorted(keys - set(COMMON))
    groups = {r.name: r.group for r in table.rows}
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["order", "round", "group", "row", "allocator", "status", "note", *columns])
        for s in samples:
            cells = [f"{s.values[k]:.10g}" if k in s.values else s.texts.get(k, "") for k in columns]
            out.writerow([s.order, s.round + 1, groups[s.row], s.row, s.allocator, s.status, s.note, *cells])


def number(value: float) -> str:
    """Three significant digits without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def time_text(row: Row, value: float) -> str:
    return f"{value:.2f} s" if row.time == "wall_s" else (f"{number(value)} ns" if value < 1e5 else f"{number(value / 1e3)} us")


def memory_text(kib: float) -> str:
    return f"{number(kib / 1024)} MiB" if kib >= 1024 else f"{number(kib)} KiB"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _header(first: list[str], allocators: list[Allocator]) -> list[str]:
    cells = first + [a.name for a in allocators]
    return [_line(cells), _line(["---"] * len(first) + ["---:"] * len(allocators))]


def ratio_lines(table: Table, rows: list[Row], kind: str) -> list[str]:
    lines = _header(["row", "best peer"], table.allocators)
    for row in rows:
        best = table.best_peer(row, table.key(row, kind))
        noisy = kind == "time" and bool(table.noisy(row))
        if best is None:
            lines.append(_line([row.name, "none"] + ["-"] * len(table.allocators)))
            continue
        text = time_text(row, best[1]) if kind == "time" else memory_text(best[1])
        cells = [row.name + (" \\*" if noisy else ""), f"{best[0].name} {text}"]
        for allocator in table.allocators:
            ratio, cell = table.ratio(row, allocator, kind), table.cell(row, allocator)
            if ratio is None:
                cells.append(cell.status)
                continue
            shown = (">" if cell.status == "timeout" else "") + (f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}")
            shown = f"**{shown}**" if ratio <= 1.0 else shown
            cells.append(shown + (" \\*" if kind == "time" and allocator.name in table.noisy(row) else ""))
        lines.append(_line(cells))
    return lines


def means_lines(table: Table) -> list[str]:
    lines = [_line(["allocator", "version", "time", "peak RSS", "rows"]), _line(["---", "---", "---:", "---:", "---:"])]
    for allocator in table.allocators:
        time, count = table.mean(allocator, "time")
        memory, _ = table.mean(allocator, "memory")
        shown = [f"{mean:.3f}" if mean else "-" for mean in (time, memory)]
        lines.append(_line([allocator.name, allocator.version, *shown, str(count)]))
    return lines


def _behind(rows: list[tuple[str, float]]) -> str:
    return f"{len(rows)} ({'; '.join(f'{name} {ratio:.2f}' for name, ratio in rows)})" if rows else "none"


def verdict_lines(table: Table) -> list[str]:
    lines = []
    for ours in (a for a in table.allocators if a.ours):
        v = figures.verdict(table, ours)
        if v is None:
            continue
        lines += [
            f"- **{ours.name}**: time {v.time_against_best:.3f} x that of {v.best_time_peer}, the best single peer (goal 0.90); peak RSS "
            f"{v.memory_against_best:.3f} x that of {v.best_memory_peer}, the smallest peer within "
            f"{figures.NEAR_BEST_TIME:g} x of the best time (goal 0.85).",
            f"  - rows where it is not first in time: {_behind(v.slower_rows)}",
            f"  - rows where it is not first in memory: {_behind(v.larger_rows)}",
        ]
        swept = figures.verdict(table, ours, figures.WITH_SWEEP) if table.of_group("sweep") else None
        if swept is not None:
            lines.append(f"  - with the rows of the sweep in the means: time {swept.time_against_best:.3f} x that of {swept.best_time_peer}, "
                         f"peak RSS {swept.memory_against_best:.3f} x that of {swept.best_memory_peer}")
    return lines


def promise_lines(table: Table, group: str = "promises") -> list[str]:
    lines = _header(["what a user meets", "figure", "promised"], table.allocators)
    for row in table.of_group(group):
        for index, figure in enumerate(row.figures):
            limit = f"<= {figure.limit:g}" if isinstance(figure.limit, (int, float)) else str(figure.limit or "")
            cells = ["" if index else row.name, figure.label + (f", {figure.unit}" if figure.unit else ""), limit]
            for allocator in table.allocators:
                value = figures.promise_value(table, row, figure, allocator)
                kept = figures.promise_kept(table, row, figure, allocator)
                if value is None:
                    cells.append(table.cell(row, allocator).status)
                else:
                    shown = value if isinstance(value, str) else number(value)
                    cells.append(f"**{shown}**" if kept else shown)
            lines.append(_line(cells))
    return lines


def absolute_lines(table: Table, rows: list[Row]) -> list[str]:
    keys = ["wall_s", "user_s", "sys_s", "peak_rss_kib", "faults"]
    counted = any("instructions" in s.values for c in table.cells.values() for s in c.samples)
    names = ["wall s", "user s", "system s", "peak MiB", "page faults"] + (["instructions, M"] if counted else [])
    lines = [_line(["row", "allocator", "time", "spread", *names, "samples", "note"]),
             _line(["---", "---"] + ["---:"] * (len(names) + 3) + ["---"])]
    for row in rows:
        for allocator in table.allocators:
            cell = table.cell(row, allocator)
            time = cell.median(row.time)
            shown = time_text(row, time) if time is not None else cell.status
            spread = f"{100 * cell.spread(row.time):.0f}%" if len(cell.values(row.time)) > 2 else "-"  # of fewer there is none
            cells = [row.name, allocator.name, shown, spread]
            for key in keys + (["instructions"] if counted else []):
                value = cell.median(key)
                scale = {"peak_rss_kib": 1 / 1024, "instructions": 1e-6}.get(key, 1.0)
                cells.append("-" if value is None else f"{value:.3f}" if key.endswith("_s") else number(value * scale))
            lines.append(_line(cells + [str(len(cell.samples)), cell.note.replace("|", "/")]))
    return lines


def latency_lines(table: Table) -> list[str]:
    lines = []
    points = ["p50", "p90", "p99", "p999", "p9999", "p99999", "max"]
    for row in (r for r in table.rows if r.histogram):
        for call in ("malloc", "free"):
            lines += ["", f"{row.name}: {call}, ns", "", *_header(["percentile"], table.allocators)]
            for point in points:
                medians = [table.cell(row, a).median(f"{call}_{point}_ns") for a in table.allocators]
                label = {"p999": "p99.9", "p9999": "p99.99", "p99999": "p99.999"}.get(point, point)
                lines.append(_line([label] + ["-" if m is None else number(m) for m in medians]))
    return lines


def scaling_lines(table: Table) -> list[str]:
    lines = _header(["ns per operation at"], table.allocators)
    for row in table.of_group("scaling"):
        medians = [table.cell(row, a).median(row.time) for a in table.allocators]
        lines.append(_line([row.name] + ["-" if m is None else number(m) for m in medians]))
    return lines


def markdown(table: Table, facts: dict[str, str], mode: str, notes: list[str]) -> str:
    loops, programs = table.of_group("loops"), table.of_group("programs")
    counted = table.of_group(*figures.MEANS_OVER)
    parts = [
        f"# Benchmark, {mode} run of {facts['date']}",
        "",
        machine.one_line(facts) + f"; commit {facts['commit']}; transparent huge pages: {facts['transparent huge pages']}.",
        "",
        "A ratio is a median over the best peer's median of that row; 1.00 and below is bold. `*`: the spread (interquartile range over "
        "median) is above 10%. Definitions: docs/PERFORMANCE.md.",
        *([""] + [f"- {n}" for n in notes] if notes else []),
        *["", "## Geometric means of the ratios to the best peer", "", *means_lines(table), "", *verdict_lines(table)],
    ]
    for title, rows in (("Loops", loops), ("Real programs", programs), ("Found by a sweep, not in the means", table.of_group("sweep"))):
        if rows:
            parts += ["", f"## {title}: time", "", *ratio_lines(table, rows, "time")]
            parts += ["", f"## {title}: memory", "", *ratio_lines(table, rows, "memory")]
    if table.of_group("promises"):
        parts += ["", "## Promises about memory", "", "Bold: within what collam promises.", "", *promise_lines(table)]
    if table.of_group("memory"):
        parts += ["", "## Memory over time", "", "Bold: within what collam aims at.", "", *promise_lines(table, "memory")]
    if table.of_group("scaling"):
        parts += ["", "## Scaling", "", *scaling_lines(table)]
    parts += ["", "## Latency", *latency_lines(table)] if any(r.histogram for r in table.rows) else []
    if counted:
        parts += ["", "## All figures", "", *absolute_lines(table, counted + table.of_group("promises", "memory", "sweep"))]
    return "\n".join(parts) + "\n"
