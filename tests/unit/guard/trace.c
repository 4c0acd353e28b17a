/*
 * Purpose: tests of guard/trace.c: which file lies at an address. What it prints is shown by tests/misuse. The list is this process's own.
 */
#include "guard/trace.h"
#include "unit.h"

#include <unistd.h>

static void finds_the_file_at_an_address(void **state) {
    (void)state;
    char expected[1024] = {0}, path[1024];
    assert_true(readlink("/proc/self/exe", expected, sizeof expected - 1) > 0);
    uintptr_t here = (uintptr_t)finds_the_file_at_an_address;
    assert_true(trace_find_file(here, path, sizeof path));
    assert_string_equal(path, expected);
    assert_true(trace_find_file(here, path, strlen(expected) + 1));
    assert_false(trace_find_file(here, path, strlen(expected)));
    assert_true(trace_find_file((uintptr_t)getpid, path, sizeof path));
    assert_string_not_equal(path, expected);
    assert_false(trace_find_file((uintptr_t)&state, path, sizeof path)); /* [stack] is no file */
    assert_false(trace_find_file(1, path, sizeof path));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(finds_the_file_at_an_address),
};
UNIT_MAIN(tests)
