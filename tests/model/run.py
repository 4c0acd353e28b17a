#!/usr/bin/env python3
"""Runs the cases of one model: spin makes the verifier, the C compiler builds it, it explores every state.

usage: run.py MODEL.pml [--spin SPIN] [--cc CC] [--work DIR] [--only TEXT]

The header of a model lists its cases, one a line:
    Case: right [progress] [-DMACRO...]                       must verify: no error in any reachable state, all states visited
    Case: broken [progress] -DMACRO... "what spin must say"   must fail in exactly that way
"progress" asks for non-progress cycles under weak fairness instead of assertions and invalid end states.
"""
import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time

MEMORY = 1 << 30
CASE = re.compile(r"^ \* Case: (right|broken)((?: progress)?)((?: -D\w+(?:=\d+)?)*)(?: \"([^\"]+)\")?", re.M)


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(command, directory, limited=False):
    return subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
                          errors="replace", preexec_fn=limit_memory if limited else None)


def verify(arguments, model, progress, macros):
    """The verifier's whole output."""
    with tempfile.TemporaryDirectory(dir=arguments.work) as directory:
        made = run([arguments.spin, *macros, "-a", model], directory)
        if made.returncode or not os.path.exists(os.path.join(directory, "pan.c")):
            sys.exit(f"spin refuses {model} {' '.join(macros)}:\n{made.stdout}")
        # Statement merging and partial order reduction stay on; VECTORSZ holds the largest state here.
        mode = ["-DNP", "-DNFAIR=3"] if progress else ["-DSAFETY"]
        built = run([*shlex.split(arguments.cc), "-O1", "-w", "-DVECTORSZ=2048", "-DCOLLAPSE", *mode, "-o", "pan", "pan.c"], directory)
        if built.returncode:
            sys.exit(f"the verifier of {model} does not compile:\n{built.stdout}")
        return run(["./pan", "-m1000000", "-w22", *(["-l", "-f"] if progress else [])], directory, limited=True).stdout


def judge(kind, expected, output):
    """None when the case went as it should, else why not."""
    errors = re.search(r"errors: (\d+)", output)
    if not errors:
        return f"the verifier gave no result: {output[:300]}"
    for short in ("search depth too small", "out of memory", "max search depth"):
        if short in output:
            return f"not all states were visited: {short}"
    found = re.search(r"pan:\d+: (.*)", output)
    if kind == "right":
        return None if errors[1] == "0" else f"found: {found[1] if found else output}"
    if errors[1] == "0":
        return "the broken variant verifies, so the model cannot see this fault"
    return None if found and expected in found[1] else f"expected \"{expected}\", found: {found[1] if found else output}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--spin", default="spin")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--work", default=None)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    model = os.path.abspath(arguments.model)
    with open(model, encoding="utf-8") as file:
        cases = CASE.findall(file.read())
    kinds = {kind for kind, *_ in cases}
    if kinds != {"right", "broken"}:
        sys.exit(f"{model} needs at least one right and one broken case")
    failures = 0
    for kind, progress, macros, expected in cases:
        if kind == "broken" and not (macros and expected):
            sys.exit(f"{model}: a broken case names its macro and what spin must say")
        if arguments.only not in macros:
            continue
        started = time.monotonic()
        output = verify(arguments, model, progress, macros.split())
        problem = judge(kind, expected, output)
        states = re.search(r"([\d.e+]+) states, stored", output)
        print(f"{'FAIL' if problem else 'ok  '} {kind:6} {(progress + macros).strip() or '-':40} "
              f"{states[1] if states else '?':>10} states {time.monotonic() - started:5.1f} s"
              + (f"\n     {problem}" if problem else ""), flush=True)
        failures += problem is not None
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
