#!/usr/bin/python3
"""Runs the benchmark and writes its reports. Called by scripts/bench.sh, which builds the binaries first.

Output (bench/out/ by default): report.md, samples.csv, report.html, summary.svg, and run.json, from which
`run.py --report DIRECTORY` makes the others again.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import json
import pathlib
import shutil
import sys
import time

from benchlib import allocators, figures, machine, report_html, report_text, rows, running
from benchlib.figures import Table

ROOT = pathlib.Path(__file__).resolve().parents[1]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description="Compares collam with other allocators.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--short", dest="mode", action="store_const", const="short", help="under ten minutes (default)")
    mode.add_argument("--full", dest="mode", action="store_const", const="full", help="under an hour, with the largest heaps")
    parser.set_defaults(mode="short")
    parser.add_argument("--only", metavar="PATTERN",
                        help="rows whose name holds the pattern (or a group: loops, programs, promises, memory, sweep, scaling); commas join several")
    parser.add_argument("--allocators", metavar="A,B", help="only these allocators")
    parser.add_argument("--peer", metavar="NAME=PATH[,VAR=VALUE]", action="append", default=[], help="one more allocator (repeatable)")
    parser.add_argument("--ours", metavar="NAME=PATH[,VAR=VALUE]", action="append", default=[],
                        help="one more build or setting of collam: compared, but no peer")
    parser.add_argument("--rounds", type=int, help="samples per row and allocator (default 5)")
    parser.add_argument("--minutes", type=float,
                        help="go on with loops and programs whose spread is above 10%% until so many minutes have passed in all")
    parser.add_argument("--save", metavar="DIRECTORY", type=pathlib.Path,
                        help="keep the reports there too, e.g. docs/results/2025-01-01-full")
    parser.add_argument("--list", action="store_true", help="name the rows and allocators, and stop")
    parser.add_argument("--report", metavar="DIRECTORY", type=pathlib.Path, help="make the reports again from DIRECTORY/run.json")
    parser.add_argument("--binaries", type=pathlib.Path, default=ROOT / "build/bench", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.report is not None and not (options.report / "run.json").is_file():
        parser.error(f"--report: there is no {options.report}/run.json")
    if options.minutes is not None and not options.minutes > 0:
        parser.error("--minutes: more than 0")
    return options


def write_reports(data: dict, directory: pathlib.Path) -> None:
    """All reports are functions of what run.json holds."""
    table = Table(
        [rows.from_json(r) for r in data["rows"]],
        [allocators.Allocator(**(a | {"environment": tuple(map(tuple, a["environment"]))})) for a in data["allocators"]],
        [running.Sample(**s) for s in data["samples"]],
    )
    facts, mode, notes = data["machine"], data["mode"], data["notes"]
    (directory / "report.md").write_text(report_text.markdown(table, facts, mode, notes), encoding="utf-8")
    report_text.write_csv(table, directory / "samples.csv")
    (directory / "summary.svg").write_text(report_html.summary(table, facts, mode), encoding="utf-8")
    (directory / "report.html").write_text(report_html.page(table, facts, mode, notes), encoding="utf-8")


def noisy_rows(wanted: list[rows.Row], chosen: list[allocators.Allocator], runner: running.Runner) -> list[rows.Row]:
    """The rows of the means of which the times of some allocator that still runs there spread too much, the most uncertain first."""
    table = Table(wanted, chosen, runner.samples)
    uncertain = {r.name: table.uncertainty(r, runner.settled) for r in table.of_group(*figures.MEANS_OVER)}
    return sorted((r for r in table.rows if uncertain.get(r.name)), key=lambda r: uncertain[r.name], reverse=True)


def measure(options: argparse.Namespace) -> dict:
    chosen, notes = allocators.discover(options.peer, options.ours, options.allocators)
    wanted = rows.load(options.mode, options.only)
    if options.list:
        print("\n".join(f"{r.group:9} {r.name}" for r in wanted))
        print("allocators: " + ", ".join(a.name for a in chosen))
        sys.exit(0)
    facts = machine.describe(ROOT)
    work = options.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    lock = open(work / "lock", "w", encoding="ascii")  # held until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another benchmark is running in {work}: two would only measure each other") from None
    runner = running.Runner(options.binaries.resolve(), work.resolve(), options.mode, options.rounds)
    started = time.monotonic()
    runner.prepare(wanted)
    try:
        runner.run(wanted, chosen)
        if options.minutes is not None:
            runner.run_on(lambda: noisy_rows(wanted, chosen, runner), chosen, started + 60 * options.minutes)
    except KeyboardInterrupt:
        notes.append("The run was interrupted: later rounds are missing.")
    facts["duration"] = f"{(time.monotonic() - started) / 60:.1f} min"
    notes += [f"{name} could not be prepared and was not measured: {why}" for name, why in runner.unprepared.items()]
    if runner.samples and not any("instructions" in s.values for s in runner.samples):
        notes.append("Instructions were not counted: this machine gives no access to its counters (perf_event_open).")
    return {
        "machine": facts,
        "mode": options.mode,
        "notes": notes,
        "rows": [rows.to_json(r) for r in wanted],
        "allocators": [dataclasses.asdict(a) for a in chosen],
        "samples": [dataclasses.asdict(s) for s in runner.samples],
    }


def main() -> None:
    options = parse()
    if options.report is not None:
        write_reports(json.loads((options.report / "run.json").read_text()), options.report)
        return
    data = measure(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "run.json").write_text(json.dumps(data, separators=(",", ":")))
    write_reports(data, options.out)
    if options.save is not None:
        options.save.mkdir(parents=True, exist_ok=True)
        for name in ("report.md", "samples.csv", "report.html", "summary.svg"):
            shutil.copy(options.out / name, options.save / name)
    running.say(f"{data['machine']['duration']}; {options.out}/report.md, report.html, samples.csv, summary.svg")


if __name__ == "__main__":
    main()
