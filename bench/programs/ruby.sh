#!/bin/sh
# ruby: strings, arrays and hashes under a collector whose object bodies come from malloc.
. "$(dirname "$0")/_common.sh"

run() { preloaded ruby --disable-gems "$inputs/work.rb" "$(pick 2 28)"; }

main "$@"
