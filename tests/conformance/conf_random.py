#!/usr/bin/env python3
"""How many bits of the addresses differ from run to run: what docs/SECURITY.md says under "Randomness", of the program conf_random.

    conf_random.py PROGRAM LIBRARY HARDENED_LIBRARY
"""
import os
import pathlib
import subprocess
import sys

RUNS = 200  # a bit that is drawn is the same in all of them once in 2^199 times
CHUNK_BITS = 21


def runs(program, library):
    """A list of addresses for each block that the program prints."""
    environment = {**os.environ, "LD_PRELOAD": library, "COLLAM_OPTIONS": ""}
    lines = [subprocess.run([program], env=environment, stdout=subprocess.PIPE, check=True).stdout.split() for _ in range(RUNS)]
    return [[int(address, 16) for address in column] for column in zip(*lines)]


def varying(addresses, end):
    """The bits below `end` that are as often 0 as 1. Above, the sum of what was drawn and where the kernel begins may carry."""
    share = [sum(address >> bit & 1 for address in addresses) / len(addresses) for bit in range(end)]
    return [bit for bit in range(end) if 0.25 < share[bit] < 0.75]


def places(addresses):
    return len({address % (1 << CHUNK_BITS) for address in addresses})


def main():
    program, library, hardened = sys.argv[1:]
    kernel = pathlib.Path("/proc/sys/kernel/randomize_va_space").read_text().strip()
    fixed = int(pathlib.Path("/proc/self/personality").read_text(), 16) & 0x40000  # ADDR_NO_RANDOMIZE
    bits = pathlib.Path("/proc/sys/vm/mmap_rnd_bits")
    given = int(bits.read_text()) if bits.exists() and os.access(bits, os.R_OK) else 28
    if kernel != "2" or fixed or os.sysconf("SC_PAGE_SIZE") != 4096:
        print("skipped: the kernel does not choose addresses at random here, or has larger pages")
        sys.exit(77)
    end = 12 + given
    expected = list(range(CHUNK_BITS, end))
    wrong = 0

    def require(holds, what):
        nonlocal wrong
        wrong += not holds
        print(("ok   " if holds else "FAIL ") + what)

    first, thousandth, large, direct = runs(program, library)
    for name, addresses in (("first block", first), ("large block", large), ("mapping of its own", direct)):
        found = varying(addresses, end)
        require(found == expected, f"default, {name}: {len(found)} bits, of {len(expected)} that the kernel draws above a chunk's {CHUNK_BITS}")
    require(places(first) == 1 and places(thousandth) == 1, "default: the places in the chunk are the same in each run")
    first, thousandth, large, direct = runs(program, hardened)
    for name, addresses in (("first block", first), ("large block", large), ("mapping of its own", direct)):
        found = [bit for bit in varying(addresses, end) if bit >= CHUNK_BITS]
        require(found == expected, f"hardened, {name}: {len(found)} bits above those of the chunk")
    require(places(first) == 1, "hardened: the first block of a class has the same place in its chunk in each run")
    # 126 places as likely as each other give 100 different ones in 200 runs, and fewer than 80 once in a million times.
    require(places(thousandth) >= 80, f"hardened: the thousandth block was seen in {places(thousandth)} places")
    sys.exit(1 if wrong else 0)


main()
