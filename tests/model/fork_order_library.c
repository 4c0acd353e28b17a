/*
 * A library as many are: it guards its data with a mutex, holds it while it allocates, and keeps it whole over fork by handlers that its
 * constructor registers. It needs nothing of collam, so the loader is free to initialise it first. The number of its constructor is the
 * lowest there is, which counts where it is linked statically. FORK_ORDER_ALLOCATES: the constructor begins with an allocation.
 */
#include "fork_order.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void before(void) {
    pthread_mutex_lock(&mutex);
}

static void after(void) {
    pthread_mutex_unlock(&mutex);
}

__attribute__((constructor(101))) static void start(void) {
#ifdef FORK_ORDER_ALLOCATES
    free(malloc(100));
#endif
    (void)pthread_atfork(before, after, after);
}

void *fork_order_allocate(size_t size) {
    pthread_mutex_lock(&mutex);
    void *block = malloc(size);
    pthread_mutex_unlock(&mutex);
    return block;
}
