#!/bin/sh
# clang: compiles the same C file as gcc; LLVM's arenas and millions of small C++ objects.
. "$(dirname "$0")/_common.sh"

prepare() { generate make_c.py "$(pick 20 150)" big.c; }

run() {
    preloaded clang -std=c17 -O2 -S -o "$dir/clang.s" "$dir/big.c"
    cksum <"$dir/clang.s"
}

main "$@"
