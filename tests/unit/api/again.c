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
static char *variables[5];
static unsigned runs;
static const char *runs_path = "/bin/program";
static unsigned refusal;

static unsigned look_at_run(const char *path, char *const *argv, char *const *environment) {
    runs++;
    assert_string_equal(path, runs_path);
    assert_ptr_equal(argv, arguments);
    assert_string_equal(environment[0], "LD_PRELOADED=no");
    assert_string_equal(environment[1], "HOME=/");
    assert_string_equal(environment[2], "LD_PRELOAD=" HARDENED ":/a.so");
    assert_string_equal(environment[3], "COLLAM_STARTED_AGAIN=1234:the name");
    assert_null(environment[4]);
    return refusal;
}

#define HEAD "\177ELF\2\1\1\1aaaaaaaa\3\1"
#define OURS HEAD "\x3e\1 and more"

static void settle(void) {
    fake_settings.process_id = 1234;
    memcpy(fake_settings.name, "the name", sizeof "the name");
    fake_settings.run_hook = look_at_run;
    fake_set_file(OWN, OURS);
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
static void fill_variables(void) {
    variables[0] = (char *)"LD_PRELOADED=no";
    variables[1] = (char *)"LD_PRELOAD=/a.so " OWN;
    variables[2] = (char *)"COLLAM_STARTED_AGAIN=77:other";
    variables[3] = (char *)"HOME=/";
    variables[4] = NULL;
}

static void runs_the_program_again(void **state) {
    (void)state;
    settle();
    fill_variables();
    fake_set_file(HARDENED, OURS);
    refusal = 13;
    size_t mapped = fake_mapped_bytes();
    again_with(OWN, "/bin/program", arguments, variables);
    assert_int_equal(runs, 1);
    assert_string_equal(fake_output(), NO_EFFECT "the system does not let it start again: /bin/program (error 13)\n");
    assert_int_equal(fake_mapped_bytes(), mapped);
    assert_int_equal(fake_open_files(), 0);
    char *without[] = {variables[0], variables[3], NULL};
    fake_settings.run_hook = NULL;
    again_with(OWN, "/bin/program", arguments, without);
    fake_settings.run_hook = look_at_run;
    runs_path = "/proc/self/exe";
    fill_variables();
    again_with(OWN, "/bin/program (deleted)", arguments, variables);
    fill_variables();
    again_with(OWN, NULL, arguments, variables);
    assert_int_equal(runs, 3);
    runs_path = "/bin/program";
    fake_settings.run_hook = NULL;
    fake_fail_from(FAKE_MAP, 1);
    expect_no_effect(OWN, "/bin/program", variables, "the system does not let it start again: /bin/program");
    fake_fail_never();
}

static void says_why_not(void **state) {
    (void)state;
    settle();
    fill_variables();
    expect_no_effect(NULL, "/bin/program", variables,
                     "/proc/self/maps does not tell where libcollam.so is; start the program with LD_PRELOAD=libcollam-hardened.so");
    expect_no_effect("/bin/program", "/bin/program", variables,
                     "collam is linked into the program, or lies where LD_PRELOAD cannot name it: /bin/program");
    expect_no_effect(OWN, "/bin/program", variables, "there is no library for this processor at " HARDENED);
    fake_set_file(HARDENED, "nonsense that is long enough");
    expect_no_effect(OWN, "/bin/program", variables, "there is no library for this processor at " HARDENED);
    fake_set_file(HARDENED, HEAD "\xb7\1");
    expect_no_effect(OWN, "/bin/program", variables, "there is no library for this processor at " HARDENED);
    fake_set_file(HARDENED, "\177ELF");
    expect_no_effect(OWN, "/bin/program", variables, "there is no library for this processor at " HARDENED);
    fake_set_file(HARDENED, OURS);
    char *started[] = {(char *)"COLLAM_STARTED_AGAIN=1234:a script", variables[0], NULL};
    expect_no_effect(OWN, "/bin/program", started, "the system did not load " HARDENED);
    assert_string_equal(fake_settings.name, "a script");
    assert_ptr_equal(started[0], variables[0]); /* what is executed next under this number may try */
    assert_null(started[1]);
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

/* Here collam is part of the program. */
static void the_option_comes_from_the_environment(void **state) {
    (void)state;
    expect_said("COLLAM_OPTIONS=hardened=1", NULL, NULL, "[" NO_EFFECT "collam is linked into the program");
    expect_said("COLLAM_OPTIONS=hardened=1", "UNIT_NOT_OURS=1", NULL, "[" NO_EFFECT "the program does not allocate from this library;");
    expect_said("COLLAM_OPTIONS=hardened=1", "UNIT_NOT_OURS=1", "LD_PRELOAD=" HARDENED, "[]");
    expect_said("COLLAM_OPTIONS=hardened=0", NULL, NULL, "[]");
    expect_said("UNIT=1", NULL, NULL, "[]");
}

/* The next program under the same number, and children, are told nothing. */
static void arrives_once(void **state) {
    (void)state;
    fake_settings.process_id = 1234;
    char *home = (char *)"HOME=/", *more = (char *)"COLLAM_STARTED_AGAINST=x";
    char *environment[] = {home, (char *)"COLLAM_STARTED_AGAIN=1234:\xc3\xa9 a:b", more, NULL};
    assert_true(again_arrived(environment));
    assert_string_equal(fake_settings.name, "\xc3\xa9 a:b");
    assert_ptr_equal(environment[0], home);
    assert_ptr_equal(environment[1], more);
    assert_null(environment[2]);
    assert_false(again_arrived(environment));
    static const char *const others[] = {"COLLAM_STARTED_AGAIN=1235:x", "COLLAM_STARTED_AGAIN=1234",
                                         "COLLAM_STARTED_AGAIN=", "COLLAM_STARTED_AGAIN=x"};
    for (size_t i = 0; i < COUNT(others); i++) {
        environment[1] = (char *)(uintptr_t)others[i];
        assert_false(again_arrived(environment));
        assert_null(environment[1]);
    }
    assert_string_equal(fake_settings.name, "\xc3\xa9 a:b");
}

/* Children inherit it: it should outlive an update. */
static void prefers_the_short_name(void **state) {
    (void)state;
    settle();
    fill_variables();
    fake_set_file(OWN ".1.0", OURS);
    fake_set_file(HARDENED ".1.0", OURS);
    refusal = 1;
    unsigned before = runs;
    char *started[] = {(char *)"COLLAM_STARTED_AGAIN=1234:the name", NULL};
    expect_no_effect(OWN ".1.0", "/bin/program", started, "the system did not load " HARDENED ".1.0");
    fake_set_file(HARDENED, OURS);
    again_with(OWN ".1.0", "/bin/program", arguments, variables);
    assert_int_equal(runs, before + 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(library_lies_beside),
    cmocka_unit_test(other_libraries_stay_preloaded),
    cmocka_unit_test(runs_the_program_again),
    cmocka_unit_test(says_why_not),
    cmocka_unit_test(arrives_once),
    cmocka_unit_test(prefers_the_short_name),
    cmocka_unit_test(the_option_comes_from_the_environment),
    cmocka_unit_test(child_tells),
};
UNIT_MAIN(tests)
