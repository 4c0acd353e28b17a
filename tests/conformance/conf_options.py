#!/usr/bin/env python3
"""The tables of options and presets in docs/MEMORY.md say what the library says of itself (collam_explain).

    conf_options.py LIBRARY MEMORY.md
"""
import ctypes
import pathlib
import re
import sys


def explained(library):
    """{option: (default, bounds)}"""
    text = ctypes.create_string_buffer(1 << 16)
    library.collam_explain.restype = ctypes.c_size_t
    library.collam_explain(text, ctypes.c_size_t(len(text)))
    rows = re.findall(r"^  (\w+) = \S+ \((?:not )?set; default (\S+); (.*?)\): ", text.value.decode(), re.M)
    return {name: (default, bounds) for name, default, bounds in rows}


def values(library, options):
    """What each of the options has now."""
    text = ctypes.create_string_buffer(1 << 16)
    library.collam_explain(text, ctypes.c_size_t(len(text)))
    return [re.search(rf"^  {name} = (\S+) ", text.value.decode(), re.M)[1] for name in options]


def bytes_of(word):
    """A number as the document writes it: 4m, 2^30, 2^63 - 1."""
    power = re.fullmatch(r"2\^(\d+)( - 1)?", word)
    if power:
        return (1 << int(power[1])) - bool(power[2])
    return int(word.rstrip("kmg")) << {"k": 10, "m": 20, "g": 30}.get(word[-1], 0)


def in_words(bounds):
    """The bounds as the document has them: a list of choices, or the least and the most."""
    choices = re.fullmatch(r"one of (.*)", bounds)
    if choices:
        return choices[1].split("|")
    if bounds.startswith("a path"):
        return ["a path"]
    least, most = map(int, re.search(r"from (\d+) to (\d+)", bounds).groups())
    return [least, most]


def from_document(bounds):
    if " to " in bounds:
        return [bytes_of(word) for word in bounds.split(" to ")]
    words = bounds.split(", ")
    return [int(word) for word in words] if words[0].isdigit() else words


def main():
    library = ctypes.CDLL(sys.argv[1])
    document = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
    options = explained(library)
    rows = {name: (default, bounds) for name, default, bounds in re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| ", document, re.M)
            if name in options or bounds.startswith("0")}
    wrong = [f"not in the table of options: {name}" for name in options.keys() - rows.keys()]
    wrong += [f"no such option: {name}" for name in rows.keys() - options.keys()]
    for name in sorted(options.keys() & rows.keys()):
        if options[name][0] != rows[name][0]:
            wrong.append(f"{name}: the default is {options[name][0]}, the table says {rows[name][0]}")
        if in_words(options[name][1]) != from_document(rows[name][1]):
            wrong.append(f"{name}: the bounds are {options[name][1]}, the table says {rows[name][1]}")
    head = re.search(r"^\| preset \| (.*) \|$", document, re.M)[1].replace("`", "").split(" | ")
    for number, preset in enumerate(in_words(options["preset"][1])):
        row = re.search(rf"^\| `{preset}` \| (.*) \|$", document, re.M)[1].split(" | ")
        library.collam_set_preset(number)
        now = ["never" if value == str((1 << 63) - 1) else value for value in values(library, head)]
        if now != row:
            wrong.append(f"preset {preset}: {now}, the table says {row}")
    print("\n".join(wrong) if wrong else f"{len(options)} options as documented")
    sys.exit(1 if wrong else 0)


main()
