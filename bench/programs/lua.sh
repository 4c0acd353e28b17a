#!/bin/sh
# lua: builds and drops tables, strings and closures; an embedded interpreter with a tracing collector that uses realloc.
. "$(dirname "$0")/_common.sh"

run() { preloaded lua5.4 "$inputs/work.lua" "$(pick 2 20)"; }

main "$@"
