#!/usr/bin/env bash
# g++: compiles a program full of standard library templates; the object equals the one made on the system's malloc, and it runs on the library.
. "$(dirname "$0")/lib.sh" "$@"
count=$(pick 6 60)
proved g++ -std=c++17 -O1 -DCOUNT="$count" -c "$DATA/templates.cpp" -o library.o || fail "g++ ended with status $?"
g++ -std=c++17 -O1 -DCOUNT="$count" -c "$DATA/templates.cpp" -o system.o
cmp library.o system.o || fail "the object differs from the one made on the system's malloc"
on g++ library.o -o program
same_as_system 10 ./program
grep -q '^123abc 456def ' out.library || fail "the program printed $(cat out.library)"
say "$count sets of templates, and the program itself"
