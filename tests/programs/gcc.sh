#!/usr/bin/env bash
# gcc: compiles a generated C program at three levels and with link-time optimisation; objects equal those made on the system's malloc.
. "$(dirname "$0")/lib.sh" "$@"
bash "$DATA/make-c.sh" "$(pick 120 700)" >work.c
proved gcc -O2 -g -c work.c -o library.o || fail "gcc ended with status $?"
gcc -O2 -g -c work.c -o system.o
cmp library.o system.o || fail "the object differs from the one made on the system's malloc"
on gcc -O0 work.c -o plain
on gcc -O3 -flto=2 -Wall -Wextra work.c -o lto
expect "result of the program" "$(./lto)" "$(./plain)"
on ar rcs libwork.a library.o
expect "objects in the archive" "$(on ar t libwork.a)" library.o
on ld -r library.o -o again.o
on objdump -d again.o >dump
[ "$(wc -l <dump)" -gt 5000 ] || fail "objdump printed too little"
# A syntax error must be reported as one, with gcc's own exit status.
status=0
on gcc -c -x c - -o bad.o <<<'int f( { return 1 }' || status=$?
expect "status for a syntax error" "$status" 1
say "$(wc -l <work.c) lines at -O0, -O2 and -O3 -flto"
