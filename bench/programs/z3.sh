#!/bin/sh
# z3: a solver on bit-vector and integer problems; clauses and terms by the million.
. "$(dirname "$0")/_common.sh"

prepare() { generate make_smt.py "$(pick 8 10)" work.smt2; }

run() { preloaded z3 -smt2 "$dir/work.smt2"; }

main "$@"
