"""Writes a git fast-import stream of N commits, each changing some of 200 files of text."""

import random
import sys

out = sys.stdout
r = random.Random(9)
files = [[f"line {i} of file {f}: {r.randrange(10**9)}" for i in range(r.randrange(20, 300))] for f in range(200)]


def data(text):
    out.write(f"data {len(text.encode())}\n{text}\n")


for commit in range(int(sys.argv[1])):
    out.write(f"commit refs/heads/main\nmark :{commit + 1}\ncommitter A <a@example.org> {1600000000 + commit * 60} +0000\n")
    data(f"change {commit}")
    if commit > 0:
        out.write(f"from :{commit}\n")
    changed = range(200) if commit == 0 else sorted({r.randrange(200) for _ in range(3)})
    for f in changed:
        lines = files[f]
        for _ in range(3):
            lines[r.randrange(len(lines))] = f"changed in {commit}: {r.randrange(10**9)}"
        if r.randrange(3) == 0:
            lines.insert(r.randrange(len(lines)), f"new in {commit}")
        out.write(f"M 644 inline dir{f % 13}/file{f}.txt\n")
        data("\n".join(lines))
