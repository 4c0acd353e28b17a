#!/usr/bin/env bash
# sort: with two threads and a small buffer, so that it merges from files; checked against another order of the same lines.
. "$(dirname "$0")/lib.sh" "$@"
n=$(pick 400000 8000000)
export LC_ALL=C
seq 1 "$n" | awk '{ printf "%08x line %d %s\n", ($1 * 2654435761) % 4294967296, $1, substr("abcdefghijklmnop", $1 % 16 + 1) }' >lines
proved sort --parallel=2 -S 8M -T "$WORK" lines >sorted || fail "sort ended with status $?"
sort --parallel=1 lines | cmp - sorted || fail "sorted differently"
on sort --parallel=2 -k3,3n sorted >back
cmp back lines || fail "sorted by the number of the line, it is not the file that went in"
on sort -u -k4,4 --parallel=2 lines >unique
expect "distinct fourth words" "$(wc -l <unique)" 16
say "$n lines, two threads, merged from files"
