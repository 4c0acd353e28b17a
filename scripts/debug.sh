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
-*) die "unknown option $1 (try --help)" ;;
esac
need_build_tools
need gdb=gdb
build debug collam
# Without a shell in between, which would run on collam too; the environment is the program's only, gdb keeps its own malloc.
exec gdb -q -ex "set startup-with-shell off" -ex "set environment LD_PRELOAD $root/build/debug/libcollam.so${LD_PRELOAD:+:$LD_PRELOAD}" \
    -ex "set breakpoint pending on" -ex "break platform_abort" "${batch[@]}" --args "$@"
