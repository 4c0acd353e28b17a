"""The statistics: medians with spread, ratios to the best peer of each row, geometric means, and the verdict.

Definitions (also in docs/PERFORMANCE.md):
  median     of a row's samples on one allocator
  spread     (third quartile - first quartile) / median; above 10% the cell and its row are marked
  best peer  the lowest median among the allocators that are not ours
  ratio      median / best peer's median, 1.00 being the fastest (or smallest) peer of that row
  mean       the geometric mean of an allocator's ratios over the rows of the groups loops and programs
"""

from __future__ import annotations

import dataclasses
import math
import statistics

from .allocators import Allocator
from .rows import Figure, Row
from .running import Sample

MEANS_OVER = ("loops", "programs")
WITH_SWEEP = (*MEANS_OVER, "sweep")
SPREAD_LIMIT = 0.10
NEAR_BEST_TIME = 1.1


@dataclasses.dataclass
class Cell:
    """One row on one allocator."""

    samples: list[Sample]

    @property
    def good(self) -> list[Sample]:
        return [s for s in self.samples if s.status == "ok"]

    @property
    def status(self) -> str:
        bad = [s.status for s in self.samples if s.status != "ok"]
        return bad[0] if bad else ("ok" if self.samples else "not measured")

    @property
    def note(self) -> str:
        return next((s.note for s in self.samples if s.note), "")

    def values(self, key: str) -> list[float]:
        return [s.values[key] for s in self.good if key in s.values]

    def median(self, key: str) -> float | None:
        # a single wrong or failed run makes the whole cell worthless: a crash must not be averaged away
        values = self.values(key)
        return statistics.median(values) if values and self.status == "ok" else None

    def text(self, key: str) -> str | None:
        texts = sorted({s.texts[key] for s in self.good if key in s.texts})
        return " or ".join(texts) if texts else None

    def spread(self, key: str) -> float:
        values = sorted(self.values(key))
        if len(values) < 3 or statistics.median(values) == 0:
            return 0.0
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        return (third - first) / abs(statistics.median(values))


class Table:
    """All cells, and what follows from them."""

    def __init__(self, rows: list[Row], allocators: list[Allocator], samples: list[Sample]) -> None:
        self.allocators = allocators
        self.peers = [a for a in allocators if not a.ours]
        measured = {s.row for s in samples}
        self.rows = [r for r in rows if r.name in measured]
        self.cells: dict[tuple[str, str], Cell] = {(r.name, a.name): Cell([]) for r in self.rows for a in allocators}
        for sample in samples:
            if (sample.row, sample.allocator) in self.cells:
                self.cells[sample.row, sample.allocator].samples.append(sample)

    def cell(self, row: Row, allocator: Allocator) -> Cell:
        return self.cells[row.name, allocator.name]

    def of_group(self, *groups: str) -> list[Row]:
        return [r for r in self.rows if r.group in groups]

    def key(self, row: Row, kind: str) -> str:
        return row.time if kind == "time" else row.memory

    def best_peer(self, row: Row, key: str) -> tuple[Allocator, float] | None:
        known = [(a, m) for a in self.peers if (m := self.cell(row, a).median(key)) is not None]
        return min(known, key=lambda pair: pair[1]) if known else None

    def ratio(self, row: Row, allocator: Allocator, kind: str) -> float | None:
        key = self.key(row, kind)
        best, own = self.best_peer(row, key), self.cell(row, allocator).median(key)
        if kind == "time" and best is not None and self.cell(row, allocator).status == "timeout":
            return self._timeout_ratio(row, allocator, best[0])
        return own / best[1] if best is not None and own is not None and best[1] > 0 else None

    def _timeout_ratio(self, row: Row, allocator: Allocator, best: Allocator) -> float | None:
        """A run that was ended was at least this much slower: leaving it out of the mean would reward it."""
        ended_after = max(s.values.get("wall_s", 0.0) for s in self.cell(row, allocator).samples)
        wall = self.cell(row, best).median("wall_s")
        return ended_after / wall if wall else None

    def mean(self, allocator: Allocator, kind: str, groups: tuple[str, ...] = MEANS_OVER) -> tuple[float | None, int]:
        """The geometric mean of the ratios, and over how many rows it was taken."""
        ratios = [r for row in self.of_group(*groups) if (r := self.ratio(row, allocator, kind)) is not None]
        return (math.exp(statistics.fmean(map(math.log, ratios))), len(ratios)) if ratios else (None, 0)

    def noisy(self, row: Row) -> list[str]:
        """The allocators whose times of this row spread by more than the limit."""
        return [a.name for a in self.allocators if self.cell(row, a).spread(self.key(row, "time")) > SPREAD_LIMIT]

    def uncertainty(self, row: Row, settled: set[tuple[str, str]]) -> float:
        """How far the median of the noisy allocator that spreads most may be off, relative to those of other rows: the more samples, the
        less. 0 where none is noisy but those that are not run again."""
        cells = [self.cell(row, a) for a in self.allocators if a.name in self.noisy(row) and (row.name, a.name) not in settled]
        return max((c.spread(self.key(row, "time")) / math.sqrt(len(c.good)) for c in cells), default=0.0)


@dataclasses.dataclass
class Verdict:
    """What collam set out to reach, and where it is."""

    best_time_peer: str
    time_against_best: float  # goal: <= 0.90
    best_memory_peer: str  # of those within NEAR_BEST_TIME of the best time
    memory_against_best: float  # goal: <= 0.85
    slower_rows: list[tuple[str, float]]  # rows where a peer is first, with the ratio, the worst before the others
    larger_rows: list[tuple[str, float]]


def verdict(table: Table, ours: Allocator, groups: tuple[str, ...] = MEANS_OVER) -> Verdict | None:
    means = {a.name: (table.mean(a, "time", groups)[0], table.mean(a, "memory", groups)[0]) for a in [*table.peers, ours]}
    known = {n: (t, m) for n, (t, m) in means.items() if t is not None and m is not None}
    peers = {n: v for n, v in known.items() if n != ours.name}
    if ours.name not in known or not peers:
        return None
    best_time = min(peers, key=lambda n: peers[n][0])
    quick_enough = {n: m for n, (t, m) in peers.items() if t <= NEAR_BEST_TIME * peers[best_time][0]}
    best_memory = min(quick_enough, key=lambda n: quick_enough[n])
    behind = {kind: [(row.name, ratio) for row in table.of_group(*groups)
                     if (ratio := table.ratio(row, ours, kind)) is not None and ratio > 1.0] for kind in ("time", "memory")}
    for rows in behind.values():
        rows.sort(key=lambda pair: -pair[1])
    return Verdict(best_time, known[ours.name][0] / peers[best_time][0], best_memory, known[ours.name][1] / quick_enough[best_memory],
                   behind["time"], behind["memory"])


def promise_value(table: Table, row: Row, figure: Figure, allocator: Allocator) -> float | str | None:
    cell = table.cell(row, allocator)
    text = cell.text(figure.key)
    if text is not None:
        return text
    median = cell.median(figure.key)
    return median * figure.scale if median is not None else None


def promise_kept(table: Table, row: Row, figure: Figure, allocator: Allocator) -> bool | None:
    """Whether the allocator holds what collam promises; None when nothing is promised or nothing was measured."""
    value = promise_value(table, row, figure, allocator)
    if figure.limit is None or value is None:
        return None
    if figure.limit == "best":
        others = [promise_value(table, row, figure, a) for a in table.peers if a != allocator]
        numbers = [o for o in others if isinstance(o, float)]
        return bool(numbers) and isinstance(value, float) and value <= min(numbers)
    if isinstance(figure.limit, str):
        return value == figure.limit
    return isinstance(value, float) and value <= figure.limit
