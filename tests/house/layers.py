#!/usr/bin/env python3
"""Checks the layer order of src/LAYERS.md, by includes or by the symbols of the compiled objects.

    layers.py includes SOURCE_ROOT
    layers.py symbols SOURCE_ROOT NM OBJECT...
    layers.py self-test

A file may use lower folders, and files that stand before it in its own folder's list. A header and the source of the same name
are one unit for symbols: what uses the header may call the source. The two platforms are never linked together, so each is
looked at alone.
"""
import pathlib
import re
import subprocess
import sys


class Layers:
    """src/LAYERS.md: the folders in order, and each folder's files in order."""

    def __init__(self, text):
        order = re.search(r"^Folders, lowest first:\s*(.+)$", text, re.M)
        self.folders = order.group(1).split()
        self.files = {}
        for line in re.findall(r"^- (\w+): (.+)$", text, re.M):
            self.files[line[0]] = line[1].split()

    def place(self, path):
        """(folder index, file index) of a path below src/, or None where the lists do not name it."""
        folder, _, name = path.partition("/")
        if folder not in self.folders or name not in self.files.get(folder, []):
            return None
        return self.folders.index(folder), self.files[folder].index(name)

    def unit_place(self, path):
        """The place of the unit a source belongs to: that of its header where there is one, else its own."""
        folder, _, name = path.partition("/")
        header = name[:-2] + ".h" if name.endswith(".c") else name
        for candidate in (folder + "/" + header, path):
            place = self.place(candidate)
            if place is not None:
                return place
        return None


def includes_of(text):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M)


def check_includes(layers, sources):
    """sources: {path below src/: text}. Returns the list of complaints."""
    wrong = []
    for path, text in sorted(sources.items()):
        mine = layers.place(path)
        if mine is None:
            wrong.append(f"{path}: not named in src/LAYERS.md")
            continue
        for target in includes_of(text):
            if target.startswith("collam/"):
                continue
            if target not in sources:
                wrong.append(f'{path}: includes "{target}", which is not a path below src/')
                continue
            theirs = layers.place(target)
            if theirs is not None and theirs >= mine:
                wrong.append(f"{path}: includes {target}, which stands above it")
    for folder, names in layers.files.items():
        for name in names:
            if f"{folder}/{name}" not in sources:
                wrong.append(f"src/LAYERS.md: names {folder}/{name}, which does not exist")
    return wrong


def check_symbols(layers, defined, used):
    """defined: {symbol: path}, used: {path: set of symbols}. Returns the list of complaints."""
    wrong = []
    for path, symbols in sorted(used.items()):
        mine = layers.place(path)
        if mine is None:
            wrong.append(f"{path}: not named in src/LAYERS.md")
            continue
        for symbol in sorted(symbols):
            owner = defined.get(symbol)
            if owner is None or owner == path:
                continue
            theirs = layers.unit_place(owner)
            if theirs is not None and theirs > mine:
                wrong.append(f"{path}: uses {symbol} of {owner}, which stands above it")
    return wrong


def read_objects(nm, objects):
    defined, used = {}, {}
    for path in objects:
        source = re.sub(r"^.*\.dir/(\./)?src/", "", path).removesuffix(".o")
        lines = subprocess.run([nm, "--format=posix", path], check=True, capture_output=True, text=True).stdout.splitlines()
        used[source] = set()
        for line in lines:
            symbol, kind = line.split()[:2]
            if kind == "U":
                used[source].add(symbol)
            elif kind.isupper() or kind == "i":
                defined[symbol] = source
    return defined, used


def self_test():
    """The checker must find planted faults: a check that cannot fail checks nothing."""
    layers = Layers("Folders, lowest first: base slab\n- base: a.h a.c b.h b.c\n- slab: s.h s.c\n")
    good = {"base/a.h": "", "base/a.c": '#include "base/a.h"', "base/b.h": '#include "base/a.h"', "base/b.c": '#include "base/b.h"',
            "slab/s.h": "", "slab/s.c": '#include "slab/s.h"\n#include "base/b.h"\n#include "collam/collam.h"'}
    assert check_includes(layers, good) == []
    assert check_includes(layers, {**good, "base/a.c": '#include "slab/s.h"'}) == ["base/a.c: includes slab/s.h, which stands above it"]
    assert check_includes(layers, {**good, "base/a.h": ' # include "base/b.h"'}) == ["base/a.h: includes base/b.h, which stands above it"]
    assert check_includes(layers, {**good, "base/c.c": ""}) == ["base/c.c: not named in src/LAYERS.md"]
    assert check_includes(layers, {k: v for k, v in good.items() if k != "base/b.c"}) == [
        "src/LAYERS.md: names base/b.c, which does not exist"]
    defined = {"a_f": "base/a.c", "b_f": "base/b.c", "s_f": "slab/s.c"}
    assert check_symbols(layers, defined, {"slab/s.c": {"a_f", "b_f", "memcpy"}, "base/b.c": {"a_f"}}) == []
    assert check_symbols(layers, defined, {"base/b.c": {"s_f"}}) == ["base/b.c: uses s_f of slab/s.c, which stands above it"]
    assert check_symbols(layers, defined, {"base/z.c": {"b_f"}}) == ["base/z.c: not named in src/LAYERS.md"]
    assert check_symbols(layers, defined, {"base/a.c": {"b_f"}}) == ["base/a.c: uses b_f of base/b.c, which stands above it"]
    return []


def main():
    mode = sys.argv[1]
    if mode == "self-test":
        wrong = self_test()
    else:
        src = pathlib.Path(sys.argv[2]) / "src"
        layers = Layers((src / "LAYERS.md").read_text())
        if mode == "includes":
            files = [f for f in src.rglob("*") if f.suffix in (".c", ".cc", ".h", ".def")]
            wrong = check_includes(layers, {str(f.relative_to(src)): f.read_text() for f in files})
        else:
            wrong = check_symbols(layers, *read_objects(sys.argv[3], sys.argv[4:]))
    print("\n".join(wrong) if wrong else "layer order holds")
    sys.exit(1 if wrong else 0)


main()
