#!/usr/bin/env bash
# Style and static analysis over the repository: style.sh format|tidy|cppcheck|shell BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$2

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
    for file in $(files '*.c' '*.h' '*.cc' '*.cpp'); do
        if ! clang-format "$file" | cmp -s - "$file"; then
            wrong=1
            echo "$file: not as clang-format writes it"
            clang-format "$file" | diff "$file" - | head -n 6 || true
        fi
    done
    exit "$wrong"
    ;;
tidy)
    # What the build compiled, so that a file nobody compiles cannot pass unseen. Two at a time, 4 files a run.
    files 'src/*.c' 'tools/*.c' | grep -v '^src/platform/fake/' |
        xargs -P 2 -n 4 clang-tidy --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option
    ;;
cppcheck)
    # missingIncludeSystem: the system's headers are not looked at. unusedFunction cannot be seen file by file.
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr --platform=unix64 \
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
