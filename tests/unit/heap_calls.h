/*
 * Purpose: how the tests of a thread's heap take and put blocks.
 */
#ifndef COLLAM_TESTS_UNIT_HEAP_CALLS_H
#define COLLAM_TESTS_UNIT_HEAP_CALLS_H

#include "heap/thread_heap.h"
#include "unit.h"

#include <pthread.h>

static inline unsigned first_capacity(unsigned class_index) {
    return size_classes[class_index].cache < CAPACITY_FIRST ? size_classes[class_index].cache : CAPACITY_FIRST;
}

static inline unsigned capacity(unsigned class_index) {
    return load_relaxed(&thread_heap->capacity[class_index]);
}

static inline void *take(unsigned class_index) {
    void *block = heap_take(heap_of_thread(), class_index);
    assert_non_null(block);
    return block;
}

static inline void put(unsigned class_index, void *block) {
    heap_put(heap_of_thread(), class_index, block, "test");
}

static inline void work(unsigned class_index, int rounds) {
    void *block[64];
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < 64; i++) {
            block[i] = take(class_index);
        }
        for (int i = 0; i < 64; i++) {
            put(class_index, block[i]);
        }
    }
}

static inline void *in_thread(void *(*body)(void *), void *context) {
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, body, context), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

#endif
