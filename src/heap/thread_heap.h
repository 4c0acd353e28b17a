/*
 * Purpose: the thread heap: one magazine of free blocks per size class, used by its thread without any lock or atomic instruction.
 * Layer: heap. Owner: the thread whose thread_heap points to it. Fields marked (shared) are also read by statistics, relaxed.
 *
 *   magazine of a class, capacity 6 here:
 *
 *   | NULL | old | block | new |  -  |  -  |  -  |
 *             ^ first        ^ where the top leads
 *
 *   top, 32 bits:   | 0xffff - blocks that still fit | where it leads, in bytes from the heap's start |
 *
 *   malloc: the slot holds the newest block, or NULL = empty: slow path; top -= TOP_STEP
 *   free:   top += TOP_STEP; when that carries the magazine was full: slow path; else the new slot is the block's
 *
 * Neither path compares with a limit or loads one, so magazines can have any size and lie anywhere: they start with 2 or 6 slots and double
 * while they run over or under, in an arena behind the heap. The top of a class without a magazine is one that is empty and full at once;
 * so are those of class 0 (no slab: NULL, large, direct, foreign) and of every class of a heap that is watched: then each call takes the
 * slow path, where it is counted.
 *
 *   tops:   | class 0 | class 1 | ...  other fields ... | spare of class 0 | spare of class 1 | ...
 *
 * A class's spare is the real top while the heap is watched, and otherwise empty and full at once. Where allocations are counted (but not
 * watched) malloc's tables lead from a size to the spare of its class: malloc finds it empty, counts, and looks SPARE words before.
 * Where both, and where there is no heap, they lead to the spare of class 0.
 *
 * Invariants (magazines_check): first[-1] == NULL for every magazine; its top leads to the slot of its newest block, or to that NULL, and
 * knows how many blocks still fit; the sum of capacity * size is capacity_bytes.
 */
#ifndef COLLAM_HEAP_THREAD_HEAP_H
#define COLLAM_HEAP_THREAD_HEAP_H

#include "base/atomic.h"
#include "pages/page_map.h"
#include "slab/size_class.h"

typedef _Atomic(uint32_t) magazine_top;

enum {
    CAPACITY_LEAST = 2,
    CAPACITY_FIRST = 6,
    MEMO_SHIFT = 10,
    MAGAZINE_SIZES = 8,
    HEAP_ARENA_BYTES = 60 << 10,
    TOP_FITS_SHIFT = 16,
    TOP_STEP = 1 << TOP_FITS_SHIFT | (int)sizeof(void *), /* one block more */
};

struct heap {
    magazine_top top[CLASS_TABLE];             /* (shared) first, so that free finds it without an offset */
    uint8_t class_by_step[CLASS_STEP_MAX + 7]; /* index of the top for malloc: the tables of these names; counted: SPARE more */
    uintptr_t home_root;                       /* of the region that the heap's first block came from; NO_ROOT: none yet */
    bitmap_word *home;                         /* that region */
    _Atomic(uint64_t) no_mark;                 /* 0: where free clears the mark of blocks that have none */
    magazine_top spare[CLASS_TABLE];           /* (shared) see above */
    uint16_t memo[1 << MEMO_SHIFT];            /* by hash of a block: the slot it was put in last, in bytes from the heap's start */
    uint8_t class_by_stride[CLASS_STRIDE_MAX + 7];
    _Atomic(void **) first[CLASS_TABLE];    /* (shared) start of the magazine; NULL: none yet */
    _Atomic(uint8_t) capacity[CLASS_TABLE]; /* (shared) blocks that fit */
    uint8_t refills[CLASS_TABLE];           /* refills in a row without a flush */
    uint64_t with_magazine;                 /* a bit for each class that has one */
    uint64_t active;                        /* classes refilled or flushed since room_hand came by */
    void **unused[MAGAZINE_SIZES];          /* magazines without a class, by the logarithm of their slots, linked through slot 0 */
    char *arena_next;
    char *arena_end;
    size_t most_used; /* bytes in slabs, of all threads, at most when a magazine could not grow */
    uint32_t capacity_bytes;
    uint32_t exchanged; /* bytes taken from the bins and put back since that was told of last */
    unsigned shard;
    unsigned flush_seen;    /* the last request to flush that was obeyed */
    unsigned overflows;     /* full magazines in a row, of any class, without a refill */
    unsigned overflowed;    /* blocks that went back in these */
    unsigned shares;        /* so many times what one heap may cache is what all may cache together */
    uint8_t room_hand;      /* the class that was looked at last for room for others */
    uint8_t empty_hand;     /* the class that is looked at next while the thread only frees */
    uint8_t calls_at_limit; /* refills and flushes of magazines as large as they may be, modulo 256 */
    bool watched;
    _Atomic(size_t) allocations;   /* (shared) counted while watched */
    _Atomic(size_t) frees;         /* (shared) likewise */
    _Atomic(struct delay *) delay; /* (shared) see heap/delay.h; NULL until the first free, and in builds without it */
    struct heap *next;             /* in the list of all heaps (LOCK_HEAPS) */
    struct heap *next_idle;        /* in the list of heaps without a thread (LOCK_HEAPS) */
    void *nothing[2];              /* NULL: the magazine of a class that has none. The checks of free look one slot below the top. */
};

/* The index of the spare of class 0. */
enum { SPARE = offsetof(struct heap, spare) / sizeof(magazine_top) };
_Static_assert(offsetof(struct heap, top) == 0 && offsetof(struct heap, spare) % sizeof(magazine_top) == 0, "indices count from the start");
_Static_assert(SPARE + CLASS_TABLE <= UINT8_MAX, "the tables of malloc can name every spare");
_Static_assert(sizeof(struct heap) + HEAP_ARENA_BYTES <= UINT16_MAX, "the memo and the tops can name every slot");

extern __thread struct heap *thread_heap HIDDEN __attribute__((tls_model("initial-exec")));

/* No address has it. */
#define NO_ROOT UINTPTR_MAX

/* Stands in for the heap of a thread that has none; never written to. */
extern struct heap no_heap HIDDEN;

/* The calling thread's heap, made now if need be. NULL when the thread is ending or there is no memory: work without one. */
struct heap *heap_of_thread(void);
/* Puts every cached block back and parts the thread from its heap, which waits for another thread. The thread never gets one again. */
void heap_end_of_thread(void);
/* Puts every cached block of the calling thread back; its heap stays. True when there was any. */
bool heap_flush_all(void);
/* Gives back the pages of heaps without a thread; by themselves as many keep them as have a thread, and sixteen. True when any went. */
bool heap_purge_idle(void);
/* Asks every thread to put its cached blocks back; each does at its next refill or flush. */
void heap_request_flush(void);

/* Called when a heap has been made for the calling thread, to arrange for heap_end_of_thread. Start sets it; until then it is what the
 * variable is defined with (api/fork.c). */
extern void (*heap_arrival_hook)(void);
void heap_set_arrival_hook(void (*hook)(void));

/* A block of the class, from the magazine or the bins; NULL when out of memory. */
void *heap_take(struct heap *heap, unsigned class_index);
/* Caches a block that the caller has checked. Blocks found bad while making room are handed to misuse_examine under the name `call`. */
void heap_put(struct heap *heap, unsigned class_index, void *block, const char *call);
/* Clears the slots that hold blocks no longer: a search for leaked blocks must not find them there. */
void heap_forget_taken(struct heap *heap, unsigned class_index);
/* True when the block waits in the magazine of its class, as far as the memo and the newest slots tell. */
bool heap_freed_lately(struct heap *heap, unsigned class_index, uintptr_t address);

ALWAYS_INLINE void **heap_slot(struct heap *heap, unsigned offset) {
    return (void **)(void *)((char *)heap + offset);
}
/* The top, or the spare, of an index that malloc's tables gave. */
ALWAYS_INLINE magazine_top *heap_top(struct heap *heap, size_t index) {
    return (magazine_top *)(void *)((char *)heap + index * sizeof(magazine_top));
}
/* Where a counted allocation finds the top of its class, by the index of the spare. */
ALWAYS_INLINE magazine_top *heap_counted_top(struct heap *heap, size_t index) {
    return heap_top(heap, index) - SPARE;
}
ALWAYS_INLINE unsigned heap_offset(const struct heap *heap, void *const *slot) {
    return (unsigned)((uintptr_t)slot - (uintptr_t)heap);
}

ALWAYS_INLINE uint32_t top_of(unsigned offset, unsigned fits) {
    return (UINT16_MAX - fits) << TOP_FITS_SHIFT | offset;
}
/* Empty and full at once. */
#define TOP_OF_NOTHING top_of((unsigned)offsetof(struct heap, nothing) + (unsigned)sizeof(void *), 0)
ALWAYS_INLINE unsigned top_offset(uint32_t top) {
    return (uint16_t)top;
}
ALWAYS_INLINE void **top_slot(struct heap *heap, uint32_t top) {
    return heap_slot(heap, top_offset(top));
}
ALWAYS_INLINE bool top_is_full(uint32_t top) {
    return top >> TOP_FITS_SHIFT == UINT16_MAX;
}

/*
 * The memo finds a block that was freed twice wherever in the magazine it stands: memo[hash(block)] is the slot it was put in. A stale
 * or overwritten entry leads to a slot that holds something else, or to one above the top, or the slow path finds that the block is not
 * there, so nothing is ever reported wrongly; a double free is missed when another block with the same hash was put into a magazine in
 * between (1 in 1024 for each).
 */
ALWAYS_INLINE unsigned memo_index(uintptr_t turned) { /* or the address >> GRANULE_SHIFT, as long as only its lower half matters */
    return (uint32_t)turned * 0x9E3779B1u >> (32 - MEMO_SHIFT); /* Fibonacci hashing: Knuth, volume 3, 6.4 */
}

/* Makes every call of this thread, and of threads that get a heap from now on, take the slow path and be counted. */
void heap_watch(void);

/* Makes every allocation of this thread, and of threads that get a heap from now on, find the spare of its class, which is empty; frees go
 * on as before. */
void heap_count_calls(void);

/* Sums over all heaps: blocks of a class in magazines; calls counted while watched. Exact when their threads rest. */
size_t heap_blocks_cached(unsigned class_index);
void heap_calls_counted(size_t *allocations, size_t *frees);

void heap_fork_take(void);
/* In the child, while every lock is held. */
void heap_fork_child(void);
void heap_fork_give(void);

#endif
