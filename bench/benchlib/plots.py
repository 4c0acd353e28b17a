"""The report's plots, each a function from the table to SVG text."""

from __future__ import annotations

import math

from . import svg
from .figures import Table
from .report_text import memory_text, number, time_text
from .rows import Row
from .svg import Axis, Canvas


def palette(table: Table) -> dict[str, str]:
    return svg.colours([(a.name, a.ours) for a in table.allocators])


def ours(table: Table) -> set[str]:
    return {a.name for a in table.allocators if a.ours}


def _mark(canvas: Canvas, x: float, y: float, name: str, colour: str, emphasis: set[str], title: str) -> None:
    if name in emphasis:
        canvas.diamond(x, y, colour, title=title)
    else:
        canvas.dot(x, y, colour, title=title)


def means(table: Table, caption: list[str], width: float = 860, height: float = 500) -> str:
    """Geometric mean of time against that of memory, one dot per allocator: the README's picture."""
    canvas = Canvas(width, height, "Time against memory of all allocators")
    colour, emphasis = palette(table), ours(table)
    points = []
    for allocator in table.allocators:
        time, memory = table.mean(allocator, "time")[0], table.mean(allocator, "memory")[0]
        if time is not None and memory is not None:
            points.append((allocator.name, time, memory))
    highest = [max([p[i] for p in points] + [1.2]) * 1.06 for i in (1, 2)]
    lowest = [min([p[i] for p in points] + [1.0]) * 0.94 for i in (1, 2)]
    x = Axis(lowest[0], highest[0], 74, width - 40, log=True)
    y = Axis(lowest[1], highest[1], height - 76, 64, log=True)
    canvas.text(20, 28, "Time and memory together: nearer to the lower left corner is better", 16, weight="600")
    canvas.text(20, 47, "geometric mean of each allocator's ratio to the best peer of every row; "
                "(1, 1) would be the best peer in every row at once", 12, fill=svg.FAINT)
    canvas.frame(x, y, "time, ratio", "peak RSS, ratio")
    canvas.line(x.at(1), y.start, x.at(1), y.stop, svg.FAINT, 1, "4 4")
    canvas.line(x.start, y.at(1), x.stop, y.at(1), svg.FAINT, 1, "4 4")
    spots = [(x.at(t), y.at(m), f"{n} {t:.2f} / {m:.2f}") for n, t, m in points]
    for (name, time, memory), (px, py, text), (lx, ly, anchor) in zip(points, spots, svg.place_labels(spots, width - 8)):
        _mark(canvas, px, py, name, colour[name], emphasis, f"{name}: time {time:.3f}, memory {memory:.3f}")
        canvas.text(lx, ly, text, 12.5, anchor, colour[name], "700" if name in emphasis else "500", halo=True)
    for index, text in enumerate(caption):
        canvas.text(20, height - 24 + 14 * index, text, 10.5, fill=svg.FAINT)
    return str(canvas)


RATIO_HIGH = 10.0


def ratios(table: Table, rows: list[Row], kind: str, width: float = 1060) -> str:
    """One line per row, one dot per allocator: its ratio to the best peer, up to 10 on a log scale."""
    colour, emphasis = palette(table), ours(table)
    line_height, left = 22, 270
    known = [r for row in rows for a in table.allocators if (r := table.ratio(row, a, kind)) is not None]
    lowest, highest = min([*known, 0.8]), min(max([*known, 1.9]) * 1.05, RATIO_HIGH)
    canvas = Canvas(width, len(rows) * line_height + 120, f"{kind} ratio per row")
    below = canvas.legend(left, 22, colour, width, emphasis)
    top, bottom = below + 6, below + 6 + len(rows) * line_height
    x = Axis(max(lowest * 0.95, 0.05), highest, left, width - 30, log=True)
    for index in range(0, len(rows), 2):
        canvas.rect(0, top + index * line_height, width, line_height, "#f6f8fa")
    for tick in (0.1, 0.2, 0.5, 0.7, 1, 1.25, 1.5, 2, 3, 5, 10):
        if x.low <= tick <= x.high:
            canvas.line(x.at(tick), top, x.at(tick), bottom, svg.FAINT if tick == 1 else svg.GRID, 1.5 if tick == 1 else 1)
            canvas.text(x.at(tick), bottom + 16, f"{tick:g}" + ("+" if tick == RATIO_HIGH else ""), 11, "middle", svg.FAINT)
    word = "time" if kind == "time" else "memory"
    edge = "; beyond 10 at the edge" if highest == RATIO_HIGH else ""
    canvas.text((x.start + x.stop) / 2, bottom + 36, f"{word}, ratio to the best peer of the row (log scale{edge})", 12, "middle")
    for index, row in enumerate(rows):
        y = top + (index + 0.5) * line_height
        canvas.text(left - 12, y + 4, row.name + (" *" if kind == "time" and table.noisy(row) else ""), 12, "end")
        canvas.line(x.start, y, x.stop, y)
        # ours last, so that it lies on top
        for allocator in sorted(table.allocators, key=lambda a: a.ours):
            ratio = table.ratio(row, allocator, kind)
            if ratio is None:
                continue
            value = table.cell(row, allocator).median(table.key(row, kind))
            shown = "" if value is None else (time_text(row, value) if kind == "time" else memory_text(value))
            _mark(canvas, x.at(ratio), y, allocator.name, colour[allocator.name], emphasis,
                  f"{row.name}\n{allocator.name}: {ratio:.2f} x ({shown})")
    return str(canvas)


def scatter(table: Table, rows: list[Row], width: float = 860, height: float = 520) -> str:
    """Time ratio against memory ratio of every row and allocator."""
    colour, emphasis = palette(table), ours(table)
    canvas = Canvas(width, height, "time against memory, every row")
    below = canvas.legend(74, 22, colour, width, emphasis)
    points = []
    for row in rows:
        for allocator in sorted(table.allocators, key=lambda a: a.ours):
            pair = table.ratio(row, allocator, "time"), table.ratio(row, allocator, "memory")
            if pair[0] is not None and pair[1] is not None:
                points.append((row.name, allocator.name, pair[0], pair[1]))
    if not points:
        return ""
    x = Axis(min([p[2] for p in points] + [0.8]) * 0.95, RATIO_HIGH, 74, width - 30, log=True)
    y = Axis(min([p[3] for p in points] + [0.8]) * 0.95, RATIO_HIGH, height - 56, below + 4, log=True)
    canvas.frame(x, y, "time, ratio to the best peer of the row", "memory, ratio to the best peer of the row")
    canvas.line(x.at(1), y.start, x.at(1), y.stop, svg.FAINT, 1, "4 4")
    canvas.line(x.start, y.at(1), x.stop, y.at(1), svg.FAINT, 1, "4 4")
    for name, allocator, time, memory in points:
        title = f"{name}\n{allocator}: time {time:.2f} x, memory {memory:.2f} x"
        if allocator in emphasis:
            canvas.diamond(x.at(time), y.at(memory), colour[allocator], 5.5, title)
        else:
            canvas.dot(x.at(time), y.at(memory), colour[allocator], 3.6, title, 0.65)
    return str(canvas)


def parse_pairs(text: str) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in (pair.split(":") for pair in text.split(","))]


def _histogram(table: Table, row: Row, allocator: str, call: str) -> dict[float, float]:
    """Counts per latency bucket (ns), all rounds together."""
    total: dict[float, float] = {}
    for sample in table.cells[row.name, allocator].good:
        for ns, count in parse_pairs(sample.texts.get(f"hist.{call}", "") or "0:0"):
            # the clock's rate is measured anew in each process: buckets are made the same by rounding to 1/16 of a power of two
            bucket = 2.0 ** (round(math.log2(max(ns, 1.0)) * 8) / 8)
            total[bucket] = total.get(bucket, 0.0) + count
    return {k: v for k, v in sorted(total.items()) if v > 0}


def latency_tails(table: Table, row: Row, call: str, width: float = 520, height: float = 380) -> str:
    """The share of calls that took longer than t."""
    colour, emphasis = palette(table), ours(table)
    canvas = Canvas(width, height, f"latency of {call}")
    canvas.text(20, 22, f"{call}: share of calls that took longer", 14, weight="600")
    below = canvas.legend(20, 46, colour, width, emphasis)
    found = {a.name: h for a in table.allocators if (h := _histogram(table, row, a.name, call))}
    if not found:
        return ""
    x = Axis(10, max(max(h) for h in found.values()) * 1.3, 70, width - 24, log=True)
    y = Axis(1e-7, 1, height - 54, below, log=True)
    canvas.frame(x, y, "ns", "", x_ticks=7, y_format=lambda v: f"{100 * v:g}%")
    for name in sorted(found, key=lambda n: n in emphasis):
        total, above = sum(found[name].values()), sum(found[name].values())
        points = []
        for ns, count in found[name].items():
            points.append((x.at(ns), y.at(max(above / total, 1e-7))))
            above -= count
            points.append((x.at(ns), y.at(max(above / total, 1e-7))))
        canvas.path(points, colour[name], 2.6 if name in emphasis else 1.6, name)
    return str(canvas)


def latency_histograms(table: Table, row: Row, call: str, width: float = 1060) -> str:
    """One small histogram per allocator, on the same axes; the counts are logarithmic, or the tail would vanish."""
    colour = palette(table)
    found = {a.name: h for a in table.allocators if (h := _histogram(table, row, a.name, call))}
    if not found:
        return ""
    columns = 4
    panel_width, panel_height = width / columns, 178
    lines = math.ceil(len(found) / columns)
    canvas = Canvas(width, lines * panel_height + 30, f"latency histograms of {call}")
    canvas.text(20, 20, f"{call}: calls per latency bucket (both axes logarithmic)", 14, weight="600")
    most = max(max(h.values()) for h in found.values())
    longest = max(max(h) for h in found.values())
    for index, (name, histogram) in enumerate(found.items()):
        left, top = index % columns * panel_width, 34 + index // columns * panel_height
        x = Axis(10, longest * 1.3, left + 44, left + panel_width - 12, log=True)
        y = Axis(0.5, most * 1.5, top + panel_height - 42, top + 20, log=True)
        canvas.frame(x, y, "ns", "", x_ticks=4, y_ticks=3)
        canvas.text(left + 48, top + 14, name, 12, fill=colour[name], weight="600")
        for ns, count in histogram.items():
            if ns >= x.low:
                canvas.rect(x.at(ns), y.at(count), x.at(ns * 2**0.125) - x.at(ns), y.start - y.at(count), colour[name],
                            f"{ns:.0f} ns: {count:g} calls")
    return str(canvas)


def _median_curves(table: Table, row: Row, key: str) -> dict[str, list[tuple[float, float]]]:
    """Each allocator's series, of the sample whose duration is the median one."""
    curves = {}
    for allocator in table.allocators:
        good = [s for s in table.cell(row, allocator).good if key in s.texts]
        if good:
            good.sort(key=lambda s: s.values.get("wall_s", 0.0))
            curves[allocator.name] = parse_pairs(good[len(good) // 2].texts[key])
    return curves


def _over_time(table: Table, row: Row, curves: dict[str, list[tuple[float, float]]], label: str, lowest: float,
               width: float = 520, height: float = 360) -> str:
    """The values of the curves (milliseconds, value) over time."""
    colour, emphasis = palette(table), ours(table)
    canvas = Canvas(width, height, f"{label} over time: {row.name}")
    canvas.text(20, 22, row.name, 14, weight="600")
    below = canvas.legend(20, 46, {n: colour[n] for n in curves}, width, emphasis)
    # one very slow allocator must not squeeze the others into a corner
    ends = sorted(c[-1][0] for c in curves.values())
    x = Axis(0, min(ends[-1], 2.0 * ends[len(ends) // 2]) / 1000, 70, width - 24)
    y = Axis(lowest, max(v for c in curves.values() for _, v in c) * 1.05, height - 54, below)
    canvas.frame(x, y, "seconds", label, x_ticks=6)
    for name in sorted(curves, key=lambda n: n in emphasis):
        inside = [(x.at(ms / 1000), y.at(value)) for ms, value in curves[name] if ms / 1000 <= x.high and value > 0]
        canvas.path(inside, colour[name], 2.6 if name in emphasis else 1.6, name)
    return str(canvas)


def rss_over_time(table: Table, row: Row) -> str:
    curves = {name: [(ms, kib / 1024) for ms, kib in curve] for name, curve in _median_curves(table, row, "series.rss").items()}
    return _over_time(table, row, curves, "RSS, MiB", 0) if curves else ""


def rss_over_live(table: Table, row: Row) -> str:
    curves = {name: curve for name, curve in _median_curves(table, row, "series.rss_live").items() if len(curve) > 2}
    return _over_time(table, row, curves, "RSS / live", 1) if curves else ""


def scaling(table: Table, family: str, width: float = 520, height: float = 360) -> str:
    colour, emphasis = palette(table), ours(table)
    rows = [r for r in table.of_group("scaling") if r.family == family]
    curves = {}
    for allocator in table.allocators:
        points = [(r.x, m) for r in rows if (m := table.cell(r, allocator).median(r.time)) is not None]
        if points:
            curves[allocator.name] = points
    if len(rows) < 2 or not curves:
        return ""
    canvas = Canvas(width, height, f"cost per operation against {family}")
    canvas.text(20, 22, f"cost of an operation against {family}", 14, weight="600")
    below = canvas.legend(20, 46, {n: colour[n] for n in curves}, width, emphasis)
    values = [v for c in curves.values() for _, v in c]
    x = Axis(rows[0].x, rows[-1].x, 70, width - 24, log=True)
    y = Axis(min(values) * 0.8, max(values) * 1.25, height - 54, below, log=True)
    canvas.frame(x, y, family, "ns per operation")
    for name in sorted(curves, key=lambda n: n in emphasis):
        canvas.path([(x.at(a), y.at(b)) for a, b in curves[name]], colour[name], 2.6 if name in emphasis else 1.6, name)
        for a, b in curves[name]:
            _mark(canvas, x.at(a), y.at(b), name, colour[name], emphasis, f"{name}: {family} {a:g}: {number(b)} ns")
    return str(canvas)
