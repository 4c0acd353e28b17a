#!/usr/bin/env bash
# redis-server under redis-benchmark, a snapshot written by its forked child, and a restart from it. Its own jemalloc is mapped beside.
. "$(dirname "$0")/lib.sh" "$@"
need redis-server redis-benchmark redis-cli
n=$(pick 60000 1000000)
start() {
    serve_on redis-server --port 0 --unixsocket "$WORK/socket" --dir "$WORK" --save '' --appendonly no --activerehashing yes --daemonize no
    wait_for 60 loaded
    server=$SERVER
    prove_mapped "$server"
    # Debian's redis is linked with a libjemalloc that answers its statistics calls; malloc itself must be the library's.
    beside=$(grep -oE 'libjemalloc[^ ]*' "/proc/$server/maps" | sort -u | head -1 || true)
}
cli() { redis-cli -s "$WORK/socket" "$@"; }
loaded() { cli info persistence | grep -q '^loading:0'; }
load() { redis-benchmark -s "$WORK/socket" -q -n "$n" -r 100000 -P 16 -c 20 "$@" >>"$LOGS/load" || fail "redis-benchmark ended with status $?"; }
[ -z "$LIB" ] || {
    proved redis-server --version >version
    grep -q 'Redis server' version || fail "no version"
}
start
load -t set,get,incr,lpush,rpop,sadd,hset,spop,zadd,mset -d 200
cli eval "for i = 1, 20000 do redis.call('set', 'k' .. i, string.rep('v', i % 500)); redis.call('hset', 'h' .. i % 50, i, i) end return 'done'" 0
cli set marker 'before the snapshot'
cli config set activedefrag yes || true
# A snapshot while clients write: the child must see the heap as it was, the parent copies what it changes.
cli bgsave
load -t set,lpush,lpop -d 100
saved() { [ "$(cli info persistence | tr -d '\r' | sed -n 's/^rdb_bgsave_in_progress://p')" = 0 ]; }
wait_for 120 saved
expect "snapshot" "$(cli info persistence | tr -d '\r' | sed -n 's/^rdb_last_bgsave_status://p')" ok
cli bgrewriteaof
rewritten() { [ "$(cli info persistence | tr -d '\r' | sed -n 's/^aof_rewrite_in_progress://p')" = 0 ]; }
wait_for 120 rewritten
cli save
keys=$(cli dbsize)
digest=$(cli debug digest 2>/dev/null || true)
# What redis counts as used must not be in the other allocator: that one answers for the little it holds itself.
info() { cli info memory | tr -d '\r' | sed -n "s/^$1://p"; }
other=$(info allocator_allocated)
case $LIB in
*libcollam*) [ -z "$beside" ] || [ "$other" -lt $(($(info used_memory) / 10)) ] || fail "$beside holds $other of $(info used_memory) bytes" ;;
esac
cli memory purge
cli shutdown nosave || true
wait "$server" || fail "redis ended with status $?"
start
expect "keys after the restart" "$(cli dbsize)" "$keys"
expect "digest after the restart" "$(cli debug digest 2>/dev/null || true)" "$digest"
expect "marker after the restart" "$(cli get marker)" 'before the snapshot'
expect "a value after the restart" "$(cli get k499 | wc -c)" 500
# Freed by another thread than the one that allocated.
cli flushall async
expect "keys after emptying" "$(cli dbsize)" 0
load -t set,get -d 1000
cli shutdown nosave || true
wait "$server" || fail "redis ended with status $?"
! grep -E 'crashed|Guru Meditation|BUG REPORT' "$LOGS/server" || fail "redis reported a crash"
say "$keys keys survived a snapshot and a restart; ${beside:-no allocator of its own} beside, holding $other bytes"
