/*
 * Purpose: calls that come early: a constructor of priority 101 makes the first allocations of the program, before the C++
 * library, before main. Under conf_early.sh a preloaded library calls earlier still.
 */
#include "conformance.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned char *block[64];
static int failed_early;

__attribute__((constructor(101))) static void early(void) {
    errno = 4711;
    free(opaque_pointer(NULL));
    failed_early |= errno != 4711;
    void *first = realloc(opaque_pointer(NULL), opaque(33));
    failed_early |= first == NULL;
    free(first);
    for (size_t i = 0; i < 64; i++) {
        size_t size = i * i * i + 1;
        block[i] = i % 3 == 0 ? malloc(opaque(size)) : i % 3 == 1 ? calloc(1, opaque(size)) : memalign((size_t)16 << i % 12, opaque(size));
        if (!block[i])
            failed_early = 1;
        else
            pattern_fill(block[i], size, i);
    }
}

static void early_blocks_live_on(void **state) {
    (void)state;
    assert_int_equal(failed_early, 0);
    for (size_t i = 0; i < 64; i++) {
        size_t size = i * i * i + 1, where;
        assert_non_null(block[i]);
        assert_true(pattern_holds(block[i], size, size, i, &where));
        assert_non_null(block[i] = realloc(block[i], size + 1000));
        assert_true(pattern_holds(block[i], size, size, i, &where));
    }
}

static void *free_them(void *argument) {
    for (size_t i = 0; i < 64; i++)
        free(block[i]);
    return argument;
}

static void early_blocks_are_freed_elsewhere(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_them, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void fork_after_an_early_start(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (size_t n = 0; n < 1000; n++)
                free(malloc(opaque(n * 13)));
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_blocks_live_on),
        cmocka_unit_test(early_blocks_are_freed_elsewhere),
        cmocka_unit_test(fork_after_an_early_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
