/*
 * Purpose: tests of api/again.c: which library is preloaded, what becomes of LD_PRELOAD, and what is said when a program cannot start
 * again. That it does is shown by tests/conformance/conf_hardened.sh, since only a process of its own can.
 */
#include "api/again.h"
#include "api/libc.h"
#include "unit.h"

#include <stdio.h>

bool libc_names_are_ours(void) {
    return getenv("UNIT_NOT_OURS") == NULL;
}

static void library_lies_beside(void **state) {
    (void)state;
    static const struct {
        const char *own, *library;
    } rows[] = {
        {"/usr/lib/libcollam.so", "/usr/lib/libcollam-hardened.so"},
        {"/usr/lib/libcollam.so.0.1.0", "/usr/lib/libcollam-hardened.so.0.1.0"},
        {"/libcollam.so.0", "/libcollam-hardened.so.0"},
        {"/\xc3\xa9/libcollam.so.0", "/\xc3\xa9/libcollam-hardened.so.0"},
        {"/usr/libcollam.so/program", NULL},
        {"/usr/bin/libcollam", NULL},
        {"/a b/libcollam.so.0", NULL},
        {"/a:b/libcollam.so.0", NULL},
        {"libcollam.so.0", NULL},
        {"[vdso]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char library[AGAIN_PATH_MAX];
        assert_int_equal(again_library(library, sizeof library, rows[i].own), rows[i].library != NULL);
        if (rows[i].library) {
            assert_string_equal(library, rows[i].library);
        }
    }
    char tight[sizeof "/libcollam-hardened.so" + 1];
    assert_true(again_library(tight, sizeof tight, "/libcollam.so"));
    assert_false(again_library(tight, sizeof tight, "/libcollam.so.0"));
}

static void other_libraries_stay_preloaded(void **state) {
    (void)state;
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"", "/l/libcollam-hardened.so"},
        {"/l/libcollam.so", "/l/libcollam-hardened.so"},
        {"libcollam.so.0", "/l/libcollam-hardened.so"},
        {"/else/where/libcollam-hardened.so.0", "/l/libcollam-hardened.so"},
        {"/a.so:/l/libcollam.so.0.1.0 /b.so", "/l/libcollam-hardened.so:/a.so:/b.so"},
        {"  :/a.so::/b.so: ", "/l/libcollam-hardened.so:/a.so:/b.so"},
        {"/libcollam.so.d/a.so", "/l/libcollam-hardened.so:/libcollam.so.d/a.so"},
        {"/\xc3\xa9/a.so", "/l/libcollam-hardened.so:/\xc3\xa9/a.so"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char after[256];
        assert_true(again_preload(after, sizeof after, "/l/libcollam-hardened.so", rows[i].before));
        assert_string_equal(after, rows[i].after);
    }
    char tight[12];
    assert_false(again_preload(tight, sizeof tight, "/l/h.so", "/abcd"));
}

#define OWN "/l/libcollam.so.0"
#define HARDENED "/l/libcollam-hardened.so.0"
#define NO_EFFECT "collam: option 'hardened=1' has no effect: "

static char *arguments[] = {(char *)"program", (char *)"x", NULL};
static char *variables[] = {(char *)"LD_PRELOADED=no", (char *)"LD_PRELOAD=/a.so " OWN, (char *)"COLLAM_STARTED_AGAIN=77", (char *)"HOME=/",
                            NULL};
static unsigned runs;

static void look_at_run(const char *path, char *const *argv, char *const *environment) {
    runs++;
    assert_string_equal(path, "/bin/program");
    assert_ptr_equal(argv, arguments);
    assert_string_equal(environment[0], "LD_PRELOADED=no");
    assert_string_equal(environment[1], "HOME=/");
    assert_string_equal(environment[2], "LD_PRELOAD=" HARDENED ":/a.so");
    assert_string_equal(environment[3], "COLLAM_STARTED_AGAIN=1234");
    assert_null(environment[4]);
}

static void expect_no_effect(const char *own, const char *program, char **environment, const char *why) {
    unsigned before = runs;
    fake_output_clear();
    again_with(own, program, arguments, environment);
    char line[512];
    snprintf(line, sizeof line, NO_EFFECT "%s\n", why);
    assert_string_equal(fake_output(), line);
    assert_int_equal(runs, before);
}

/* The hook returns, as the system call does when it is refused. */
static void runs_the_program_again(void **state) {
    (void)state;
    fake_settings.process_id = 1234;
    fake_settings.run_hook = look_at_run;
    fake_set_file(HARDENED, "a library");
    size_t mapped = fake_mapped_bytes();
    again_with(OWN, "/bin/program", arguments, variables);
    assert_int_equal(runs, 1);
    assert_string_equal(fake_output(), NO_EFFECT "the system does not let it start again: /bin/program\n");
    assert_int_equal(fake_mapped_bytes(), mapped);
    assert_int_equal(fake_open_files(), 0);
    char *without[] = {variables[0], variables[3], NULL};
    fake_settings.run_hook = NULL;
    again_with(OWN, "/bin/program", arguments, without);
    fake_fail_from(FAKE_MAP, 1);
    expect_no_effect(OWN, "/bin/program", variables, "the system does not let it start again: /bin/program");
    fake_fail_never();
}

static void says_why_not(void **state) {
    (void)state;
    fake_settings.process_id = 1234;
    fake_settings.run_hook = look_at_run;
    expect_no_effect(NULL, "/bin/program", variables,
                     "/proc/self/maps does not tell where libcollam.so is; start the program with LD_PRELOAD=libcollam-hardened.so");
    expect_no_effect(OWN, NULL, variables,
                     "/proc/self/maps does not tell where libcollam.so is; start the program with LD_PRELOAD=libcollam-hardened.so");
    expect_no_effect("/bin/program", "/bin/program", variables,
                     "collam is linked into the program, or lies where LD_PRELOAD cannot name it: /bin/program");
    expect_no_effect(OWN, "/bin/program", variables, "there is no " HARDENED);
    fake_set_file(HARDENED, "a library");
    char *started[] = {(char *)"COLLAM_STARTED_AGAIN=1234", NULL};
    expect_no_effect(OWN, "/bin/program", started, "the system did not load " HARDENED);
    char *valgrind[] = {(char *)"LD_PRELOAD=/usr/libexec/valgrind/vgpreload_core-amd64-linux.so:" OWN, NULL};
    expect_no_effect(OWN, "/bin/program", valgrind, "the program would leave valgrind; preload " HARDENED);
    fake_settings.no_loader = true;
    expect_no_effect(OWN, "/bin/program", variables, "the program was started by the dynamic loader's own name; preload " HARDENED);
}

/* Run as a child: what the constructor said. */
static void child_tells(void **state) {
    (void)state;
    fprintf(stderr, "[%s]", fake_output());
}

static void expect_said(const char *options, const char *more, const char *third, const char *said) {
    char text[4096];
    char *environment[] = {(char *)"UNIT_CHILD=1", (char *)(uintptr_t)options, (char *)(uintptr_t)more, (char *)(uintptr_t)third, NULL};
    assert_int_equal(unit_run_self("child_tells", environment, text, sizeof text), 0);
    if (strstr(text, said) == NULL) {
        fail_msg("no '%s' in '%s'", said, text);
    }
}

/* Here collam is part of the program, which the fake does not find. */
static void the_option_comes_from_the_environment(void **state) {
    (void)state;
    expect_said("COLLAM_OPTIONS=hardened=1", NULL, NULL, "[" NO_EFFECT "/proc/self/maps does not tell");
    expect_said("COLLAM_OPTIONS=hardened=1", "UNIT_NOT_OURS=1", NULL, "[" NO_EFFECT "the program does not allocate from this library;");
    expect_said("COLLAM_OPTIONS=hardened=1", "UNIT_NOT_OURS=1", "LD_PRELOAD=" HARDENED, "[]");
    expect_said("COLLAM_OPTIONS=hardened=0", NULL, NULL, "[]");
    expect_said("UNIT=1", NULL, NULL, "[]");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(library_lies_beside),
    cmocka_unit_test(other_libraries_stay_preloaded),
    cmocka_unit_test(runs_the_program_again),
    cmocka_unit_test(says_why_not),
    cmocka_unit_test(the_option_comes_from_the_environment),
    cmocka_unit_test(child_tells),
};
UNIT_MAIN(tests)
