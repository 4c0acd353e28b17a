/*
 * A library as many are: it guards its data with a mutex, holds it while it allocates, and keeps it whole over fork by handlers that its
 * constructor registers. It needs nothing of collam, so the loader is free to initialise it first.
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

__attribute__((constructor)) static void start(void) {
    (void)pthread_atfork(before, after, after);
}

void *fork_order_allocate(size_t size) {
    pthread_mutex_lock(&mutex);
    void *block = malloc(size);
    pthread_mutex_unlock(&mutex);
    return block;
}
