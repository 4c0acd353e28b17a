#!/usr/bin/env bash
# Runs real programs on collam, each doing real work with its result checked (tests/programs/*.sh).
#
#   scripts/programs.sh [--short] [NAME...]    all programs, or those named; --short is what the tests use
#   scripts/programs.sh --hardened ...         the same on the hardened build
#   scripts/programs.sh --guard RATE ...       the same with one allocation in RATE between guard pages (1: every one, while slots last)
#   scripts/programs.sh --list                 the names
#   scripts/programs.sh --table [ROUNDS]       five of them on glibc, collam and the packaged peers, as a Markdown table
#
# COLLAM_LIB names another library than build/release/libcollam.so; empty means the system's malloc. COLLAM_OPTIONS reaches all programs.
# KEEP=1 keeps the working directory of a program that failed.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
programs=$root/tests/programs
form=
limit=1800
names=()

all_names() { find "$programs" -maxdepth 1 -name '*.sh' ! -name lib.sh ! -name table.sh -printf '%f\n' | sed 's/\.sh$//' | sort; }

print_help() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }

usage() {
    print_help >&2
    exit 2
}

build_if_missing() {
    local library=${COLLAM_LIB-$root/build/release/libcollam.so}
    [[ $library == "$root"/build/release/* && ! -e $library ]] || return 0
    (
        # shellcheck source=scripts/lib/common.sh
        . "$root/scripts/lib/common.sh"
        need_build_tools
        build release collam collam_hardened
    )
}

while [ $# -gt 0 ]; do
    case $1 in
    --short)
        form=--short
        limit=900
        ;;
    --hardened) COLLAM_LIB=$root/build/release/libcollam-hardened.so ;;
    --guard)
        shift
        [[ ${1-} =~ ^[1-9][0-9]*$ ]] || usage
        COLLAM_OPTIONS=${COLLAM_OPTIONS:+$COLLAM_OPTIONS,}guard_rate=$1
        ;;
    --list)
        all_names
        exit 0
        ;;
    --help)
        print_help
        exit 0
        ;;
    --table)
        shift
        "$root/scripts/install-programs.sh" >&2 && build_if_missing && exec "$programs/table.sh" "$@"
        exit 1
        ;;
    -*) usage ;;
    *) names+=("$1") ;;
    esac
    shift
done

"$root/scripts/install-programs.sh" >&2 || exit 1
build_if_missing || exit 1
[ -z "${COLLAM_LIB+set}" ] || export COLLAM_LIB
[ -z "${COLLAM_OPTIONS+set}" ] || export COLLAM_OPTIONS
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(all_names)

# With a rate of 1 a program maps guard pages at once. Without them the option did not arrive, and nothing would be shown.
if [[ ${COLLAM_OPTIONS-} == *guard_rate=1 ]] &&
    ! LD_PRELOAD=${COLLAM_LIB-$root/build/release/libcollam.so} grep -q -- '---p .* 00:00 0 *$' /proc/self/maps; then
    echo "programs.sh: guard pages are not in force" >&2
    exit 1
fi

# Stopped half-way, it stops the program that is running: `timeout` passes the signal on.
child=
log=$(mktemp)
trap '[ -z "$child" ] || kill "$child"; rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
failed=0
skipped=0
for name in "${names[@]}"; do
    script=$programs/$name.sh
    if [ ! -f "$script" ]; then
        echo "programs.sh: no program '$name'" >&2
        failed=$((failed + 1))
        continue
    fi
    begin=$EPOCHREALTIME
    # shellcheck disable=SC2086 # empty in the long form
    timeout -k 20 "$limit" bash "$script" $form </dev/null >"$log" 2>&1 &
    child=$!
    wait "$child"
    status=$?
    child=
    output=$(<"$log")
    took=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    case $status in
    0) verdict=ok passed=$((passed + 1)) ;;
    77) verdict=skipped skipped=$((skipped + 1)) ;;
    124 | 137) verdict="FAILED (timeout)" failed=$((failed + 1)) ;;
    *) verdict=FAILED failed=$((failed + 1)) ;;
    esac
    printf '%-16s %-8s %6s s  %s\n' "$name" "$verdict" "$took" "$output"
done
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]
