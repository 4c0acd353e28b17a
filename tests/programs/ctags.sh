#!/usr/bin/env bash
# Universal Ctags in its sandbox: a seccomp filter of its own that ends the process for any call but read, write and those of the C
# library's single-threaded malloc, while the tags of a large source take tens of MiB.
. "$(dirname "$0")/lib.sh" "$@"
need ctags-universal
case $LIB in *hardened*) skip "the filter ends the process for mprotect, which fences are made by" ;; esac
ctags-universal --version | grep -F +sandbox >found || skip "this ctags has no sandbox"
awk -v n="$(pick 40000 400000)" 'BEGIN { for (i = 0; i < n; i++) printf "int f_%d(int a, char *b) { return a; }\nstruct s_%d { int m_%d; };\n", i, i, i }' >text.c
{
    printf '{"command": "generate-tags", "filename": "text.c", "size": %d}\n' "$(stat -c %s text.c)"
    cat text.c
} >wanted
ctags-universal --_interactive=sandbox <wanted >system || skip "the sandbox does not work on the system's malloc: status $?"
# The loader's log cannot be written once the filter is there; what is bound later is another program run's matter.
proved ctags-universal --version >version || fail "ctags ended with status $?"
on ctags-universal --_interactive=sandbox <wanted >library || fail "ctags ended with status $? in its sandbox"
cmp system library || fail "the tags differ"
say "$(wc -l <library) lines of tags in the sandbox"
