/*
 * Purpose: see thread_heap.h.
 * Layer: heap. Owner: each heap's thread; heaps_lock protects the two lists of heaps.
 */
#include "heap/thread_heap.h"
#include "base/check.h"
#include "heap/bin.h"
#include "heap/misuse.h"
#include "pages/meta.h"
#include "platform/lock.h"
#include "platform/platform.h"

enum { REBALANCE_AFTER = 16, STREAK = 2 };

/* Empty and full at once: the slot before the pointer is NULL, and the pointer is a multiple of a magazine's size. */
static ALIGNED(MAGAZINE_SLOTS * sizeof(void *)) void *nothing[2 * MAGAZINE_SLOTS];
#define NOTHING (&nothing[MAGAZINE_SLOTS])
#define N4 NOTHING, NOTHING, NOTHING, NOTHING
#define N16 N4, N4, N4, N4

struct heap no_heap = {.top = {N16, N16, N16, N16}, .kept = {N16, N16, N16, N16}};

__thread struct heap *thread_heap __attribute__((tls_model("initial-exec"))) = &no_heap;
static __thread bool thread_ended __attribute__((tls_model("initial-exec")));

static struct lock heaps_lock;
static struct heap *all_heaps;
static struct heap *idle_heaps;
static unsigned heaps_made;
static _Atomic(bool) watch_everybody; /* relaxed: concerns heaps made afterwards */
static void (*arrival_hook)(void);

void heap_set_arrival_hook(void (*hook)(void)) {
    arrival_hook = hook;
}

ALWAYS_INLINE magazine_top *real_top(struct heap *heap, unsigned class_index) {
    return heap->watched ? &heap->kept[class_index] : &heap->top[class_index];
}

static void **magazine_end(struct heap *heap, unsigned class_index) {
    return heap->magazines[heap->magazine[class_index] - 1] + MAGAZINE_SLOTS;
}

static void **magazine_first(struct heap *heap, unsigned class_index) {
    return magazine_end(heap, class_index) - load_relaxed(&heap->capacity[class_index]);
}

static void heap_check(struct heap *heap) {
    if (!debug_checks) {
        return;
    }
    size_t bytes = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        if (heap->magazine[c] == NO_MAGAZINE) {
            CHECK(load_relaxed(real_top(heap, c)) == NOTHING);
            continue;
        }
        void **first = magazine_first(heap, c);
        void **top = load_relaxed(real_top(heap, c));
        CHECK(first[-1] == NULL && top >= first && top <= magazine_end(heap, c));
        bytes += (size_t)load_relaxed(&heap->capacity[c]) * size_classes[c].size;
    }
    CHECK(bytes == heap->capacity_bytes);
}

static void heap_init(struct heap *heap) {
    for (unsigned i = 0; i < CLASS_STEP_MAX; i++) {
        heap->class_by_step[i] = class_by_step[i];
    }
    for (unsigned c = 0; c < CLASS_TABLE; c++) {
        store_relaxed(&heap->top[c], NOTHING);
        store_relaxed(&heap->kept[c], NOTHING);
        store_relaxed(&heap->capacity[c], 0);
        heap->magazine[c] = NO_MAGAZINE;
        heap->refills[c] = 0;
    }
    heap->magazines_used = 0;
    heap->capacity_bytes = 0;
    heap->active = 0;
    heap->watched = load_relaxed(&watch_everybody);
}

static struct heap *heap_new(void) {
    size_t align = MAGAZINE_SLOTS * sizeof(void *);
    size_t header = align_up(sizeof(struct heap), align);
    struct heap *heap = meta_alloc(header + (CLASS_COUNT - 1) * align, align);
    if (heap) {
        heap->magazines = (void *(*)[MAGAZINE_SLOTS])(void *)((char *)heap + header);
        heap->next = all_heaps;
        heap->shard = shard_for(heaps_made++);
        all_heaps = heap;
    }
    return heap;
}

struct heap *heap_of_thread(void) {
    if (LIKELY(thread_heap != &no_heap)) {
        return thread_heap;
    }
    if (thread_ended) {
        return NULL;
    }
    lock_take(&heaps_lock, LOCK_HEAPS);
    struct heap *heap = idle_heaps;
    if (heap) {
        idle_heaps = heap->next_idle;
    } else {
        heap = heap_new();
    }
    if (heap) {
        heap_init(heap);
    }
    lock_give(&heaps_lock, LOCK_HEAPS);
    if (heap == NULL) {
        return NULL;
    }
    thread_heap = heap; /* before the hook, which may allocate */
    if (arrival_hook) {
        arrival_hook();
    }
    return heap;
}

static bool make_magazine(struct heap *heap, unsigned class_index) {
    if (heap->magazine[class_index] != NO_MAGAZINE) {
        return true;
    }
    unsigned capacity = size_classes[class_index].cache < CAPACITY_FLOOR ? size_classes[class_index].cache : CAPACITY_FLOOR;
    heap->magazine[class_index] = (uint8_t)++heap->magazines_used;
    store_relaxed(&heap->capacity[class_index], (uint8_t)capacity);
    heap->capacity_bytes += capacity * size_classes[class_index].size;
    void **first = magazine_first(heap, class_index);
    first[-1] = NULL;
    store_relaxed(real_top(heap, class_index), first);
    return false;
}

/* Moves the content so that it starts where the capacity asks, and sets the sentinel. */
static void rebase(struct heap *heap, unsigned class_index, unsigned capacity, void **content, unsigned count) {
    heap->capacity_bytes -= load_relaxed(&heap->capacity[class_index]) * size_classes[class_index].size;
    heap->capacity_bytes += capacity * size_classes[class_index].size;
    store_relaxed(&heap->capacity[class_index], (uint8_t)capacity);
    void **first = magazine_first(heap, class_index);
    if (content != first) {
        __builtin_memmove(first, content, count * sizeof *first);
        for (unsigned i = 0; i < count; i++) {
            heap_memorise(heap, memo_index((uintptr_t)first[i], block_scaled((uintptr_t)first[i], class_index)), first + i);
        }
    }
    first[-1] = NULL;
    store_relaxed(real_top(heap, class_index), first + count);
}

/* Returns the `count` oldest blocks of the magazine to the bins. */
static void flush_oldest(struct heap *heap, unsigned class_index, unsigned count, const char *call) {
    void *leaving[MAGAZINE_SLOTS];
    void **first = magazine_first(heap, class_index);
    unsigned held = (unsigned)(load_relaxed(real_top(heap, class_index)) - first);
    __builtin_memcpy(leaving, first, count * sizeof *first);
    rebase(heap, class_index, load_relaxed(&heap->capacity[class_index]), first + count, held - count);
    unsigned bad = bin_put(class_index, leaving, count);
    for (unsigned i = 0; i < bad; i++) {
        misuse_examine(call, (uintptr_t)leaving[i]);
    }
}

static unsigned held_in(struct heap *heap, unsigned class_index) {
    if (heap->magazine[class_index] == NO_MAGAZINE) {
        return 0;
    }
    return (unsigned)(load_relaxed(real_top(heap, class_index)) - magazine_first(heap, class_index));
}

/* Classes that have been quiet for a while give their capacity to those that ask for more. */
static COLD void rebalance(struct heap *heap, const char *call) {
    heap->denials = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        unsigned floor = size_classes[c].cache < CAPACITY_FLOOR ? size_classes[c].cache : CAPACITY_FLOOR;
        if (heap->active >> c & 1 || load_relaxed(&heap->capacity[c]) <= floor) {
            continue;
        }
        if (held_in(heap, c)) {
            flush_oldest(heap, c, held_in(heap, c), call);
        }
        rebase(heap, c, floor, magazine_first(heap, c), 0);
    }
    heap->active = 0;
}

/* The capacity the class may have now: twice the last one within the class's and the heap's limits. */
static unsigned grown_capacity(struct heap *heap, unsigned class_index, const char *call) {
    unsigned capacity = load_relaxed(&heap->capacity[class_index]);
    unsigned limit = size_classes[class_index].cache;
    heap->active |= (uint64_t)1 << class_index;
    if (capacity == limit) {
        return capacity;
    }
    unsigned wanted = 2 * capacity < limit ? 2 * capacity : limit;
    if (heap->capacity_bytes + (wanted - capacity) * size_classes[class_index].size <= HEAP_CACHE_BYTES) {
        return wanted;
    }
    if (++heap->denials >= REBALANCE_AFTER) {
        rebalance(heap, call);
    }
    return capacity;
}

static NOINLINE void *refill(struct heap *heap, unsigned class_index) {
    unsigned want = 1;
    if (make_magazine(heap, class_index)) {
        unsigned capacity = grown_capacity(heap, class_index, "malloc");
        rebase(heap, class_index, capacity, magazine_first(heap, class_index), 0);
        /* A thread that only takes gets whole magazines; one that also frees keeps half of it for what comes back. */
        want = heap->refills[class_index] >= STREAK ? capacity : (capacity + 1) / 2;
        heap->refills[class_index] = (uint8_t)(heap->refills[class_index] + (heap->refills[class_index] < STREAK));
    }
    void **first = magazine_first(heap, class_index);
    unsigned got = bin_claim(&heap->shard, class_index, first + want, want);
    if (UNLIKELY(got == 0)) {
        return NULL;
    }
    if (UNLIKELY(got < want)) {
        __builtin_memmove(first, first + want - got, got * sizeof *first);
    }
    void *block = first[got - 1];
    store_relaxed(real_top(heap, class_index), first + got - 1);
    heap_check(heap);
    return block;
}

void *heap_take(struct heap *heap, unsigned class_index) {
    magazine_top *top = real_top(heap, class_index);
    void **newest = load_relaxed(top) - 1;
    if (LIKELY(*newest != NULL)) {
        store_relaxed(top, newest);
        return *newest;
    }
    return refill(heap, class_index);
}

static NOINLINE void make_room(struct heap *heap, unsigned class_index, const char *call) {
    if (!make_magazine(heap, class_index)) {
        return;
    }
    unsigned old = load_relaxed(&heap->capacity[class_index]);
    unsigned capacity = grown_capacity(heap, class_index, call);
    heap->refills[class_index] = 0;
    if (capacity > old) {
        rebase(heap, class_index, capacity, magazine_end(heap, class_index) - old, old);
    } else {
        flush_oldest(heap, class_index, (old + 1) / 2, call);
    }
    heap_check(heap);
}

void heap_put(struct heap *heap, unsigned class_index, void *block, const char *call) {
    magazine_top *top = real_top(heap, class_index);
    if (((uintptr_t)load_relaxed(top) & (MAGAZINE_SLOTS * sizeof(void *) - 1)) == 0) {
        make_room(heap, class_index, call);
    }
    void **slot = load_relaxed(top);
    *slot = block;
    heap_memorise(heap, memo_index((uintptr_t)block, block_scaled((uintptr_t)block, class_index)), slot);
    store_relaxed(top, slot + 1);
}

bool heap_freed_lately(struct heap *heap, unsigned class_index, uintptr_t address) {
    unsigned held = held_in(heap, class_index);
    if (held == 0) {
        return false;
    }
    void **top = load_relaxed(real_top(heap, class_index));
    for (unsigned i = 1; i <= NEWEST_CHECKED && i <= held; i++) {
        if (top[-(int)i] == (void *)address) {
            return true;
        }
    }
    void **then = magazine_end(heap, class_index) - MAGAZINE_SLOTS + heap->memo[memo_index(address, block_scaled(address, class_index))];
    return *then == (void *)address && then >= magazine_first(heap, class_index) && then < top;
}

static bool flush_everything(struct heap *heap) {
    bool any = false;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        unsigned held = held_in(heap, c);
        if (held) {
            flush_oldest(heap, c, held, "free");
            any = true;
        }
    }
    return any;
}

bool heap_flush_all(void) {
    return thread_heap != &no_heap && flush_everything(thread_heap);
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
    heap_init(heap);
    heap->next_idle = idle_heaps;
    idle_heaps = heap;
    lock_give(&heaps_lock, LOCK_HEAPS);
}

void heap_watch(void) {
    store_relaxed(&watch_everybody, true);
    struct heap *heap = thread_heap;
    if (heap == &no_heap || heap->watched) {
        return;
    }
    for (unsigned c = 0; c < CLASS_TABLE; c++) {
        store_relaxed(&heap->kept[c], load_relaxed(&heap->top[c]));
        store_relaxed(&heap->top[c], NOTHING);
    }
    heap->watched = true;
}

size_t heap_blocks_cached(unsigned class_index) {
    size_t cached = 0;
    lock_take(&heaps_lock, LOCK_HEAPS);
    for (struct heap *heap = all_heaps; heap; heap = heap->next) {
        void **top = load_relaxed(&heap->top[class_index]);
        if (top == NOTHING) {
            top = load_relaxed(&heap->kept[class_index]);
        }
        unsigned capacity = load_relaxed(&heap->capacity[class_index]);
        if (top == NOTHING || capacity == 0) {
            continue;
        }
        /* Only the position of top within its 256 bytes counts: no field that the owner may be changing is followed. */
        uintptr_t position = (uintptr_t)top % (MAGAZINE_SLOTS * sizeof(void *)) / sizeof(void *);
        size_t filled = (position ? position : MAGAZINE_SLOTS) - (MAGAZINE_SLOTS - capacity);
        cached += filled <= capacity ? filled : 0;
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
void heap_fork_give(void) {
    lock_fork_give(&heaps_lock);
}
