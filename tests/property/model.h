/*
 * Purpose: the reference model the allocator is compared with: what blocks there are, what they hold, and, in a set ordered
 * by address, which bytes are taken. Its own memory is mapped directly, never allocated.
 */
#ifndef COLLAM_TESTS_MODEL_H
#define COLLAM_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
    unsigned char *memory;
    size_t size;      /* as asked for */
    size_t usable;    /* as the allocator said */
    size_t filled;    /* bytes that hold the pattern: size or usable */
    size_t alignment; /* as asked for; 0 for the entry points that take none */
    bool by_new;      /* made by operator new: its size may be given to operator delete */
    uint64_t key;
    /* the ordered set is a treap */
    struct block *left, *right;
    uint64_t priority;
};

struct random {
    uint64_t state;
};

uint64_t random_next(struct random *random);
/* A number below `bound`, which is not 0. */
size_t random_below(struct random *random, size_t bound);

/* Maps room for `count` blocks; ends the program when it cannot. */
void model_start(size_t count, bool with_set);
struct block *model_new(void);
/* Memory the model itself has touched. */
long model_resident_kib(void);
void model_drop(struct block *block);
/* The dropped descriptors of a thread pass on to the one that takes its place. */
void model_adopt(struct block *unused);
struct block *model_leave(void);

/* Takes the block's usable bytes in the set. Returns a block that has some of them already, or NULL. */
struct block *model_take(struct block *block);
void model_give_back(struct block *block);

#endif
