/*
 * Purpose: tests of api/start.c: the environment variable, set-user-id starts, statistics at exit, handlers of fork.
 */
#include "collam/collam.h"
#include "config/options.h"
#include "front/sampled.h"
#include "heap/bin.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "pages/chunk.h"
#include "pages/direct.h"
#include "pages/meta.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void all_locks_are_taken(void);

/* Before every constructor: what the tests below cannot set early enough themselves. */
static void set_early(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    for (; *environment; environment++) {
        fake_settings.secure |= strcmp(*environment, "UNIT_SECURE=1") == 0;
        if (strcmp(*environment, "UNIT_NO_FILES=1") == 0) {
            fake_fail_from(FAKE_CREATE_FILE, 1);
        }
    }
    /* Before the library registers its own, so called when that has taken every lock. */
    (void)pthread_atfork(all_locks_are_taken, NULL, NULL);
}
__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char **, char **) = set_early;

/* Whether a handler for wild accesses was in place before the test's library set its own. */
static bool caught_at_start;
__attribute__((constructor(102))) static void look_at_handler(void) {
    struct sigaction action;
    caught_at_start = sigaction(SIGSEGV, NULL, &action) == 0 && action.sa_handler != SIG_DFL;
}

/* Prints what the fake kept, when the process ends: after the library's own destructor, which has the number 101. */
static void tell(void) {
    if (getenv("UNIT_TELL")) {
        fprintf(stderr, "[output %s]", fake_output());
        fprintf(stderr, "[path %s]", fake_file_path());
        fprintf(stderr, "[file %s]", fake_file_text());
    }
}

__attribute__((section(".fini_array.00050"), used)) static void (*const last)(void) = tell;

/* --- run as children ------------------------------------------------------------------------------------------------------ */

static void child_shows_options(void **state) {
    (void)state;
    void *block = collam_malloc(100);
    collam_free(block);
    fprintf(stderr, "[misuse %zu][shards %zu][perturb %zu][watched %d]", option_get(OPTION_misuse), option_get(OPTION_shards),
            option_get(OPTION_perturb), thread_heap->watched);
    fprintf(stderr, "[rate %u][guarded %d][caught %d]", sampled_rate_now(), guarded_holds((uintptr_t)block), caught_at_start);
}

static const char *run_child(const char *options, const char *more) {
    static char text[8192];
    static char variable[1024];
    snprintf(variable, sizeof variable, "COLLAM_OPTIONS=%s", options ? options : "");
    char *environment[] = {(char *)"UNIT_CHILD=1", (char *)"UNIT_TELL=1", (char *)(uintptr_t)(options ? variable : more),
                           (char *)(uintptr_t)(options ? more : NULL), NULL};
    assert_int_equal(unit_run_self("child_shows_options", environment, text, sizeof text), 0);
    return text;
}

#define ASSERT_HAS(text, part)                                                                                                             \
    do {                                                                                                                                   \
        if (strstr((text), (part)) == NULL) {                                                                                              \
            fail_msg("no '%s' in '%s'", (part), (text));                                                                                   \
        }                                                                                                                                  \
    } while (0)

/* --- the tests -------------------------------------------------------------------------------------------------------------- */

static void options_come_from_the_environment(void **state) {
    (void)state;
    ASSERT_HAS(run_child("misuse=warn,shards=5", NULL), "[misuse 1][shards 5][perturb 0][watched 0]");
    ASSERT_HAS(run_child(NULL, NULL), "[misuse 0][shards 0][perturb 0][watched 0]");
    ASSERT_HAS(run_child("", NULL), "[misuse 0][shards 0]");
    ASSERT_HAS(run_child("perturb=7", NULL), "[perturb 7][watched 1]");
    ASSERT_HAS(run_child("guard_rate=1", NULL), "[watched 1][rate 1][guarded 1][caught 1]");
    ASSERT_HAS(run_child("guard_rate=100000", NULL), "[watched 0][rate 100000][guarded 0][caught 1]");
    ASSERT_HAS(run_child(NULL, NULL), "[watched 0][rate 0][guarded 0]");
}

static void bad_options_are_told_unless_quiet(void **state) {
    (void)state;
    const char *text = run_child("nonsense=1,shards=5", NULL);
    ASSERT_HAS(text, "[output collam: option 'nonsense=1' is not known and is ignored\n]");
    ASSERT_HAS(text, "[shards 5]");
    ASSERT_HAS(run_child("quiet=1,nonsense=1", NULL), "[output ]");
}

static void a_privileged_start_reads_no_environment(void **state) {
    (void)state;
    ASSERT_HAS(run_child("misuse=warn,shards=5,stats=/file", "UNIT_SECURE=1"), "[misuse 0][shards 0]");
    ASSERT_HAS(run_child("misuse=warn,shards=5,stats=/file", "UNIT_SECURE=1"), "[path ]");
}

static void statistics_are_written_at_exit(void **state) {
    (void)state;
    const char *text = run_child("stats=/some/%p.txt", NULL);
    ASSERT_HAS(text, "[watched 1]");
    ASSERT_HAS(text, "[path /some/4711.txt]");
    ASSERT_HAS(text, "[file allocations 1\nfrees 1\nlive_blocks 0\n");
    ASSERT_HAS(run_child("shards=1", NULL), "[path ]");
}

static void statistics_that_cannot_be_written_are_told(void **state) {
    (void)state;
    ASSERT_HAS(run_child("stats=/some/where", "UNIT_NO_FILES=1"),
               "[output collam: cannot write statistics to '/some/where'; check the directory\n]");
    ASSERT_HAS(run_child("stats=/some/where,quiet=1", "UNIT_NO_FILES=1"), "[output ]");
}

static void misuse_is_reported_from_the_start(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    collam_free(&state);
    ASSERT_HAS(fake_output(), "collam: collam_free(0x");
}

/* --- fork --------------------------------------------------------------------------------------------------------------------- */

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
    for (int i = 0; i < 60; i++) {
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
    meta_small_free(meta_small(8), 8);
}

static void use_guarded_lock(void) {
    (void)guarded_size(4096);
}

static struct worker workers[] = {{.work = use_heaps_lock},  {.work = use_bin_lock},  {.work = use_chunk_lock},
                                  {.work = use_direct_lock}, {.work = use_meta_lock}, {.work = use_guarded_lock}};
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
        fake_settings.threads = threads;
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(options_come_from_the_environment),
    cmocka_unit_test(bad_options_are_told_unless_quiet),
    cmocka_unit_test(a_privileged_start_reads_no_environment),
    cmocka_unit_test(statistics_are_written_at_exit),
    cmocka_unit_test(statistics_that_cannot_be_written_are_told),
    cmocka_unit_test(misuse_is_reported_from_the_start),
    cmocka_unit_test(fork_takes_every_lock),
    cmocka_unit_test(a_child_can_allocate_whatever_other_threads_did),
    cmocka_unit_test(other_handlers_may_allocate),
    cmocka_unit_test(a_child_forks_again),
    cmocka_unit_test(child_shows_options),
};
UNIT_MAIN(tests)
