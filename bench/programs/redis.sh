#!/bin/sh
# redis: a server fills, overwrites and empties keys of several types by a script of its own; long-lived small blocks.
. "$(dirname "$0")/_common.sh"

# Debian's server is linked with jemalloc: the C library, preloaded, is what the system's malloc means here
[ -n "${BENCH_PRELOAD:-}" ] || BENCH_PRELOAD=$(/usr/sbin/ldconfig -p | awk '$1 == "libc.so.6" { print $NF; exit }')

run() {
    socket=$dir/socket
    rm -f "$socket"
    env LD_PRELOAD="$BENCH_PRELOAD" redis-server --port 0 --unixsocket "$socket" --save '' --appendonly no --daemonize no \
        --loglevel warning --dir "$dir" --set-proc-title no >"$dir/log" 2>&1 &
    server=$!
    trap 'kill $server 2>/dev/null' EXIT
    tries=0
    until [ -S "$socket" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || exit 1
        sleep 0.01
    done
    redis-cli -s "$socket" --eval "$inputs/work-redis.lua" , "$(pick 100000 1100000)"
    redis-cli -s "$socket" dbsize
    redis-cli -s "$socket" shutdown nosave
    trap - EXIT
    wait "$server"
}

main "$@"
