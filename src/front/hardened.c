/*
 * Purpose: see hardened.h.
 * Layer: front.
 */
#include "front/hardened.h"
#include "config/geometry.h"
#include "heap/magazine.h"
#include "heap/misuse.h"
#include "heap/thread_heap.h"
#include "pages/page_map.h"
#include "platform/platform.h"

#include <string.h>

enum { CLEAR_INLINE_MAX = 256 };

/* Relaxed: a word that stands for itself; the first who needs it draws it, and all take what was stored first. */
static _Atomic(uint64_t) secret;
static __thread uint64_t random_state __attribute__((tls_model("initial-exec")));

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
    return (((uintptr_t)block * 0x9e3779b97f4a7c15u) ^ key) | 1;
}

static uint64_t *canary_place(void *block, unsigned class_index) {
    return (uint64_t *)(void *)((char *)block + size_class_usable(class_index));
}

/* xorshift64*: an attacker who sees many of its choices can predict it; see docs/SECURITY.md. */
static unsigned random_below(unsigned limit) {
    uint64_t x = random_state;
    if (UNLIKELY(x == 0)) {
        x = platform_random() | 1;
    }
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random_state = x;
    return (unsigned)(((x * 0x2545f4914f6cdd1du) >> 32) * limit >> 32);
}

void *hardened_choose(unsigned class_index) {
    struct heap *heap = thread_heap;
    bool kept = size_class_is_marked(class_index) && !heap->watched;
    magazine_top *place = kept ? &heap->kept[class_index] : &heap->top[class_index];
    uint32_t top = load_relaxed(place);
    void **newest = top_slot(heap, top);
    void *last = *newest;
    if (UNLIKELY(last == NULL)) {
        return NULL;
    }
    void **chosen = newest;
    if (HARDENED_BY(HARDENED_RANDOM)) {
        chosen -= random_below(held_in(heap, class_index));
    }
    void *block = *chosen;
    *chosen = last;
    store_relaxed(place, top - TOP_STEP);
    if (size_class_is_marked(class_index)) {
        region_mark(page_map_region((uintptr_t)block), (uintptr_t)block);
    }
    return block;
}

/* Two words at a time: for most blocks that is done before a call of memset would begin. */
static void clear(void *block, size_t size) {
    if (size > CLEAR_INLINE_MAX) {
        memset(block, 0, size);
        return;
    }
    uint64_t *word = block;
    for (size_t i = 0; i < size / sizeof *word; i += 2) { /* blocks are multiples of 16 bytes */
        word[i] = 0;
        word[i + 1] = 0;
    }
}

/* The first word that is not 0; NULL when all are. */
static const uint64_t *first_written(const void *block, size_t size) {
    const uint64_t *word = block;
    for (size_t i = 0; i < size / sizeof *word; i += 2) { /* blocks are multiples of 16 bytes */
        if (UNLIKELY((word[i] | word[i + 1]) != 0)) {
            return word[i] ? &word[i] : &word[i + 1];
        }
    }
    return NULL;
}

static COLD void report_written(void *block, const uint64_t *word, size_t size, unsigned class_index, const char *call) {
    const unsigned char *byte = (const unsigned char *)word;
    while (*byte == 0) {
        byte++;
    }
    struct misuse misuse = {.kind = MISUSE_WRITTEN_FREED,
                            .call = call,
                            .address = (uintptr_t)block,
                            .block = (uintptr_t)block,
                            .block_size = size_class_usable(class_index),
                            .where = (uintptr_t)byte};
    misuse_found(&misuse);
    memset(block, 0, size);
}

void *hardened_prepare(void *block, unsigned class_index, const char *call) {
    if (HARDENED_BY(HARDENED_CLEAR)) {
        size_t size = size_classes[class_index].size;
        const uint64_t *written = first_written(block, size);
        if (UNLIKELY(written != NULL)) {
            report_written(block, written, size, class_index, call);
        }
    }
    if (HARDENED_BY(HARDENED_CANARY)) {
        *canary_place(block, class_index) = canary_of(block);
    }
    return block;
}

static COLD void report_canary(void *block, unsigned class_index, const char *call) {
    uint64_t canary = canary_of(block);
    const uint64_t *found = canary_place(block, class_index);
    const unsigned char *is = (const unsigned char *)found;
    if (HARDENED_BY(HARDENED_CLEAR) ? first_written(block, size_classes[class_index].size) == NULL : *found == 0) {
        misuse_examine(call, (uintptr_t)block); /* nothing says so but that it is clear: a double free */
        return;
    }
    const unsigned char *was = (const unsigned char *)&canary;
    size_t i = 0;
    while (is[i] == was[i]) {
        i++;
    }
    struct misuse misuse = {.kind = MISUSE_OVERRUN,
                            .call = call,
                            .address = (uintptr_t)block,
                            .block = (uintptr_t)block,
                            .block_size = size_class_usable(class_index),
                            .where = (uintptr_t)(is + i)};
    misuse_found(&misuse);
}

bool hardened_retire(void *block, const char *call) {
    uintptr_t address = (uintptr_t)block;
    const bitmap_word *region = page_map_region(address);
    unsigned class_index = region_class(region, address);
    if (class_index == 0 || address % BLOCK_ALIGN != 0 || !region_is_out(region, address)) {
        return true;
    }
    if (HARDENED_BY(HARDENED_CANARY)) {
        uint64_t *canary = canary_place(block, class_index);
        if (UNLIKELY(*canary != canary_of(block))) {
            report_canary(block, class_index, call);
            return false;
        }
        *canary = 0;
    }
    if (HARDENED_BY(HARDENED_CLEAR)) {
        clear(block, size_classes[class_index].size);
    }
    return true;
}
