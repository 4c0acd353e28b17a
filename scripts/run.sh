#!/usr/bin/env bash
# Runs a program on collam: installs and builds what is missing, passes on input, output and exit status, and says at the end in one
# line on standard error how it went.
#
#   scripts/run.sh [--quiet] PROGRAM [ARGS...]
#   scripts/run.sh                                a demonstration: real work on collam and on the system's malloc, side by side
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

quiet=()
while [ $# -gt 0 ]; do
    case $1 in
    --quiet) quiet=(--quiet) ;;
    --help)
        print_help
        exit 0
        ;;
    --)
        shift
        break
        ;;
    -*) die "unknown option $1 (try --help)" ;;
    *) break ;;
    esac
    shift
done

ensure_release
run=$root/build/release/collam-run
if [ $# -gt 0 ]; then
    exec "$run" "${quiet[@]}" -- "$@"
fi
# shellcheck source=scripts/lib/demo.sh
. "$root/scripts/lib/demo.sh"
demo "$run"
