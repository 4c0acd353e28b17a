#!/usr/bin/env bash
# Writes docs/MISUSE.md: which misuse of the heap is caught by collam, by glibc and by the packaged peers that are installed.
# The same programs run on all of them (tests/misuse).
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

if [ "${1-}" = --help ]; then
    print_help
    exit 0
fi
[ $# -eq 0 ] || die "unknown argument $1 (try --help)"
need_build_tools
build release collam collam_hardened misuse
page=$root/docs/MISUSE.md
{
    cat <<'HEAD'
# Which misuse is caught

Written by `scripts/misuse-table.sh`: one program per fault (`tests/misuse/misuse.def`), each run on collam, on collam with every allocation
between guard pages as far as slots last (`guard_rate=1`), on the hardened build, on glibc, and on the packaged allocators found on the machine.

- **ends it**: the program ends by the allocator's decision, with a message. "late": only after the wrong call had returned.
- crashes: it dies of a signal in the allocator or in the access, without a word.
- block given twice: nothing is said, and two live blocks then overlap. Old contents seen: what another block held can be read.
- unnoticed: nothing happens. absent: the allocator has no such function.

Where chance decides (the hardened build's random choice, what happens to lie beside a block) another run may show another word.

HEAD
    python3 "$root/tests/misuse/run.py" --misuse "$root/build/release/tests/misuse/misuse" --collam "$root/build/release/libcollam.so" \
        --hardened "$root/build/release/libcollam-hardened.so" --table
} >"$page.new"
mv "$page.new" "$page"
