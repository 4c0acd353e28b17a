#!/usr/bin/env bash
# lua: its whole heap goes through realloc and free. Trees, strings, closures, coroutines.
. "$(dirname "$0")/lib.sh" "$@"
need lua5.4
same_as_system 100 lua5.4 "$DATA/work.lua" "$(pick 13 16)" "$(pick 40000 700000)"
expect "nodes of the trees" "$(sed -n 's/^nodes //p' "$WORK/out.library")" "$(pick $((16383 * 8)) $((131071 * 8)))"
say "$(sed -n 's/^summary //p' "$WORK/out.library")"
