/*
 * Purpose: commits one fault, chosen by name, that only a memory checker sees; run.py runs it under valgrind's memcheck and with
 * AddressSanitizer, on collam. With -DNATIVE the blocks come from collam_malloc, as where the sanitizer keeps malloc to itself.
 *   faulty clean|overrun|underrun|far|freed|recycled|uninitialised|leak
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef NATIVE
#include "collam/collam.h"
#define malloc collam_malloc
#define calloc collam_calloc
#define realloc collam_realloc
#define free collam_free
#define aligned_alloc collam_aligned_alloc
#define malloc_usable_size collam_usable_size
#else
#include <malloc.h>
#endif

static void *volatile kept[100];

/* The blocks before the faulty one are of all kinds, and used as they may be. */
static void use_all_kinds(void) {
    static const size_t sizes[] = {0, 1, 15, 16, 100, 1000, 5000, 40000, 300000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *a = malloc(sizes[i]);
        memset(a, 1, sizes[i]);
        char *b = calloc(1, sizes[i] + 1);
        if (b[sizes[i]] != 0)
            abort();
        char *c = aligned_alloc(4096, sizes[i]);
        memset(c, 1, sizes[i]);
        a = realloc(a, 2 * sizes[i] + 10);
        memset(a, 2, 2 * sizes[i] + 10);
        a = realloc(a, sizes[i] / 3 + 1);
        if (sizes[i] > 3 && a[sizes[i] / 3] != 2)
            abort();
        if (malloc_usable_size(c) < sizes[i])
            abort();
        memset(c, 3, malloc_usable_size(c));
        free(a);
        free(b);
        free(c);
    }
    for (size_t round = 0; round < 20; round++)
        for (size_t i = 0; i < 100; i++) {
            free(kept[i]);
            kept[i] = malloc(i * 7 + round);
            memset(kept[i], 5, i * 7 + round);
        }
    for (size_t i = 0; i < 100; i++) {
        free(kept[i]);
        kept[i] = NULL;
    }
}

static int __attribute__((noinline)) leak(void) {
    for (int i = 0; i < 3; i++)
        memset(malloc(77), 1, 77);
    return 0;
}

int main(int count, char **argument) {
    const char *fault = count == 2 ? argument[1] : "";
    use_all_kinds();
    volatile char *block = malloc(64);
    memset((char *)(size_t)block, 1, 64);
    int seen = 0;
    if (strcmp(fault, "overrun") == 0)
        block[64] = 1;
    else if (strcmp(fault, "far") == 0)
        block[64 + 15] = 1;
    else if (strcmp(fault, "underrun") == 0) {
        volatile char *low = malloc(64), *high = malloc(64);
        (low < high ? high : low)[-1] = 1; /* behind it lies the zone of the other */
        free((void *)(size_t)low);
        free((void *)(size_t)high);
    } else if (strcmp(fault, "freed") == 0) {
        volatile char *stale = malloc(64);
        free((void *)(size_t)stale);
        seen += stale[8];
    } else if (strcmp(fault, "recycled") == 0) {
        char *old = malloc(64);
        memset(old, 1, 64);
        free(old);
        volatile char *fresh = malloc(64); /* perhaps the same block: its contents are no longer defined */
        if (fresh[5] == 1)
            seen++;
        free((void *)(size_t)fresh);
    } else if (strcmp(fault, "leak") == 0)
        leak();
    free((void *)(size_t)block);
    printf("end %d\n", seen);
    return 0;
}
