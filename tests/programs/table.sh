#!/usr/bin/env bash
# Prints a Markdown table: five real programs on glibc, collam and the packaged peers. Called by scripts/programs.sh --table [ROUNDS].
#
# Each round runs every program on every allocator, one after the other, and each round begins with another allocator, so that
# whatever else the machine does falls on all of them. A cell is the median of the rounds: wall time, and the largest resident set
# of any process of the run (of the server, for redis).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
rounds=${1:-5}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

library=${COLLAM_LIB:-$root/build/release/libcollam.so}
peers=$(dirname "$(ldconfig -p | awk '/libjemalloc.so.2/ { print $NF; exit }')")
names=(glibc collam jemalloc tcmalloc mimalloc tbbmalloc)
libraries=('' "$library" "$peers/libjemalloc.so.2" "$peers/libtcmalloc_minimal.so.4" "$(echo "$peers"/libmimalloc.so.[0-9])"
    "$peers/libtbbmalloc_proxy.so.2")
for lib in "${libraries[@]}"; do
    [ -z "$lib" ] || [ -r "$lib" ] || { echo "table: no library at $lib" >&2; exit 1; }
done

bash "$here/work/make-c.sh" 250 >work.c
cat >work.sql <<'SQL'
CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, value REAL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
    INSERT INTO item SELECT i, i % 97, 'name-' || (i * 7919 % 10007) || '-' || i, i / 3.0 FROM n;
CREATE INDEX by_name ON item (name);
SELECT count(*) FROM item a JOIN item b ON a.id = b.id + 1 AND a.name > b.name;
SELECT length(json_group_array(name)) FROM item;
SELECT sum(r) FROM (SELECT row_number() OVER (PARTITION BY grp ORDER BY name) AS r FROM item);
SQL
cat >work.py <<'PYTHON'
import json
records = [{"id": i, "name": "name %d" % i, "list": list(range(i % 10)), "text": "x" * (i % 90)} for i in range(200000)]
text = json.dumps(records)
again = json.loads(text)
assert again == records
index = {}
for r in again:
    index.setdefault(r["text"], []).append((r["id"], r["name"].split()))
del records
words = sorted(" ".join(w for _, l in v for w in l) for v in index.values())
assert len(words) == 90
PYTHON

# Runs a command on a library; prints its wall time in seconds and its peak resident set in KiB.
measure() {
    /usr/bin/python3 - "$@" <<'PYTHON'
import os, sys, time
env = dict(os.environ)
if sys.argv[1]:
    env["LD_PRELOAD"] = sys.argv[1]
null = os.open(os.devnull, os.O_RDWR)
begin = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], env, file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(pid, 0)
print("%.4f %d" % (time.monotonic() - begin, usage.ru_maxrss))
sys.exit(status != 0)
PYTHON
}

run_sqlite3() { measure "$1" sqlite3 -batch -init work.sql :memory: .quit; }
run_python3() { PYTHONMALLOC=malloc measure "$1" /usr/bin/python3 work.py; }
run_gcc() { measure "$1" gcc -O2 -g -c work.c -o work.o; }
run_perl() { measure "$1" /usr/bin/perl "$here/work/work.pl" 200000; }
run_redis() {
    # Debian's redis is linked with jemalloc: for glibc's column the C library is put before it.
    local peak took lib=${1:-$(ldconfig -p | awk '/libc\.so\.6.*x86-64|libc\.so\.6.*AArch64/ { print $NF; exit }')}
    env LD_PRELOAD="$lib" redis-server --port 0 --unixsocket "$work/socket" --dir "$work" --save '' >"$work/redis.log" 2>&1 &
    server=$!
    until redis-cli -s socket ping >/dev/null 2>&1; do sleep 0.05; done
    took=$(measure '' redis-benchmark -s socket -q -n 300000 -r 100000 -P 16 -c 20 -d 300 -t set,get,lpush,sadd,hset,zadd)
    peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$server/status")
    redis-cli -s socket shutdown nosave >/dev/null 2>&1 || true
    wait "$server"
    server=
    echo "${took% *} $peak"
}

programs=(sqlite3 python3 redis gcc perl)
for ((round = 0; round < rounds; round++)); do
    for program in "${programs[@]}"; do
        for ((k = 0; k < ${#names[@]}; k++)); do
            i=$(((k + round) % ${#names[@]}))
            result=$("run_$program" "${libraries[i]}") || { echo "table: $program failed on ${names[i]}" >&2; exit 1; }
            echo "$program ${names[i]} $result" >>results
        done
    done
    echo "round $((round + 1)) of $rounds done" >&2
done

median() { # of the COLUMN of PROGRAM on ALLOCATOR
    awk -v p="$2" -v a="$3" -v c="$1" '$1 == p && $2 == a { print $c }' results | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}
table() { # TITLE COLUMN FORMAT
    local program name
    printf '\n%s, median of %d interleaved rounds:\n\n| program |' "$1" "$rounds"
    printf ' %s |' "${names[@]}"
    printf '\n|---|'
    printf -- '---:|%.0s' "${names[@]}"
    printf '\n'
    for program in "${programs[@]}"; do
        printf '| %s |' "$program"
        for name in "${names[@]}"; do median "$2" "$program" "$name" | awk -v f="$3" -v c="$2" '{ printf f, c == 4 ? $1 / 1024 : $1 }'; done
        printf '\n'
    done
}
table 'Wall time in seconds' 3 ' %.2f |'
table 'Peak resident memory in MiB' 4 ' %.1f |'
