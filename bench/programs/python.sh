#!/bin/sh
# python: JSON, dictionaries, small objects and sorting, with Python's own small-object allocator off (PYTHONMALLOC=malloc),
# as one runs it under a heap profiler or on an allocator one trusts more.
. "$(dirname "$0")/_common.sh"

export PYTHONMALLOC=malloc PYTHONHASHSEED=1 PYTHONDONTWRITEBYTECODE=1

run() { preloaded /usr/bin/python3 -s -S "$inputs/work.py" "$(pick 1 14)"; }

main "$@"
