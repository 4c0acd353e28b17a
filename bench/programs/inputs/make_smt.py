"""Writes SMT-LIB problems: a pigeonhole (unsatisfiable), queens (satisfiable), and arithmetic; N scales them."""

import sys

n = int(sys.argv[1])
print("(push)")
for p in range(n):
    for h in range(n - 1):
        print(f"(declare-const p{p}_{h} Bool)")
for p in range(n):
    print("(assert (or " + " ".join(f"p{p}_{h}" for h in range(n - 1)) + "))")
for h in range(n - 1):
    for a in range(n):
        for b in range(a + 1, n):
            print(f"(assert (not (and p{a}_{h} p{b}_{h})))")
print("(check-sat)\n(pop)\n(push)")
queens = n * 2
for i in range(queens):
    print(f"(declare-const q{i} Int)\n(assert (and (>= q{i} 0) (< q{i} {queens})))")
print("(assert (distinct " + " ".join(f"q{i}" for i in range(queens)) + "))")
for i in range(queens):
    for k in range(i + 1, queens):
        print(f"(assert (and (not (= (- q{i} q{k}) {k - i})) (not (= (- q{k} q{i}) {k - i}))))")
print("(check-sat)\n(pop)\n(push)")
bits = n * 2 - 2
print(f"(declare-const x (_ BitVec {bits}))\n(declare-const y (_ BitVec {bits}))")
print("(assert (not (= (bvmul (bvadd x y) (bvsub x y)) (bvsub (bvmul x x) (bvmul y y)))))\n(check-sat)\n(pop)")
