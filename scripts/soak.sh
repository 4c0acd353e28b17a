#!/usr/bin/env bash
# Runs the random operations, the hard times and the fuzzers for long, on the release build and on the debug build, which checks
# every invariant at every transition. Half of the time belongs to each.
#
#   scripts/soak.sh [--minutes N] [--seed N] [--threads N]
#
# N minutes in all (60 unless said otherwise). A failure ends the run with status 1 and the command that repeats it.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

minutes=60
seed=
threads=$(($(nproc) * 4))
while [ $# -gt 0 ]; do
    case $1 in
    --help)
        print_help
        exit 0
        ;;
    --minutes | --seed | --threads) [[ ${2-} =~ ^[0-9]+$ ]] || die "$1 needs a number" ;;
    *) die "unknown argument $1 (--help tells)" ;;
    esac
    case $1 in
    --minutes) minutes=$2 ;;
    --seed) seed=$2 ;;
    --threads) threads=$2 ;;
    esac
    shift 2
done
cd "$root"

need_build_tools
need clang=clang libcmocka-dev
need "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" # libFuzzer
for preset in release debug; do
    build $preset property stress
done
build release fuzz_heap fuzz_options unit_failure_injected unit_hardened_injected
started=$SECONDS
step=0

# Status 77 is a stress case that was skipped.
run() {
    local status=0
    step=$((step + 1))
    echo "[$((SECONDS - started)) s] $*"
    "$@" || status=$?
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        die "failed with status $status after $((SECONDS - started)) s; repeat it with: $*"
    fi
}

# Random operations in as many forms as share the time given: all sizes, many threads, blocks up to 64 MiB, one thread.
property() {
    local program=$1 share=$(($2 / 5)) chosen
    [ "$share" -gt 0 ] || share=1
    chosen=${seed:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
    run "$program" --seed "$chosen" --seconds "$share" --threads "$threads"
    run "$program" --seed "$chosen" --seconds "$share" --threads "$threads" --no-set
    run "$program" --seed "$chosen" --seconds "$share" --threads 48 --no-set
    run "$program" --seed "$chosen" --seconds "$share" --threads 2 --largest 67108864 --live 1024
    run "$program" --seed "$chosen" --seconds "$share" --threads 1 --no-respawn
}

# The cases of the stress program in turns, in their long form where an hour was asked for.
stress() {
    local program=$1 end=$((SECONDS + $2)) name long=()
    if [ "$minutes" -ge 60 ]; then
        long=(--long)
        run "$program" fork_storm --long # 100,000 forks, which the time might else not reach
    fi
    while :; do
        for name in $("$program" --list | cut -d' ' -f1); do
            [ $SECONDS -lt $end ] || return 0
            run "$program" "$name" "${long[@]}"
        done
    done
}

# libFuzzer reads 0 as "for ever", and tells of a failure by 77 unless told otherwise.
fuzz() {
    local name=$1 seconds=$2
    shift 2
    [ "$seconds" -gt 0 ] || seconds=1
    run "build/release/tests/fuzz/${name}_fuzz" -error_exitcode=1 -max_total_time="$seconds" -timeout=60 -verbosity=0 "$@" \
        "build/release/tests/fuzz/found.$name" "tests/fuzz/corpus/$name"
}

# Each platform call refused in turn, every single one: the tests take evenly spread ones where that takes too long.
if [ "$minutes" -ge 60 ]; then
    for core in failure hardened; do
        run env COLLAM_TEST_EVERY=1 "build/release/tests/unit/unit_${core}_injected"
    done
fi

half=$((minutes * 60 / 2))
for preset in release debug; do
    tests=build/$preset/tests
    property "$tests/property/property" $((half * 60 / 100))
    stress "$tests/stress/stress" $((half * 20 / 100))
    fuzz heap $((half * 18 / 100)) -max_len=4096 -len_control=0
    fuzz options $((half * 2 / 100)) -dict=tests/fuzz/options.dict
done
echo "soak: $step steps in $((SECONDS - started)) s, no failure"
