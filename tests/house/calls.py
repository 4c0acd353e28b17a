#!/usr/bin/env python3
"""Checks what the library calls from outside itself against tests/house/allowed_calls.txt.

    calls.py SOURCE_ROOT NM OBJECT...

Each line of the list is `symbol where reason`: where is a source below src/, or `*` for all. A call that is not in the list, a call
from another file than the list says, and a line that nothing uses any more are all wrong.
"""
import pathlib
import re
import subprocess
import sys


def main():
    root, nm, objects = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    allowed = {}
    for line in (root / "tests/house/allowed_calls.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            symbol, where, reason = line.split(None, 2)
            allowed.setdefault(symbol, {})[where] = reason
    defined, used = set(), {}
    for path in objects:
        source = re.sub(r"^.*\.dir/(\./)?src/", "", path).removesuffix(".o")
        for line in subprocess.run([nm, "--format=posix", path], check=True, capture_output=True, text=True).stdout.splitlines():
            symbol, kind = line.split()[:2]
            if kind in "Uw":
                used.setdefault(symbol, set()).add(source)
            elif kind.isupper():
                defined.add(symbol)
    wrong, unused = [], {(symbol, where) for symbol in allowed for where in allowed[symbol]}
    # dlopen is the shared libraries' own and, for the archives, outside
    for symbol in sorted(set(used) - (defined - set(allowed)) - {"_GLOBAL_OFFSET_TABLE_"}):
        for source in sorted(used[symbol]):
            where = next((w for w in (source, "*") if w in allowed.get(symbol, {})), None)
            if where is None:
                places = ", ".join(allowed.get(symbol, {})) or "nowhere"
                wrong.append(f"src/{source}: calls {symbol}, which is allowed {'only in ' if places != 'nowhere' else ''}{places}")
            unused.discard((symbol, where))
    wrong += [f"allowed_calls.txt: nothing calls {symbol} from {where} any more" for symbol, where in sorted(unused)]
    print("\n".join(wrong) if wrong else f"{len(set(used) - defined)} outside calls, all allowed")
    sys.exit(1 if wrong else 0)


main()
