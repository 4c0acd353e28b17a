#!/usr/bin/env bash
# bash: arrays, associative arrays, string building, expansions, forks and command substitution.
. "$(dirname "$0")/lib.sh" "$@"
n=$(pick 4000 60000)
same_as_system 200 /bin/bash --norc "$DATA/work.bash" "$n"
expect "sum of the array" "$(sed -n 's/^sum //p' "$WORK/out.library")" $((n * (n + 1) / 2))
say "$n elements, $(sed -n 's/^forks //p' "$WORK/out.library") forks"
