#!/usr/bin/env bash
# memcached with four threads: clients store, read back, replace and delete; evictions; every value that comes back is checked.
. "$(dirname "$0")/lib.sh" "$@"
need memcached
user=()
[ "$(id -u)" != 0 ] || user=(-u root)
[ -z "$LIB" ] || proved memcached -V
serve_on memcached "${user[@]}" -s "$WORK/socket" -t 4 -m 64 -c 512 -o slab_automove=1
server=$SERVER
wait_for 10 test -S "$WORK/socket"
prove_mapped "$server"
/usr/bin/python3 "$DATA/memcached-client.py" "$WORK/socket" 4 "$(pick 15000 300000)" >out || fail "the client ended with status $?"
cat out
grep -q ' 0 wrong' out || fail "$(cat out)"
grep -q '^evictions [1-9]' out || fail "nothing was evicted: $(cat out)"
kill -TERM "$server"
wait "$server" || fail "memcached ended with status $?"
say "$(head -1 out), $(sed -n 2p out)"
