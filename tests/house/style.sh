#!/usr/bin/env bash
# Style and static analysis over the repository: style.sh format|tidy|cppcheck|shell
set -euo pipefail
cd "$(dirname "$0")/../.."

# files PATTERN...: tracked files, or those on disk where there is no repository.
files() {
    local pattern names=()
    for pattern in "$@"; do names+=(-o -path "./$pattern"); done
    git ls-files -- "$@" 2>/dev/null | grep . ||
        find . -path ./build -prune -o -type f \( "${names[@]:1}" \) -print | sed 's,^\./,,' | grep -v /target/
}

case $1 in
format)
    wrong=0
    # Not what compilers are given to work on in tests/programs/work: that is data.
    for file in $(files '*.c' '*.h' '*.cc' '*.cpp' | grep -v '^tests/programs/work/'); do
        if ! clang-format "$file" | cmp -s - "$file"; then
            wrong=1
            echo "$file: not as clang-format writes it"
            clang-format "$file" | diff "$file" - | head -n 6 || true
        fi
    done
    exit "$wrong"
    ;;
tidy)
    # With flags of its own: clang does not know all of gcc's. As a debug build: the checked invariants tell the analyser what holds.
    flags=(-DCOLLAM_DEBUG=1 -I src -I include -D_GNU_SOURCE -DCOLLAM_RUN_VERSION='"0"' -DCOLLAM_RUN_LIBRARY='"lib"' -DCOLLAM_RUN_HARDENED='"hardened"' -DCOLLAM_RUN_LIBDIR='"lib"')
    status=0
    files 'src/*.c' 'tools/*.c' | xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- -std=gnu17 '"$(printf "'%s' " "${flags[@]}")" sh 2>/dev/null || status=1
    files 'src/*.cc' | xargs -I{} clang-tidy --quiet {} -- -std=c++17 "${flags[@]}" 2>/dev/null || status=1
    exit "$status"
    ;;
cppcheck)
    # Suppressed: asserting `condition && "words"` is a way to say why; and its redundant-check warnings take a loop's test of a pointer
    # to contradict a use after the loop that is guarded by another variable.
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --suppress=incorrectStringBooleanError --suppress=nullPointerRedundantCheck \
        --platform=unix64 \
        -D__x86_64__ -D__GNUC__=12 -D__linux__ -I src -I include --template='{file}:{line}: {severity}: {message} [{id}]' src tools
    ;;
shell)
    files '*.sh' '.ci/run' | xargs shellcheck -x -P SCRIPTDIR -S warning
    ;;
*)
    echo "style.sh: unknown check $1" >&2
    exit 2
    ;;
esac
