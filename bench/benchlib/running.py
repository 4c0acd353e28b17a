"""Running: every row on every allocator in turn (A B C, A B C, ...), one process at a time, through the launcher."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

from .allocators import Allocator
from .rows import Row

# An allocator that twice takes this much longer in a row than the quickest one, and at least slow_seconds, is not run there again: two
# samples say enough about being five times slower, and the time goes to rows that are close.
SLOW_FACTOR = 5.0
SLOW_TIMES = 2

# A sample that waited for this many pages from the disk measured the disk, and whoever comes next finds them in memory: it is taken again.
FROM_DISK = 4
AGAIN_AT_MOST = 2


@dataclasses.dataclass
class Limits:
    rounds: int
    timeout_s: float
    slow_seconds: float


LIMITS = {"short": Limits(rounds=5, timeout_s=6.0, slow_seconds=1.0), "full": Limits(rounds=5, timeout_s=40.0, slow_seconds=4.0)}


@dataclasses.dataclass
class Sample:
    row: str
    allocator: str
    round: int
    order: int  # counts all samples of the run
    status: str = "ok"  # ok, timeout, failed, wrong output, not measured
    note: str = ""
    values: dict[str, float] = dataclasses.field(default_factory=dict)
    texts: dict[str, str] = dataclasses.field(default_factory=dict)


class Runner:
    def __init__(self, binaries: pathlib.Path, work: pathlib.Path, mode: str, rounds: int | None) -> None:
        self.binaries = binaries
        self.work = work
        self.mode = mode
        self.limits = dataclasses.replace(LIMITS[mode], rounds=rounds or LIMITS[mode].rounds)
        self.samples: list[Sample] = []
        self.expected: dict[str, str] = {}  # hash of a program's right output
        self.settled: set[tuple[str, str]] = set()  # pairs of row and allocator that are not run again
        self.slow: dict[tuple[str, str], int] = {}  # how often such a pair was much slower than the quickest
        self.row_seconds: dict[str, float] = {}  # what a round of the row took last
        self.told: set[tuple[str, str]] = set()  # failures that have been reported
        self.unprepared: dict[str, str] = {}

    # ---- one run ----

    def _launch(self, row: Row, allocator: Allocator) -> tuple[dict[str, str], str, str]:
        """Returns the launcher's figures, the program's standard output, and its standard error."""
        result, output = self.work / "result", self.work / "output"
        for stale in (result, output):
            stale.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "COLLAM_OPTIONS", "MALLOC_ARENA_MAX")}
        environment |= dict(allocator.environment)
        environment |= {"LC_ALL": "C", "TZ": "UTC"}
        command = [self.binaries / "collam-bench-launch", "--result", result, "--output", output,
                   "--timeout-ms", int(self.limits.timeout_s * 1000)]
        if row.series:
            command += ["--sample-ms", 5 if self.mode == "short" else 20]
        if row.memory_limit:
            command += ["--memory-limit", row.memory_limit]
        if row.thp:
            command += ["--thp", row.thp]
        if row.script is not None:
            # the script preloads the allocator into the program it measures, not into its shell and helpers
            environment |= {"BENCH_PRELOAD": allocator.library or "", "BENCH_DIR": str(self._directory(row)), "BENCH_SIZE": self.mode}
            command += ["--", "sh", row.script, "run"]
        else:
            if allocator.library is not None:
                command += ["--preload", allocator.library]
            command += ["--", self.binaries / "collam-bench", *row.arguments]
        done = subprocess.run([str(c) for c in command], env=environment, cwd=self.work, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False)
        figures = parse_lines(result.read_text()) if result.exists() else {}
        text = output.read_text(errors="replace") if output.exists() else ""
        return figures, text, done.stderr

    def _directory(self, row: Row) -> pathlib.Path:
        return self.work / "programs" / f"{row.name}-{self.mode}"

    def _sample(self, row: Row, allocator: Allocator, round_number: int) -> Sample:
        sample = Sample(row.name, allocator.name, round_number, len(self.samples))
        figures, text, errors = self._launch(row, allocator)
        if "no_cgroup" in figures:
            sample.status, sample.note = "not measured", "this machine lets us create no memory cgroup"
            return sample
        if "no_thp" in figures:
            sample.status, sample.note = "not measured", f"transparent huge pages are not {row.thp} here; COLLAM_BENCH_THP=1 lets a row set them"
            return sample
        if row.script is None:
            figures |= parse_lines(text)
        for key, value in figures.items():
            try:
                sample.values[key] = float(value)
            except ValueError:
                sample.texts[key] = value
        if sample.values.get("timed_out"):
            sample.status, sample.note = "timeout", f"ended after {self.limits.timeout_s:g} s"
        elif row.memory_limit and sample.values.get("signal") == 9:
            pass  # the kernel's verdict is this row's figure
        elif sample.values.get("exit") != 0:
            sample.status = "failed"
            signal, code = sample.values.get("signal", 0), sample.values.get("exit", -1)
            reason = f"signal {signal:g}" if signal else f"exit {code:g}"
            sample.note = f"{reason}: {' '.join(errors.split())[-300:]}"
        elif row.script is not None:
            self._check_output(row, sample, text)
        return sample

    def _check_output(self, row: Row, sample: Sample, text: str) -> None:
        """All allocators must make a program print the same; the first run, on the system's malloc, says what."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        if not text:
            sample.status, sample.note = "wrong output", "the program printed nothing"
        elif self.expected.setdefault(row.name, digest) != digest:
            sample.status, sample.note = "wrong output", f"differs from the first run: {text[-200:]!r}"

    # ---- all runs ----

    def prepare(self, rows: list[Row]) -> None:
        """Makes the inputs of the real programs, outside of any measurement."""
        for row in rows:
            if row.script is None:
                continue
            directory = self._directory(row)
            directory.mkdir(parents=True, exist_ok=True)
            environment = os.environ | {"BENCH_DIR": str(directory), "BENCH_SIZE": self.mode, "LC_ALL": "C", "TZ": "UTC"}
            done = subprocess.run(["sh", str(row.script), "prepare"], env=environment, cwd=directory, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", check=False)
            if done.returncode != 0:
                self.unprepared[row.name] = " ".join((done.stderr or done.stdout).split())[-300:]
                say(f"{row.name}: cannot be prepared: {self.unprepared[row.name]}")

    def run(self, rows: list[Row], allocators: list[Allocator]) -> None:
        rows = [r for r in rows if r.name not in self.unprepared]
        started = time.monotonic()
        for round_number in range(self.limits.rounds):
            for position, row in enumerate(rows):
                if not row.rounds or round_number < row.rounds:
                    self._round(row, allocators, round_number, position)
            say(f"round {round_number + 1} of {self.limits.rounds} done after {time.monotonic() - started:.0f} s")

    def run_on(self, noisy: Callable[[], list[Row]], allocators: list[Allocator], deadline: float) -> None:
        """Further rounds of the rows that `noisy` names before each, until there is no time for one more of them."""
        before, round_number = len(self.samples), self.limits.rounds
        fits = True
        while fits and (rows := noisy()):
            for position, row in enumerate(rows):
                fits = time.monotonic() + self.row_seconds[row.name] <= deadline
                if not fits:
                    break
                self._round(row, allocators, round_number, position)
            round_number += 1
        say(f"{len(self.samples) - before} further samples of noisy rows")

    def _round(self, row: Row, allocators: list[Allocator], round_number: int, position: int) -> None:
        started = time.monotonic()
        # another allocator goes first in each round, so that none always meets the same state of the machine
        shift = (round_number + position) % len(allocators) if round_number > 0 else 0
        for allocator in allocators[shift:] + allocators[:shift]:
            if (row.name, allocator.name) not in self.settled:
                self.samples.append(self._sample_from_memory(row, allocator, round_number))
        self._settle(row, round_number)
        self.row_seconds[row.name] = time.monotonic() - started

    def _sample_from_memory(self, row: Row, allocator: Allocator, round_number: int) -> Sample:
        for _ in range(AGAIN_AT_MOST):
            sample = self._sample(row, allocator, round_number)
            # near a memory limit the kernel drops pages of files itself, and what it decides there is the row's figure
            if row.memory_limit or sample.status != "ok" or sample.values.get("major_faults", 0.0) < FROM_DISK:
                return sample
        return self._sample(row, allocator, round_number)

    def _settle(self, row: Row, round_number: int) -> None:
        now = [s for s in self.samples if s.row == row.name and s.round == round_number]
        quickest = min((s.values.get("wall_s", 0.0) for s in now if s.status == "ok"), default=0.0)
        for sample in now:
            wall = sample.values.get("wall_s", 0.0)
            pair = (row.name, sample.allocator)
            if sample.status == "ok" and round_number < self.limits.rounds and wall > self.limits.slow_seconds and wall > SLOW_FACTOR * quickest:
                self.slow[pair] = self.slow.get(pair, 0) + 1
            if sample.status in ("timeout", "not measured") or self.slow.get(pair, 0) == SLOW_TIMES:
                self.settled.add(pair)
                if sample.status == "ok":
                    sample.note = f"twice more than {SLOW_FACTOR:g} times slower than the quickest: not repeated"
            if sample.status not in ("ok", "not measured") and pair not in self.told:
                self.told.add(pair)
                say(f"{row.name} on {sample.allocator}: {sample.status}: {sample.note}")


def parse_lines(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator and " " not in key:
            found[key] = value
    return found


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
