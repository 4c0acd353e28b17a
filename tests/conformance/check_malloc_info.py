#!/usr/bin/env python3
"""Runs `conf_info xml` (the arguments are the command) and checks that malloc_info printed XML of glibc's shape whose sums
agree with each other and with the bytes the program holds."""
import subprocess
import sys
import xml.etree.ElementTree as tree

HELD = 200000 * 256 + 200000 + (40 << 20)


def number(element, name):
    text = element.get(name)
    if text is None or not text.isdigit():
        sys.exit(f"<{element.tag} {element.attrib}>: attribute {name} is not a number")
    return int(text)


def one(parent, tag, kind):
    found = [e for e in parent.findall(tag) if e.get("type") == kind]
    if len(found) != 1:
        sys.exit(f'<{parent.tag}> has {len(found)} children <{tag} type="{kind}">, one expected')
    return found[0]


def check_shape(root):
    if root.tag != "malloc" or root.get("version") != "1":
        sys.exit(f"root is <{root.tag} {root.attrib}>")
    heaps = root.findall("heap")
    if not heaps:
        sys.exit("no <heap>")
    for place, heap in enumerate(heaps):
        if number(heap, "nr") != place:
            sys.exit(f"heap {place} has nr {heap.get('nr')}")
        if heap.find("sizes") is None:
            sys.exit(f"heap {place} has no <sizes>")
        for size in heap.find("sizes"):
            low, high, total, count = (number(size, name) for name in ("from", "to", "total", "count"))
            if low > high or total < low * count or (size.tag == "size" and total > high * count):
                sys.exit(f"impossible line: {size.attrib}")
    for part in [*heaps, root]:
        for kind in ("fast", "rest"):
            number(one(part, "total", kind), "count")
            number(one(part, "total", kind), "size")
        for kind in ("current", "max"):
            number(one(part, "system", kind), "size")
        if number(one(part, "system", "current"), "size") > number(one(part, "system", "max"), "size"):
            sys.exit(f"<{part.tag}>: more in use than there ever was")
        number(one(part, "aspace", "total"), "size")
        number(one(part, "aspace", "mprotect"), "size")
    number(one(root, "total", "mmap"), "count")


def main():
    text = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True).stdout
    root = tree.fromstring(text)
    check_shape(root)
    system = number(one(root, "system", "current"), "size")
    mapped = number(one(root, "total", "mmap"), "size")
    free = number(one(root, "total", "fast"), "size") + number(one(root, "total", "rest"), "size")
    # glibc's "system" leaves mapped blocks out, its "free" leaves out what threads hold in reserve
    live = system + mapped - free
    if not 0.94 * HELD <= live <= 1.13 * HELD + (1 << 20):
        sys.exit(f"system {system} + mmap {mapped} - free {free} = {live}, but {HELD} bytes are live")
    print(f"well-formed, {len(root.findall('heap'))} heaps, {live} bytes live of {HELD} held")


main()
