/*
 * Purpose: tells a memory checker the program runs under which memory it may use: AddressSanitizer (option asan), or valgrind's memcheck
 * (debug builds, by themselves).
 * Layer: front. The kind is found at start, before the program runs. While one is present every call takes the slow path, and each block
 * is followed by a zone that nobody may touch.
 */
#ifndef COLLAM_FRONT_CHECKER_H
#define COLLAM_FRONT_CHECKER_H

#include "base/atomic.h"
#include "base/compiler.h"

enum { CHECKER_ZONE = 16 };
enum checker_kind { CHECKER_NONE, CHECKER_ASAN, CHECKER_MEMCHECK };

/* Relaxed: set once at start. */
extern _Atomic(unsigned) checker_kind HIDDEN;
ALWAYS_INLINE bool checker_present(void) {
    return load_relaxed(&checker_kind) != CHECKER_NONE;
}

/* Looks whether there is one to tell. AddressSanitizer is told only when wanted: it costs the fast paths. */
bool checker_start(bool asan_wanted);

/* A block of `usable` bytes is handed out for a request of `size` (not 0, and CHECKER_ZONE less than usable at least). */
COLD void checker_allocated(void *block, size_t size, size_t usable, bool zeroed);
/* The block goes back. A mapping may go to the system with it: then its memory is the checker's no longer. */
COLD void checker_freed(void *block, size_t size, bool in_slab);
/* The size that was asked for. */
COLD size_t checker_size(const void *block, size_t usable);
COLD void checker_resized(void *block, size_t old_size, size_t size);

#endif
