#!/usr/bin/env bash
# php: the same work with every allocation sent to malloc (USE_ZEND_ALLOC=0), with its own allocator beside, and with the extensions that
# are configured on the machine, which it opens with RTLD_DEEPBIND.
. "$(dirname "$0")/lib.sh" "$@"
need php
n=$(pick 30000 500000)
same_as_system 200 env USE_ZEND_ALLOC=0 php -n -d memory_limit=-1 "$DATA/work.php" "$n"
mv out.library out.malloc
for extensions in -n ''; do
    # shellcheck disable=SC2086 # no word at all for the second
    same_as_system 200 php $extensions -d memory_limit=-1 "$DATA/work.php" "$n"
    cmp out.library out.malloc || fail "php $extensions prints something else without its own allocator"
done
say "$(sed -n 's/^summary //p' out.library), with malloc alone, with php's own allocator beside it, and with $(php -m | wc -l) extensions"
