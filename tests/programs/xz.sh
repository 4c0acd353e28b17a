#!/usr/bin/env bash
# xz: compresses with two threads in several blocks, decompresses with two threads, checks the sums.
. "$(dirname "$0")/lib.sh" "$@"
awk -v n="$(pick 200000 1000000)" -f "$DATA/make-text.awk" >text
proved xz -k -T2 -1 --block-size=1MiB text || fail "xz ended with status $?"
on xz -t -T2 text.xz || fail "the file does not test well"
on xz -dc -T2 text.xz | cmp - text || fail "what came back differs"
xz -dc text.xz | cmp - text || fail "what came back on the system's malloc differs"
[ "$(xz --robot -l text.xz | awk '$1 == "file" { print $3 }')" -gt 3 ] || fail "one block only: the threads had nothing to do"
on xz -k -c "-$(pick 3 6)" text | on xz -dc | cmp - text || fail "what came back through a pipe differs"
say "$(stat -c %s text) bytes, two threads"
