#!/bin/sh
# z3: a solver on bit-vector and integer problems; clauses and terms by the million.
. "$(dirname "$0")/_common.sh"

prepare() { generate make_smt.py "$(pick 8 9)" work.smt2; }

run() {
    for seed in 1 $(pick "" "2 3"); do
        preloaded z3 -smt2 "smt.random_seed=$seed" "sat.random_seed=$seed" "$dir/work.smt2"
    done
}

main "$@"
