#!/usr/bin/env bash
# PostgreSQL: initdb, pgbench with several clients, parallel queries, a vacuum, a restart, checksums. Run as an unprivileged user.
. "$(dirname "$0")/lib.sh" "$@"
bin=
for candidate in /usr/lib/postgresql/*/bin; do
    [ -x "$candidate/initdb" ] && bin=$candidate
done
[ -n "$bin" ] || fail "PostgreSQL's server is not installed (run scripts/install-programs.sh)"
export PGHOST=$WORK/socket PGDATABASE=postgres PGDATA=$WORK/data LC_ALL=C.UTF-8
mkdir "$WORK/socket" "$PGDATA"
# The server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id postgres >/dev/null 2>&1 || user=nobody
    # shellcheck disable=SC2034 # read by lib.sh
    RUN_AS=(setpriv "--reuid=$(id -u $user)" "--regid=$(id -g $user)" --clear-groups)
    export HOME=$WORK PGUSER=$user
    chown -R "$user" "$WORK/socket" "$PGDATA"
fi
proved "$bin/initdb" -D "$PGDATA" -A trust --no-sync --data-checksums >"$LOGS/initdb" || fail "initdb ended with status $?: $(tail -3 "$LOGS/initdb")"
start() {
    serve_on "$bin/postgres" -D "$PGDATA" -k "$PGHOST" -c listen_addresses= -c fsync=off -c max_parallel_workers_per_gather=2 \
        -c min_parallel_table_scan_size=0 -c parallel_setup_cost=0 -c shared_buffers=64MB -c jit="$1"
    wait_for 30 on "$bin/psql" -c 'select 1'
    # The server and every process it has forked.
    # shellcheck disable=SC2046 # a list of process numbers
    prove_mapped "$SERVER" $(pgrep -P "$SERVER")
}
sql() { on "$bin/psql" -X -A -t -q -v ON_ERROR_STOP=1 "$@"; }
halt() {
    kill -INT "$SERVER"
    wait "$SERVER" || fail "the server ended with status $?: $(tail -3 "$LOGS/server")"
}
start off
on "$bin/pgbench" -i -q -s "$(pick 1 10)" || fail "pgbench -i ended with status $?"
on "$bin/pgbench" -c 8 -j 2 -t "$(pick 300 6000)" -n -P 5 >bench || fail "pgbench ended with status $?"
expect "transactions" "$(sed -n 's/^number of transactions actually processed: //p' bench)" "$(pick 2400/2400 48000/48000)"
on "$bin/pgbench" -S -M prepared -c 4 -j 2 -t "$(pick 1000 20000)" -n >bench || fail "pgbench -S ended with status $?"
rows=$(pick 50000 1000000)
sql <<SQL >out || fail "psql ended with status $?"
CREATE TABLE t AS SELECT i, md5(i::text) AS m, (random() * 1000)::int AS r FROM generate_series(1, $rows) i;
CREATE INDEX ON t (m);
ANALYZE t;
SELECT 'sum', count(*), sum(i) FROM t;
SELECT 'join', count(*) FROM t a JOIN t b ON a.i = b.i + 1 AND a.m > b.m;
SELECT 'agg', length(string_agg(m, ',' ORDER BY m)) FROM t;
SELECT 'json', jsonb_array_length(jsonb_agg(jsonb_build_object('i', i, 'm', m))) FROM t WHERE i <= 20000;
SELECT 'plpgsql', (SELECT count(*) FROM regexp_matches(repeat('abc123 ', 3000), '[a-z]+(\d+)', 'g'));
DO \$\$ DECLARE s text := ''; BEGIN FOR i IN 1..5000 LOOP s := s || i; IF i % 100 = 0 THEN BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; END IF; END LOOP; RAISE NOTICE '%', length(s); END \$\$;
DELETE FROM t WHERE i % 3 = 0;
VACUUM FULL t;
SELECT 'left', count(*) FROM t;
SQL
expect "sum" "$(grep '^sum' out)" "sum|$rows|$((rows * (rows + 1) / 2))"
expect "aggregate" "$(grep '^agg' out)" "agg|$((rows * 33 - 1))"
expect "json" "$(grep '^json' out)" "json|20000"
expect "matches" "$(grep '^plpgsql' out)" "plpgsql|3000"
expect "left" "$(grep '^left' out)" "left|$((rows - rows / 3))"
balance=$(sql -c 'SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)')
expect "accounts agree with the history" "$balance" t
halt
on "$bin/pg_checksums" --check -D "$PGDATA" >checksums || fail "pg_checksums ended with status $?"
# Again with the just-in-time compiler where it is installed: LLVM then allocates in every backend.
start on
expect "rows after the restart" "$(sql -c 'SELECT count(*) FROM t')" "$((rows - rows / 3))"
sql -c 'SET jit_above_cost = 0; SET jit_optimize_above_cost = 0; SELECT sum(length(m) * i % 7) FROM t WHERE m > $$3$$' >jitted || fail "psql ended with status $?"
expect "with and without the compiler" "$(sql -c 'SET jit = off; SELECT sum(length(m) * i % 7) FROM t WHERE m > $$3$$')" "$(cat jitted)"
on "$bin/pg_dump" -t t >dump || fail "pg_dump ended with status $?"
expect "rows dumped" "$(grep -cP '^\d+\t[0-9a-f]{32}\t' dump)" "$((rows - rows / 3))"
halt
say "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' bench) queries a second, $rows rows, restart, checksums, dump"
