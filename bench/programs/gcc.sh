#!/bin/sh
# gcc: compiles one large generated C file with optimisation; obstacks, hash tables, many medium blocks.
. "$(dirname "$0")/_common.sh"

prepare() { generate make_c.py "$(pick 25 170)" big.c; }

run() {
    preloaded gcc -std=c17 -O2 -S -o "$dir/gcc.s" "$dir/big.c"
    cksum <"$dir/gcc.s"
}

main "$@"
