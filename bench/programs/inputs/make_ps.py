"""Writes a PostScript document of N pages."""

import random
import sys

r = random.Random(5)
print("%!PS-Adobe-3.0\n/random-curve { newpath moveto curveto stroke } def")
for page in range(int(sys.argv[1])):
    print("/Times-Roman findfont 11 scalefont setfont")
    for i in range(900):
        x = [r.randrange(10, 600) for _ in range(8)]
        print(f"{r.random():.2f} {r.random():.2f} {r.random():.2f} setrgbcolor [{r.randrange(1, 9)} {r.randrange(1, 9)}] 0 setdash")
        print(f"{x[0]} {x[1]} {x[2]} {x[3]} {x[4]} {x[5]} {x[6]} {x[7]} random-curve")
    for i in range(60):
        print(f"40 {20 + 12 * i} moveto (page {page} line {i}: {' '.join(str(r.randrange(10000)) for _ in range(12))}) show")
    print(f"/a 4000 array def 0 1 3999 {{ a exch dup {page} mul 16 string cvs put }} for showpage")
