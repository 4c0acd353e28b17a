# Sourced by every program's script. A script is called as
#   SCRIPT prepare   makes its inputs in $BENCH_DIR, without measuring anything
#   SCRIPT run       does the work; standard output must be the same on every allocator
# with BENCH_SIZE (short, full) and, for run, BENCH_PRELOAD: the allocator's library, or nothing for the system's malloc.
# shellcheck shell=sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
inputs=$here/inputs
dir=${BENCH_DIR:?}
size=${BENCH_SIZE:?}

# $1 in the short run, $2 in the full one
pick() {
    if [ "$size" = short ]; then echo "$1"; else echo "$2"; fi
}

# only the program itself is preloaded, not the shell and the helpers around it
preloaded() {
    if [ -n "${BENCH_PRELOAD:-}" ]; then LD_PRELOAD=$BENCH_PRELOAD "$@"; else "$@"; fi
}

generate() { /usr/bin/python3 -B "$inputs/$1" "$2" >"$dir/$3"; }

prepare() { :; }

main() {
    case ${1:-} in
    prepare) prepare ;;
    run) run ;;
    *)
        echo "usage: $0 prepare|run" >&2
        exit 2
        ;;
    esac
}
