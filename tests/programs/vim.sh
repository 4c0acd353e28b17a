#!/usr/bin/env bash
# vim: edits a long file in a terminal of its own script: substitutions, sorting, macros, undo, folds, registers, its script language.
. "$(dirname "$0")/lib.sh" "$@"
need vim
n=$(pick 30000 400000)
seq 1 "$n" | awk '{ print "line", $1, "of some words", ($1 * 7919) % 10007 }' >text
cat >commands.vim <<'VIM'
set nocompatible undolevels=1000
let s:before = join(getline(1, '$'), "\n")
%substitute/line \(\d\+\)/\1 line/
normal gg0qaA, recorded0jq
normal 500@a
%sort n /words /
undo
redo
global/7$/normal Aseven
let g:table = {}
for s:i in range(1, line('$'))
    let s:w = matchstr(getline(s:i), '\d\+')
    let g:table[s:w] = get(g:table, s:w, '') . repeat('x', s:i % 30)
endfor
call writefile([len(g:table), len(join(values(g:table), ''))], 'table')
write! edited
earlier 100000
if join(getline(1, '$'), "\n") ==# s:before | call writefile(['restored'], 'undone') | endif
syntax on
set filetype=c
new
call setline(1, map(range(2000), '"int f" . v:val . "(void) { return " . v:val . "; }"'))
%yank z
1,1000delete
put z
write! second
qall!
VIM
run() { rm -f table edited undone second; "$@" vim -u NONE -i NONE -n -es -S commands.vim text </dev/null; }
run proved || fail "vim ended with status $?"
mkdir library
mv table edited undone second library/
run env
for file in table edited undone second; do cmp "$file" "library/$file" || fail "$file differs from the system's"; done
expect "after undoing all" "$(cat undone)" restored
expect "lines written" "$(wc -l <edited)" "$n"
expect "entries in the table" "$(head -1 table)" "$n"
say "$n lines edited and undone"
