#!/usr/bin/env bash
# php: the same work twice, once with every allocation sent to malloc (USE_ZEND_ALLOC=0) and once with its own allocator beside.
. "$(dirname "$0")/lib.sh" "$@"
need php
n=$(pick 30000 500000)
same_as_system 200 env USE_ZEND_ALLOC=0 php -n -d memory_limit=-1 "$DATA/work.php" "$n"
mv out.library out.malloc
same_as_system 200 php -n -d memory_limit=-1 "$DATA/work.php" "$n"
cmp out.library out.malloc || fail "php prints something else without its own allocator"
say "$(sed -n 's/^summary //p' out.library), with malloc alone and with php's own allocator beside it"
