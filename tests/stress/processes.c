/*
 * Purpose: fork from a program whose threads are in the allocator all the time, with other users of pthread_atfork that
 * allocate in their handlers; daemons; exec when there is hardly any address space.
 */
#include "stress.h"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { TEAM = 8 };
static _Atomic size_t forks_left;
static _Atomic size_t handler_calls;
static _Atomic bool stop;

/* What a library does whose data must be whole in the child: a mutex, held while it allocates and over every fork. */
static pthread_mutex_t library_mutex = PTHREAD_MUTEX_INITIALIZER;

static void library_before_fork(void) {
    pthread_mutex_lock(&library_mutex);
}

static void library_after_fork(void) {
    pthread_mutex_unlock(&library_mutex);
}

static void use_library(size_t seed) {
    pthread_mutex_lock(&library_mutex);
    void *block = make_block(seed % 40000, seed);
    check_and_free(grow_block(block, seed % 80000));
    pthread_mutex_unlock(&library_mutex);
}

/* glibc lets the handlers of pthread_atfork allocate, so programs do. */
static _Thread_local void *carried[3]; /* the forks of several threads run their handlers at once */

static void before_fork(void) {
    for (size_t i = 0; i < 3; i++)
        carried[i] = make_block(100 + i * 40000, i);
    handler_calls++;
}

static void after_fork(void) {
    for (size_t i = 0; i < 3; i++)
        check_and_free(carried[i]);
    check_and_free(grow_block(make_block(50, 1), 5000));
}

static void child_life(void *const *inherited, size_t count, size_t seed) {
    end_when_stuck(30); /* a child that waits for a lock for ever dies of it, and is seen by its parent */
    for (size_t i = 0; i < count; i++)
        if (inherited[i])
            check_and_free(inherited[i]);
    if (seed % 8 == 0)
        use_every_kind(seed); /* some 10 MiB, so not in every child */
    void *block[64];
    for (size_t i = 0; i < 64; i++)
        block[i] = make_block(next_number(&seed) % (i % 16 ? 6000 : 100000), i);
    for (size_t i = 0; i < 64; i++)
        check_and_free(block[i]);
}

static void reap(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) != child)
        REQUIRE(errno == EINTR, "waitpid: errno %d", errno);
    REQUIRE(status == 0, "the child ended with status %#x", status);
}

static void *allocate_and_fork(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    void *block[100] = {0};
    for (;;) {
        for (size_t i = 0; i < 300; i++) {
            size_t slot = next_number(&seed) % 100;
            check_and_free(block[slot]);
            block[slot] = make_block(next_number(&seed) % (i % 30 ? 1500 : 200000), seed);
            if (i % 50 == 0)
                use_library(seed);
        }
        size_t left = forks_left;
        while (left && !atomic_compare_exchange_weak(&forks_left, &left, left - 1))
            ;
        if (left == 0)
            break;
        pid_t child = fork();
        REQUIRE(child >= 0, "fork: errno %d", errno);
        if (child == 0) {
            use_library(seed);
            child_life(block, 100, seed);
            if (left % 10 == 0)
                exit(0); /* with the handlers of atexit; the others just end */
            _exit(0);
        }
        reap(child);
    }
    for (size_t i = 0; i < 100; i++)
        check_and_free(block[i]);
    return NULL;
}

int stress_fork_storm(void) {
    forks_left = long_form ? 100000 : burdened ? 200 : 1000;
    size_t all = forks_left;
    pthread_t thread[TEAM];
    REQUIRE(pthread_atfork(library_before_fork, library_after_fork, library_after_fork) == 0, "pthread_atfork");
    REQUIRE(pthread_atfork(before_fork, after_fork, after_fork) == 0, "pthread_atfork");
    for (size_t i = 0; i < TEAM; i++)
        thread[i] = start(allocate_and_fork, (void *)(i + 1));
    for (size_t i = 0; i < TEAM; i++)
        join(thread[i]);
    printf("%zu forks, atfork handlers ran before %zu\n", all, (size_t)handler_calls);
    REQUIRE(handler_calls == all, "a fork went by its handlers");
    return 0;
}

static void *large_and_questions(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    while (!stop) {
        size_t kind = next_number(&seed) % 8;
        void *block = make_block(kind < 4 ? 40000 + next_number(&seed) % 900000 : 1100000 + next_number(&seed) % 1000000, seed);
        if (kind == 5)
            malloc_trim(0);
        if (kind == 6)
            (void)mallinfo2();
        block = grow_block(block, 30000 + next_number(&seed) % 2000000);
        check_and_free(block);
    }
    return NULL;
}

int stress_fork_under_lock_storm(void) {
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++)
        thread[i] = start(large_and_questions, (void *)(i + 1));
    size_t all = long_form ? 5000 : 100;
    for (size_t i = 0; i < all; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0, "fork: errno %d", errno);
        if (child == 0) {
            child_life(NULL, 0, i);
            malloc_trim(0);
            (void)mallinfo2();
            if (i % 5 == 0) {
                /* fork again, and start threads, in the child */
                pthread_t more = start(large_and_questions, (void *)i);
                pid_t grandchild = fork();
                if (grandchild == 0) {
                    child_life(NULL, 0, i);
                    _exit(0);
                }
                reap(grandchild);
                stop = true;
                join(more);
            }
            _exit(0);
        }
        reap(child);
    }
    stop = true;
    for (size_t i = 0; i < 4; i++)
        join(thread[i]);
    return 0;
}

static _Atomic size_t spawned;

/* The child borrows the memory and the thread-local storage of the thread that waits for it: what it allocates belongs to that heap. */
static void vfork_once(size_t seed) {
    void *volatile from_child = NULL;
    pid_t child = vfork();
    REQUIRE(child >= 0, "vfork: errno %d", errno);
    if (child == 0) {
        from_child = make_block(seed % 3000, seed);
        check_and_free(make_block(seed % 300000, seed + 1));
        if (seed % 2)
            execl("/bin/true", "true", (char *)NULL);
        _exit(0);
    }
    reap(child);
    check_and_free(from_child);
}

static void spawn_once(size_t seed) {
    posix_spawn_file_actions_t actions;
    char shell[] = "sh", option[] = "-c", command[] = "exit 0", *arguments[] = {shell, option, command, NULL};
    pid_t child;
    REQUIRE(posix_spawn_file_actions_init(&actions) == 0, "file actions");
    for (size_t i = 0; i < 1 + seed % 20; i++) /* kept in a block that grows */
        REQUIRE(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) == 0, "file action %zu", i);
    int result = posix_spawnp(&child, shell, &actions, NULL, arguments, environ);
    REQUIRE(result == 0, "posix_spawnp: %d", result);
    reap(child);
    posix_spawn_file_actions_destroy(&actions);
}

static void *allocate_and_spawn(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    void *block[100] = {0};
    for (size_t turn = 0; turn < (long_form ? 2000 : 60); turn++) {
        for (size_t i = 0; i < 200; i++) {
            size_t slot = next_number(&seed) % 100;
            check_and_free(block[slot]);
            block[slot] = make_block(next_number(&seed) % (i % 30 ? 1500 : 200000), seed);
        }
        if (turn % 2)
            vfork_once(next_number(&seed));
        else
            spawn_once(next_number(&seed));
        spawned++;
    }
    for (size_t i = 0; i < 100; i++)
        check_and_free(block[i]);
    return NULL;
}

int stress_spawn_storm(void) {
    pthread_t thread[TEAM];
    for (size_t i = 0; i < TEAM; i++)
        thread[i] = start(allocate_and_spawn, (void *)(i + 1));
    for (size_t i = 0; i < TEAM; i++)
        join(thread[i]);
    printf("%zu children by vfork and posix_spawn\n", (size_t)spawned);
    return 0;
}

int stress_daemon(void) {
    pthread_t thread[4];
    int answer[2];
    REQUIRE(pipe(answer) == 0, "pipe");
    void *before[50];
    for (size_t i = 0; i < 50; i++)
        before[i] = make_block(i * 300, i);
    for (size_t i = 0; i < 4; i++)
        thread[i] = start(large_and_questions, (void *)(i + 1));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(answer[0]);
        if (daemon(1, 1))
            _exit(1);
        stop = false;
        child_life(before, 50, 1);
        for (size_t i = 0; i < 4; i++)
            thread[i] = start(large_and_questions, (void *)(i + 9));
        usleep(300000);
        stop = true;
        for (size_t i = 0; i < 4; i++)
            join(thread[i]);
        ssize_t sent = write(answer[1], "well", 4);
        exit(sent != 4);
    }
    close(answer[1]);
    reap(child); /* the first parent of the daemon ends at once */
    char word[8] = "";
    ssize_t got = read(answer[0], word, 4);
    REQUIRE(got == 4 && strcmp(word, "well") == 0, "the daemon did not come through");
    stop = true;
    for (size_t i = 0; i < 4; i++)
        join(thread[i]);
    for (size_t i = 0; i < 50; i++)
        check_and_free(before[i]);
    return 0;
}

static int exec_at_the_limit(void *argument) {
    (void)argument;
    rlim_t limit = ((rlim_t)mapped_kib() + 30 * 1024) << 10;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}))
        return 2;
    static void *block[100000];
    size_t count = 0;
    while (count < 100000 && (block[count] = make_block_or_null(60000, count)))
        count++;
    REQUIRE(errno == ENOMEM, "errno %d", errno);
    for (size_t i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child < 0) {
            REQUIRE(errno == ENOMEM, "fork: errno %d", errno);
            continue;
        }
        if (child == 0) {
            free(malloc(opaque(50))); /* may be NULL */
            setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit});
            execl("/bin/true", "true", (char *)NULL);
            _exit(9);
        }
        int status;
        waitpid(child, &status, 0);
        /* /bin/true may find too little room to start in; it may not crash of it */
        REQUIRE(WIFEXITED(status), "exec ended with status %#x", status);
    }
    while (count)
        check_and_free(block[--count]);
    use_every_kind(1);
    return 0;
}

int stress_exec_under_pressure(void) {
    int status = in_child(exec_at_the_limit, NULL);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}
