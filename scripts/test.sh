#!/usr/bin/env bash
# All tests: installs what they need, builds every preset with gcc and with clang, runs everything ctest knows.
# The last line is "N passed, N failed" over all of it; the exit status is 0 only when nothing failed.
#
#   scripts/test.sh                  everything
#   scripts/test.sh PRESET...        only these presets: release clang-release debug clang-debug asan ubsan tsan aarch64
#
# aarch64 is a cross build that runs under qemu; on such a machine itself release is that, and it is left out.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

if [ "${1-}" = --help ]; then
    print_help
    exit 0
fi
presets=("$@")
if [ $# -eq 0 ]; then
    presets=(release clang-release debug clang-debug asan ubsan tsan)
    [ "$(uname -m)" = aarch64 ] || presets+=(aarch64)
fi
cd "$root"

need_build_tools
need clang=clang clang++=clang clang-format=clang-format clang-tidy=clang-tidy cppcheck=cppcheck shellcheck=shellcheck \
    valgrind=valgrind spin=spin pkg-config=pkg-config setarch=util-linux cargo=cargo rustc=rustc libcmocka-dev
need "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" # libFuzzer
if [[ " ${presets[*]} " = *" aarch64 "* ]]; then
    need_cross_tools
fi
if [ -x scripts/install-programs.sh ]; then
    scripts/install-programs.sh || die "scripts/install-programs.sh could not install the programs the tests run"
fi

passed=0
failed=0
for preset in "${presets[@]}"; do
    started=$SECONDS
    if ! build "$preset"; then
        failed=$((failed + 1))
        say "$preset: does not build"
        continue
    fi
    built=$SECONDS
    log=$root/build/$preset.ctest.log
    ctest --test-dir "build/$preset" -j "$(nproc)" --output-on-failure --no-tests=error >"$log" 2>&1 || true
    # ctest counts a skipped test among those that passed; here it counts as neither.
    read -r good bad skipped < <(awk '/^ *[0-9]+\/[0-9]+ Test +#.*\*\*\*Skipped/ { skipped++ }
        /tests passed, [0-9]+ tests? failed out of/ { bad = $4; all = $NF }
        END { print all - bad - skipped, bad + 0, skipped + 0 }' "$log")
    if [ $((good + bad)) -eq 0 ]; then
        bad=1
        tail -n 20 "$log"
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    # What failed or was skipped, with its output.
    awk '/% tests passed/ { exit } /^ *[0-9]+\/[0-9]+ Test +#/ { show = /\*\*\*/ } show && !/^( *Start .*)?$/' "$log"
    printf '%-14s %4d passed %3d failed %3d skipped   built in %d s, tested in %d s\n' "$preset" "$good" "$bad" "$skipped" $((built - started)) $((SECONDS - built))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
