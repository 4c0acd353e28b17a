/*
 * Purpose: memory tags (Arm's Memory Tagging Extension): four bits for each 16 bytes of memory, compared by the processor at each access
 * with the four bits in the pointer's top byte. Layer: platform. State: whether they are on, found once, when the first memory for blocks
 * is mapped. Arm Architecture Reference Manual, "Memory Tagging Extension"; Linux, Documentation/arm64/memory-tagging-extension.rst.
 *
 * Blocks in use have a tag other than 0; all other memory has tag 0, and so have the addresses that the allocator itself works with.
 * In builds and on processors without tags, each function here leaves the address as it is.
 */
#ifndef COLLAM_PLATFORM_TAG_H
#define COLLAM_PLATFORM_TAG_H

#include "base/atomic.h"
#include "base/compiler.h"

#if defined(__aarch64__)
#define TAGS_BUILT_IN HARDENED_BY(HARDENED_TAGS)
#else
#define TAGS_BUILT_IN 0
#endif

enum { TAG_GRANULE = 16, TAG_SHIFT = 56 };

/* Relaxed: set before the first block that has a tag is handed out, and never cleared. */
extern _Atomic(bool) tags_on HIDDEN;

/* The work of tags_allow. */
void tags_ask(void *address, size_t size);
/* Fresh memory that is to hold blocks: it may have tags from now on, if there are any. */
ALWAYS_INLINE void tags_allow(void *address, size_t size) {
    if (TAGS_BUILT_IN) {
        tags_ask(address, size);
    }
}

ALWAYS_INLINE bool tags_in_use(void) {
    return TAGS_BUILT_IN && LIKELY(load_relaxed(&tags_on));
}

/* The address without its tag. */
ALWAYS_INLINE uintptr_t tag_strip(const void *pointer) {
    return (uintptr_t)pointer & (TAGS_BUILT_IN ? ~((uintptr_t)0xff << TAG_SHIFT) : ~(uintptr_t)0);
}

#if defined(__aarch64__)
#define TAG_ASM __asm__ volatile
#define TAG_EXTENSION ".arch armv8.5-a+memtag\n\t" /* for the assembler; the compiler keeps to what it was told */

/* The address, which can be read, with the tag that its memory has. */
ALWAYS_INLINE void *tag_of_memory(const void *address) {
    uintptr_t tagged = (uintptr_t)address;
    if (tags_in_use()) {
        TAG_ASM(TAG_EXTENSION "ldg %0, [%1]" : "+r"(tagged) : "r"(address) : "memory");
    }
    return (void *)tagged;
}

/* Gives the memory the pointer's tag. Size and address are multiples of TAG_GRANULE. */
ALWAYS_INLINE void tag_memory(void *tagged, size_t size) {
    if (tags_in_use()) {
        for (char *at = tagged, *end = at + size; at < end; at += TAG_GRANULE) {
            TAG_ASM(TAG_EXTENSION "stg %0, [%0]" : : "r"(at) : "memory");
        }
    }
}

/* The address with a random tag, none of those whose bit is set. */
ALWAYS_INLINE void *tag_random(void *address, uint64_t but) {
    void *tagged = address;
    if (tags_in_use()) {
        TAG_ASM(TAG_EXTENSION "irg %0, %1, %2" : "=r"(tagged) : "r"(address), "r"(but));
    }
    return tagged;
}
#else
ALWAYS_INLINE void *tag_of_memory(const void *address) {
    return (void *)(uintptr_t)address;
}
ALWAYS_INLINE void tag_memory(void *tagged, size_t size) {
    (void)tagged;
    (void)size;
}
ALWAYS_INLINE void *tag_random(void *address, uint64_t but) {
    (void)but;
    return address;
}
#endif

/* The bit, of 16, that stands for the pointer's tag. */
ALWAYS_INLINE uint64_t tag_bit(const void *tagged) {
    return (uint64_t)1 << ((uintptr_t)tagged >> TAG_SHIFT & 15);
}

#endif
