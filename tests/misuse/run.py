#!/usr/bin/env python3
"""Runs every one-fault program and checks how it ends.

    run.py --misuse PROGRAM --collam LIBRARY           each fault in abort and in warn mode: exact status, exact message
    run.py --misuse PROGRAM --collam LIBRARY --table   which fault is caught by which allocator (collam, glibc, and the
                                                       packaged peers that are installed), as Markdown
    ... --only NAME[,NAME]                             these faults alone
"""
import argparse
import ctypes.util
import os
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
        if self.status in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGTRAP):
            return "crashes" + late
        if self.twice:
            return "block given twice"
        return "reported" if self.errors else "unnoticed"


def plain(word):
    """The word of misuse.def for a word of the table."""
    return {"**ends it**": "abort", "crashes": "segv", "unnoticed": "unnoticed", "block given twice": "twice",
            "absent": "absent"}.get(word.split(",")[0], word)


def faults(program, only):
    text = subprocess.run([*EMULATOR, program, "--list"], stdout=subprocess.PIPE, check=True).stdout.decode()
    rows = [line.split("\t") for line in text.splitlines()]
    if only:
        unknown = set(only) - {row[0] for row in rows}
        if unknown:
            sys.exit(f"no such fault: {', '.join(sorted(unknown))}")
        rows = [row for row in rows if row[0] in only]
    return rows


def check_caught(run, warn):
    if len(run.expected) != 1:
        return f"announced {len(run.expected)} lines"
    line = run.expected[0] + ("; ignored" if warn else "")
    if not run.errors:
        return f"said nothing, status {run.status}" + (", gave a block twice" if run.twice else "")
    if run.errors[0] != line:
        return f"said     {run.errors[0]}\n      expected {line}"
    if len(run.errors) != 1:
        return f"said more: {run.errors[1]}"
    if warn:
        if run.twice:
            return "warned, then gave a block twice"
        return None if run.status == 0 and run.survived else f"warned, then status {run.status}"
    if run.status != -signal.SIGABRT:
        return f"status {run.status}, not SIGABRT"
    return "noticed late, after the call had returned" if run.passed else None


def check_unnoticed(run):
    if run.status != 0 or run.errors or not (run.survived or run.twice):
        return f"status {run.status}, {run.errors[:1]}: it is listed as not noticed"
    return None


def check(options):
    rows = faults(options.misuse, options.only)
    bad = 0

    def one(row):
        abort = Run(options.misuse, row[0], options.collam)
        warn = Run(options.misuse, row[0], options.collam, "misuse=warn")
        if row[1] == "caught":
            return {"abort": check_caught(abort, False), "warn": check_caught(warn, True)}
        return {"abort": check_unnoticed(abort), "warn": check_unnoticed(warn)}

    with ThreadPoolExecutor(2) as pool:
        for row, result in zip(rows, pool.map(one, rows)):
            for mode, why in result.items():
                if why:
                    bad += 1
                    print(f"{row[0]} ({mode}): {why}")
    print(f"{2 * len(rows) - bad} passed, {bad} failed")
    return 1 if bad else 0


def table(options):
    allocators = [("glibc", ""), ("collam", options.collam)]
    for peer in PEERS:
        found = ctypes.util.find_library(peer)
        if found:
            allocators.append((peer, found))
    allocators = [allocators[1], allocators[0]] + allocators[2:]
    rows = faults(options.misuse, options.only)
    caught = dict.fromkeys((name for name, _ in allocators), 0)
    print("| fault | " + " | ".join(name for name, _ in allocators) + " |")
    print("|---" * (len(allocators) + 1) + "|")
    surprises = []
    for row in rows:
        words = []
        for name, library in allocators:
            word = Run(options.misuse, row[0], library).word()
            caught[name] += word.startswith("**ends it**")
            words.append(word)
            if name == "glibc" and plain(word) not in GLIBC.get(row[2], (row[2],)):
                surprises.append(f"{row[0]}: listed as {row[2]}, found {plain(word)}")
        print(f"| {row[3]} | " + " | ".join(words) + " |")
    print(f"| **ended, of {len(rows)}** | " + " | ".join(str(caught[name]) for name, _ in allocators) + " |")
    for line in surprises:
        print(f"glibc differs from misuse.def: {line}", file=sys.stderr)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misuse", required=True)
    parser.add_argument("--collam", required=True)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--emulator", default="", help="command and arguments that run the program")
    options = parser.parse_args()
    EMULATOR.extend(options.emulator.split())
    return table(options) if options.table else check(options)


sys.exit(main())
