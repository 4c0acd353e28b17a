#!/usr/bin/env bash
# ruby: strings, hashes, sorting, threads, marshalling and many collections of garbage, with a compaction of its heap.
. "$(dirname "$0")/lib.sh" "$@"
need ruby
same_as_system 200 ruby --disable-gems "$DATA/work.rb" "$(pick 40000 500000)"
say "$(sed -n 's/^summary //p' "$WORK/out.library")"
