/*
 * Purpose: what the stress cases share.
 */
#ifndef COLLAM_TESTS_STRESS_H
#define COLLAM_TESTS_STRESS_H

#include "../support/api.h"
#include "../support/pattern.h"
#include "../support/process_memory.h"
#include "../support/say.h"
#include <pthread.h>
#include <stdio.h>

#define CASE(name, seconds, shows) int stress_##name(void);
#include "stress.def"
#undef CASE

enum { SKIPPED = 77 };

/* The long form was asked for. */
extern bool long_form;
/* This program's path, to run it again. */
extern const char *own_path;

#define REQUIRE(condition, ...)                                                                                                            \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            say(2, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                                         \
            say(2, __VA_ARGS__);                                                                                                           \
            say(2, "\n");                                                                                                                  \
            _exit(1);                                                                                                                      \
        }                                                                                                                                  \
    } while (0)

/* A small generator of numbers, one per thread. */
static inline size_t next_number(size_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A block filled with its own pattern: the first 16 bytes say size and key, so whoever frees it can check it. */
void *make_block(size_t size, uint64_t key);
void *make_block_or_null(size_t size, uint64_t key);
void check_block(void *block);
void check_and_free(void *block);
void *grow_block(void *block, size_t size);

/* One of each kind of block, each entry point once. */
void use_every_kind(size_t seed);

pthread_t start(void *(*function)(void *), void *argument);
pthread_t start_with_stack(void *(*function)(void *), void *argument, size_t stack);
void join(pthread_t thread);

/* What the case soft_limit runs in a process of its own. */
int stress_fill_until_null(void);

/* From now on SIGALRM ends this process when it hangs: when it has hardly run for so many seconds, or runs still after five times as
 * many. A busy machine may give it a hundredth of a processor. */
void end_when_stuck(unsigned seconds);

/* Runs a function in a child process and returns its wait status; the child ends with the function's result. */
int in_child(int (*function)(void *), void *argument);

#endif
