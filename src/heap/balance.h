/*
 * Purpose: how large magazines may be: what one heap may cache when it shares with others, which classes grow, which give way, and how
 * little a thread keeps that only frees.
 * Layer: heap. Owner: the heap's thread. All of it runs when a magazine is empty or full, never on the fast paths.
 *
 *   all heaps together      shares * half of magazine_bytes, by what their magazines could hold
 *   - while that is far off   each may have magazine_bytes while there are four at most, less when there are more, half from eight on
 *   - near it                 what is left of it, or the share of a heap, if that is more: all / heaps, and 3/64 of magazine_bytes
 *   - beyond it               the share
 *   more than that, in steps, shrinks: quiet classes give up their magazines, busy ones half
 *   each class              126 blocks or 32 KiB; while its heap holds more than half of magazine_bytes, 12 KiB, or 16 blocks if that is
 *   more, and who has more than that gives it up in steps
 *   even when nothing is short, classes that were quiet for some thousand calls, or a hundred while slabs become more than ever, give up
 *   magazines of more than 6 blocks
 *   A thread that rests does not shrink: when all was taken before others came, these have their shares beside it: twice as much
 *   beyond all bounds       CAPACITY_LEAST blocks for each class that is used
 */
#ifndef COLLAM_HEAP_BALANCE_H
#define COLLAM_HEAP_BALANCE_H

#include "heap/magazine.h"

/* A thread begins or ceases to use the heap, whose magazines are empty then. The caller holds the lock of the lists of heaps. */
void balance_join(struct heap *heap);
void balance_leave(struct heap *heap);
/* Heaps that a thread uses. */
unsigned balance_heaps(void);
/* In a forked child: nobody but the owner of this heap (NULL: nobody at all) came along. */
void balance_fork_child(const struct heap *own);

/* Returns the `count` newest blocks of the magazine to the bins. The older ones stay where they are, and so need not be remembered anew.
 * Blocks found bad are handed to misuse_examine under the name `call`. */
void balance_flush(struct heap *heap, unsigned class_index, unsigned count, const char *call);
/* The magazine is empty or full: gives it twice the capacity, or its first one, if the bounds allow. True when it grew. */
bool balance_grow(struct heap *heap, unsigned class_index, const char *call);
/* The magazine is full and cannot grow; it holds something. */
void balance_overflow(struct heap *heap, unsigned class_index, const char *call);

#endif
