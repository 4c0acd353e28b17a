/*
 * Purpose: see checker.h.
 * Layer: front. State: the kind of checker.
 *
 * The size asked for is kept nowhere: the first byte of a block that may not be touched tells it.
 */
#include "front/checker.h"

#if defined(COLLAM_DEBUG) && defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAS_MEMCHECK 1
#endif
#endif

_Atomic(unsigned) checker_kind;

/* Of AddressSanitizer's run-time library, where the program has it. */
void __asan_poison_memory_region(void const volatile *address, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(void const volatile *address, size_t size) __attribute__((weak));
void *__asan_region_is_poisoned(void *address, size_t size) __attribute__((weak));

bool checker_start(bool asan_wanted) {
    unsigned kind = CHECKER_NONE;
#ifdef HAS_MEMCHECK
    if (RUNNING_ON_VALGRIND) {
        kind = CHECKER_MEMCHECK;
    }
#endif
    if (asan_wanted && __asan_poison_memory_region && __asan_unpoison_memory_region && __asan_region_is_poisoned) {
        kind = CHECKER_ASAN;
    }
    store_relaxed(&checker_kind, kind);
    return kind != CHECKER_NONE;
}

static bool is_asan(void) {
    return load_relaxed(&checker_kind) == CHECKER_ASAN;
}

void checker_allocated(void *block, size_t size, size_t usable, bool zeroed) {
    if (is_asan()) {
        __asan_unpoison_memory_region(block, size);
        __asan_poison_memory_region((char *)block + size, usable - size);
        return;
    }
#ifdef HAS_MEMCHECK
    (void)VALGRIND_MAKE_MEM_NOACCESS(block, usable);
    VALGRIND_MALLOCLIKE_BLOCK(block, size, 0, zeroed);
#else
    (void)zeroed;
#endif
}

void checker_freed(void *block, size_t size, bool in_slab) {
    if (is_asan()) {
        if (in_slab) {
            __asan_poison_memory_region(block, size);
        } else {
            __asan_unpoison_memory_region(block, size + CHECKER_ZONE);
        }
        return;
    }
#ifdef HAS_MEMCHECK
    VALGRIND_FREELIKE_BLOCK(block, 0);
#endif
}

size_t checker_size(const void *block, size_t usable) {
    uintptr_t first_bad = 0;
    if (is_asan()) {
        first_bad = (uintptr_t)__asan_region_is_poisoned((void *)(uintptr_t)block, usable);
    }
#ifdef HAS_MEMCHECK
    if (load_relaxed(&checker_kind) == CHECKER_MEMCHECK) {
        VALGRIND_DISABLE_ERROR_REPORTING;
        first_bad = (uintptr_t)VALGRIND_CHECK_MEM_IS_ADDRESSABLE(block, usable);
        VALGRIND_ENABLE_ERROR_REPORTING;
    }
#endif
    return first_bad > (uintptr_t)block ? first_bad - (uintptr_t)block : usable;
}

void checker_resized(void *block, size_t old_size, size_t size) {
    if (is_asan()) {
        __asan_unpoison_memory_region(block, size);
        __asan_poison_memory_region((char *)block + size, old_size - size);
        return;
    }
#ifdef HAS_MEMCHECK
    VALGRIND_RESIZEINPLACE_BLOCK(block, old_size, size, 0);
#else
    (void)old_size;
#endif
}
