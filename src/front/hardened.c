/*
 * Purpose: see hardened.h.
 * Layer: front.
 */
#include "front/hardened.h"
#include "config/geometry.h"
#include "heap/misuse.h"
#include "heap/thread_heap.h"
#include "pages/page_map.h"
#include "platform/platform.h"
#include "platform/tag.h"

#include <string.h>

enum { CLEAR_INLINE_MAX = 256 };

/* Relaxed: a word that stands for itself; the first who needs it draws it, and all take what was stored first. */
static _Atomic(uint64_t) secret;
static __thread uint64_t random_state __attribute__((tls_model("initial-exec"))); /* 0: nothing drawn yet */
static __thread uint32_t random_ready __attribute__((tls_model("initial-exec")));

static COLD uint64_t draw_secret(void) {
    uint64_t none = 0;
    uint64_t drawn = platform_random() | 1;
    return atomic_compare_exchange_strong_explicit(&secret, &none, drawn, memory_order_relaxed, memory_order_relaxed) ? drawn : none;
}

/* Its first byte in memory is not 0, so that a string's end written over it is noticed. */
static uint64_t canary_of(const void *block) {
    uint64_t key = load_relaxed(&secret);
    if (UNLIKELY(key == 0)) {
        key = draw_secret();
    }
    return ((tag_strip(block) * 0x9e3779b97f4a7c15u) ^ key) | 1;
}

/* What stands in its place while the block is being cleared. */
static uint64_t gone(uint64_t canary) {
    return canary - 1;
}

static _Atomic(uint64_t) *canary_place(void *block, unsigned class_index) {
    return (_Atomic(uint64_t) *)(void *)((char *)block + size_class_usable(class_index));
}

/* wyrand: an attacker who sees many of its choices can predict it; see docs/SECURITY.md. What it yields is drawn one call ahead, so that
 * nobody waits for it. */
static uint32_t next_random(void) {
    uint64_t x = random_state;
    uint32_t ready = random_ready;
    if (UNLIKELY(x == 0)) {
        x = platform_random();
        ready = (uint32_t)platform_random();
    }
    x += 0xa0761d6478bd642fu;
    unsigned __int128 product = (unsigned __int128)x * (x ^ 0xe7037ed1a0b428dbu);
    random_state = x ? x : 1;
    random_ready = (uint32_t)((uint64_t)(product >> 64) ^ (uint64_t)product);
    return ready;
}

/* The canaries' secret stays: blocks that are live end in it. */
void hardened_fork_child(void) {
    random_state = 0;
}

static unsigned random_below(unsigned limit) {
    return (unsigned)((uint64_t)next_random() * limit >> 32);
}

/* A block of the class from the magazine, any of those in it with equal chance; NULL when it is empty. */
ALWAYS_INLINE void *choose(unsigned class_index) {
    struct heap *heap = thread_heap;
    uint32_t top = load_relaxed(&heap->top[class_index]);
    void **newest = top_slot(heap, top);
    void *last = *newest;
    if (UNLIKELY(last == NULL)) {
        return NULL;
    }
    void **chosen = newest;
    if (HARDENED_BY(HARDENED_RANDOM)) {
        chosen -= random_below((unsigned)(newest - load_relaxed(&heap->first[class_index])) + 1);
    }
    void *block = *chosen;
    *chosen = last;
    store_relaxed(&heap->top[class_index], top - TOP_STEP);
    return block;
}

/* Blocks are multiples of 16 bytes, and begin at such. The compiler makes of these whatever the processor has. */
typedef uint64_t pair __attribute__((vector_size(16), may_alias));
enum { PAIR = sizeof(pair), STEP = 4 * PAIR };

static void clear(void *block, size_t size) {
    if (size > CLEAR_INLINE_MAX) {
        memset(block, 0, size);
        return;
    }
    for (char *at = block, *end = at + size; at < end; at += PAIR) {
        *(pair *)(void *)at = (pair){0, 0};
    }
}

ALWAYS_INLINE bool all_clear(const void *block, size_t size) {
    const char *at = block;
    const char *end = at + size;
    pair seen = {0, 0};
    for (; at + STEP <= end; at += STEP) {
        const pair *four = (const pair *)(const void *)at;
        seen |= (four[0] | four[1]) | (four[2] | four[3]);
    }
    for (; at < end; at += PAIR) {
        seen |= *(const pair *)(const void *)at;
    }
    return (seen[0] | seen[1]) == 0;
}

/* The first byte that is not 0. There is one. */
static const unsigned char *first_written(const void *block) {
    const unsigned char *byte = block;
    while (*byte == 0) {
        byte++;
    }
    return byte;
}

static COLD void report_written(void *block, size_t size, unsigned class_index, const char *call) {
    struct misuse misuse = {.kind = MISUSE_WRITTEN_FREED,
                            .call = call,
                            .address = (uintptr_t)block,
                            .block = (uintptr_t)block,
                            .block_size = size_class_usable(class_index),
                            .where = (uintptr_t)first_written(block)};
    misuse_found(&misuse);
    memset(block, 0, size);
}

/* The block becomes a live one, and this the pointer to it: the tag is neither that of free memory nor that of the block on either side, so
 * that running over from one into the next is always found. */
ALWAYS_INLINE void *give_tag(void *block, size_t size) {
    if (!tags_in_use()) {
        return block;
    }
    uintptr_t behind = (uintptr_t)block + size;
    uint64_t but = tag_bit(block);
    if ((uintptr_t)block % UNIT_SIZE != 0) {
        but |= tag_bit(tag_of_memory((char *)block - TAG_GRANULE));
    }
    if (behind % UNIT_SIZE != 0) {
        but |= tag_bit(tag_of_memory((void *)behind));
    }
    tag_memory(tag_random(block, but), size);
    return tag_of_memory(block); /* memory for which the system refused tags has none */
}

ALWAYS_INLINE void *prepare(void *block, unsigned class_index, const char *call) {
    if (HARDENED_BY(HARDENED_CLEAR)) {
        size_t size = size_classes[class_index].size;
        if (UNLIKELY(!all_clear(block, size))) {
            report_written(block, size, class_index, call);
        }
    }
    if (HARDENED_BY(HARDENED_CANARY)) {
        store_relaxed(canary_place(block, class_index), canary_of(block));
    }
    return give_tag(block, size_classes[class_index].size);
}

void *hardened_take(unsigned class_index) {
    void *block = choose(class_index);
    return LIKELY(block != NULL) ? prepare(block, class_index, "malloc") : NULL;
}

void *hardened_prepare(void *block, unsigned class_index, const char *call) {
    return prepare(block, class_index, call);
}

/* By what was found in the canary's place the block has been freed: it is clear, or about to be. */
static COLD bool is_freed(void *block, unsigned class_index, uint64_t found) {
    if (found != 0) {
        return found == gone(canary_of(block));
    }
    (void)load_acquire(canary_place(block, class_index)); /* pairs with the release in hardened_retire */
    return !HARDENED_BY(HARDENED_CLEAR) || all_clear(block, size_classes[class_index].size);
}

static COLD void report_canary(void *block, unsigned class_index, uint64_t found, const char *call) {
    uintptr_t address = tag_strip(block);
    uint64_t canary = canary_of(block);
    if (is_freed(block, class_index, found)) {
        misuse_examine(call, address);
        return;
    }
    const unsigned char *is = (const unsigned char *)&found;
    const unsigned char *was = (const unsigned char *)&canary;
    size_t i = 0;
    while (is[i] == was[i]) {
        i++;
    }
    struct misuse misuse = {.kind = MISUSE_OVERRUN,
                            .call = call,
                            .address = address,
                            .block = address,
                            .block_size = size_class_usable(class_index),
                            .where = address + size_class_usable(class_index) + i};
    misuse_found(&misuse);
}

/* The class of a block of a slab that is out; 0 for anything else. */
ALWAYS_INLINE unsigned class_if_out(uintptr_t address) {
    const bitmap_word *region = page_map_region(address);
    unsigned class_index = region_class(region, address);
    return class_index == 0 || address % BLOCK_ALIGN != 0 || !region_is_out(region, address) ? 0 : class_index;
}

/* The pointer's tag is not that of the memory: that of free memory, or of another life of the block. */
static COLD void report_tag(void *given, const void *block, unsigned class_index, const char *call) {
    if (tag_bit(block) == 1) {
        misuse_examine(call, tag_strip(block));
        return;
    }
    misuse_found(&(struct misuse){.kind = MISUSE_WRONG_TAG,
                                  .call = call,
                                  .address = (uintptr_t)given,
                                  .block = tag_strip(block),
                                  .block_size = size_class_usable(class_index)});
}

void *hardened_known(void *given, const char *call) {
    uintptr_t address = tag_strip(given);
    if (!tags_in_use() || page_map_class(address) == 0) {
        return given;
    }
    unsigned class_index = class_if_out(address);
    const void *block = class_index ? tag_of_memory((void *)address) : given;
    if (UNLIKELY(block != given)) {
        report_tag(given, block, class_index, call);
        return NULL;
    }
    return (void *)address;
}

unsigned hardened_retire(void *address, const char *call) {
    unsigned class_index = class_if_out((uintptr_t)address);
    if (HARDENED_BY(HARDENED_CANARY) && LIKELY(class_index != 0)) {
        void *block = tag_of_memory(address);
        _Atomic(uint64_t) *place = canary_place(block, class_index);
        uint64_t canary = canary_of(block);
        uint64_t found = load_relaxed(place);
        /* Of several threads that free the block at once, one finds the canary: relaxed, since it is only that word they compete for. */
        if (UNLIKELY(found != canary) || (!platform_single_threaded() && UNLIKELY(!cas_relaxed(place, &found, gone(canary))))) {
            report_canary(block, class_index, found, call);
            return HARDENED_REPORTED;
        }
        if (HARDENED_BY(HARDENED_CLEAR)) {
            size_t before = size_class_usable(class_index) - sizeof(uint64_t);
            clear(block, before);
            *(uint64_t *)(void *)((char *)block + before) = 0;
        }
        store_release(place, 0); /* pairs with the acquire in is_freed: who sees the 0 sees the block clear */
        tag_memory(address, size_classes[class_index].size);
    } else if (HARDENED_BY(HARDENED_CLEAR) && class_index) {
        clear(address, size_classes[class_index].size);
    }
    return class_index;
}

bool hardened_was_freed(const void *block, unsigned class_index) {
    void *same = tag_of_memory(block);
    uint64_t canary = canary_of(same);
    uint64_t found = HARDENED_BY(HARDENED_CANARY) ? load_relaxed(canary_place(same, class_index)) : canary;
    return UNLIKELY(found != canary) && is_freed(same, class_index, found);
}

bool hardened_is_whole(const void *block, const char *call) {
    unsigned class_index = HARDENED_BY(HARDENED_CANARY) ? class_if_out((uintptr_t)block) : 0;
    if (class_index == 0) {
        return true;
    }
    void *same = tag_of_memory(block);
    uint64_t found = load_relaxed(canary_place(same, class_index));
    if (LIKELY(found == canary_of(same)) || is_freed(same, class_index, found)) {
        return true;
    }
    report_canary(same, class_index, found, call);
    return false;
}
