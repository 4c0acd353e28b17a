#!/usr/bin/env python3
"""Counts the instructions of a malloc and free of one large block, and compares with what they may be.

    large_pair.py LIBRARY PROGRAM VALGRIND

The paths of large blocks are no straight line that could be read from the listing (shape.py), so they are run: once with few pairs and once
with more, and the difference is divided by their number. It may be raised only together with a measurement that says why.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

MOST = 400
FEW, MORE = 1000, 3000


def instructions(library, program, valgrind, pairs):
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place) / "out"
        command = [valgrind, "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}", "env", f"LD_PRELOAD={library}", program,
                   str(pairs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
        return int(re.findall(r"^(?:summary|totals): (\d+)", out.read_text(encoding="utf-8"), re.M)[-1])


def main():
    library, program, valgrind = sys.argv[1:4]
    few, more = (instructions(library, program, valgrind, pairs) for pairs in (FEW, MORE))
    each = (more - few) / (MORE - FEW)
    print(f"{each:.1f} instructions for a malloc and free of a large block, of {MOST} at most")
    return each > MOST


if __name__ == "__main__":
    sys.exit(main())
