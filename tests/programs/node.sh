#!/usr/bin/env bash
# node: buffers, zlib and crypto on its thread pool, worker threads, JSON. V8 keeps its own heap; buffers and threads use malloc.
. "$(dirname "$0")/lib.sh" "$@"
need node
n=$(pick 40 600)
same_as_system 60 node "$DATA/work.js" "$n"
grep -q '^round trips all equal$' out.library || fail "a buffer changed on its way"
# Both heaps in one process: V8's figures are its own, and the library is in the process's map.
on node -e 'const m = require("fs").readFileSync("/proc/self/maps", "latin1"), h = require("v8").getHeapStatistics();
    console.log(h.total_heap_size > 1e6 && h.malloced_memory > 0 && m.includes(process.argv[1]) ? "both" : "not both")' "${LIB:-libc.so.6}" >both
expect "V8's heap and malloc's" "$(cat both)" both
say "$(sed -n 's/^summary //p' out.library); V8's heap beside malloc's"
