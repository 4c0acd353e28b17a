#!/usr/bin/env python3
"""Finds leftovers in the files of the repository: markers of unfinished work, merge conflicts, blanks at line ends, tabs in C.

    markers.py SOURCE_ROOT
"""
import pathlib
import re
import subprocess
import sys

# Written in pieces, so that this file does not find itself.
MARKERS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK", "T" + "BD", "W" + "IP"]) + r")\b")
CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )")


def main():
    root = pathlib.Path(sys.argv[1])
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        files = [root / name for name in listed.stdout.split("\0") if name]
    else:  # an unpacked archive
        files = [f for f in root.rglob("*") if f.is_file() and "build" not in f.relative_to(root).parts[:1]]
    wrong = []
    for path in files:
        try:
            text = path.read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            where = f"{path.relative_to(root)}:{number}"
            if MARKERS.search(line):
                wrong.append(f"{where}: marker of unfinished work: {line.strip()}")
            if CONFLICT.match(line):
                wrong.append(f"{where}: merge conflict")
            if path.suffix in (".c", ".h", ".cc", ".cpp", ".py", ".sh", ".txt", ".cmake") and line.endswith((" ", "\t", "\r")):
                wrong.append(f"{where}: blank at the end of the line")
            if path.suffix in (".c", ".h") and "\t" in line:
                wrong.append(f"{where}: tab")
    print("\n".join(wrong) if wrong else f"{len(files)} files, nothing left over")
    sys.exit(1 if wrong else 0)


main()
