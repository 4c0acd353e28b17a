#!/usr/bin/env bash
# clang: compiles C and C++, objects equal those made on the system's malloc; links with lld where there is one.
. "$(dirname "$0")/lib.sh" "$@"
need clang clang++
bash "$DATA/make-c.sh" "$(pick 80 2000)" >work.c
proved clang -O2 -g -c work.c -o library.o || fail "clang ended with status $?"
clang -O2 -g -c work.c -o system.o
cmp library.o system.o || fail "the object differs from the one made on the system's malloc"
on clang library.o -o program
clang -O0 work.c -o plain
expect "result of the program" "$(on ./program)" "$(./plain)"
count=$(pick 2 30)
on clang++ -std=c++17 -O1 -DCOUNT="$count" "$DATA/templates.cpp" -o templates || fail "clang++ ended with status $?"
on ./templates | grep -q '^123abc 456def ' || fail "the C++ program printed something else"
on clang -fsyntax-only -Xclang -ast-dump work.c | tail -1 >ast
[ -s ast ] || fail "no syntax tree"
say "$(wc -l <work.c) lines of C, $count sets of C++ templates"
