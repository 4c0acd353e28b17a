#!/usr/bin/env bash
# Line coverage of src/ by the unit and property tests (gcov, added up by gcovr). Every line not reached must be listed with its reason in
# tests/coverage/uncovered.txt, or the script fails. The libc-named entry points are not in this build, because gcov's own runtime calls
# malloc: api/libc.c and api/cxx.cc are covered by tests/conformance alone, uncounted.
#
#   scripts/coverage.sh [--html] [--at-least PERCENT]    --html: also build/coverage/html/index.html
#                                                         --at-least: fail when the lines covered are fewer
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

options=()
while [ $# -gt 0 ]; do
    case $1 in
    --html)
        mkdir -p "$root/build/coverage/html"
        options+=(--html-details "$root/build/coverage/html/index.html")
        ;;
    --at-least)
        [ $# -ge 2 ] || die "--at-least needs a number"
        options+=(--fail-under-line "$2")
        shift
        ;;
    --help)
        print_help
        exit 0
        ;;
    *) die "unknown option $1 (try --help)" ;;
    esac
    shift
done
need_build_tools
need gcov=gcc gcovr=gcovr libcmocka-dev
build coverage
find "$root/build/coverage" -name '*.gcda' -delete
ctest --test-dir "$root/build/coverage" -j "$(nproc)" --output-on-failure >"$root/build/coverage.ctest.log" ||
    { tail -n 30 "$root/build/coverage.ctest.log" >&2 && die "a test failed"; }
cd "$root"
# The same source is compiled into collam_core and collam_core_fake: gcovr adds the two up.
gcovr --root . --object-directory build/coverage --filter 'src/' --exclude-unreachable-branches --print-summary \
    --json build/coverage/coverage.json "${options[@]}" build/coverage
exec tests/coverage/check.py . build/coverage/coverage.json
