/*
 * Purpose: see thread.h.
 * Layer: api. A key of thread-specific data whose destructor runs after the C++ thread_local destructors of the thread. Setting it may
 * allocate (glibc keeps keys beyond the 32nd in a block): by then the heap is in place, so that allocation is an ordinary one.
 */
#include "api/thread.h"
#include "heap/thread_heap.h"

#include <pthread.h>

static pthread_key_t key;

static void thread_ends(void *value) {
    (void)value;
    heap_end_of_thread();
}

static void thread_has_heap(void) {
    (void)pthread_setspecific(key, &key);
}

void thread_watch_ends(void) {
    /* Without a key, threads leave their heaps behind when they end: memory is lost, nothing else. */
    if (pthread_key_create(&key, thread_ends) == 0) {
        heap_set_arrival_hook(thread_has_heap);
    }
}
