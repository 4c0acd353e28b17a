#!/usr/bin/env python3
"""Runs every one-fault program and checks how it ends.

    run.py --misuse PROGRAM --collam LIBRARY           each fault, without and with guard pages around every block, in abort and in
                                                       warn mode: exact status, exact message
    ... --hardened LIBRARY                             in the hardened build too
    ... --document docs/MISUSE.md                      the same as the published table says, as far as that is about collam
    run.py --misuse PROGRAM --collam LIBRARY --table   which fault is caught by which allocator (collam, glibc, and the
                                                       packaged peers that are installed), as Markdown
    ... --only NAME[,NAME]                             these faults alone
"""
import argparse
import ctypes.util
import os
import pathlib
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

PEERS = ["jemalloc", "mimalloc", "tcmalloc_minimal", "tbbmalloc_proxy", "hardened_malloc", "snmalloc", "rpmalloc", "scudo"]
LIMIT = 20
GLIBC = {"dies": ("abort", "segv")}
EMULATOR = []


class Run:
    """One program's end: how it died, what it said before."""

    def __init__(self, program, fault, library, options=""):
        environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "COLLAM_OPTIONS")}
        if library and EMULATOR:
            environment["QEMU_SET_ENV"] = "LD_PRELOAD=" + library
        elif library:
            environment["LD_PRELOAD"] = library
        if options:
            environment["COLLAM_OPTIONS"] = options
        try:
            done = subprocess.run([*EMULATOR, program, fault], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT,
                                  stdin=subprocess.DEVNULL)
            self.status = done.returncode
        except subprocess.TimeoutExpired as late:
            done = late
            self.status = "hang"
        self.lines = (done.stdout or b"").decode(errors="replace").splitlines()
        self.errors = (done.stderr or b"").decode(errors="replace").splitlines()
        if EMULATOR:
            self.errors = [line for line in self.errors if not line.startswith("qemu: uncaught target signal")]
        self.expected = [line[len("expect: "):] for line in self.lines if line.startswith("expect: ")]
        self.guarded = [line[len("guarded: "):] for line in self.lines if line.startswith("guarded: ")]
        self.hardened = [line[len("hardened: "):] for line in self.lines if line.startswith("hardened: ")]
        self.contents = "contents-seen" in self.lines
        self.passed = "passed" in self.lines
        self.survived = "survived" in self.lines
        self.twice = "handed-twice" in self.lines
        self.absent = "absent" in self.lines

    def word(self):
        """For the table."""
        if self.absent:
            return "absent"
        if self.status == "hang":
            return "hangs"
        late = ", late" if self.passed else ""
        if self.status == -signal.SIGABRT or (isinstance(self.status, int) and self.status > 0):
            return "**ends it**" + late
        if self.status == -signal.SIGSEGV and any(error.startswith("collam: ") for error in self.errors):
            return "**ends it**" + late
        if self.status in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGTRAP):
            return "crashes" + late
        if self.twice:
            return "block given twice"
        if self.contents:
            return "old contents seen"
        return "reported" if self.errors else "unnoticed"


def plain(word):
    """The word of misuse.def for a word of the table."""
    return {"**ends it**": "abort", "crashes": "segv", "unnoticed": "unnoticed", "old contents seen": "unnoticed", "block given twice": "twice",
            "absent": "absent"}.get(word.split(",")[0], word)


def faults(program, only):
    text = subprocess.run([*EMULATOR, program, "--list"], stdout=subprocess.PIPE, check=True).stdout.decode()
    rows = [line.split("\t") for line in text.splitlines()]
    if only:
        unknown = set(only) - {row[0] for row in rows}
        if unknown:
            sys.exit(f"no such fault: {', '.join(sorted(unknown))}")
        rows = [row for row in rows if row[0] in only]
    # The emulator itself does not survive a fork while a second thread lives.
    return [row for row in rows if not (EMULATOR and row[0].startswith("fork_other_thread"))]


def check_caught(run, warn, announced, end=signal.SIGABRT):
    """announced: the lines the program said would come. Lines that begin with two spaces tell the history of a guarded block."""
    if len(announced) != 1:
        return f"announced {len(announced)} lines"
    line = announced[0] + ("; ignored" if warn else "")
    if not run.errors:
        return f"said nothing, status {run.status}" + (", gave a block twice" if run.twice else "")
    if run.errors[0] != line:
        return f"said     {run.errors[0]}\n      expected {line}"
    more = [error for error in run.errors[1:] if not error.startswith("  ")]
    if more:
        return f"said more: {more[0]}"
    if warn:
        if run.twice:
            return "warned, then gave a block twice"
        return None if run.status == 0 and run.survived else f"warned, then status {run.status}"
    if run.status != -end:
        return f"status {run.status}, not {end.name}"
    return "noticed late, after the call had returned" if run.passed else None


def check_guarded(row, run, warn):
    if row[2] == "same":
        return check_caught(run, warn, run.expected) if row[1] == "caught" else check_unnoticed(run)
    if row[2] == "other":
        start = "".join(run.expected).split(")")[0]
        return check_caught(run, warn, [error.removesuffix("; ignored") for error in run.errors[:1] if error.startswith(start)])
    if not any(error.startswith("  allocated by thread") for error in run.errors):
        return f"no history of the block, said {run.errors[:1]}"
    return check_caught(run, warn, run.guarded, signal.SIGSEGV if row[2] == "access" else signal.SIGABRT)


def check_hardened(row, run):
    if row[3] == "same":
        return check_caught(run, False, run.expected) if row[1] == "caught" else check_unnoticed(run)
    if row[3] == "segv":
        return None if run.status == -signal.SIGSEGV and not run.errors else f"status {run.status}, said {run.errors[:1]}"
    ended = run.status == -signal.SIGABRT and run.errors and run.errors[0].startswith("collam: ")
    if row[3] == "chance" and run.status == 0:
        return None
    if not ended or (row[3] == "late" and run.errors[:1] != run.hardened):
        return f"status {run.status}, said {run.errors[:1]}" + (f", expected {run.hardened}" if row[3] == "late" else "")
    return None


def check_chance(run, warn):
    return check_caught(run, warn, run.expected) if run.errors else check_unnoticed(run)


def check_unnoticed(run):
    if run.status != 0 or run.errors or not (run.survived or run.twice):
        return f"status {run.status}, {run.errors[:1]}: it is listed as not noticed"
    return None


def published(path):
    """{fault: the words of collam's three columns} of the table that --table wrote once."""
    rows = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) > 3 and not cells[0].startswith("**") and cells[0] != "fault":
            rows.setdefault(cells[0], []).append(cells[1:4])
    return rows


def check_published(row, words, table):
    """Faults whose outcome chance decides may have any of their words."""
    for listed in table.get(title_of(row), []):
        if all(word == one or chance for word, one, chance in zip(words, listed, (row[1] == "chance", row[2] == "other", row[3] == "chance"))):
            return None
    return f"docs/MISUSE.md does not have a row with {', '.join(words)} (scripts/misuse-table.sh writes it)"


def title_of(row):
    return row[5].split(";")[0]


def check(options):
    rows = faults(options.misuse, options.only)
    table = published(options.document) if options.document else None
    bad = 0

    def one(row):
        abort = Run(options.misuse, row[0], options.collam)
        warn = Run(options.misuse, row[0], options.collam, "misuse=warn")
        guarded = Run(options.misuse, row[0], options.collam, "guard_rate=1")
        guarded_warn = Run(options.misuse, row[0], options.collam, "guard_rate=1,misuse=warn")
        result = {"guarded": check_guarded(row, guarded, False), "guarded, warn": check_guarded(row, guarded_warn, True)}
        if options.hardened:
            hardened = Run(options.misuse, row[0], options.hardened)
            result["hardened"] = check_hardened(row, hardened)
            if table is not None:
                result["document"] = check_published(row, [run.word() for run in (abort, guarded, hardened)], table)
        if row[1] == "caught":
            return {**result, "abort": check_caught(abort, False, abort.expected), "warn": check_caught(warn, True, warn.expected)}
        if row[1] == "chance":
            return {**result, "abort": check_chance(abort, False), "warn": check_chance(warn, True)}
        return {**result, "abort": check_unnoticed(abort), "warn": check_unnoticed(warn)}

    titles = {title_of(row) for row in rows}
    for title in sorted(table.keys() - titles) if table and not options.only else []:
        bad += 1
        print(f"docs/MISUSE.md has a row of no fault: {title}")
    with ThreadPoolExecutor(2) as pool:
        for row, result in zip(rows, pool.map(one, rows)):
            for mode, why in result.items():
                if why:
                    bad += 1
                    print(f"{row[0]} ({mode}): {why}")
    print(f"{(4 + bool(options.hardened) + bool(options.hardened and table)) * len(rows) - bad} passed, {bad} failed")
    return 1 if bad else 0


def allocators_of(options):
    """(name, library, options) of each column."""
    columns = [("collam", options.collam, ""), ("collam, guard_rate=1", options.collam, "guard_rate=1")]
    if options.hardened:
        columns.append(("collam hardened", options.hardened, ""))
    columns.append(("glibc", "", ""))
    for peer in PEERS:
        found = ctypes.util.find_library(peer)
        if found:
            columns.append((peer.removesuffix("_minimal").removesuffix("_proxy"), found, ""))
    return columns


def table(options):
    columns = allocators_of(options)
    rows = faults(options.misuse, options.only)
    ended = dict.fromkeys((name for name, _, _ in columns), 0)
    died = dict(ended)
    print("| fault | " + " | ".join(name for name, _, _ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    surprises = []
    for row in rows:
        words = []
        for name, library, settings in columns:
            word = Run(options.misuse, row[0], library, settings).word()
            ended[name] += word.startswith("**")
            died[name] += word.startswith("crashes")
            words.append(word)
            if name == "glibc" and plain(word) not in GLIBC.get(row[4], (row[4],)):
                surprises.append(f"{row[0]}: listed as {row[4]}, found {plain(word)}")
        print(f"| {title_of(row)} | " + " | ".join(words) + " |")
    print(f"| **ended with a message, of {len(rows)}** | " + " | ".join(str(ended[name]) for name, _, _ in columns) + " |")
    print("| **crashed without one** | " + " | ".join(str(died[name]) for name, _, _ in columns) + " |")
    for line in surprises:
        print(f"glibc differs from misuse.def: {line}", file=sys.stderr)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misuse", required=True)
    parser.add_argument("--collam", required=True)
    parser.add_argument("--hardened", default="")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--document", default="", help="docs/MISUSE.md: its columns about collam must say what happens")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--emulator", default="", help="command and arguments that run the program")
    options = parser.parse_args()
    EMULATOR.extend(options.emulator.split())
    return table(options) if options.table else check(options)


sys.exit(main())
