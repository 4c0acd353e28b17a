#!/usr/bin/env bash
# Shows what scripts/perf.sh recorded: on a terminal interactively, otherwise as text.
#
#   scripts/report.sh [--collam] [ARGS of perf report...]    --collam: only time spent in the allocator
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

if [ "${1-}" = --help ]; then
    print_help
    exit 0
fi
data=$root/build/perf/perf.data
[ -e "$data" ] || die "nothing recorded yet; run scripts/perf.sh PROGRAM first"
need perf=linux-perf
arguments=()
if [ "${1-}" = --collam ]; then
    shift
    arguments+=(--dsos "$(basename "$(readlink -f "$root/build/release/libcollam.so")")")
fi
[ -t 1 ] || arguments+=(--stdio -g none)
exec perf report -i "$data" "${arguments[@]}" "$@"
