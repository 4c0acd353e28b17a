/*
 * Purpose: threads that are interrupted or cancelled. The allocator may be interrupted anywhere; what a handler may do is what
 * POSIX lets it do, which leaves allocation out unless the program knows that no call was interrupted. One that allocates all the same
 * never hangs (docs/CONCURRENCY.md, Signals).
 */
#include "stress.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static _Atomic size_t signals_seen;
static void *known_block;

static void on_signal(int number) {
    int saved = errno;
    signals_seen++;
    errno = number + 1000;
    if (known_block)
        check_block(known_block);
    errno = saved;
}

static _Atomic bool stop;

static void *work_until_stopped(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    void *block[200] = {0};
    while (!stop) {
        size_t slot = next_number(&seed) % 200, kind = next_number(&seed) % 100;
        check_and_free(block[slot]);
        block[slot] = make_block(next_number(&seed) % (kind < 80 ? 1000 : kind < 97 ? 50000 : 2000000), seed);
    }
    for (size_t i = 0; i < 200; i++)
        check_and_free(block[i]);
    return NULL;
}

static void sleep_for(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

int stress_signals(void) {
    known_block = make_block(1000, 4711);
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: system calls are interrupted too */
    sigaction(SIGVTALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++)
        thread[i] = start(work_until_stopped, (void *)(i + 1));
    struct itimerval often = {{0, 200}, {0, 200}};
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    /* Signals that wait when another comes are one: on a busy machine it takes longer until enough have been handled. */
    for (int i = 0; i < (long_form ? 60000 : 3000) || (signals_seen <= 1000 && i < 60000); i++) {
        pthread_kill(thread[i % 4], SIGUSR1);
        sleep_for(0.0005);
    }
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL);
    stop = true;
    for (size_t i = 0; i < 4; i++)
        join(thread[i]);
    check_and_free(known_block);
    printf("%zu signals\n", (size_t)signals_seen);
    REQUIRE(signals_seen > 1000, "the handler hardly ran");
    return 0;
}

/* --- handlers that do what they should not ------------------------------------------------------------------------------------------ */

static size_t handler_seed = 1;
static bool handler_is_small;

static void allocate_in_handler(int number) {
    (void)number;
    signals_seen++;
    size_t size = handler_is_small ? next_number(&handler_seed) % 3000 : 100000 + next_number(&handler_seed) % 900000;
    api_free(api_malloc(size));
}

/* The child does nothing but what takes locks; the handler, the same. */
static int interrupted_by_itself(void *argument) {
    (void)argument;
    struct sigaction action = {.sa_handler = allocate_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGVTALRM, &action, NULL);
    struct itimerval often = {{0, 100}, {0, 100}};
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    end_when_stuck(30);
    static void *block[300];
    size_t seed = handler_is_small;
    while (signals_seen < 100) {
        size_t slot = next_number(&seed) % 300;
        api_free(block[slot]);
        block[slot] = api_malloc(handler_is_small ? next_number(&seed) % 3000 : 100000 + next_number(&seed) % 900000);
    }
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL);
    printf("%zu signals and no harm\n", (size_t)signals_seen);
    fflush(stdout);
    return 0;
}

/* What is promised: it ends. With large blocks, where only locks stand between handler and thread, it ends well or by a message. With small
 * ones the handler may also take the very block that the thread is taking. */
int stress_signals_that_allocate(void) {
    for (int round = 0; round < (long_form ? 200 : 6); round++) {
        handler_is_small = round % 2;
        handler_seed = (size_t)round;
        int status = in_child(interrupted_by_itself, NULL);
        REQUIRE(!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM, "hangs");
        if (!handler_is_small)
            REQUIRE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT), "status %#x", status);
    }
    return 0;
}

static void fork_in_handler(int number) {
    (void)number;
    if (signals_seen++ >= 300)
        return;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int status;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork in a handler");
}

/* fork is async-signal-safe for a process with one thread, whatever it interrupts. */
static int forked_by_itself(void *argument) {
    (void)argument;
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    sigaction(SIGVTALRM, &action, NULL);
    struct itimerval often = {{0, 100}, {0, 100}};
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    size_t seed = 1;
    while (signals_seen < 300)
        api_free(api_malloc(100000 + next_number(&seed) % 900000));
    use_every_kind(1);
    return 0;
}

int stress_signals_that_fork(void) {
    int status = in_child(forked_by_itself, NULL);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}

static volatile sig_atomic_t forking;

static void allocate_in_fork(int number) {
    (void)number;
    if (!forking)
        return;
    for (size_t size = 16; size < 3000000; size *= 3)
        api_free(api_malloc(size));
    if (++signals_seen % 8 == 0) {
        forking = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        int status;
        REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork in a handler");
    }
}

static int interrupted_while_it_forks(void *argument) {
    (void)argument;
    struct sigaction action = {.sa_handler = allocate_in_fork, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    size_t seed = 1;
    for (int i = 0; i < (burdened ? 200 : 1500); i++) {
        struct itimerval once = {{0, 0}, {0, (suseconds_t)(1 + next_number(&seed) % 200)}};
        setitimer(ITIMER_REAL, &once, NULL);
        forking = 1;
        pid_t child = fork();
        forking = 0;
        if (child == 0) {
            use_every_kind(1);
            _exit(0);
        }
        int status;
        REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the child: status %#x", status);
    }
    use_every_kind(1);
    return 0;
}

/* fork is a function that a handler may interrupt and then allocate, or fork. */
int stress_signals_while_forking(void) {
    int status = in_child(interrupted_while_it_forks, NULL);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}

static _Atomic size_t cleaned_up, at_the_point;

static void clean_up(void *block) {
    check_and_free(*(void **)block);
    use_every_kind(7);
    cleaned_up++;
}

static void *work_until_cancelled(void *argument) {
    static _Thread_local size_t seed;
    seed = (size_t)(uintptr_t)argument;
    void *block = make_block(100, seed);
    pthread_cleanup_push(clean_up, &block);
    for (;;) {
        block = grow_block(block, next_number(&seed) % (next_number(&seed) % 20 ? 4000 : 3000000));
        pthread_testcancel();
    }
    pthread_cleanup_pop(1);
    return NULL;
}

/* With a cancellation pending, every call must still come back. */
static void *allocate_with_cancellation_pending(void *argument) {
    pthread_cancel(pthread_self());
    for (size_t i = 0; i < 20; i++)
        use_every_kind(i);
    malloc_trim(0);
    (void)mallinfo2();
    at_the_point++;
    pthread_testcancel();
    REQUIRE(false, "was not cancelled");
    return argument;
}

int stress_cancelled(void) {
    size_t all = long_form ? 20000 : burdened ? 100 : 300;
    long resident = 0;
    for (size_t i = 0; i < all; i++) {
        pthread_t thread = start(work_until_cancelled, (void *)(i + 1));
        if (i % 3 == 0)
            sleep_for(0.0002);
        pthread_cancel(thread);
        join(thread);
        if (i == all / 3)
            resident = resident_kib();
    }
    long grown = resident_kib() - resident;
    REQUIRE(burdened || grown < 4096, "cancelled threads leave %ld KiB", grown);
    for (int i = 0; i < 20; i++)
        join(start(allocate_with_cancellation_pending, NULL));
    REQUIRE(at_the_point == 20, "a call of the allocator was a cancellation point");
    printf("%zu threads cancelled, %zu of them inside their work\n", all, (size_t)cleaned_up);
    return 0;
}
