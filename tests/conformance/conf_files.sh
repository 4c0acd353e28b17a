#!/usr/bin/env bash
# The statistics file is made safely: fresh ones private, own ones emptied, links, pipes and others' files refused.
#   conf_files.sh LIBRARY
set -euo pipefail
export LC_ALL=C # perl has a word to say about a locale that is not installed here
library=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
failed=0

# expect written|refused PATH WORDS
expect() {
    local said
    said=$(timeout 20 env COLLAM_OPTIONS="stats=$2" LD_PRELOAD="$library" perl -e 1 2>&1)
    if [ "$1" = written ]; then
        [ -z "$said" ] && grep -q '^live_blocks ' "$2" && return
    else
        [[ $said == *"cannot write statistics"* ]] && return
    fi
    failed=$((failed + 1))
    echo "$3: not $1; said '$said'"
}

expect written "$place/fresh" "a new file"
[ "$(stat -c %a "$place/fresh")" = 600 ] || { echo "the mode of a new file is not 600"; failed=$((failed + 1)); }
seq 100000 >"$place/fresh"
expect written "$place/fresh" "an own file"
[ "$(stat -c %s "$place/fresh")" -lt 5000 ] || { echo "an own file was not emptied"; failed=$((failed + 1)); }
ln -s "$place/fresh" "$place/link"
expect refused "$place/link" "a symbolic link"
ln -s "$place/nowhere" "$place/dangling"
expect refused "$place/dangling" "a symbolic link to nothing"
[ ! -e "$place/nowhere" ] || { echo "a file was made through a link"; failed=$((failed + 1)); }
ln "$place/fresh" "$place/second"
expect refused "$place/second" "a file with two names"
mkfifo "$place/pipe"
expect refused "$place/pipe" "a pipe"
expect refused "$place" "a directory"
if [ "$(id -u)" = 0 ]; then
    touch "$place/others"
    chown 65534 "$place/others"
    expect refused "$place/others" "another user's file"
fi
echo "$failed failed"
[ "$failed" -eq 0 ]
