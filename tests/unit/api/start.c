/*
 * Purpose: tests of api/start.c: the environment variable, set-user-id starts, statistics at exit.
 */
#include "collam/collam.h"
#include "config/options.h"
#include "front/sampled.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "unit.h"

#include <signal.h>
#include <stdio.h>

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
    ASSERT_HAS(run_child("guard_rate=1", NULL), "[watched 0][rate 1][guarded 1][caught 1]");
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
    ASSERT_HAS(
        run_child("stats=/some/where", "UNIT_NO_FILES=1"),
        "[output collam: cannot write statistics to '/some/where'; it must be a plain file of yours, in a directory that is there\n]");
    ASSERT_HAS(run_child("stats=/some/where,quiet=1", "UNIT_NO_FILES=1"), "[output ]");
}

static void misuse_is_reported_from_the_start(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    collam_free(&state);
    ASSERT_HAS(fake_output(), "collam: collam_free(0x");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(options_come_from_the_environment),
    cmocka_unit_test(bad_options_are_told_unless_quiet),
    cmocka_unit_test(a_privileged_start_reads_no_environment),
    cmocka_unit_test(statistics_are_written_at_exit),
    cmocka_unit_test(statistics_that_cannot_be_written_are_told),
    cmocka_unit_test(misuse_is_reported_from_the_start),
    cmocka_unit_test(child_shows_options),
};
UNIT_MAIN(tests)
