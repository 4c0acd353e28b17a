/*
 * Purpose: realloc of what is no live block, sizes and alignments that are not the block's, and what cannot be seen.
 */
#include "misuse.h"
#include <sys/mman.h>

static char zeroed[256] __attribute__((aligned(64)));

static void resize(void *pointer, size_t size) {
    void *moved = realloc(opaque_pointer(pointer), opaque(size));
    say(1, "realloc gave %p\n", moved);
}

void fault_realloc_freed(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_double_free(CALL_WITH("realloc", block, 1000), usable);
    resize(block, 1000);
}

static void realloc_given_back(void *block, bool mapping) {
    drop(block);
    if (mapping)
        expect_no_block(CALL_WITH("realloc", block, 1000));
    else
        expect_double_free_of_pages(CALL_WITH("realloc", block, 1000));
    resize(block, 1000);
}

void fault_realloc_freed_large(void) {
    realloc_given_back(get(200000), false);
}

void fault_realloc_freed_direct(void) {
    realloc_given_back(get(40u << 20), true);
}

static void realloc_inside(char *block, size_t offset) {
    expect_interior(CALL_WITH("realloc", block + offset, 1000), block, malloc_usable_size(block));
    resize(block + offset, 1000);
}

void fault_realloc_interior(void) {
    realloc_inside(get(64), 16);
}

void fault_realloc_unaligned(void) {
    realloc_inside(get(64), 3);
}

void fault_realloc_interior_large(void) {
    realloc_inside(get(200000), 8192);
}

void fault_realloc_interior_direct(void) {
    realloc_inside(get(40u << 20), 8192);
}

static void realloc_no_block(void *pointer) {
    watch(64);
    expect_no_block(CALL_WITH("realloc", pointer, 1000));
    resize(pointer, 1000);
}

void fault_realloc_stack(void) {
    char local[256] __attribute__((aligned(64)));
    memset(local, 0, sizeof local);
    realloc_no_block(local + 64);
}

void fault_realloc_static(void) {
    realloc_no_block(zeroed + 64);
}

void fault_realloc_foreign(void) {
    realloc_no_block(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void fault_realloc_tiny(void) {
    realloc_no_block((void *)8);
}

void fault_realloc_non_canonical(void) {
    realloc_no_block((void *)0x4141414141414140);
}

void fault_realloc_kernel_half(void) {
    realloc_no_block((void *)0xffff800000001000);
}

void fault_realloc_freed_to_zero(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_double_free(CALL("realloc", block), usable);
    resize(block, 0);
}

void fault_reallocarray_freed(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_double_free(CALL_WITH("reallocarray", block, 1000), usable);
    say(1, "reallocarray gave %p\n", reallocarray(opaque_pointer(block), opaque(10), opaque(100)));
}

/* --- sizes ------------------------------------------------------------------------------------------------------------- */

static void free_with_size(void *block, size_t size) {
    if (!free_sized)
        absent();
    expect_wrong_size(CALL_WITH("free_sized", block, size), malloc_usable_size(block));
    free_sized(opaque_pointer(block), opaque(size));
}

void fault_free_sized_too_large(void) {
    free_with_size(get(64), 100);
}

void fault_free_sized_too_small(void) {
    free_with_size(get(1000), 100);
}

void fault_free_sized_large(void) {
    free_with_size(get(200000), 300000);
}

void fault_free_sized_direct(void) {
    free_with_size(get(40u << 20), 100);
}

void fault_free_sized_of_aligned(void) {
    free_with_size(memalign(4096, opaque(100)), 20000);
}

void fault_free_aligned_sized_wrong_size(void) {
    if (!free_aligned_sized)
        absent();
    void *block = aligned_alloc(64, opaque(128));
    expect_wrong_size(CALL_WITH("free_aligned_sized", block, 1000), malloc_usable_size(block));
    free_aligned_sized(block, 64, opaque(1000));
}

void fault_free_aligned_sized_wrong_alignment(void) {
    if (!free_aligned_sized)
        absent();
    char *block = get(48);
    if ((uintptr_t)block % 4096 == 0)
        block = get(48);
    expect_wrong_alignment(CALL_WITH("free_aligned_sized", block, 4096), malloc_usable_size(block));
    free_aligned_sized(block, opaque(4096), opaque(48));
}

void fault_delete_sized_wrong(void) {
    void *block = _Znwm(opaque(64));
    expect_wrong_size(CALL_WITH("operator delete", block, 500), malloc_usable_size(block));
    _ZdlPvm(opaque_pointer(block), opaque(500));
}

void fault_delete_array_sized_wrong(void) {
    void *block = _Znwm(opaque(3000));
    expect_wrong_size(CALL_WITH("operator delete[]", block, 30), malloc_usable_size(block));
    _ZdaPvm(opaque_pointer(block), opaque(30));
}

void fault_delete_aligned_sized_wrong(void) {
    void *block = _ZnwmSt11align_val_t(opaque(128), 64);
    expect_wrong_size(CALL_WITH("operator delete", block, 1000), malloc_usable_size(block));
    _ZdlPvmSt11align_val_t(opaque_pointer(block), opaque(1000), 64);
}

void fault_free_sized_freed(void) {
    if (!free_sized)
        absent();
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_double_free(CALL_WITH("free_sized", block, 64), usable);
    free_sized(opaque_pointer(block), opaque(64));
}

void fault_free_sized_stack(void) {
    if (!free_sized)
        absent();
    char local[256] __attribute__((aligned(64)));
    memset(local, 0, sizeof local);
    expect_no_block(CALL_WITH("free_sized", local + 64, 64));
    free_sized(opaque_pointer(local + 64), opaque(64));
}

void fault_delete_interior(void) {
    char *block = _Znwm(opaque(64));
    watch(64);
    expect_interior(CALL("operator delete", block + 16), block, malloc_usable_size(block));
    _ZdlPv(opaque_pointer(block + 16));
}

void fault_delete_stack(void) {
    char local[256] __attribute__((aligned(64)));
    memset(local, 0, sizeof local);
    expect_no_block(CALL("operator delete", local + 64));
    _ZdlPv(opaque_pointer(local + 64));
}

/* --- what passes --------------------------------------------------------------------------------------------------------- */

void fault_stale_free_of_reused(void) {
    get(64);
    void *stale = get(64);
    drop(stale);
    void *block[200];
    for (size_t i = 0; i < 200; i++)
        if ((block[i] = get(64)) == stale)
            break;
    drop(stale); /* the last block got is at this address */
}

void fault_free_of_live_neighbour(void) {
    char *block[40];
    size_t usable = malloc_usable_size(block[0] = get(64));
    for (size_t i = 1; i < 40; i++)
        block[i] = get(64);
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < 40; j++)
            if (block[i] + usable == block[j]) {
                drop(block[i] + usable);
                return;
            }
    drop(block[20] + usable);
}

void fault_free_sized_within_class(void) {
    if (!free_sized)
        absent();
    void *block = get(49);
    say(1, "guarded: collam: free_sized(%p, 60): size does not match the block (49 bytes)\n", block);
    free_sized(block, opaque(60));
}

void fault_new_then_free(void) {
    drop(_Znwm(opaque(64)));
}

void fault_malloc_then_delete(void) {
    _ZdlPv(get(64));
}
