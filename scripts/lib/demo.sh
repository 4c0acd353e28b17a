# shellcheck shell=bash
# The demonstration of scripts/run.sh: four pieces of real work, each run in turn on the system's malloc and on collam, the results
# compared, the median of the rounds shown. Sourced after common.sh.

demo_rounds=3

# Each prints something that depends on all of its work, so that equal output means equal results.
demo_sqlite() {
    cat <<'SQL'
create table word(id integer primary key, text text, rank integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
insert into word select i, 'word ' || (i * 7919 % 200003), i * 31 % 1009 from n;
create index by_rank on word(rank, text);
select rank, count(*), max(text) from word group by rank order by count(*) desc, rank limit 5;
select sum(length(a.text || b.text)) from word a join word b on b.id = a.rank;
SQL
}

demo_python() {
    cat <<'PY'
import collections, hashlib, json
documents = [{"id": i, "tags": [f"tag{i * k % 97}" for k in range(8)], "text": "x" * (i % 200)} for i in range(30000)]
again = json.loads(json.dumps(documents))
count = collections.Counter(tag for document in again for tag in document["tags"])
print(hashlib.sha256(json.dumps(sorted(count.items())).encode()).hexdigest(), sum(len(d["text"]) for d in again))
PY
}

demo_perl() {
    cat <<'PL'
my (%seen, @lines); my $x = 12345;
for my $i (1 .. 300000) { $x = ($x * 1103515245 + 12345) % 2147483648; push @lines, "line $i of " . ($x % 5000); $seen{$x % 50000} .= "."; }
my @sorted = sort { $a cmp $b } @lines; my $total = 0; $total += length for values %seen;
print "$sorted[0] $sorted[-1] ", scalar(keys %seen), " $total\n";
PL
}

# demo_one NAME COMMAND...: one line of the table.
demo_one() {
    local name=$1 run=$2 directory=$3 round side
    shift 3
    for ((round = 1; round <= demo_rounds; round++)); do
        for side in system collam; do
            local flags=(--quiet --figures "$directory/$name.$side.$round")
            if [ "$side" = collam ]; then flags+=(--uncounted); else flags+=(--system); fi
            PYTHONMALLOC=malloc "$run" "${flags[@]}" -- "$@" >"$directory/$name.$side.out" <"$directory/$name.input" ||
                die "the demonstration's $name failed on $side"
        done
        cmp -s "$directory/$name.system.out" "$directory/$name.collam.out" || die "$name gave another result on collam"
    done
    printf '%-8s %10s s %10s s %10s MiB %9s MiB   same\n' "$name" \
        "$(demo_median "$directory/$name.system." wall_seconds 1 %.3f)" "$(demo_median "$directory/$name.collam." wall_seconds 1 %.3f)" \
        "$(demo_median "$directory/$name.system." peak_rss_kib 1024 %.1f)" "$(demo_median "$directory/$name.collam." peak_rss_kib 1024 %.1f)"
}

# demo_median PREFIX FIGURE DIVISOR FORMAT
demo_median() {
    cat "$1"[0-9]* | awk -v name="$2" '$1 == name { print $2 }' | sort -g |
        awk -v d="$3" -v f="$4" '{ v[NR] = $1 } END { printf f, v[int((NR + 1) / 2)] / d }'
}

demo() {
    local run=$1 directory
    need sqlite3=sqlite3 perl=perl python3=python3 gcc=gcc
    directory=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$directory'" EXIT
    demo_sqlite >"$directory/sqlite3.input"
    demo_python >"$directory/python3.input"
    demo_perl >"$directory/perl.input"
    printf '#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n' >"$directory/gcc.input"
    seq 1 1000 | sed 's/.*/int f&(int a, int b) { for (int i = 0; i < b; i++) a = a * & + (i ^ b); return a; }/' >>"$directory/gcc.input"
    printf '\nThe same work on the system malloc and on collam, in turn, %s rounds, the median of each.\n' "$demo_rounds"
    printf '\n'
    printf '%-8s %12s %12s %14s %13s   result\n' program "system" "collam" "system peak" "collam peak"
    demo_one sqlite3 "$run" "$directory" sqlite3 :memory:
    demo_one python3 "$run" "$directory" python3 -
    demo_one perl "$run" "$directory" perl -
    demo_one gcc "$run" "$directory" gcc -O1 -S -x c -o - -
    printf '\nYour own program: scripts/run.sh PROGRAM [ARGS...]\n'
}
