#!/usr/bin/env bash
# A program that defines malloc itself keeps it, and every block of its libraries comes from it and goes back to it, with the library preloaded.
. "$(dirname "$0")/lib.sh" "$@"
need gcc
export OWN_ALLOCATOR='[^ ]*/own'
gcc -O1 -w -shared -fPIC "$DATA/own-malloc-user.c" -o libuser.so
gcc -O1 -fno-builtin -rdynamic "$DATA/own-malloc.c" -o own -L. -luser -Wl,-rpath,"$WORK"
./own >system || fail "the program does not work on the system's malloc: status $?"
on ./own >library || fail "a block went to the wrong allocator: status $?"
[ "$(sed 's/ .*//' library)" -ge "$(sed 's/ .*//' system)" ] || fail "on the library its allocator gave $(cat library), without it $(cat system)"
# The proof that the library is there for a program that binds nothing of it.
on grep -F "${LIB:-libc}" /proc/self/maps >maps || fail "the library is not mapped"
# shellcheck disable=SC2034 # read by lib.sh
[ -z "$LIB" ] || PROVED=1
for ((i = 0; i < $(pick 20 300); i++)); do on ./own | cmp -s - library || fail "run $i differs"; done
say "$(cat library) from its own allocator in each run"
