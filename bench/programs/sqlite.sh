#!/bin/sh
# sqlite: tables in memory, indexes, joins, text functions; a database engine's short-lived and cached blocks.
. "$(dirname "$0")/_common.sh"

prepare() { sed "s/@ROWS@/$(pick 100000 900000)/g" "$inputs/work.sql" >"$dir/work.sql"; }

run() { preloaded sqlite3 -batch :memory: <"$dir/work.sql"; }

main "$@"
