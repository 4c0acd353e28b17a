/*
 * Purpose: a library that is initialised before every other one (-z initfirst) and preloaded before the allocator. Its calls are
 * the first the allocator sees; which one is first of all is chosen by the variable EARLY_FIRST. It registers its own fork
 * handlers and a thread key that early, too.
 */
#include "../support/entry_points.h"
#include "../support/pattern.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 40 };
static void *kept[BLOCKS];
int early_library_ran;

static _Noreturn void fail(const char *why) {
    if (write(2, why, strlen(why)) < 0)
        _exit(98);
    _exit(97);
}

static void first_call(const char *which) {
    void *block = NULL;
    if (strcmp(which, "free") == 0) {
        errno = 5;
        free(opaque_pointer(NULL));
        if (errno != 5)
            fail("early free changed errno\n");
        return;
    }
    if (strcmp(which, "usable") == 0 && malloc_usable_size(opaque_pointer(NULL)) != 0)
        fail("early malloc_usable_size(NULL) is not 0\n");
    else if (strcmp(which, "malloc") == 0)
        block = malloc(opaque(100));
    else if (strcmp(which, "calloc") == 0)
        block = calloc(opaque(10), opaque(10));
    else if (strcmp(which, "realloc") == 0)
        block = realloc(opaque_pointer(NULL), opaque(100));
    else if (strcmp(which, "memalign") == 0)
        block = memalign(4096, opaque(100));
    else if (strcmp(which, "posix_memalign") == 0) {
        if (posix_memalign(&block, 64, opaque(100)))
            block = NULL;
    } else if (strcmp(which, "large") == 0)
        block = malloc(opaque(300000));
    else if (strcmp(which, "direct") == 0)
        block = malloc(opaque(30000000));
    else if (strcmp(which, "mallopt") == 0)
        mallopt(M_ARENA_MAX, 1);
    else if (strcmp(which, "trim") == 0)
        malloc_trim(0);
    else if (strcmp(which, "mallinfo2") == 0 && mallinfo2().uordblks > 1 << 30)
        fail("early mallinfo2 makes no sense\n");
    if (block) {
        memset(block, 1, 100);
        block = realloc(block, opaque(5000));
        if (!block)
            fail("early realloc failed\n");
        free(block);
    }
}

static void *thread_main(void *argument) {
    free(malloc(opaque(1000)));
    return argument;
}

static void fork_handler(void) {
    free(malloc(opaque(64)));
}

__attribute__((constructor)) static void start(void) {
    const char *which = getenv("EARLY_FIRST");
    first_call(which ? which : "malloc");
    for (size_t i = 0; i < BLOCKS; i++) {
        kept[i] = malloc(opaque(i * i * 40));
        if (!kept[i])
            fail("early malloc failed\n");
        pattern_fill(kept[i], i * i * 40, i);
    }
    pthread_t thread;
    if (pthread_atfork(fork_handler, fork_handler, fork_handler) || pthread_create(&thread, NULL, thread_main, NULL) ||
        pthread_join(thread, NULL))
        fail("early thread failed\n");
    early_library_ran = 1;
}

__attribute__((destructor)) static void stop(void) {
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t where;
        if (!pattern_holds(kept[i], i * i * 40, i * i * 40, i, &where))
            fail("a block of the earliest library was changed\n");
        free(kept[i]);
    }
    if (early_library_ran == 1 && write(1, "early library done\n", 19) != 19)
        fail("write failed\n");
}
