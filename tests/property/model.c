/*
 * Purpose: the reference model. One mutex guards the set and the list of unused descriptors; it is never held across a call of
 * the allocator. Without the set (model_start(..., false)) each thread touches only what is its own, so no order between
 * threads is added to what the allocator itself provides.
 */
#include "model.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks, *root;
static size_t block_count;
static _Atomic size_t next_block;
static bool set_wanted;
/* Dropped descriptors of this thread, linked by `left`: taking one orders no two threads. */
static _Thread_local struct block *unused;

uint64_t random_next(struct random *random) {
    uint64_t value = random->state += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

size_t random_below(struct random *random, size_t bound) {
    return (size_t)(((unsigned __int128)random_next(random) * bound) >> 64);
}

void model_start(size_t count, bool with_set) {
    blocks = mmap(NULL, count * sizeof *blocks, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (blocks == MAP_FAILED) {
        perror("mapping the model");
        exit(2);
    }
    block_count = count;
    set_wanted = with_set;
}

struct block *model_new(void) {
    struct block *block = unused;
    if (block) {
        unused = block->left;
    } else {
        size_t index = next_block++;
        if (index >= block_count) {
            fprintf(stderr, "the model is out of descriptors\n");
            abort();
        }
        block = &blocks[index];
    }
    block->left = block->right = NULL;
    return block;
}

void model_drop(struct block *block) {
    block->left = unused;
    unused = block;
}

long model_resident_kib(void) {
    return (long)((next_block * sizeof *blocks + 1023) / 1024);
}

void model_adopt(struct block *others) {
    unused = others;
}

struct block *model_leave(void) {
    return unused;
}

static struct block *rotate_right(struct block *top) {
    struct block *left = top->left;
    top->left = left->right;
    left->right = top;
    return left;
}

static struct block *rotate_left(struct block *top) {
    struct block *right = top->right;
    top->right = right->left;
    right->left = top;
    return right;
}

static struct block *insert(struct block *top, struct block *block) {
    if (!top)
        return block;
    if (block->memory < top->memory) {
        top->left = insert(top->left, block);
        return top->left->priority > top->priority ? rotate_right(top) : top;
    }
    top->right = insert(top->right, block);
    return top->right->priority > top->priority ? rotate_left(top) : top;
}

static struct block *merge(struct block *low, struct block *high) {
    if (!low || !high)
        return low ? low : high;
    if (low->priority > high->priority) {
        low->right = merge(low->right, high);
        return low;
    }
    high->left = merge(low, high->left);
    return high;
}

/* A block of zero usable bytes still takes its address. */
static size_t extent(const struct block *block) {
    return block->usable ? block->usable : 1;
}

struct block *model_take(struct block *block) {
    struct block *at, *clash = NULL;
    if (!set_wanted)
        return NULL;
    pthread_mutex_lock(&lock);
    for (at = root; at && !clash; at = block->memory < at->memory ? at->left : at->right)
        if (block->memory < at->memory + extent(at) && at->memory < block->memory + extent(block))
            clash = at;
    if (!clash) {
        block->left = block->right = NULL;
        block->priority = (block->key ^ (uintptr_t)block->memory) * 0x9e3779b97f4a7c15u;
        root = insert(root, block);
    }
    pthread_mutex_unlock(&lock);
    return clash;
}

void model_give_back(struct block *block) {
    if (!set_wanted)
        return;
    pthread_mutex_lock(&lock);
    struct block **link = &root;
    while (*link && *link != block)
        link = block->memory < (*link)->memory ? &(*link)->left : &(*link)->right;
    if (!*link) {
        fprintf(stderr, "the model lost block %p\n", (void *)block->memory);
        abort();
    }
    *link = merge(block->left, block->right);
    pthread_mutex_unlock(&lock);
}
