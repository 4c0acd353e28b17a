/*
 * Purpose: see slow.h.
 * Layer: front. No state of its own.
 */
#include "config/options.h"
#include "front/checker.h"
#include "front/clear.h"
#include "front/fast.h"
#include "front/hardened.h"
#include "front/relief.h"
#include "front/sampled.h"
#include "heap/bin.h"
#include "heap/delay.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/misuse.h"
#include "heap/quarantine.h"
#include "heap/thread_heap.h"
#include "pages/page_map.h"
#include "platform/tag.h"
#include "slab/slab.h"

#include <errno.h>
#include <string.h>

enum { FREES_WITHOUT_HEAP = 32 };

void *front_no_memory(void) {
    errno = ENOMEM;
    return NULL;
}

static void count_allocation(struct heap *heap) {
    store_relaxed(&heap->allocations, load_relaxed(&heap->allocations) + 1); /* only the owner writes */
}

static void count_free(struct heap *heap) {
    store_relaxed(&heap->frees, load_relaxed(&heap->frees) + 1);
}

void front_perturb_new(void *block, size_t size) {
    size_t byte = option_get(OPTION_perturb);
    if (byte) {
        memset(block, (int)(byte ^ 0xff), size);
    }
}

static void *take_class(struct heap *heap, unsigned class_index) {
    if (heap) {
        return heap_take(heap, class_index);
    }
    unsigned shard = 0;
    void *block;
    return bin_claim(&shard, class_index, &block + 1, 1) ? block : NULL;
}

void *front_take_class(unsigned class_index) {
    struct heap *heap = heap_of_thread();
    void *block = take_class(heap, class_index);
    for (struct relief done = {0}; UNLIKELY(block == NULL); block = take_class(heap, class_index)) {
        if (!relief(&done, UNIT_SIZE)) {
            return front_no_memory();
        }
    }
    if (UNLIKELY(heap && heap->watched)) {
        count_allocation(heap);
    }
    if (size_class_is_marked(class_index)) {
        region_mark(page_map_region((uintptr_t)block), (uintptr_t)block);
    }
    return block;
}

static void *take_large(size_t size, size_t align, size_t copied, bool *zeroed) {
    return copied ? large_take_growing(size, copied, zeroed) : large_take(size, align, zeroed);
}

static COLD void *reclaim_large(size_t size, size_t align, size_t copied, bool *zeroed) {
    struct relief done = {0};
    void *block = NULL;
    while (block == NULL) {
        if (!relief(&done, size)) {
            return front_no_memory();
        }
        block = take_large(size, align, copied, zeroed);
    }
    return block;
}

/* The thread has no heap yet, or one that is watched. */
static NOINLINE void count_large(void) {
    struct heap *heap = heap_of_thread();
    if (heap && heap->watched) {
        count_allocation(heap);
    }
}

ALWAYS_INLINE void *take_large_or_reclaim(size_t size, size_t align, size_t copied, bool *zeroed) {
    if (UNLIKELY(size > (size_t)PTRDIFF_MAX)) {
        return front_no_memory();
    }
    void *block = take_large(size, align, copied, zeroed);
    if (UNLIKELY(block == NULL) && (block = reclaim_large(size, align, copied, zeroed)) == NULL) {
        return NULL;
    }
    const struct heap *heap = thread_heap;
    if (UNLIKELY(heap == &no_heap) || UNLIKELY(heap->watched)) {
        count_large();
    }
    return block;
}

void *front_take_large(size_t size, size_t align, bool *zeroed) {
    return take_large_or_reclaim(size, align, 0, zeroed);
}

void *front_take_growing(size_t size, size_t copied) {
    bool zeroed = false;
    void *block = take_large_or_reclaim(size, BLOCK_ALIGN, copied, &zeroed);
    if (block) {
        front_perturb_new(block, size);
    }
    return block;
}

void *front_take_aligned(size_t size, size_t align, bool *zeroed) {
    unsigned class_index = size_class_for(size, align);
    if (class_index) {
        *zeroed = false;
        void *block = front_take_class(class_index);
        return hardened && block ? hardened_prepare(block, class_index, "malloc") : block;
    }
    return front_take_large(size ? size : 1, align, zeroed);
}

_Atomic(bool) front_special;

/* Bytes of a block that has just been taken. */
static size_t taken_size(const void *block) {
    unsigned class_index = page_map_class(tag_strip(block));
    if (class_index == 0) {
        return large_size((uintptr_t)block);
    }
    if (thread_heap != &no_heap) {
        heap_forget_taken(thread_heap, class_index);
    }
    return size_classes[class_index].size;
}

/* With a zone behind it, of which the checker knows. */
static void *take_checked(size_t size, size_t align, bool *zeroed) {
    size = size ? size : 1;
    if (size > (size_t)PTRDIFF_MAX - CHECKER_ZONE) {
        return front_no_memory();
    }
    void *block = front_take_aligned(size + CHECKER_ZONE, align, zeroed);
    if (block) {
        checker_allocated(block, size, taken_size(block), *zeroed);
    }
    return block;
}

void *front_take_special(size_t size, size_t align, bool *zeroed) {
    if (checker_present()) {
        return take_checked(size, align, zeroed);
    }
    void *block = sampled_rate_now() ? sampled_take(size, align) : NULL;
    if (block == NULL) {
        return front_take_aligned(size, align, zeroed);
    }
    *zeroed = true;
    struct heap *heap = heap_of_thread();
    if (heap && heap->watched) {
        count_allocation(heap);
    }
    return block;
}

void *front_hardened(size_t size, size_t align) {
    unsigned class_index = size_class_for(size, align);
    bool special = UNLIKELY(load_relaxed(&front_special));
    void *block = class_index && !(special && !sampled_passes()) ? hardened_take(class_index) : NULL;
    if (LIKELY(block != NULL)) {
        if (special) {
            sampled_count();
        }
        return block;
    }
    bool zeroed = false;
    block = special ? front_take_special(size, align, &zeroed) : front_take_aligned(size, align, &zeroed);
    if (block) {
        front_perturb_new(block, size);
    }
    return block;
}

static void *perturbed(void *block, size_t size) {
    if (LIKELY(block != NULL)) {
        front_perturb_new(block, size);
    }
    return block;
}

static COLD void *malloc_special(size_t size) {
    bool zeroed = false;
    return perturbed(front_take_special(size, BLOCK_ALIGN, &zeroed), size);
}

static NOINLINE void *malloc_large(size_t size) {
    bool zeroed = false;
    return perturbed(take_large_or_reclaim(size, BLOCK_ALIGN, 0, &zeroed), size);
}

void *slow_malloc(size_t size) {
    if (UNLIKELY(load_relaxed(&front_special))) {
        return malloc_special(size);
    }
    return size > SMALL_MAX ? malloc_large(size) : perturbed(front_take_class(size_class_of(size)), size);
}

/* A new block of a slab is clear where free ones are, unless somebody wants it otherwise. */
static bool hardened_gave_zeros(size_t size) {
    return HARDENED_BY(HARDENED_CLEAR) && size <= SMALL_MAX - CANARY_BYTES && option_get(OPTION_perturb) == 0 && !checker_present();
}

/* All but the special ones, which are filled or looked after by others. */
static void clear_large(char *block, size_t size) {
    size_t from;
    size_t to;
    large_soiled((uintptr_t)block, &from, &to);
    to = to < size ? to : size;
    if (from < to && !large_forget(block + from, to - from)) {
        front_clear(block + from, to - from);
    }
}

void *front_calloc(size_t count, size_t size) {
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        return front_no_memory();
    }
    bool zeroed = bytes > SMALL_MAX;
    bool special = UNLIKELY(load_relaxed(&front_special));
    void *block = !zeroed   ? fast_malloc(bytes)
                  : special ? front_take_special(bytes, BLOCK_ALIGN, &zeroed)
                            : front_take_large(bytes, BLOCK_ALIGN, &zeroed);
    if (block && !zeroed && !hardened_gave_zeros(bytes)) {
        if (bytes > SMALL_MAX && !special) {
            clear_large(block, bytes);
        } else {
            memset(block, 0, bytes);
        }
    }
    return block;
}

/* The class of the block at the address if it lies in a slab, else 0. *bad: it does, but is no block in use. */
static unsigned checked_class(uintptr_t address, bool *bad) {
    const bitmap_word *region = page_map_region(address);
    unsigned class_index = region_class(region, address);
    *bad = class_index && (address % BLOCK_ALIGN != 0 || !region_is_out(region, address) ||
                           (!size_class_is_marked(class_index) && heap_freed_lately(thread_heap, class_index, address)));
    if (hardened && class_index && !*bad) {
        *bad = hardened_was_freed((const void *)address, class_index);
    }
    return class_index;
}

static size_t usable_size(const void *block) {
    bool bad;
    unsigned class_index = checked_class((uintptr_t)block, &bad);
    if (class_index) {
        return bad ? 0 : size_class_usable(class_index);
    }
    if (UNLIKELY(guarded_holds((uintptr_t)block))) {
        return guarded_size((uintptr_t)block);
    }
    if (HARDENED_BY(HARDENED_QUARANTINE) && quarantine_size((uintptr_t)block)) {
        return 0;
    }
    return large_size((uintptr_t)block);
}

size_t front_usable_size_or_0(const void *block) {
    size_t size = usable_size(block);
    return UNLIKELY(checker_present()) && size ? checker_size(block, size) : size;
}

static NOINLINE size_t slow_usable_size(const void *given, const char *call) {
    const void *block = hardened ? hardened_known((void *)(uintptr_t)given, call) : given;
    if (hardened && (block == NULL || !hardened_is_whole(block, call))) {
        return 0;
    }
    size_t size = front_usable_size_or_0(block);
    if (UNLIKELY(size == 0) && block) {
        misuse_examine(call, (uintptr_t)block);
    }
    return size;
}

size_t front_usable_size(const void *block, const char *call) {
    unsigned class_index = hardened || UNLIKELY(checker_present()) ? 0 : fast_class(block);
    return LIKELY(class_index != 0) ? size_class_usable(class_index) : slow_usable_size(block, call);
}

/*
 * A thread that has no heap frees its first blocks without one. Threads that never allocate free a few of the C library's blocks when they
 * are past the point where a heap could be given back.
 */
static struct heap *heap_for_free(void) {
    static __thread uint8_t frees_without __attribute__((tls_model("initial-exec")));
    if (thread_heap != &no_heap || frees_without == FREES_WITHOUT_HEAP) {
        return heap_of_thread();
    }
    frees_without++;
    return NULL;
}

static void free_in_slab(void *block, unsigned class_index, const char *call) {
    struct heap *heap = heap_for_free();
    if (heap == NULL) {
        if (bin_put(class_index, &block, 1)) {
            misuse_examine(call, (uintptr_t)block);
        }
        return;
    }
    if (UNLIKELY(heap->watched)) {
        count_free(heap);
        size_t byte = option_get(OPTION_perturb);
        if (byte && !hardened) { /* there, free blocks are clear */
            memset(block, (int)byte, size_classes[class_index].size);
        }
    }
    if (HARDENED_BY(HARDENED_DELAY)) {
        block = delay_exchange(heap, class_index, block);
    }
    if (block) {
        heap_put(heap, class_index, block, call);
    }
}

/* The report comes after the block is gone, so that it can tell where both calls were made. */
static bool give_guarded(uintptr_t address, const char *call) {
    struct misuse misuse = {.call = call, .address = address, .block = address, .block_size = guarded_size(address)};
    enum guarded_verdict verdict = guarded_give(address, &misuse.where);
    if (UNLIKELY(verdict == GUARDED_OVERRUN || verdict == GUARDED_UNDERRUN)) {
        misuse.kind = verdict == GUARDED_OVERRUN ? MISUSE_OVERRUN : MISUSE_UNDERRUN;
        misuse_found(&misuse);
    }
    return verdict != GUARDED_NOT_LIVE;
}

static COLD void tell_checker_of_large(void *block) {
    size_t size = front_usable_size_or_0(block);
    if (size) {
        checker_freed(block, size, false);
    }
}

void slow_free_large(void *block, const char *call) {
    if (block == NULL) {
        return;
    }
    if (UNLIKELY(checker_present())) {
        tell_checker_of_large(block);
    }
    bool given = UNLIKELY(guarded_holds((uintptr_t)block)) ? give_guarded((uintptr_t)block, call)
                 : hardened                                ? large_give_later((uintptr_t)block)
                                                           : large_give((uintptr_t)block);
    if (UNLIKELY(!given)) {
        misuse_examine(call, (uintptr_t)block);
        return;
    }
    if (UNLIKELY(thread_heap->watched)) {
        count_free(thread_heap);
    }
}

void slow_free(void *block, const char *call) {
    bool bad;
    unsigned class_index = checked_class((uintptr_t)block, &bad);
    if (UNLIKELY(bad)) {
        misuse_examine(call, (uintptr_t)block);
        return;
    }
    if (UNLIKELY(class_index == 0)) {
        slow_free_large(block, call);
        return;
    }
    if (UNLIKELY(checker_present())) {
        size_t size = front_usable_size_or_0(block);
        if (size) {
            checker_freed(block, size, true);
        }
    }
    if (size_class_is_marked(class_index) && UNLIKELY(!region_unmark(page_map_region((uintptr_t)block), (uintptr_t)block))) {
        misuse_examine(call, (uintptr_t)block);
        return;
    }
    free_in_slab(block, class_index, call);
}

static NOINLINE void free_retired(void *block, unsigned class_index, const char *call) {
    if (UNLIKELY(checker_present())) {
        checker_freed(block, size_class_usable(class_index), true);
    }
    free_in_slab(block, class_index, call);
}

void front_hardened_free(void *given, const char *call) {
    void *block = hardened_known(given, call);
    if (UNLIKELY(block == NULL)) {
        return;
    }
    unsigned class_index = hardened_retire(block, call);
    if (UNLIKELY(class_index == 0)) {
        slow_free(block, call);
        return;
    }
    if (UNLIKELY(class_index == HARDENED_REPORTED)) {
        return;
    }
    /* The canary has told more than the memo could. */
    struct heap *heap = thread_heap;
    uint32_t top = load_relaxed(&heap->top[class_index]);
    if (UNLIKELY(__builtin_add_overflow(top, (uint32_t)TOP_STEP, &top))) {
        free_retired(block, class_index, call);
        return;
    }
    if (HARDENED_BY(HARDENED_DELAY)) {
        block = delay_exchange(heap, class_index, block);
    }
    if (LIKELY(block != NULL)) {
        *top_slot(heap, top) = block;
        store_relaxed(&heap->top[class_index], top);
    }
}
