#!/usr/bin/env bash
# gdb: breaks in a program that itself runs on the library, prints its data, edits its memory, and calls malloc in it where gdb can call.
. "$(dirname "$0")/lib.sh" "$@"
# gdb defines operator new and delete itself, over malloc.
export OWN_ALLOCATOR='([^ ]*/)?gdb'
need gdb gcc
cat >work.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *next; int key; char *text; };
static int reached(struct node *list) { int n = 0; for (; list; list = list->next) n += list->key; return n; }
int main(void)
{
    struct node *list = NULL;
    for (int i = 0; i < 100; i++) {
        struct node *n = malloc(sizeof *n);
        n->next = list;
        n->key = i;
        n->text = malloc(50);
        snprintf(n->text, 50, "text of %d", i);
        list = n;
    }
    printf("sum %d %s\n", reached(list), list->text);
    while (list) { struct node *next = list->next; free(list->text); free(list); list = next; }
    return 7;
}
C
gcc -g -O0 work.c -o work
cat >commands <<'GDB'
set pagination off
set breakpoint pending on
break reached
run
backtrace
print list->key
print list->text
CALLS
set var list->key = 1099
finish
info sharedlibrary
continue
GDB
# Calling functions needs the kernel to write all of the vector registers back, which older gdb cannot on some processors.
calls=
if gdb -q -batch -nx -ex 'break main' -ex run -ex 'print (int)strlen("four")' ./work 2>/dev/null | grep -q '= 4$'; then
    calls='print $block = (char *)malloc(1000)\ncall (void *)memset($block, 120, 999)\nprint $block[998]\ncall (void)free($block)'
fi
sed -i "s/^CALLS$/$calls/" commands
proved gdb -q -batch -nx -x commands ./work >out || fail "gdb ended with status $?"
cat out
grep -qE '^#1 .* in main \(\) at work.c' out || fail "no backtrace"
grep -qF '"text of 99"' out || fail "the string was not printed"
[ -z "$calls" ] || grep -qF "= 120 'x'" out || fail "the block that gdb allocated was not written"
# The program prints 4950 with 1000 more for the key that gdb changed.
grep -q '^sum 5950 text of 99$' out || fail "the program printed something else"
grep -q 'exited with code 07' out || fail "the program did not end with its own status"
[ -z "$LIB" ] || grep -qF "$LIB" out || fail "gdb did not see the library in the program"
# Many symbols: gdb reads its own C library's and lists.
on gdb -q -batch -nx -ex 'info functions ^reg' -ex 'info types .' "$(pick /bin/bash "$(command -v gdb)")" >symbols || fail "gdb ended with status $?"
[ -s symbols ] || fail "no symbols listed"
for ((i = 0; i < $(pick 1 40); i++)); do on gdb -q -batch -nx -x commands ./work >again; grep -q '^sum 5950' again || fail "round $i differs"; done
say "broke in and changed a program on the library${calls:+, called malloc in it}"
