/*
 * Purpose: stands in for cmocka where a cross compiler has no package of it: the part of it that these tests use, under its names. A test
 * ends at its first failed assertion, and the group goes on with the next test.
 */
#ifndef COLLAM_TESTS_CMOCKA_STAND_IN_H
#define COLLAM_TESTS_CMOCKA_STAND_IN_H

#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
    void *initial_state;
};

#define cmocka_unit_test(f)                                                                                                                \
    { #f, f, NULL, NULL, NULL }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                                                                \
    { #f, f, setup, teardown, NULL }
#define cmocka_unit_test_prestate(f, state)                                                                                                \
    { #f, f, NULL, NULL, state }

enum { STAND_IN_FAILED = 1, STAND_IN_SKIPPED = 2 };

/* One per program: each test program is one source file that includes this, or two that share it. */
__attribute__((weak)) jmp_buf stand_in_end;

__attribute__((noreturn)) static inline void stand_in_stop(int how) {
    longjmp(stand_in_end, how);
}

#define skip() stand_in_stop(STAND_IN_SKIPPED)
#define fail_msg(...)                                                                                                                      \
    do {                                                                                                                                   \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                                                    \
        fprintf(stderr, __VA_ARGS__);                                                                                                      \
        fprintf(stderr, "\n");                                                                                                             \
        stand_in_stop(STAND_IN_FAILED);                                                                                                    \
    } while (0)

#define fail() fail_msg("%s", "failed")

#define STAND_IN_REQUIRE(condition, what) ((condition) ? (void)0 : stand_in_fail(what, __FILE__, __LINE__))
static inline void stand_in_fail(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    stand_in_stop(STAND_IN_FAILED);
}

static inline void stand_in_compare(uintmax_t a, uintmax_t b, int equal, const char *what, const char *file, int line) {
    if ((a == b) != equal) {
        fprintf(stderr, "%s:%d: %s: %#jx and %#jx\n", file, line, what, a, b);
        stand_in_stop(STAND_IN_FAILED);
    }
}

#define STAND_IN_NUMBER(x) ((uintmax_t)(x))
#define STAND_IN_ADDRESS(x) ((uintmax_t)(uintptr_t)(x))
#define assert_true(c) STAND_IN_REQUIRE((c) ? 1 : 0, #c)
#define assert_false(c) STAND_IN_REQUIRE((c) ? 0 : 1, "not " #c)
#define assert_null(p) stand_in_compare(STAND_IN_ADDRESS(p), 0, 1, #p " is null", __FILE__, __LINE__)
#define assert_non_null(p) stand_in_compare(STAND_IN_ADDRESS(p), 0, 0, #p " is not null", __FILE__, __LINE__)
#define assert_int_equal(a, b) stand_in_compare(STAND_IN_NUMBER(a), STAND_IN_NUMBER(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) stand_in_compare(STAND_IN_NUMBER(a), STAND_IN_NUMBER(b), 0, #a " != " #b, __FILE__, __LINE__)
#define assert_ptr_equal(a, b) stand_in_compare(STAND_IN_ADDRESS(a), STAND_IN_ADDRESS(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) stand_in_compare(STAND_IN_ADDRESS(a), STAND_IN_ADDRESS(b), 0, #a " != " #b, __FILE__, __LINE__)
#define assert_string_equal(a, b) STAND_IN_REQUIRE(strcmp(a, b) == 0, #a " == " #b)
#define assert_string_not_equal(a, b) STAND_IN_REQUIRE(strcmp(a, b) != 0, #a " != " #b)
#define assert_memory_equal(a, b, n) STAND_IN_REQUIRE(memcmp(a, b, n) == 0, #a " == " #b)
#define assert_in_range(v, low, high) STAND_IN_REQUIRE((v) >= (low) && (v) <= (high), #v " in " #low ".." #high)

static inline int stand_in_run(const struct CMUnitTest *test) {
    void *state = test->initial_state;
    volatile int how = setjmp(stand_in_end);
    if (how == 0) {
        if (test->setup && test->setup(&state)) {
            stand_in_stop(STAND_IN_FAILED);
        }
        test->test(&state);
        if (test->teardown && test->teardown(&state)) {
            stand_in_stop(STAND_IN_FAILED);
        }
    }
    printf("[%s] %s\n", how == 0 ? "OK" : how == STAND_IN_SKIPPED ? "SKIPPED" : "FAILED", test->name);
    return how == STAND_IN_FAILED;
}

static inline int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count, int (*setup)(void **),
                                          int (*teardown)(void **)) {
    int failed = (setup || teardown) ? 1 : 0; /* no group here has them */
    for (size_t i = 0; i < count; i++) {
        failed += stand_in_run(&tests[i]);
    }
    printf("%s: %zu tests, %d failed\n", group, count, failed);
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                                                                     \
    _cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof *(tests), setup, teardown)

#endif
