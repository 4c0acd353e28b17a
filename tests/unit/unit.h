/*
 * Purpose: what every unit test shares: cmocka, the fake platform, and a runner that gives each test a process of its own, so that
 * each begins with an allocator that has never been used.
 */
#ifndef COLLAM_TESTS_UNIT_H
#define COLLAM_TESTS_UNIT_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/fake/fake.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_MAIN(tests)                                                                                                                   \
    int main(int argc, char **argv) {                                                                                                      \
        return unit_main(argc, argv, (tests), sizeof(tests) / sizeof *(tests));                                                            \
    }

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Without an argument: starts this program once per test, with the test's name, and returns how many failed. With one: runs that test. */
int unit_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

/* Runs body, which is expected to end the process through platform_abort: what it printed then. NULL when it returned. */
const char *unit_death(void (*body)(void *), void *context);

/* The next number of a fixed sequence, the same in every run. */
uint64_t unit_random(uint64_t *state);

/* True when the byte at the address can be read. */
bool unit_accessible(uintptr_t address);

/* True when all bytes have the value. */
bool unit_all(const void *bytes, size_t size, int value);

/* Starts this program again as `test`, with the environment given, and returns its exit status, or 128 + the signal that ended it. Its
 * standard error is put into text (terminated). */
int unit_run_self(const char *test, char *const *environment, char *text, size_t capacity);

#endif
