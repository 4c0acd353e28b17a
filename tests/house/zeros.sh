#!/bin/sh
# Variables that begin as zeros lie on one page, tables of which little is used behind them (SPARSE in src/base/compiler.h): a program that
# allocates anything at all touches few pages for collam's sake.
# usage: zeros.sh LIBRARY
set -eu
bytes=$(readelf -SW "$1" | awk '{ sub(/^ *\[ *[0-9]+\] */, "") } $1 == ".bss" { print $5 }')
[ $((0x$bytes)) -le 4096 ] && exit 0
echo "$1: .bss has 0x$bytes bytes, more than a page; the largest variables:"
nm -nS "$1" | awk '$3 == "b" || $3 == "B"' | sort -k 2 -r | head -20
exit 1
