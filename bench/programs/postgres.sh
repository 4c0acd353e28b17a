#!/bin/sh
# postgres: a server answers pgbench's transactions; memory contexts above malloc, in processes that fork.
. "$(dirname "$0")/_common.sh"

bin=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
data=$dir/data
export PGUSER=bench PGHOST="$dir" PGDATABASE=postgres

# the server refuses to run as root
as_owner() {
    if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; fi
    exec "$@"
}

start() {
    # no durability: the disk is not what is measured
    as_owner "$@" "$bin/postgres" -D "$data" -k "$dir" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
        -c full_page_writes=off -c shared_buffers=32MB -c autovacuum=off -c jit=off -c log_min_messages=fatal >"$dir/log" 2>&1 &
    server=$! # the server itself: as_owner ends in exec
    trap 'kill -INT $server 2>/dev/null' EXIT
    tries=0
    until "$bin/psql" -qAtc 'select 1' >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || exit 1
        sleep 0.02
    done
}

stop() {
    kill -INT "$server"
    trap - EXIT
    wait "$server" || [ $? -le 2 ]
}

prepare() {
    [ "$(id -u)" != 0 ] || chown postgres "$dir"
    rm -rf "$data"
    (as_owner "$bin/initdb" -D "$data" -U bench -A trust -E UTF8 --locale=C -N >/dev/null)
    start
    "$bin/pgbench" -i -q -s 1 >/dev/null 2>&1
    stop
}

run() {
    start ${BENCH_PRELOAD:+env "LD_PRELOAD=$BENCH_PRELOAD"}
    # every run does the same from the same state: what it adds is taken away again
    "$bin/pgbench" -n -c 2 -j 1 -t "$(pick 100 1500)" --random-seed=1 >/dev/null 2>&1
    "$bin/psql" -qAt -v rows="$(pick 20000 200000)" <"$inputs/work-postgres.sql"
    stop
}

main "$@"
