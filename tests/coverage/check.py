#!/usr/bin/env python3
"""Compares the lines that the tests did not reach with the list of those that may stay so.

    check.py SOURCE_ROOT COVERAGE.json [--print]   COVERAGE.json comes from gcovr --json; --print: the lines not reached, as list entries
    check.py --self-test

tests/coverage/uncovered.txt holds one entry a line: `file function | the line as it stands in the source | reason`. The line's text
is the key, so that the list stays right when lines move. An entry whose reason begins with "sometimes:" may also be reached. A line that
is not reached and not listed is wrong, and so is an entry that is reached, or has no such line any more.
"""
import collections
import json
import pathlib
import sys


def lines_of(report, read):
    """{(file, function, text): [reached?...]} of every line with code, in the report of gcovr."""
    found = collections.defaultdict(list)
    for file in report["files"]:
        source = read(file["file"]).splitlines()
        functions = sorted((f["lineno"], f["name"]) for f in file["functions"])
        for line in file["lines"]:
            if line.get("gcovr/noncode") or line.get("gcovr/excluded"):
                continue
            number = line["line_number"]
            inside = [name for start, name in functions if start <= number]
            found[file["file"], inside[-1] if inside else "-", source[number - 1].strip()].append(line["count"] > 0)
    return found


def read_list(text):
    entries = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" | ")]
        if len(parts) != 3 or len(parts[0].split()) != 2 or not parts[2]:
            sys.exit(f"uncovered.txt: not `file function | line | reason`: {line}")
        entries[(*parts[0].split(), parts[1])] = parts[2]
    return entries


def compare(lines, entries):
    wrong = []
    for key, reached in lines.items():
        if not all(reached) and key not in entries:
            wrong.append(f"not reached and not listed: {key[0]} {key[1]} | {key[2]}")
    for key, reason in entries.items():
        if key not in lines:
            wrong.append(f"listed, but no such line: {key[0]} {key[1]} | {key[2]}")
        elif all(lines[key]) and not reason.startswith("sometimes:"):
            wrong.append(f"listed, but reached: {key[0]} {key[1]} | {key[2]}")
    return wrong


def self_test():
    report = {"files": [{"file": "a.c", "functions": [{"lineno": 1, "name": "f"}],
                         "lines": [{"line_number": n, "count": c, "gcovr/noncode": False} for n, c in ((1, 3), (2, 0), (3, 1))]}]}
    lines = lines_of(report, lambda _: "f {\n  x = 1;\n}\n")
    entry = {("a.c", "f", "x = 1;"): "cannot happen"}
    assert compare(lines, entry) == []
    assert compare(lines, {}) == ["not reached and not listed: a.c f | x = 1;"]
    assert compare(lines, {**entry, ("a.c", "f", "}"): "why"}) == ["listed, but reached: a.c f | }"]
    assert compare(lines, {**entry, ("a.c", "f", "}"): "sometimes: a race"}) == []
    assert compare(lines, {**entry, ("a.c", "f", "y"): "why"}) == ["listed, but no such line: a.c f | y"]
    assert read_list("# c\n\na.c f | x | why\n") == {("a.c", "f", "x"): "why"}
    print("self-test holds")


def main():
    if sys.argv[1] == "--self-test":
        return self_test()
    root = pathlib.Path(sys.argv[1])
    lines = lines_of(json.loads(pathlib.Path(sys.argv[2]).read_text()), lambda name: (root / name).read_text())
    if "--print" in sys.argv:
        for (file, function, text), reached in sorted(lines.items()):
            if not all(reached):
                print(f"{file} {function} | {text} | ")
        return None
    entries = read_list((root / "tests/coverage/uncovered.txt").read_text())
    wrong = compare(lines, entries)
    total = sum(map(len, lines.values()))
    missed = sum(reached.count(False) for reached in lines.values())
    print("\n".join(wrong + [f"{total - missed} of {total} lines reached; {missed} are not, {len(entries)} entries say why"]))
    sys.exit(1 if wrong else 0)


main()
