/*
 * Purpose: prints where a few blocks lie, for conf_random.py: the first and the thousandth of 64 bytes, one of 100,000, and one with a
 * mapping of its own.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    enum { COUNT = 1000 };
    static uintptr_t block[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        block[i] = (uintptr_t)malloc(64);
    uintptr_t large = (uintptr_t)malloc(100000), direct = (uintptr_t)malloc(40000000);
    printf("%#lx %#lx %#lx %#lx\n", (unsigned long)block[0], (unsigned long)block[COUNT - 1], (unsigned long)large, (unsigned long)direct);
    return 0;
}
