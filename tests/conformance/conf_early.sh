#!/bin/sh
# Runs PROGRAM with LIBRARY preloaded before ALLOCATOR, once for each entry point as the very first call of the process.
#   conf_early.sh PROGRAM LIBRARY [ALLOCATOR]
# EARLY_EMULATOR, if set, is the command that runs programs of another processor; EARLY_PRELOAD then what stands for LD_PRELOAD.
set -eu
program=$1 library=$2 allocator=${3:-}
for first in malloc calloc realloc free memalign posix_memalign usable large direct mallopt trim mallinfo2; do
    status=0
    output=$(EARLY_FIRST=$first timeout 20 env "${EARLY_PRELOAD:-LD_PRELOAD}=$library${allocator:+:$allocator}" ${EARLY_EMULATOR-} "$program" 2>&1) || status=$?
    case $output in
    *"early library done"*) ;;
    *) status="$status, and the library's end was not reached" ;;
    esac
    if [ "$status" != 0 ]; then
        echo "first call $first: status $status"
        echo "$output"
        exit 1
    fi
    echo "first call $first: ok"
done
