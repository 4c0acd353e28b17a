#!/usr/bin/env bash
# Runs a program on the debug build of collam (every invariant checked at every transition) under gdb, stopped at collam's reports.
# gdb itself keeps the system's malloc.
#
#   scripts/debug.sh [--batch] PROGRAM [ARGS...]    --batch: run at once, print a backtrace where it stops, leave
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

batch=()
case ${1-} in
--help | "")
    print_help
    exit 0
    ;;
--batch)
    batch=(-batch -ex run -ex bt)
    shift
    [ $# -gt 0 ] || die "no program named (try --help)"
    ;;
esac
need_build_tools
need gdb=gdb
build debug collam
# The program is started without a shell in between, which would run on collam too and stop gdb at its own faults.
exec gdb -q -ex "set startup-with-shell off" -ex "set exec-wrapper env LD_PRELOAD=$root/build/debug/libcollam.so" \
    -ex "set breakpoint pending on" -ex "break platform_abort" "${batch[@]}" --args "$@"
