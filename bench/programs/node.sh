#!/bin/sh
# node: buffers, compression and parsing; the JavaScript heap is mapped by V8 itself, everything around it uses malloc.
. "$(dirname "$0")/_common.sh"

run() { preloaded node --single-threaded "$inputs/work.js" "$(pick 2 60)"; }

main "$@"
