/*
 * Purpose: see unit.h.
 */
#include "unit.h"

#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Leaks of the C library's heap are not what is tested, and looking for them takes longer than a test. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

static int status_of(pid_t child) {
    int status;
    if (waitpid(child, &status, 0) != child) {
        return 255;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#ifdef UNIT_EMULATOR
static const char *const emulator[] = {UNIT_EMULATOR};
#else
static const char *const emulator[] = {NULL};
#endif

static int spawn(const char *test, char *const *environment, const posix_spawn_file_actions_t *actions) {
    pid_t child;
    char self[4096], *arguments[COUNT(emulator) + 3];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) {
        return 255;
    }
    self[length] = '\0';
    size_t used = 0;
    for (; used < COUNT(emulator) && emulator[used]; used++) {
        arguments[used] = (char *)(uintptr_t)emulator[used];
    }
    arguments[used++] = self;
    arguments[used++] = (char *)(uintptr_t)test;
    arguments[used] = NULL;
    return posix_spawnp(&child, arguments[0], actions, NULL, arguments, environment) ? 255 : status_of(child);
}

int unit_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count) {
    if (argc > 1) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(tests[i].name, argv[1]) == 0) {
                return _cmocka_run_group_tests(tests[i].name, &tests[i], 1, NULL, NULL);
            }
        }
        fprintf(stderr, "no test is called %s\n", argv[1]);
        return 2;
    }
    int failed = 0;
    unsetenv("COLLAM_OPTIONS"); /* what is tested are the defaults, and what a test sets itself */
    for (size_t i = 0; i < count; i++) {
        int status = spawn(tests[i].name, environ, NULL);
        if (status) {
            fprintf(stderr, "FAILED: %s (status %d)\n", tests[i].name, status);
            failed++;
        }
    }
    printf("%zu tests, %d failed\n", count, failed);
    return failed;
}

int unit_run_self(const char *test, char *const *environment, char *text, size_t capacity) {
    FILE *errors = tmpfile();
    assert_non_null(errors);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(errors), 2);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0); /* O_WRONLY */
    int status = spawn(test, environment, &actions);
    posix_spawn_file_actions_destroy(&actions);
    rewind(errors);
    text[fread(text, 1, capacity - 1, errors)] = '\0';
    fclose(errors);
    return status;
}

bool unit_accessible(uintptr_t address) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    bool readable = write(ends[1], (const void *)address, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return readable;
}

static jmp_buf death;

static void at_death(void) {
    longjmp(death, 1);
}

const char *unit_death(void (*body)(void *), void *context) {
    fake_output_clear();
    fake_settings.abort_hook = at_death;
    const char *result = NULL;
    if (setjmp(death) == 0) {
        body(context);
    } else {
        result = fake_output();
    }
    fake_settings.abort_hook = NULL;
    return result;
}

uint64_t unit_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

bool unit_all(const void *bytes, size_t size, int value) {
    const unsigned char *p = bytes;
    return size == 0 || (p[0] == (unsigned char)value && memcmp(p, p + 1, size - 1) == 0);
}
