#!/usr/bin/python3
"""Makes workloads/mix_tables.h: runs real programs with driver/record.c preloaded and condenses what they allocated.

Usage: bench/record_mixes.py (after scripts/bench.sh has built build/bench). The result is committed, so that every
machine replays the same mixes; run it again only to change them.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile

BENCH = pathlib.Path(__file__).resolve().parent
RECORDER = BENCH.parent / "build/bench/libcollam-bench-record.so"
PROGRAMS = ["python", "g++", "clang", "redis", "sqlite", "perl"]
MOST_ROWS = 40
LARGEST = 128 << 10  # larger blocks have a workload of their own
LIVES = 6


def record(program: str, directory: pathlib.Path) -> dict[int, list[int]]:
    """Size -> [count, then blocks by lifetime], over all processes of the program."""
    log = directory / "recorded"
    environment = os.environ | {"BENCH_DIR": str(directory), "BENCH_SIZE": "short", "BENCH_PRELOAD": str(RECORDER),
                                "BENCH_RECORD": str(log), "LC_ALL": "C"}
    for step in ("prepare", "run"):
        subprocess.run(["sh", str(BENCH / "programs" / f"{program}.sh"), step], env=environment, check=True, stdout=subprocess.DEVNULL)
    found: dict[int, list[int]] = {}
    for line in log.read_text().splitlines():
        size, *numbers = map(int, line.split())
        old = found.setdefault(min(max(size, 16), LARGEST), [0] * (1 + LIVES))
        for i, n in enumerate(numbers):
            old[i] += n
    return found


def condense(found: dict[int, list[int]]) -> list[tuple[int, int, list[int]]]:
    """The most frequent sizes, and the rest joined to the next larger one that is kept; weights add up to about a million."""
    kept = sorted(sorted(found, key=lambda s: -found[s][0])[: MOST_ROWS - 1] + [max(found)])
    kept = sorted(set(kept))
    joined = {s: [0] * (1 + LIVES) for s in kept}
    for size, numbers in found.items():
        into = next(k for k in kept if k >= size)
        joined[into] = [a + b for a, b in zip(joined[into], numbers)]
    total = sum(n[0] for n in joined.values())
    rows = []
    for size in kept:
        count, *lives = joined[size]
        weight = round(1e6 * count / total)
        if weight > 0:
            rows.append((size, weight, [round(1000 * n / count) for n in lives]))
    return rows


def main() -> None:
    out = [
        "// Sizes and lifetimes of real programs' blocks, recorded by bench/record_mixes.py from the programs in bench/programs/.",
        "// Each row: the size, how many of a million allocations had it, and how many of a thousand of those lived for up to",
        "// 4, 32, 256, 2048, 16384 allocations, and longer.",
        "#pragma once",
    ]
    names = []
    for program in PROGRAMS:
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            rows = condense(record(program, pathlib.Path(directory)))
        identifier = "mix_" + program.replace("+", "x")
        names.append((program, identifier, len(rows)))
        out += ["", "// clang-format off", f"static const struct mix_row {identifier}[] = {{"]
        out += [f"    {{{size}, {weight}, {{{', '.join(map(str, lives))}}}}}," for size, weight, lives in rows]
        out += ["};", "// clang-format on"]
    out += ["", "static const struct {", "    const char *name;", "    const struct mix_row *rows;", "    uint32_t count;", "} mixes[] = {"]
    out += [f'    {{"{program}", {identifier}, {count}}},' for program, identifier, count in names]
    out += ["};"]
    (BENCH / "workloads/mix_tables.h").write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
