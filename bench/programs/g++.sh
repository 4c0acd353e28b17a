#!/bin/sh
# g++: compiles C++ with heavy use of the standard library's templates.
. "$(dirname "$0")/_common.sh"

prepare() { generate make_cxx.py "$(pick 1 4)" big.cpp; }

run() {
    preloaded g++ -std=c++17 "-O$(pick 0 1)" -S -o "$dir/gxx.s" "$dir/big.cpp"
    cksum <"$dir/gxx.s"
}

main "$@"
