/*
 * Purpose: tests of base/check.c: what a failed check says, to whom, and which builds look.
 */
#include "base/check.h"
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char seen[512];
static size_t seen_length;

static void keep_and_end(const char *line, size_t length) {
    memcpy(seen, line, length);
    seen[length] = '\0';
    seen_length = length;
    platform_abort();
}

static void fail_check(void *context) {
    CHECK(context != NULL && 1 + 1 == 3);
}

static void fail_assert(void *context) {
    ASSERT(context == NULL);
}

static void a_true_check_says_nothing(void **state) {
    (void)state;
    check_set_handler(keep_and_end);
    CHECK(1 + 1 == 2);
    ASSERT(1 + 1 == 2);
    assert_int_equal(seen_length, 0);
}

static void a_false_check_names_expression_file_and_line(void **state) {
    (void)state;
    check_set_handler(keep_and_end);
    assert_non_null(unit_death(fail_check, seen));
    const char *start = "collam: internal check failed: context != NULL && 1 + 1 == 3 (check.c:";
    assert_memory_equal(seen, start, strlen(start));
    assert_string_equal(seen + seen_length - 2, ")\n");
    assert_int_equal(atoi(seen + strlen(start)), 22);
}

static void long_expressions_are_cut(void **state) {
    (void)state;
    char expression[600];
    memset(expression, 'e', sizeof expression - 1);
    expression[sizeof expression - 1] = '\0';
    check_set_handler(keep_and_end);
    fake_settings.abort_hook = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        check_set_handler(NULL);
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        check_failed(expression, "f.c", 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    /* Without a handler it still ends: by the trap, or by what a sanitizer makes of it. */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void asserts_look_in_debug_builds_only(void **state) {
    (void)state;
    check_set_handler(keep_and_end);
    const char *text = unit_death(fail_assert, seen);
    assert_int_equal(text != NULL, debug_checks);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_true_check_says_nothing),
    cmocka_unit_test(a_false_check_names_expression_file_and_line),
    cmocka_unit_test(long_expressions_are_cut),
    cmocka_unit_test(asserts_look_in_debug_builds_only),
};
UNIT_MAIN(tests)
