"""Writes a C file of N groups of functions: loops, switches, structs, calls between them."""

import random
import sys

count = int(sys.argv[1])
r = random.Random(1)
print("#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n")
for i in range(count):
    fields = "".join(f" int f{k};" if k % 3 else f" double d{k}; char s{k}[{r.randrange(4, 40)}];" for k in range(r.randrange(4, 12)))
    print(f"struct s{i} {{ struct s{i} *next;{fields} }};")
    cases = "\n".join(f"    case {c * 40 + r.randrange(40)}: x = x * {r.randrange(3, 99)} + {r.randrange(999)}; break;" for c in range(12))
    print(f"static int switch{i}(int x, int y) {{\n    switch (y) {{\n{cases}\n    default: x ^= y;\n    }}\n    return x;\n}}")
    print(f"int loop{i}(const int *a, size_t n, struct s{i} *p) {{\n    int sum = 0;\n    for (size_t k = 0; k < n; k++) {{")
    print(f"        sum += a[k] * {r.randrange(2, 50)};\n        if (sum > {r.randrange(1000, 99999)})")
    print(f"            sum = switch{i}(sum, a[k] & 127);\n    }}")
    print(f"    while (p != NULL) {{\n        p->f1 += sum;\n        sum ^= p->f1 >> {r.randrange(1, 9)};\n        p = p->next;\n    }}")
    print(f"    return sum{f' + loop{i - 1}(a, n / 2, NULL)' if i else ''};\n}}")
    print(f"void matrix{i}(double *restrict c, const double *restrict a, const double *restrict b) {{\n    for (int x = 0; x < 16; x++)")
    print(f"        for (int y = 0; y < 16; y++) {{\n            double t = {r.random():.6f};\n            for (int z = 0; z < 16; z++)")
    print("                t += a[x * 16 + z] * b[z * 16 + y];\n            c[x * 16 + y] = t;\n        }\n}")
