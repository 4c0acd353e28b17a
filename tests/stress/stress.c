/*
 * Purpose: hard times, one case per run.
 *   stress CASE [--long] | stress --list
 * Status 0: as it should be; 77: skipped, with the reason printed; anything else is a failure. A case that hangs is ended by
 * an alarm.
 */
#include "stress.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

struct stress_case {
    const char *name;
    unsigned seconds;
    const char *shows;
    int (*run)(void);
};

static const struct stress_case cases[] = {
#ifdef COLLAM_TESTS_NATIVE
#define CASE(name, seconds, shows)
#define CASE_NATIVE(name, seconds, shows) {#name, seconds, shows, stress_##name},
#else
#define CASE(name, seconds, shows) {#name, seconds, shows, stress_##name},
#endif
#include "stress.def"
#undef CASE
};

bool long_form;
const char *own_path;

struct header {
    size_t size;
    uint64_t key;
};

void *make_block_or_null(size_t size, uint64_t key) {
    if (size < sizeof(struct header))
        size = sizeof(struct header);
    unsigned char *block = api_malloc(size);
    if (!block)
        return NULL;
    pattern_fill(block, size, key);
    memcpy(block, &(struct header){size, key}, sizeof(struct header));
    return block;
}

void *make_block(size_t size, uint64_t key) {
    void *block = make_block_or_null(size, key);
    REQUIRE(block, "no memory for %zu bytes, errno %d", size, errno);
    return block;
}

static void check_up_to(const void *memory, size_t size, struct header header) {
    unsigned char head[16];
    size_t where = 16;
    pattern_fill_range(head, 0, 16, header.key);
    /* the header lies over the pattern's first words: what follows is compared */
    const unsigned char *block = memory;
    if (size > PATTERN_WHOLE || header.size > PATTERN_WHOLE) {
        size_t edge = size < PATTERN_EDGE ? size : PATTERN_EDGE;
        REQUIRE((where = pattern_check_range(block, 16, edge, header.key)) == edge, "%p of %zu bytes: byte %zu changed", memory,
                header.size, where);
        return;
    }
    if (size > 16)
        REQUIRE((where = pattern_check_range(block, 16, size, header.key)) == size, "%p of %zu bytes: byte %zu changed", memory,
                header.size, where);
}

void check_block(void *block) {
    struct header header;
    memcpy(&header, block, sizeof header);
    REQUIRE(header.size >= sizeof header && header.size <= (size_t)1 << 32, "%p: the header was overwritten", block);
    check_up_to(block, header.size, header);
}

void check_and_free(void *block) {
    if (!block)
        return;
    check_block(block);
    memset(block, 0xdd, sizeof(struct header));
    api_free(block);
}

void *grow_block(void *block, size_t size) {
    struct header header;
    if (size < sizeof header)
        size = sizeof header;
    check_block(block);
    memcpy(&header, block, sizeof header);
    void *moved = api_realloc(block, size);
    REQUIRE(moved, "realloc to %zu bytes failed", size);
    check_up_to(moved, size < header.size ? size : header.size, header);
    pattern_fill(moved, size, header.key);
    header.size = size;
    memcpy(moved, &header, sizeof header);
    return moved;
}

void use_every_kind(size_t seed) {
    static const size_t sizes[] = {16, 40, 100, 256, 700, 1024, 3000, 5000, 20000, 32768, 40000, 150000, 900000, 1200000, 3000000};
    void *block[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        block[i] = make_block(sizes[i] + seed % 13, seed + i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i += 2)
        block[i] = grow_block(block[i], sizes[i] * 2);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_and_free(block[i]);
    unsigned char *zeroed = api_calloc(3, 1000);
    REQUIRE(zeroed && !zeroed[0] && !zeroed[2999], "calloc");
    api_free(zeroed);
    void *aligned = api_aligned_alloc(4096, 100);
    REQUIRE(aligned && (uintptr_t)aligned % 4096 == 0, "aligned_alloc");
    api_free(aligned);
}

pthread_t start_with_stack(void *(*function)(void *), void *argument, size_t stack) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stack)
        pthread_attr_setstacksize(&attributes, stack);
    int result = pthread_create(&thread, &attributes, function, argument);
    REQUIRE(result == 0, "pthread_create: %d", result);
    pthread_attr_destroy(&attributes);
    return thread;
}

pthread_t start(void *(*function)(void *), void *argument) {
    return start_with_stack(function, argument, 0);
}

void join(pthread_t thread) {
    REQUIRE(pthread_join(thread, NULL) == 0, "pthread_join");
}

/* --- what hangs -------------------------------------------------------------------------------------------------------------- */

enum {
    SHARE = 200, /* of the time given, this part spent on a processor is work */
    TURNS = 5,
};

static unsigned given; /* seconds at a time */
static unsigned turns_left;
static int64_t worked_before;
static volatile sig_atomic_t waits; /* for a child, in in_child, which is watched itself */

static int64_t on_clock(clockid_t clock) {
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int64_t in_nanoseconds(struct timeval time) {
    return ((int64_t)time.tv_sec * 1000000 + time.tv_usec) * 1000;
}

/* Nanoseconds that this process and its children that have ended spent on a processor. */
static int64_t worked(void) {
    struct rusage children = {0};
    getrusage(RUSAGE_CHILDREN, &children);
    return on_clock(CLOCK_PROCESS_CPUTIME_ID) + in_nanoseconds(children.ru_utime) + in_nanoseconds(children.ru_stime);
}

static void on_alarm(int number) {
    int64_t now = worked();
    if (--turns_left == 0 || (!waits && now - worked_before < (int64_t)given * 1000000000 / SHARE)) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    worked_before = now;
    alarm(given);
}

void end_when_stuck(unsigned seconds) {
    given = seconds;
    turns_left = TURNS;
    worked_before = worked();
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

int in_child(int (*function)(void *), void *argument) {
    fflush(NULL);
    waits = true;
    pid_t child = fork();
    REQUIRE(child >= 0, "fork: errno %d", errno);
    if (child == 0) {
        waits = false;
        end_when_stuck(given);
        _exit(function(argument));
    }
    int status;
    while (waitpid(child, &status, 0) != child)
        REQUIRE(errno == EINTR, "waitpid: errno %d", errno);
    waits = false;
    return status;
}

static int works_for(unsigned limit, int64_t seconds) {
    int64_t begin = on_clock(CLOCK_MONOTONIC);
    end_when_stuck(limit);
    while (on_clock(CLOCK_MONOTONIC) - begin < seconds * 1000000000)
        use_every_kind(1);
    return 0;
}

static int works_longer(void *argument) {
    (void)argument;
    return works_for(2, 3);
}

static int waits_longer(void *argument) {
    end_when_stuck(1);
    return in_child(works_longer, argument) != 0;
}

static int never_ends(void *argument) {
    (void)argument;
    return works_for(1, 3600);
}

static int hangs(void *argument) {
    (void)argument;
    end_when_stuck(1);
    return pause();
}

int stress_watched(void) {
    int status = in_child(waits_longer, NULL);
    REQUIRE(status == 0, "status %#x of who was at work", status);
    status = in_child(never_ends, NULL);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM, "status %#x of who never ends", status);
    status = in_child(hangs, NULL);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM, "status %#x of who hangs", status);
    return 0;
}

int main(int count, char **argument) {
    own_path = argument[0];
    long_form = count == 3 && strcmp(argument[2], "--long") == 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && count >= 2; i++) {
        if (strcmp(argument[1], "--list") == 0)
            printf("%-28s %s\n", cases[i].name, cases[i].shows);
        else if (strcmp(argument[1], cases[i].name) == 0) {
            end_when_stuck(cases[i].seconds * (long_form ? 20 : burdened ? 3 : 1));
            return cases[i].run();
        }
    }
    if (count == 2 && strcmp(argument[1], "--list") == 0)
        return 0;
#ifndef COLLAM_TESTS_NATIVE
    if (count == 2 && strcmp(argument[1], "started-tightly") == 0) {
        use_every_kind(1);
        return 0;
    }
    if (count == 2 && strcmp(argument[1], "fill-until-null") == 0)
        return stress_fill_until_null();
#endif
    fprintf(stderr, "usage: stress CASE [--long] | stress --list\n");
    return 2;
}
