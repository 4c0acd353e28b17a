#!/usr/bin/env bash
# Records with perf where a program on collam spends its time; scripts/report.sh shows it.
#
#   scripts/perf.sh [--events LIST] PROGRAM [ARGS...]    the record goes to build/perf/perf.data
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

events=()
case ${1-} in
--help | "")
    print_help
    exit 0
    ;;
--events)
    [ $# -ge 3 ] || die "--events needs a list and a program (try --help)"
    events=(-e "$2")
    shift 2
    ;;
-*) die "unknown option $1 (try --help)" ;;
esac
ensure_release
need perf=linux-perf
mkdir -p "$root/build/perf"
exec perf record -q -g "${events[@]}" -o "$root/build/perf/perf.data" -- \
    env LD_PRELOAD="$root/build/release/libcollam.so${LD_PRELOAD:+:$LD_PRELOAD}" "$@"
