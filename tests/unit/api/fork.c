/*
 * Purpose: tests of api/fork.c: a fork takes every lock, last of all that libraries do before a fork, and the child can allocate.
 */
#include "api/fork.h"
#include "collam/collam.h"
#include "heap/bin.h"
#include "heap/guarded.h"
#include "heap/quarantine.h"
#include "heap/thread_heap.h"
#include "pages/chunk.h"
#include "pages/direct.h"
#include "pages/meta.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef COLLAM_TESTS_EMULATED /* where copying the fake's memory for a child takes a second */
enum { FORKS = 3 };
#else
enum { FORKS = 60 };
#endif

static void all_locks_are_taken(void);
static void tell_whether_locks_are_free(void);

/* Before every constructor: what the tests below cannot do early enough themselves. */
static void set_early(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    bool allocate = false;
    for (; *environment; environment++) {
        allocate |= strcmp(*environment, "UNIT_FIRST=single") == 0;
        if (strcmp(*environment, "UNIT_FIRST=many") == 0) {
            allocate = true;
            fake_threads(FAKE_THREADS_MANY);
        }
    }
    if (allocate) {
        collam_free(collam_malloc(1));
        (void)pthread_atfork(tell_whether_locks_are_free, NULL, NULL);
    } else {
        /* Before the library registers its own, so called when that has taken every lock. */
        (void)pthread_atfork(all_locks_are_taken, NULL, NULL);
    }
}
__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char **, char **) = set_early;

static _Atomic(bool) stop;

static void *allocate_until_told(void *context) {
    uint64_t seed = (uintptr_t)context;
    void *block[64] = {NULL};
    while (!load_relaxed(&stop)) {
        size_t i = unit_random(&seed) % COUNT(block);
        collam_free(block[i]);
        block[i] = collam_malloc(unit_random(&seed) % 60000);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        collam_free(block[i]);
    }
    return NULL;
}

static bool sane(void) {
    uint64_t seed = 5;
    for (int i = 0; i < 300; i++) {
        size_t size = unit_random(&seed) % 100000;
        unsigned char *block = collam_calloc(1, size);
        if (!block || !unit_all(block, size, 0)) {
            return false;
        }
        collam_free(block);
    }
    return true;
}

static int status_of(pid_t child) {
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_child_can_allocate_whatever_other_threads_did(void **state) {
    (void)state;
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_until_told, (void *)(i + 1)), 0);
    }
    void *mine = collam_malloc(500);
    memset(mine, 3, 500);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(20);
            bool good = unit_all(mine, 500, 3) && sane();
            collam_free(mine);
            _exit(good ? 0 : 1);
        }
        assert_int_equal(status_of(child), 0);
        assert_true(sane());
    }
    store_relaxed(&stop, true);
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
}

/* --- one thread for each rank of lock, taking it again and again; none may get on while another thread forks --- */

struct worker {
    void (*work)(void);
    _Atomic(unsigned long) done;
};

static void use_heaps_lock(void) {
    (void)heap_blocks_cached(1);
}

static void use_bin_lock(void) {
    (void)bin_blocks_held(1);
}

static void use_chunk_lock(void) {
    (void)chunk_take_empty();
}

static void use_direct_lock(void) {
    (void)direct_size(4096);
}

static void use_meta_lock(void) {
    meta_donate(NULL, 0); /* takes the lock and changes nothing */
}

static void use_guarded_lock(void) {
    (void)guarded_size(4096);
}

static void use_quarantine_lock(void) {
    (void)quarantine_size(4096);
}

static struct worker workers[] = {{.work = use_heaps_lock},     {.work = use_bin_lock},  {.work = use_chunk_lock},
                                  {.work = use_direct_lock},    {.work = use_meta_lock}, {.work = use_guarded_lock},
                                  {.work = use_quarantine_lock}};
static bool workers_watched;
static unsigned workers_that_got_on;

static void *work_until_told(void *context) {
    struct worker *worker = context;
    while (!load_relaxed(&stop)) {
        worker->work();
        fetch_add_relaxed(&worker->done, 1);
    }
    return NULL;
}

static void all_locks_are_taken(void) {
    if (!workers_watched) {
        return;
    }
    unsigned long before[COUNT(workers)];
    usleep(20000); /* who was past its lock already has counted by now */
    for (size_t i = 0; i < COUNT(workers); i++) {
        before[i] = load_relaxed(&workers[i].done);
    }
    usleep(100000);
    for (size_t i = 0; i < COUNT(workers); i++) {
        /* One: it may have been about to count all the time. */
        workers_that_got_on += load_relaxed(&workers[i].done) > before[i] + 1;
    }
}

static void fork_takes_every_lock(void **state) {
    (void)state;
    pthread_t threads[COUNT(workers)];
    for (size_t i = 0; i < COUNT(workers); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_until_told, &workers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(workers); i++) {
        while (load_relaxed(&workers[i].done) < 100) {
            usleep(1000);
        }
    }
    workers_watched = true;
    for (int i = 0; i < 3; i++) {
        unsigned long before = load_relaxed(&workers[0].done);
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        assert_int_equal(status_of(child), 0);
        assert_int_equal(workers_that_got_on, 0);
        while (load_relaxed(&workers[0].done) < before + 10) {
            usleep(1000); /* afterwards they do */
        }
    }
    store_relaxed(&stop, true);
    for (size_t i = 0; i < COUNT(workers); i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *block_of_handler;

static void other_handler(void) {
    collam_free(block_of_handler);
    block_of_handler = collam_malloc(3000);
}

/* Handlers of others run while every lock is held by the thread that forks: they may allocate, before and after. */
static void other_handlers_may_allocate(void **state) {
    (void)state;
    for (enum fake_threads threads = FAKE_THREADS_REAL; threads <= FAKE_THREADS_MANY; threads += 2) {
        fake_threads(threads);
        assert_int_equal(pthread_atfork(other_handler, other_handler, other_handler), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(20);
            _exit(block_of_handler && sane() ? 0 : 1);
        }
        assert_int_equal(status_of(child), 0);
        assert_non_null(block_of_handler);
        assert_true(sane());
    }
}

static void a_child_forks_again(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            _exit(sane() ? 0 : 1);
        }
        int status = -1;
        _exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 && sane() ? 0 : 1);
    }
    assert_int_equal(status_of(child), 0);
}

static void child_forks_ok(void) {
    pid_t child = fork();
    if (child == 0) {
        _exit(sane() ? 0 : 1);
    }
    assert_int_equal(status_of(child), 0);
}

static int forks_within;

static void fork_within(void) {
    fake_on_call(FAKE_MAP, NULL);
    forks_within++;
    pid_t child = fork();
    if (child == 0) {
        return; /* and finishes in the child what the parent had begun */
    }
    assert_int_equal(status_of(child), 0);
}

/* A handler may fork wherever it interrupts the allocator: here while locks are held and memory is asked for. */
static void a_fork_from_within_the_allocator(void **state) {
    (void)state;
    pid_t self = getpid();
    alarm(20);
    fake_on_call(FAKE_MAP, fork_within);
    while (forks_within == 0) {
        assert_non_null(collam_malloc(60000));
    }
    assert_true(sane());
    if (getpid() != self) {
        alarm(20);
        child_forks_ok();
        _exit(0);
    }
    child_forks_ok();
}

/* --- who registers first ---------------------------------------------------------------------------------------------------------- */

static void *use_heaps_lock_once(void *context) {
    (void)heap_blocks_cached(1);
    return context;
}

static pthread_t user_of_the_lock;
static bool locks_were_free;

static void tell_whether_locks_are_free(void) {
    const char *first = getenv("UNIT_FIRST");
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    /* Where they should be free, a machine that is busy with others gets time to show it. */
    end.tv_sec += first && strcmp(first, "single") == 0 ? 60 : 1;
    if (pthread_create(&user_of_the_lock, NULL, use_heaps_lock_once, NULL) == 0) {
        locks_were_free = pthread_timedjoin_np(user_of_the_lock, NULL, &end) == 0;
        fprintf(stderr, "[locks free: %d]", locks_were_free);
    }
}

static void child_forks(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_int_equal(status_of(child), 0);
    if (user_of_the_lock && !locks_were_free) {
        assert_int_equal(pthread_join(user_of_the_lock, NULL), 0); /* by now they are */
    }
}

static bool locks_are_free(const char *first_call) {
    static char text[4096];
    char *environment[] = {(char *)"UNIT_CHILD=1", (char *)(uintptr_t)first_call, NULL};
    assert_int_equal(unit_run_self("child_forks", environment, text, sizeof text), 0);
    assert_non_null(strstr(text, "[locks free: "));
    return strstr(text, "[locks free: 1]") != NULL;
}

/* A handler that was registered after the first allocation of the process finds our locks free, as its owner's other threads need them. */
static void the_first_allocation_registers(void **state) {
    (void)state;
    assert_true(locks_are_free("UNIT_FIRST=single"));
}

/* Before libc is ready, which shows in the flag of a process with one thread, that is left to the constructor. */
static void the_first_allocation_waits_for_libc(void **state) {
    (void)state;
    assert_false(locks_are_free("UNIT_FIRST=many"));
}

/* Registered twice, the handlers would wait for their own locks. */
static void registers_once(void **state) {
    (void)state;
    alarm(20);
    fork_watch();
    fork_watch();
    child_forks(state);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(fork_takes_every_lock),
    cmocka_unit_test(a_child_can_allocate_whatever_other_threads_did),
    cmocka_unit_test(other_handlers_may_allocate),
    cmocka_unit_test(a_child_forks_again),
    cmocka_unit_test(a_fork_from_within_the_allocator),
    cmocka_unit_test(the_first_allocation_registers),
    cmocka_unit_test(the_first_allocation_waits_for_libc),
    cmocka_unit_test(registers_once),
    cmocka_unit_test(child_forks),
};
UNIT_MAIN(tests)
