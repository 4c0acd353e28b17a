/*
 * Purpose: blocks freed twice: at once, later, elsewhere, and of every kind.
 */
#include "misuse.h"
#include <pthread.h>
#include <sys/wait.h>

static void twice(void *block) {
    size_t usable = malloc_usable_size(block);
    watch(usable);
    drop(block);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

static void twice_with_others_between(size_t size, size_t others) {
    static void *other[5000];
    for (size_t i = 0; i < others / 2; i++)
        other[i] = get(size);
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    for (size_t i = others / 2; i < others; i++)
        other[i] = get(size);
    drop(block);
    for (size_t i = 0; i < others; i++)
        drop(other[i]);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free(void) {
    get(64); /* another block keeps the slab in use */
    twice(get(64));
}

void fault_double_free_aba(void) {
    twice_with_others_between(64, 1);
}

void fault_double_free_abca(void) {
    twice_with_others_between(64, 2);
}

void fault_double_free_20_between(void) {
    twice_with_others_between(64, 20);
}

/* Thousands of blocks of other sizes are freed in between, none of its own: it still is the last of its size. */
void fault_double_free_other_sizes_between(void) {
    static void *other[3000];
    for (size_t i = 0; i < 3000; i++)
        other[i] = get(128 + i % 50 * 16);
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    for (size_t i = 0; i < 3000; i++)
        drop(other[i]);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

/* One block of the size stays, near the one freed twice, so that its slab is not given back. */
void fault_double_free_after_flush(void) {
    get(64);
    void *block = get(64);
    get(64);
    static void *other[5000];
    size_t usable = malloc_usable_size(block);
    for (size_t i = 0; i < 5000; i++)
        other[i] = get(64);
    drop(block);
    for (size_t i = 0; i < 5000; i++)
        drop(other[i]);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free_after_others(void) {
    get(200);
    void *block = get(200);
    size_t usable = malloc_usable_size(block);
    get(200);
    drop(block);
    for (size_t i = 0; i < 20000; i++) {
        size_t size = i * 37 % 30000 + 300;
        drop(malloc(opaque(size)));
    }
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

static pthread_barrier_t barrier;

static void *free_and_wait(void *block) {
    drop(block);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

void fault_double_free_by_other_thread(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, free_and_wait, block))
        _exit(3);
    pthread_barrier_wait(&barrier);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free_after_thread_exit(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    run_in_thread(drop, block);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

static void get_and_drop(void *argument) {
    void **place = argument;
    get(64); /* stays */
    *place = get(64);
    drop(*place);
}

void fault_double_free_of_dead_threads_block(void) {
    void *block = NULL;
    size_t usable = malloc_usable_size(get(64));
    run_in_thread(get_and_drop, &block);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free_16(void) {
    get(16);
    twice(get(16));
}

void fault_double_free_0(void) {
    get(0);
    twice(get(0));
}

void fault_double_free_1024(void) {
    get(1024);
    twice(get(1024));
}

void fault_double_free_5000(void) {
    get(5000);
    twice(get(5000));
}

void fault_double_free_32768(void) {
    get(32768);
    twice(get(32768));
}

/* A run of pages goes back to its chunk, which stays; a mapping goes back to the system. */
static void twice_pages(void *block, bool mapping) {
    watch(malloc_usable_size(block) & ~(size_t)4095);
    drop(block);
    if (mapping)
        expect_no_block(CALL("free", block));
    else
        expect_double_free_of_pages(CALL("free", block));
    drop(block);
}

void fault_double_free_large(void) {
    twice_pages(get(200000), false);
}

void fault_double_free_large_between(void) {
    void *block = get(100000), *neighbour = get(100000);
    get(100000);
    drop(block);
    drop(neighbour);
    expect_double_free_of_pages(CALL("free", block));
    drop(block);
}

void fault_double_free_direct(void) {
    twice_pages(get(40u << 20), true);
}

void fault_double_free_calloc(void) {
    get(64);
    twice(calloc(1, opaque(64)));
}

void fault_double_free_aligned(void) {
    get(64);
    void *kept = memalign(64, opaque(100));
    twice(memalign(64, opaque(100)));
    drop(kept);
}

void fault_double_free_aligned_page(void) {
    void *kept = memalign(4096, opaque(100));
    twice(memalign(4096, opaque(100)));
    drop(kept);
}

void fault_double_free_aligned_large(void) {
    twice_pages(memalign(65536, opaque(300000)), false);
}

void fault_double_free_aligned_direct(void) {
    twice_pages(memalign(2u << 20, opaque(4u << 20)), true);
}

void fault_double_free_after_trim(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    malloc_trim(0);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free_after_realloc_moved(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    if (realloc(opaque_pointer(block), opaque(10000)) == block)
        _exit(3);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free_after_realloc_zero(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    if (realloc(opaque_pointer(block), opaque(0)))
        _exit(3);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

/* The child takes the parent's place: whatever ends it, ends the program alike. */
static void go_on_in_child(void) {
    pid_t child = fork();
    if (child == 0)
        return;
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        _exit(3);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

void fault_double_free_in_child(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    go_on_in_child();
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_free_across_fork(void) {
    void *other[100];
    get(64);
    for (size_t i = 0; i < 50; i++)
        other[i] = get(64);
    void *block = get(64);
    get(64);
    size_t usable = malloc_usable_size(block);
    for (size_t i = 50; i < 100; i++)
        other[i] = get(64);
    drop(block);
    go_on_in_child();
    for (size_t i = 0; i < 100; i++)
        drop(other[i]);
    expect_double_free(CALL("free", block), usable);
    drop(block);
}

void fault_double_delete(void) {
    void *block = _Znwm(opaque(64));
    size_t usable = malloc_usable_size(block);
    get(64);
    _ZdlPv(block);
    expect_double_free(CALL("operator delete", block), usable);
    _ZdlPv(opaque_pointer(block));
}

static pthread_key_t key;

static size_t usable_of_64;

static void free_in_destructor(void *block) {
    expect_double_free(CALL("free", block), usable_of_64);
    drop(block);
}

static void leave_to_destructor(void *block) {
    pthread_setspecific(key, block);
    drop(block);
}

void fault_double_free_in_destructor(void) {
    usable_of_64 = malloc_usable_size(get(64));
    pthread_key_create(&key, free_in_destructor);
    run_in_thread(leave_to_destructor, get(64));
}

void fault_double_free_cfree_style(void) {
    get(64);
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    drop(block);
    expect_double_free(CALL("operator delete", block), usable);
    _ZdlPv(opaque_pointer(block));
}

/* 64-byte blocks are cut from 16 KiB slabs or larger, so eight KiB from one block there is a place for another. */
void fault_never_allocated(void) {
    void *block = get(64);
    void *place = (void *)((uintptr_t)block ^ 8192);
    expect_double_free(CALL("free", place), malloc_usable_size(block));
    drop(place);
}
