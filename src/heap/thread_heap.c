/*
 * Purpose: see thread_heap.h.
 * Layer: heap. Owner: each heap's thread; heaps_lock protects the two lists of heaps.
 */
#include "heap/thread_heap.h"
#include "base/check.h"
#include "heap/balance.h"
#include "heap/bin.h"
#include "heap/delay.h"
#include "heap/misuse.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "pages/purge.h"
#include "platform/lock.h"
#include "platform/platform.h"

#include <string.h>

enum { STREAK = 7, BEQUEATHED = 2, EXCHANGED_MANY = 1 << 20, IDLE_LEAST = 16 };

#define N1 (uint32_t) UINT16_MAX << TOP_FITS_SHIFT | (offsetof(struct heap, nothing) + sizeof(void *))
#define N4 N1, N1, N1, N1
#define N16 N4, N4, N4, N4

#define N64 N16, N16, N16, N16

struct heap no_heap = {
    .top = {N64},
    .spare = {N64},
    .class_by_step = {[0 ... CLASS_STEP_MAX - 1] = SPARE},
    .class_by_stride = {[0 ... CLASS_STRIDE_MAX - 1] = SPARE},
    .home_root = NO_ROOT,
};

__thread struct heap *thread_heap __attribute__((tls_model("initial-exec"))) = &no_heap;
static __thread bool thread_ended __attribute__((tls_model("initial-exec")));

static struct lock heaps_lock;
static struct heap *all_heaps;
static struct heap *idle_heaps;          /* without a thread, last in, first out */
static struct heap *bare_heaps;          /* likewise, and what could go back of them has gone */
static unsigned idle_count;              /* of the former */
static _Atomic(bool) watch_everybody;    /* relaxed: concerns heaps made afterwards */
static _Atomic(bool) count_everybody;    /* likewise */
static _Atomic(unsigned) flush_requests; /* relaxed: who sees a request late obeys it late */

/* Weak: api/fork.c says what happens before start has set another. */
__attribute__((weak)) void (*heap_arrival_hook)(void);

void heap_set_arrival_hook(void (*hook)(void)) {
    heap_arrival_hook = hook;
}

static void lead(uint8_t *to, const uint8_t *classes, size_t size, bool counted, bool watched) {
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)((counted ? SPARE : 0) + (counted && watched ? 0 : classes[i]));
    }
}

/* Sets the tables of malloc. */
static void lead_calls(struct heap *heap, bool counted) {
    lead(heap->class_by_step, class_by_step, CLASS_STEP_MAX, counted, heap->watched);
    lead(heap->class_by_stride, class_by_stride, CLASS_STRIDE_MAX, counted, heap->watched);
}

/* That of no thread does. */
static bool counts_calls(const struct heap *heap) {
    return heap->class_by_step[0] >= SPARE;
}

/* The first block shows where the thread's blocks lie. Once only: a free that a signal handler interrupts might see half of what was there
 * before. For the same reason the region comes first, and until then is one without blocks. */
static void find_home(struct heap *heap, const void *block) {
    if (UNLIKELY(heap->home_root == NO_ROOT)) {
        heap->home = page_map_region((uintptr_t)block);
        fence_against_signals();
        heap->home_root = page_map_turned_root(page_map_turned((uintptr_t)block));
    }
}

static void leave_home(struct heap *heap) {
    heap->home_root = NO_ROOT;
    heap->home = page_map_no_region();
}

/* The next thread will mostly use the same sizes: its refills begin with about what the last ones took, one step less for each thread that
 * needed none. Not with much, since nobody knows how much of it this thread did use. */
static uint8_t bequeathed(unsigned refills) {
    return (uint8_t)(refills > BEQUEATHED ? BEQUEATHED : refills ? refills - 1 : 0);
}

/* For the next thread; all magazines are empty. */
static void heap_renew(struct heap *heap) {
    for (unsigned c = 0; c < CLASS_TABLE; c++) {
        store_relaxed(&heap->top[c], TOP_OF_NOTHING);
        store_relaxed(&heap->spare[c], TOP_OF_NOTHING);
        store_relaxed(&heap->first[c], NULL);
        store_relaxed(&heap->capacity[c], 0);
        heap->refills[c] = bequeathed(heap->refills[c]);
    }
    for (unsigned i = 0; i < MAGAZINE_SIZES; i++) {
        heap->unused[i] = NULL;
    }
    leave_home(heap);
    heap->arena_next = (char *)heap + align_up(sizeof *heap, 64);
    heap->arena_end = heap->arena_next + HEAP_ARENA_BYTES;
    heap->capacity_bytes = 0;
    heap->room_hand = 0;
    heap->overflows = 0;
    heap->overflowed = 0;
    heap->empty_hand = 0;
    heap->calls_at_limit = 0;
    heap->with_magazine = 0;
    heap->active = 0;
}

/* Before its thread begins. Where calls go is written again only when that has changed. */
static void heap_begin(struct heap *heap) {
    bool watched = load_relaxed(&watch_everybody);
    bool counted = load_relaxed(&count_everybody);
    if (UNLIKELY(heap->watched != watched || counts_calls(heap) != counted)) {
        heap->watched = watched;
        lead_calls(heap, counted);
    }
    heap->flush_seen = load_relaxed(&flush_requests);
}

static struct heap *heap_new(void) {
    struct heap *heap = meta_alloc(align_up(sizeof *heap, 64) + HEAP_ARENA_BYTES, 64);
    if (heap) {
        heap_renew(heap);
        lead_calls(heap, false);
        heap->next = all_heaps;
        heap->shard = shard_for_heap(all_heaps == NULL);
        all_heaps = heap;
    }
    return heap;
}

static void push(struct heap **list, struct heap *heap) {
    heap->next_idle = *list;
    *list = heap;
}

static struct heap *pop(struct heap **list) {
    struct heap *heap = *list;
    if (heap) {
        *list = heap->next_idle;
    }
    return heap;
}

/* The pages in which nothing but magazines of the heap lies, of the first heap none: it may lie among static data. True when some went
 * back. */
static bool purge_arena(struct heap *heap) {
    bool first = heap->next == NULL;
    size_t page = platform_page_size();
    char *start = (char *)align_up((size_t)heap + sizeof *heap, page);
    char *end = (char *)align_up((size_t)heap->arena_next, page);
    end = end <= heap->arena_end ? end : end - page; /* which the next heap has a part of */
    heap_renew(heap);
    return !first && start < end && platform_purge(start, (size_t)(end - start));
}

/* Of the heaps that are idle, so many keep their pages at most. The lock is held: a system call for each, and as a rule for two. */
static bool purge_idle_but(unsigned most) {
    bool any = false;
    while (idle_count > most) {
        struct heap *heap = pop(&idle_heaps);
        idle_count--;
        any |= purge_arena(heap);
        push(&bare_heaps, heap);
    }
    return any;
}

struct heap *heap_of_thread(void) {
    if (LIKELY(thread_heap != &no_heap)) {
        return thread_heap;
    }
    if (thread_ended) {
        return NULL;
    }
    lock_take(&heaps_lock, LOCK_HEAPS);
    struct heap *heap = pop(&idle_heaps);
    if (heap) {
        idle_count--;
        heap_renew(heap);
    } else {
        heap = pop(&bare_heaps);
    }
    if (heap) {
        heap->shard = shard_for_heap(false);
    } else {
        heap = heap_new();
    }
    if (heap) {
        heap_begin(heap);
        balance_join(heap);
    }
    lock_give(&heaps_lock, LOCK_HEAPS);
    if (heap == NULL) {
        return NULL;
    }
    thread_heap = heap; /* before the hook, which may allocate */
    if (heap_arrival_hook) {
        heap_arrival_hook();
    }
    return heap;
}

static bool flush_delayed(struct heap *heap, unsigned class_index) {
    void *blocks[DELAY_SLOTS];
    unsigned count = delay_empty(heap, class_index, blocks);
    unsigned bad = count ? bin_put(class_index, blocks, count) : 0;
    for (unsigned i = 0; i < bad; i++) {
        misuse_examine("free", (uintptr_t)blocks[i]);
    }
    return count != 0;
}

static bool flush_everything(struct heap *heap) {
    bool any = false;
    for (unsigned c = 1; HARDENED_BY(HARDENED_DELAY) && c < CLASS_COUNT; c++) {
        any |= flush_delayed(heap, c);
    }
    for (uint64_t left = heap->with_magazine; left; left &= left - 1) {
        unsigned c = lowest_bit(left);
        unsigned held = held_in(heap, c);
        if (held) {
            balance_flush(heap, c, held, "free");
            any = true;
        }
    }
    return any;
}

/* True when everything was put back, as somebody asked. */
static bool obey_flush_request(struct heap *heap) {
    unsigned requests = load_relaxed(&flush_requests);
    if (LIKELY(heap->flush_seen == requests)) {
        return false;
    }
    heap->flush_seen = requests;
    return flush_everything(heap);
}

static NOINLINE void *refill(struct heap *heap, unsigned class_index) {
    (void)obey_flush_request(heap);
    heap->overflows = 0;
    heap->overflowed = 0;
    (void)balance_grow(heap, class_index, "malloc");
    unsigned capacity = capacity_of(heap, class_index);
    if (UNLIKELY(capacity == 0)) { /* no room for a magazine: one block at a time */
        void *block;
        return bin_claim(&heap->shard, class_index, &block + 1, 1) ? block : NULL;
    }
    /* 1, 2, 4 ... blocks; a thread that only takes comes to get whole magazines, one that also frees keeps half of it for what comes back.
     */
    unsigned want = 1u << heap->refills[class_index];
    unsigned most = heap->refills[class_index] >= STREAK ? capacity : (capacity + 1) / 2;
    want = want < most ? want : most;
    heap->refills[class_index] = (uint8_t)(heap->refills[class_index] + (heap->refills[class_index] < STREAK ? 1 : 0));
    void **first = first_of(heap, class_index);
    unsigned got = bin_claim(&heap->shard, class_index, first + want, want);
    if (UNLIKELY(got == 0)) {
        return NULL;
    }
    if (UNLIKELY(got < want)) {
        __builtin_memmove(first, first + want - got, got * sizeof *first);
    }
    void *block = first[got - 1];
    find_home(heap, block);
    memorise(heap, first, got - 1);
    set_held(heap, class_index, got - 1);
    magazines_check(heap);
    heap->exchanged += got * size_classes[class_index].size;
    if (UNLIKELY(heap->exchanged >= EXCHANGED_MANY)) {
        purge_after_exchange(heap->exchanged);
        bin_after_exchange(heap->exchanged);
        heap->exchanged = 0;
    }
    return block;
}

void *heap_take(struct heap *heap, unsigned class_index) {
    magazine_top *place = real_top(heap, class_index);
    uint32_t top = load_relaxed(place);
    void *newest = *top_slot(heap, top);
    if (LIKELY(newest != NULL)) {
        store_relaxed(place, top - TOP_STEP);
        return newest;
    }
    return refill(heap, class_index);
}

/* The magazine is full, or there is none. False: there can be none. */
static NOINLINE bool make_room(struct heap *heap, unsigned class_index, const char *call) {
    if (obey_flush_request(heap) && capacity_of(heap, class_index)) {
        return true;
    }
    if (!balance_grow(heap, class_index, call)) {
        if (held_in(heap, class_index) == 0) {
            return false;
        }
        /* A thread that frees more than it takes starts again with small refills. */
        heap->refills[class_index] = heap->refills[class_index] < STREAK ? heap->refills[class_index] : STREAK - 1;
        balance_overflow(heap, class_index, call);
    }
    magazines_check(heap);
    return true;
}

void heap_put(struct heap *heap, unsigned class_index, void *block, const char *call) {
    magazine_top *place = real_top(heap, class_index);
    if (top_is_full(load_relaxed(place)) && UNLIKELY(!make_room(heap, class_index, call))) {
        if (bin_put(class_index, &block, 1)) {
            misuse_examine(call, (uintptr_t)block);
        }
        return;
    }
    find_home(heap, block);
    uint32_t top = load_relaxed(place) + TOP_STEP;
    void **slot = top_slot(heap, top);
    *slot = block;
    memorise(heap, slot, 1);
    store_relaxed(place, top);
}

void heap_forget_taken(struct heap *heap, unsigned class_index) {
    void **first = first_of(heap, class_index);
    for (unsigned i = held_in(heap, class_index); first && i < capacity_of(heap, class_index); i++) {
        first[i] = NULL;
    }
}

bool heap_freed_lately(struct heap *heap, unsigned class_index, uintptr_t address) {
    void **first = first_of(heap, class_index);
    if (first == NULL) {
        return false;
    }
    void **top = first + held_in(heap, class_index);
    void **then = heap_slot(heap, heap->memo[memo_index(page_map_turned(address))]);
    /* Below the lowest is NULL, which no block is. */
    return (then >= first && then < top && *then == (void *)address) || top[-1] == (void *)address ||
           (top > first && top[-2] == (void *)address);
}

bool heap_flush_all(void) {
    return thread_heap != &no_heap && flush_everything(thread_heap);
}

void heap_request_flush(void) {
    unsigned requests = fetch_add_relaxed(&flush_requests, 1) + 1;
    if (thread_heap != &no_heap) {
        thread_heap->flush_seen = requests; /* whoever asks has flushed already */
    }
}

void heap_end_of_thread(void) {
    struct heap *heap = thread_heap;
    thread_ended = true;
    thread_heap = &no_heap;
    if (heap == &no_heap) {
        return;
    }
    (void)flush_everything(heap);
    lock_take(&heaps_lock, LOCK_HEAPS);
    balance_leave(heap);
    leave_home(heap);
    push(&idle_heaps, heap);
    idle_count++;
    unsigned in_use = balance_heaps();
    (void)purge_idle_but(in_use > IDLE_LEAST ? in_use : IDLE_LEAST);
    lock_give(&heaps_lock, LOCK_HEAPS);
}

bool heap_purge_idle(void) {
    lock_take(&heaps_lock, LOCK_HEAPS);
    bool any = purge_idle_but(0);
    lock_give(&heaps_lock, LOCK_HEAPS);
    return any;
}

void heap_watch(void) {
    store_relaxed(&watch_everybody, true);
    struct heap *heap = thread_heap;
    if (heap == &no_heap || heap->watched) {
        return;
    }
    for (unsigned c = 0; c < CLASS_TABLE; c++) {
        store_relaxed(&heap->spare[c], load_relaxed(&heap->top[c]));
        store_relaxed(&heap->top[c], TOP_OF_NOTHING);
    }
    heap->watched = true;
    lead_calls(heap, counts_calls(heap));
}

void heap_count_calls(void) {
    store_relaxed(&count_everybody, true);
    if (!counts_calls(thread_heap)) {
        lead_calls(thread_heap, true);
    }
}

size_t heap_blocks_cached(unsigned class_index) {
    size_t cached = 0;
    lock_take(&heaps_lock, LOCK_HEAPS);
    for (struct heap *heap = all_heaps; heap; heap = heap->next) {
        uint32_t top = load_relaxed(&heap->top[class_index]);
        top = top == TOP_OF_NOTHING ? load_relaxed(&heap->spare[class_index]) : top;
        void **first = load_relaxed(&heap->first[class_index]);
        /* Read while the owner may exchange the magazine: only differences that make sense count. */
        size_t blocks = first ? (size_t)(top_slot(heap, top) + 1 - first) : 0;
        cached += blocks <= MAGAZINE_BLOCKS_MAX ? blocks : 0;
        if (HARDENED_BY(HARDENED_DELAY)) {
            struct delay *delay = load_acquire(&heap->delay); /* pairs with the release in delay_exchange */
            cached += delay ? load_relaxed(&delay->waiting[class_index]) : 0;
        }
    }
    lock_give(&heaps_lock, LOCK_HEAPS);
    return cached;
}

void heap_calls_counted(size_t *allocations, size_t *frees) {
    *allocations = 0;
    *frees = 0;
    lock_take(&heaps_lock, LOCK_HEAPS);
    for (struct heap *heap = all_heaps; heap; heap = heap->next) {
        *allocations += load_relaxed(&heap->allocations);
        *frees += load_relaxed(&heap->frees);
    }
    lock_give(&heaps_lock, LOCK_HEAPS);
}

void heap_fork_take(void) {
    lock_fork_take(&heaps_lock);
}
void heap_fork_child(void) {
    balance_fork_child(thread_heap != &no_heap ? thread_heap : NULL);
}
void heap_fork_give(void) {
    lock_fork_give(&heaps_lock);
}
