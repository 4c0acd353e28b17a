#!/usr/bin/env python3
"""Runs the faulty program on collam under a memory checker, and compares what the checker says.

    run.py memcheck PROGRAM LIBRARY [VALGRIND]   preloads the library (a debug build)
    run.py asan PROGRAM                          the program is built with AddressSanitizer and linked to collam
"""
import os
import subprocess
import sys

# What each checker must say; "" = nothing at all and a normal end.
MEMCHECK = {
    "clean": "",
    "overrun": " is 0 bytes after a ",
    "far": " is 15 bytes after a ",
    "underrun": "Invalid write of size 1",
    "freed": "Invalid read of size 1",
    "recycled": "Conditional jump or move depends on uninitialised value(s)",
    "leak": "231 bytes in 3 blocks are definitely lost",
}
ASAN = {
    "clean": "",
    "overrun": "use-after-poison",
    "far": "use-after-poison",
    "underrun": "use-after-poison",
    "freed": "use-after-poison",
}


def run(command, environment):
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def main():
    kind, program = sys.argv[1], sys.argv[2]
    failed = 0
    for fault, expected in (MEMCHECK if kind == "memcheck" else ASAN).items():
        if kind == "memcheck":
            valgrind = sys.argv[4] if len(sys.argv) > 4 else "valgrind"
            # Without the synonym valgrind would replace collam's malloc by its own, and the program would not run on collam at all.
            command = [valgrind, "--quiet", "--leak-check=full", "--error-exitcode=9", "--soname-synonyms=somalloc=nouserintercepts",
                       program, fault]
            status, out, errors = run(command, {"LD_PRELOAD": sys.argv[3], "COLLAM_OPTIONS": ""})
        else:
            status, out, errors = run([program, fault], {"COLLAM_OPTIONS": "asan=1", "ASAN_OPTIONS": "detect_leaks=0:exitcode=9"})
        if expected:
            good = status == 9 and expected in errors
        else:
            good = status == 0 and errors == "" and out.startswith("end")
        if not good:
            failed += 1
            print(f"{kind} {fault}: status {status}, expected {expected!r}, said:\n{errors[:1500]}")
    print(f"{kind}: {failed} failed")
    return 1 if failed else 0


sys.exit(main())
