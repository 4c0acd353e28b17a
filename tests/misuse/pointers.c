/*
 * Purpose: free of what is inside a block, and of what is no block at all.
 */
#include "misuse.h"
#include <pthread.h>
#include <sys/mman.h>

static char initialised[256] __attribute__((aligned(64))) = "contents";
static char zeroed[256] __attribute__((aligned(64)));
static _Thread_local char local_to_thread[256] __attribute__((aligned(64)));

static void free_inside(void *block, ptrdiff_t offset) {
    char *pointer = (char *)block + offset;
    expect_interior(CALL("free", pointer), block, malloc_usable_size(block));
    drop(pointer);
}

static void free_no_block(void *pointer) {
    watch(64);
    expect_no_block(CALL("free", pointer));
    drop(pointer);
}

void fault_interior_1(void) {
    free_inside(get(64), 1);
}

void fault_interior_8(void) {
    free_inside(get(64), 8);
}

void fault_interior_16(void) {
    free_inside(get(64), 16);
}

void fault_interior_last(void) {
    free_inside(get(64), 63);
}

/* Two blocks of 24 KiB fill three quarters of a slab of 64 KiB; the address behind them is a multiple of the block size. */
void fault_interior_tail(void) {
    char *slab = (char *)((uintptr_t)get(24576) & ~(uintptr_t)0xffff);
    free_no_block(slab + 2 * 24576);
}

/* Of some neighbours, one lies directly before another. */
void fault_interior_before(void) {
    char *block[40];
    for (size_t i = 0; i < 40; i++)
        block[i] = get(64);
    size_t usable = malloc_usable_size(block[0]);
    for (size_t i = 1; i < 40; i++)
        for (size_t j = 0; j < 40; j++)
            if (block[j] + usable == block[i]) {
                expect_interior(CALL("free", block[i] - 16), block[j], usable);
                drop(block[i] - 16);
                return;
            }
    drop(block[20] - 16); /* an allocator that keeps something between blocks */
}

void fault_interior_5000(void) {
    free_inside(get(5000), 2512);
}

void fault_interior_large(void) {
    free_inside(get(200000), 4096);
}

void fault_interior_large_odd(void) {
    free_inside(get(200000), 104);
}

void fault_interior_direct(void) {
    free_inside(get(40u << 20), 1 << 20);
}

void fault_interior_direct_odd(void) {
    free_inside(get(40u << 20), 48);
}

void fault_interior_aligned(void) {
    watch(3000);
    free_inside(memalign(1024, opaque(3000)), 1024);
}

void fault_interior_of_freed(void) {
    get(64);
    char *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_interior(CALL("free", block + 16), block, usable);
    drop(block + 16);
}

void fault_stack(void) {
    char local[256] __attribute__((aligned(64)));
    memset(local, 0, sizeof local);
    free_no_block(local + 64);
}

static pthread_barrier_t barrier;
static char *others_local;

static void *lend_stack(void *argument) {
    char local[256] __attribute__((aligned(64)));
    memset(local, 0, sizeof local);
    others_local = opaque_pointer(local);
    pthread_barrier_wait(&barrier);
    pause();
    return argument;
}

void fault_other_threads_stack(void) {
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, lend_stack, NULL))
        _exit(3);
    pthread_barrier_wait(&barrier);
    free_no_block(others_local + 64);
}

void fault_initialised_data(void) {
    free_no_block(initialised + 64);
}

void fault_zeroed_data(void) {
    free_no_block(zeroed + 64);
}

void fault_string_literal(void) {
    free_no_block((void *)(uintptr_t) "a string literal that is never freed");
}

void fault_code(void) {
    free_no_block((void *)(uintptr_t)fault_code);
}

void fault_thread_local_variable(void) {
    free_no_block(local_to_thread + 64);
}

void fault_environment(void) {
    free_no_block(getenv("PATH"));
}

void fault_tiny_address(void) {
    free_no_block((void *)8);
}

void fault_tiny_page(void) {
    free_no_block((void *)0x1000);
}

void fault_non_canonical(void) {
    free_no_block((void *)0x4141414141414140);
}

void fault_kernel_half(void) {
    free_no_block((void *)0xffff800000001000);
}

void fault_minus_one(void) {
    free_no_block((void *)-1);
}

void fault_top_of_user_half(void) {
    free_no_block((void *)0x7ffffffff000);
}

static char *foreign(void) {
    char *memory = mmap(NULL, 4u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        _exit(3);
    return memory;
}

void fault_foreign_mapping(void) {
    free_no_block(foreign());
}

void fault_foreign_mapping_interior(void) {
    free_no_block(foreign() + (1 << 20) + 64);
}

/* --- the same through malloc_usable_size -------------------------------------------------------------------------------- */

static volatile size_t answer;

static void ask_size(const void *pointer) {
    answer = malloc_usable_size(opaque_pointer((void *)(uintptr_t)pointer));
}

void fault_usable_freed(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_double_free(CALL("malloc_usable_size", block), usable);
    ask_size(block);
}

void fault_usable_interior(void) {
    char *block = get(64);
    expect_interior(CALL("malloc_usable_size", block + 16), block, malloc_usable_size(block));
    ask_size(block + 16);
}

void fault_usable_stack(void) {
    char local[256] __attribute__((aligned(64)));
    memset(local, 0, sizeof local);
    expect_no_block(CALL("malloc_usable_size", local + 64));
    ask_size(local + 64);
}

void fault_usable_foreign(void) {
    char *memory = foreign();
    expect_no_block(CALL("malloc_usable_size", memory));
    ask_size(memory);
}

void fault_usable_non_canonical(void) {
    expect_no_block(CALL("malloc_usable_size", (void *)0x4141414141414140));
    ask_size((void *)0x4141414141414140);
}

void fault_usable_tiny(void) {
    expect_no_block(CALL("malloc_usable_size", (void *)8));
    ask_size((void *)8);
}
