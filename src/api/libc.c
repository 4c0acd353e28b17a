/*
 * Purpose: the names of libc: whoever leaves one of them out mixes two allocators in one process.
 * Layer: api. No state. Semantics: C17, C23 (free_sized, free_aligned_sized), POSIX.1-2017 (posix_memalign) and glibc 2.36 for the rest.
 */
#include "api/libc.h"
#include "api/sized.h"
#include "front/aligned.h"
#include "front/fast.h"
#include "front/resize.h"
#include "platform/platform.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* Newer than the C library of the systems we build on. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);

#if __has_attribute(copy)
#define ALIAS_OF(name) __attribute__((alias(#name), copy(name)))
#else
#define ALIAS_OF(name) __attribute__((alias(#name)))
#endif
#define SAME_AS(name) EXPORT ALIAS_OF(name)

EXPORT void *malloc(size_t size) {
    return fast_malloc(size);
}

EXPORT void free(void *block) {
    fast_free(block, "free");
}

EXPORT void *calloc(size_t count, size_t size) {
    return fast_calloc(count, size);
}

EXPORT void *realloc(void *block, size_t size) {
    return front_resize(block, size, "realloc");
}

/* The realloc of the process, which is not ours where a program brings malloc, free, calloc and realloc of its own: its libraries still
 * call our reallocarray, as they would call glibc's, which goes the same way. The label keeps the compiler from calling ours directly. */
extern void *realloc_of_process(void *block, size_t size) __asm__("realloc");
static ALIAS_OF(realloc) void *own_realloc(void *block, size_t size);

bool libc_names_are_ours(void) {
    void *(*volatile resize)(void *, size_t) =
        realloc_of_process; /* volatile: the compiler knows which one is ours, not which one is linked */
    return resize == own_realloc;
}

EXPORT void *reallocarray(void *block, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return front_no_memory();
    }
    return libc_names_are_ours() ? front_resize(block, bytes, "reallocarray") : realloc_of_process(block, bytes);
}

EXPORT void free_sized(void *block, size_t size) {
    if (sized_matches(block, BLOCK_ALIGN, size, "free_sized")) {
        fast_free(block, "free_sized");
    }
}

EXPORT void free_aligned_sized(void *block, size_t align, size_t size) {
    if (sized_matches(block, align, size, "free_aligned_sized")) {
        fast_free(block, "free_aligned_sized");
    }
}

EXPORT void *aligned_alloc(size_t align, size_t size) {
    return fast_aligned_or(align, size, front_aligned_or_invalid);
}

static NOINLINE int slow_posix_memalign(void **result, size_t align, size_t size) {
    if (!is_power_of_two(align) || align % sizeof(void *) != 0) {
        return EINVAL;
    }
    int before = errno;
    void *block = front_aligned(align, size);
    errno = before;
    if (block == NULL) {
        return ENOMEM;
    }
    *result = block;
    return 0;
}

EXPORT int posix_memalign(void **result, size_t align, size_t size) {
    void *block = fast_aligned(align, size, sizeof(void *));
    if (LIKELY(block != NULL)) {
        *result = block;
        return 0;
    }
    return slow_posix_memalign(result, align, size);
}

/* glibc rounds an alignment that is no power of two up to one. */
static NOINLINE void *slow_memalign(size_t align, size_t size) {
    if (align > (SIZE_MAX >> 1) + 1) {
        errno = EINVAL;
        return NULL;
    }
    size_t power = BLOCK_ALIGN;
    while (power < align) {
        power <<= 1;
    }
    return front_aligned(power, size);
}

EXPORT void *memalign(size_t align, size_t size) {
    return fast_aligned_or(align, size, slow_memalign);
}

EXPORT void *valloc(size_t size) {
    return front_aligned(platform_page_size(), size);
}

EXPORT void *pvalloc(size_t size) {
    size_t page = platform_page_size();
    if (size > (size_t)PTRDIFF_MAX - page) {
        return front_no_memory();
    }
    return front_aligned(page, align_up(size ? size : 1, page));
}

EXPORT size_t malloc_usable_size(void *block) {
    return front_usable_size(block, "malloc_usable_size");
}

SAME_AS(free) void cfree(void *block);
SAME_AS(malloc) void *__libc_malloc(size_t size);
SAME_AS(calloc) void *__libc_calloc(size_t count, size_t size);
SAME_AS(realloc) void *__libc_realloc(void *block, size_t size);
SAME_AS(free) void __libc_free(void *block);
SAME_AS(free) void __libc_cfree(void *block);
SAME_AS(memalign) void *__libc_memalign(size_t align, size_t size);
SAME_AS(valloc) void *__libc_valloc(size_t size);
SAME_AS(pvalloc) void *__libc_pvalloc(size_t size);
SAME_AS(posix_memalign) int __posix_memalign(void **result, size_t align, size_t size);
