#!/bin/sh
# Runs the random operations, the hard times and the fuzzers for long, on the release build and on the debug build, which checks
# every invariant at every transition. Half of the time belongs to each.
#
#   scripts/soak.sh [--minutes N] [--seed N] [--threads N]
#
# N minutes in all (60 unless said otherwise). A failure ends the run with status 1 and the command that repeats it.
set -eu

minutes=60
seed=
threads=$(($(nproc) * 4))
while [ $# -gt 0 ]; do
    case $1 in
    --minutes) minutes=$2 ;;
    --seed) seed=$2 ;;
    --threads) threads=$2 ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift 2
done

cd "$(dirname "$0")/.."
started=$(date +%s)
step=0

# Runs a command; status 77 is a stress case that was skipped.
run() {
    step=$((step + 1))
    echo "[$(($(date +%s) - started)) s] $*"
    status=0
    "$@" || status=$?
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        echo "soak: failed with status $status after $(($(date +%s) - started)) s; repeat it with: $*" >&2
        exit 1
    fi
}

# Random operations in as many forms as share the time given: all sizes, one thread, many threads, blocks up to 64 MiB.
property() {
    program=$1
    share=$(($2 / 5))
    [ "$share" -gt 0 ] || share=1
    chosen=${seed:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
    run "$program" --seed "$chosen" --seconds "$share" --threads "$threads"
    run "$program" --seed "$chosen" --seconds "$share" --threads "$threads" --no-set
    run "$program" --seed "$chosen" --seconds "$share" --threads 48 --no-set
    run "$program" --seed "$chosen" --seconds "$share" --threads 2 --largest 67108864 --live 1024
    run "$program" --seed "$chosen" --seconds "$share" --threads 1 --no-respawn
}

# Cases of the stress program in turns, in their long form where an hour was asked for.
stress() {
    program=$1
    end=$(($(date +%s) + $2))
    long=
    [ "$minutes" -lt 60 ] || long=--long
    while :; do
        for name in $("$program" --list | cut -d' ' -f1); do
            [ "$(date +%s)" -lt $end ] || return 0
            # shellcheck disable=SC2086 # no argument where it is empty
            run "$program" "$name" $long
        done
    done
}

for preset in release debug; do
    cmake --preset $preset >/dev/null
    cmake --build --preset $preset --target property stress -j"$(nproc)" >/dev/null
done
cmake --build --preset release --target heap_fuzz options_fuzz -j"$(nproc)" >/dev/null
started=$(date +%s)

half=$((minutes * 60 / 2))
for preset in release debug; do
    build=build/$preset/tests
    property "$build/property/property" $((half * 6 / 10))
    stress "$build/stress/stress" $((half * 2 / 10))
    run build/release/tests/fuzz/heap_fuzz -max_total_time=$((half * 18 / 100)) -timeout=60 -max_len=4096 -len_control=0 -verbosity=0 \
        build/release/tests/fuzz/found.heap tests/fuzz/corpus/heap
    run build/release/tests/fuzz/options_fuzz -max_total_time=$((half * 2 / 100)) -timeout=10 -verbosity=0 -dict=tests/fuzz/options.dict \
        build/release/tests/fuzz/found.options tests/fuzz/corpus/options
done
echo "soak: $step steps in $(($(date +%s) - started)) s, no failure"
