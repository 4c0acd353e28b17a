"""Deterministic work for the benchmark: JSON round trips, records, sorting, text. The argument scales it."""

import json
import random
import re
import sys
import zlib


class Record:
    __slots__ = ("key", "values", "parent")

    def __init__(self, key, values, parent):
        self.key, self.values, self.parent = key, values, parent


def documents(r):
    rows = [{"id": i, "name": f"user {i}", "tags": [f"t{r.randrange(50)}" for _ in range(5)], "score": r.random()} for i in range(6000)]
    text = json.dumps(rows)
    return zlib.crc32(json.dumps(json.loads(text), sort_keys=True).encode())


def records(r):
    parent, found = None, {}
    for i in range(40000):
        parent = Record(f"k{r.randrange(20000)}", [i, i + 1], parent if i % 100 else None)
        found.setdefault(parent.key, []).append(parent)
    return sum(len(v) * v[0].values[0] for v in found.values()) % 1000003


def text(r):
    words = ["".join(r.choices("abcdefgh", k=r.randrange(2, 30))) for _ in range(30000)]
    joined = " ".join(sorted(words))
    return len(re.sub(r"([aeiou])([^ ])", r"\2\1", joined)) + len(set(joined.split()))


for turn in range(int(sys.argv[1])):
    generator = random.Random(turn)
    print(turn, documents(generator), records(generator), text(generator))
