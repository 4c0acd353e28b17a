#!/usr/bin/env bash
# perl: hashes, sorting, regular expressions, closures, cycles and, where perl has them, threads.
. "$(dirname "$0")/lib.sh" "$@"
same_as_system 200 /usr/bin/perl "$DATA/work.pl" "$(pick 60000 1000000)"
say "$(sed -n 's/^summary //p' "$WORK/out.library")"
