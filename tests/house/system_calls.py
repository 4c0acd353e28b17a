#!/usr/bin/env python3
"""Compares three lists of the system calls that collam makes: the calls in src/platform/linux, system_calls.def beside them, and the
published table in docs/SECURITY.md. The last is checked against a running program by tests/conformance/conf_system_calls.c.

    system_calls.py SOURCE_ROOT
"""
import pathlib
import re
import sys


def main():
    root = pathlib.Path(sys.argv[1])
    sources = [p for p in sorted((root / "src").rglob("*")) if p.suffix in (".c", ".cc", ".h") and "fake" not in p.parts]
    used, outside = set(), []
    for path in sources:
        names = set(re.findall(r"\bSYS_(\w+)", path.read_text()))
        used |= names
        if names and path.parent != root / "src/platform/linux":
            outside.append(f"{path.relative_to(root)}: makes system calls itself: {', '.join(sorted(names))}")
    listed = set(re.findall(r"^SYSTEM_CALL\((\w+),", (root / "src/platform/linux/system_calls.def").read_text(), re.M))
    security = (root / "docs/SECURITY.md").read_text()
    table = security[security.index("## System calls"):]
    table = table[: table.find("\n## ", 5)] if "\n## " in table[5:] else table
    published = set()
    for row in re.findall(r"^\| ([^|]*`[^|]*) \|", table, re.M):
        published |= set(re.findall(r"`(\w+)`", row))
    # map, unmap and remap go through libc under the thread sanitizer only; the calls themselves are the same
    wrong = outside
    wrong += [f"linux.c makes {name}, which system_calls.def does not name" for name in sorted(used - listed)]
    wrong += [f"system_calls.def names {name}, which nothing makes" for name in sorted(listed - used)]
    wrong += [f"docs/SECURITY.md does not publish {name}" for name in sorted(listed - published)]
    wrong += [f"docs/SECURITY.md publishes {name}, which is not in system_calls.def" for name in sorted(published - listed)]
    print("\n".join(wrong) if wrong else f"{len(listed)} system calls, all published")
    sys.exit(1 if wrong else 0)


main()
