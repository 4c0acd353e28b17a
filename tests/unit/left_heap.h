/*
 * Purpose: a heap that a thread left when it ended, for tests of what becomes of its pages.
 */
#ifndef COLLAM_TESTS_UNIT_LEFT_HEAP_H
#define COLLAM_TESTS_UNIT_LEFT_HEAP_H

#include "base/bits.h"
#include "collam/collam.h"
#include "heap/thread_heap.h"
#include "unit.h"

#include <pthread.h>

/* A thread's life that leaves a heap with magazines of several pages. */
static inline void *live_and_end(void *unused) {
    (void)unused;
    static void *block[200];
    for (size_t size = 16; size <= 96; size += 16) {
        for (size_t i = 0; i < COUNT(block); i++) {
            block[i] = collam_malloc(size);
        }
        for (size_t i = 0; i < COUNT(block); i++) {
            collam_free(block[i]);
        }
    }
    struct heap *heap = thread_heap;
    heap_end_of_thread();
    return heap;
}

/* Whether the heap that such a thread left keeps its pages. */
static inline bool keeps_pages(const struct heap *heap) {
    return platform_resident((const void *)align_up((uintptr_t)heap + sizeof *heap, 4096), 4096) != 0;
}

static inline const struct heap *heap_left_by_a_thread(void) {
    collam_free(collam_malloc(1)); /* the first heap of a process keeps its pages whatever happens */
    pthread_t thread;
    void *heap;
    assert_int_equal(pthread_create(&thread, NULL, live_and_end, NULL), 0);
    assert_int_equal(pthread_join(thread, &heap), 0);
    assert_true(keeps_pages(heap));
    return heap;
}

#endif
