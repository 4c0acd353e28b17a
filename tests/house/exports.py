#!/usr/bin/env python3
"""Compares the names a library makes visible with tests/house/exports.txt.

    exports.py SOURCE_ROOT NM LIBRARY     a shared library: its dynamic symbols; an archive: its global symbols
"""
import pathlib
import subprocess
import sys


SHARED_ONLY = " (shared)"  # marks a name that no archive has


def main():
    root, nm, library = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    lines = (root / "tests/house/exports.txt").read_text().splitlines()
    archive = library.endswith(".a")
    wanted = {line.removesuffix(SHARED_ONLY) for line in lines
              if line and not line.startswith("#") and not (archive and line.endswith(SHARED_ONLY))}
    flags = [] if archive else ["--dynamic"]
    command = [nm, *flags, "--defined-only", "--extern-only", "--format=posix", library]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seen = {line.split()[0] for line in output.splitlines() if len(line.split()) > 2}
    wrong = [f"visible, but not meant to be: {name}" for name in sorted(seen - wanted)]
    wrong += [f"meant to be visible, but is not: {name}" for name in sorted(wanted - seen)]
    print("\n".join(wrong) if wrong else f"{len(seen)} names, as listed")
    sys.exit(1 if wrong else 0)


main()
