#!/usr/bin/env bash
# Prints a C program of N functions with switches, loops, structures and floating point; it prints a checksum when it runs.
n=$1
echo '#include <stdio.h>'
echo '#include <stdlib.h>'
echo '#include <string.h>'
echo 'struct node { struct node *next; unsigned key; double weight; char name[24]; };'
for ((i = 0; i < n; i++)); do
    cat <<C
__attribute__((noinline)) static unsigned f$i(unsigned x, struct node *list)
{
    unsigned table[16], sum = $i;
    for (unsigned k = 0; k < 16; k++)
        table[k] = (x ^ (k * ${i}u + 7u)) * 2654435761u;
    switch (x % 7u) {
    case 0: sum += table[x % 16u]; break;
    case 1: sum ^= table[(x >> 3) % 16u] << 3; break;
    case 2: for (struct node *p = list; p; p = p->next) { sum += p->key; p->weight = p->weight * 0.5 + $i.25; } break;
    case 3: sum = sum * 31u + (unsigned)strlen("literal number $i"); break;
    case 4: for (unsigned k = 1; k < x % 32u; k++) sum += table[k % 16u] / (k + $((i + 1))u); break;
    default: sum -= table[(x + $i) % 16u] % 1009u; break;
    }
    return sum ^ (sum >> 13);
}
C
done
echo 'int main(void) { struct node n[8]; unsigned s = 0; memset(n, 0, sizeof n); for (int i = 0; i < 7; i++) { n[i].next = n + i + 1; n[i].key = (unsigned)i; }'
echo 'for (unsigned i = 0; i < 50; i++) {'
for ((i = 0; i < n; i++)); do echo "s = s * 33u + f$i(s + i, n);"; done
echo '} printf("%08x %.3f\n", s, n[3].weight); return 0; }'
