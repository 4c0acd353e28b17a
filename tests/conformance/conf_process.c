/*
 * Purpose: new processes out of a program whose threads are allocating: fork, vfork, posix_spawn, popen, and a child that
 * goes on allocating with threads of its own.
 */
#include "conformance.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { THREADS = 4 };
static _Atomic bool stop;
static pthread_t worker[THREADS];

static void *allocate(void *argument) {
    void *block[64] = {0};
    size_t seed = (size_t)(uintptr_t)argument + 1;
    while (!stop) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t slot = seed >> 58, size = (seed >> 33) % 3 == 0 ? (seed >> 36) % 300000 : (seed >> 36) % 2000;
        free(block[slot]);
        block[slot] = malloc(size);
    }
    for (size_t i = 0; i < 64; i++)
        free(block[i]);
    return NULL;
}

static int start_workers(void **state) {
    (void)state;
    stop = false;
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&worker[i], NULL, allocate, (void *)i))
            return -1;
    return 0;
}

static int stop_workers(void **state) {
    (void)state;
    stop = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(worker[i], NULL);
    return 0;
}

static void use_everything(void) {
    for (size_t i = 0; i < boundary_count(); i++) {
        void *block = malloc(boundary(i));
        void *zeroed = calloc(1, boundary(i));
        void *aligned = memalign(4096, boundary(i));
        if (!block || !zeroed || !aligned)
            _exit(9);
        block = realloc(block, boundary(i) + 1000);
        free(block);
        free(zeroed);
        free(aligned);
    }
}

static void assert_exits_0(pid_t child) {
    int status = -1;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_forked_child_can_allocate(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        unsigned char *before = malloc(opaque(3000));
        pattern_fill(before, 3000, 1);
        pid_t child = fork();
        if (child == 0) {
            size_t where;
            alarm(20);
            if (!pattern_holds(before, 3000, 3000, 1, &where))
                _exit(8);
            free(before);
            use_everything();
            _exit(0);
        }
        free(before);
        assert_exits_0(child);
    }
}

static void a_forked_child_can_start_threads_and_fork(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            if (start_workers(NULL))
                _exit(6);
            pid_t grandchild = fork();
            if (grandchild == 0) {
                use_everything();
                exit(0);
            }
            int status = 1;
            waitpid(grandchild, &status, 0);
            stop_workers(NULL);
            _exit(status != 0);
        }
        assert_exits_0(child);
    }
}

static void a_vforked_child_may_exec(void **state) {
    (void)state;
    char *const arguments[] = {(char *)"true", NULL};
    for (volatile int i = 0; i < 30; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execv("/bin/true", arguments);
            _exit(7);
        }
        assert_exits_0(child);
    }
}

static void a_vforked_child_may_allocate(void **state) {
    /* beyond POSIX, but shells and build tools do it: the child runs in the parent's memory while the parent waits */
    (void)state;
    for (volatile int i = 0; i < 30; i++) {
        pid_t child = vfork();
        if (child == 0) {
            free(malloc(opaque(100)));
            free(malloc(opaque(100000)));
            _exit(0);
        }
        assert_exits_0(child);
    }
    use_everything();
}

static void posix_spawn_and_popen_work(void **state) {
    (void)state;
    char *const arguments[] = {(char *)"sh", (char *)"-c", (char *)"exit 0", NULL};
    for (int i = 0; i < 20; i++) {
        pid_t child;
        posix_spawn_file_actions_t actions;
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, 9, "/dev/null", 0, 0), 0);
        assert_int_equal(posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        assert_exits_0(child);
        char line[32] = "";
        FILE *pipe = popen("echo from a child", "r");
        assert_non_null(pipe);
        assert_non_null(fgets(line, sizeof line, pipe));
        assert_int_equal(pclose(pipe), 0);
        assert_string_equal(line, "from a child\n");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_forked_child_can_allocate, start_workers, stop_workers),
        cmocka_unit_test_setup_teardown(a_forked_child_can_start_threads_and_fork, start_workers, stop_workers),
        cmocka_unit_test_setup_teardown(a_vforked_child_may_exec, start_workers, stop_workers),
        cmocka_unit_test_setup_teardown(a_vforked_child_may_allocate, start_workers, stop_workers),
        cmocka_unit_test_setup_teardown(posix_spawn_and_popen_work, start_workers, stop_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
