/*
 * Purpose: one thread's share of the random operations: its table of blocks, its random numbers, and the settings all share.
 */
#ifndef COLLAM_TESTS_WORKER_H
#define COLLAM_TESTS_WORKER_H

#include "model.h"

enum { TABLE = 4096, EXCHANGE = 512 };

struct settings {
    uint64_t seed;
    size_t seconds;
    size_t operations; /* per thread; 0: until the time is over */
    size_t threads;
    size_t largest;
    size_t live_bytes; /* of all threads together */
    bool set;
    bool respawn; /* threads end and others go on with their blocks */
};

struct worker {
    size_t number;
    struct random random;
    struct block *table[TABLE];
    struct block *unused; /* descriptors */
    size_t live;          /* bytes in the table */
    size_t operations;    /* done so far, by all threads that carried this number */
    size_t refused;       /* calls that returned NULL, lawfully */
    bool by_new;          /* the last block was made by operator new */
    unsigned phase_left, sizes, bias;
    bool finished;
};

extern struct settings settings;
extern _Atomic bool time_over;

/* Works until the time is over, the operations are done, or the thread is to be replaced by another. */
void worker_run(struct worker *worker);
/* Checks and frees all blocks of the worker; then of the exchange. */
void worker_clear(struct worker *worker);
void exchange_clear(struct worker *worker);

#endif
