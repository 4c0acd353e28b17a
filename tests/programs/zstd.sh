#!/usr/bin/env bash
# zstd: compresses with two threads at several levels, with a dictionary it trains; decompresses and compares.
. "$(dirname "$0")/lib.sh" "$@"
awk -v n="$(pick 300000 2000000)" -f "$DATA/make-text.awk" >text
proved zstd -q -T2 -B1MiB text -o first.zst || fail "zstd ended with status $?"
for level in $(pick "1 9" "1 9 15"); do
    on zstd -q -T2 -B1MiB "-$level" -f text -o text.zst || fail "level $level ended with status $?"
    on zstd -q -dc text.zst | cmp - text || fail "level $level: what came back differs"
done
zstd -q -dc first.zst | cmp - text || fail "what came back on the system's malloc differs"
split -l 1000 text part.
on zstd -q --train part.* -o dictionary || fail "training ended with status $?"
on zstd -q -D dictionary part.aa -o small.zst
on zstd -q -D dictionary -dc small.zst | cmp - part.aa || fail "with a dictionary, what came back differs"
say "$(stat -c %s text) bytes, two threads, a trained dictionary"
