/*
 * Purpose: the few compiler words the rest of the library is written with.
 * Layer: base. No state.
 */
#ifndef COLLAM_BASE_COMPILER_H
#define COLLAM_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COLD __attribute__((cold, noinline))
#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define ALIGNED(n) __attribute__((aligned(n)))
/* The loop that follows is unrolled so many times; clang does so by itself. */
#if defined(__clang__)
#define UNROLLED(n)
#else
#define UNROLLED(n) _Pragma(UNROLLED_TEXT(GCC unroll n))
#define UNROLLED_TEXT(text) #text
#endif
/* The compiler forgets what it derived from the variable. */
#define FORGET(variable) __asm__("" : "+r"(variable))
/* The same for two variables that live on beside a function's result: they are kept out of the register it is returned in, and the
 * result need not be moved there at the end. */
#if defined(__x86_64__)
#define FORGET_BESIDE_RESULT(one, two) __asm__("" : "+r"(one), "+r"(two) : : "rax")
#else
#define FORGET_BESIDE_RESULT(one, two) __asm__("" : "+r"(one), "+r"(two))
#endif
/* A table of which little is used, or nothing in most programs: such tables lie behind all other variables that begin as zeros, so that
 * these lie together, on the fewest pages. (Compilers keep sections of this prefix free of bytes; linkers know no place for it and put it
 * last.) */
#define SPARSE __attribute__((section(".sbss.sparse")))
#define EXPORT __attribute__((visibility("default")))
/* For declarations of data and of functions on fast paths: -fvisibility concerns definitions only, and without it the address is loaded
 * from a table, unless the linker mends it. */
#define HIDDEN __attribute__((visibility("hidden")))

/* The build libcollam-hardened.so (see front/hardened.h) defines COLLAM_HARDENED as the sum of what it adds; the ordinary one adds nothing.
 */
enum hardening {
    HARDENED_RANDOM = 1,     /* any block of the magazine is handed out, not the newest */
    HARDENED_CLEAR = 2,      /* freed memory is cleared, and looked at before it is handed out */
    HARDENED_CANARY = 4,     /* a secret word ends each block of a slab while it is live */
    HARDENED_QUARANTINE = 8, /* large blocks stay inaccessible for a while after their free */
    HARDENED_FENCES = 16,    /* inaccessible pages around chunks and metadata and behind large blocks (pages/fence.h) */
    HARDENED_OWN_UNITS = 32, /* memory that held blocks of one class never holds blocks of another (pages/chunk.h) */
    HARDENED_SIZED = 64,  /* the size given to C++'s delete must be the one that new was asked for, as far as classes tell (api/sized.h) */
    HARDENED_DELAY = 128, /* a freed block waits until others of its class have been freed (heap/delay.h) */
    HARDENED_TAGS = 256,  /* blocks of slabs and pointers to them have tags, where the processor compares them (platform/tag.h) */
};
#ifndef COLLAM_HARDENED
#define COLLAM_HARDENED 0
#endif
static const bool hardened = COLLAM_HARDENED != 0;
#define HARDENED_BY(addition) ((COLLAM_HARDENED & (addition)) != 0)
_Static_assert(!HARDENED_BY(HARDENED_DELAY) || HARDENED_BY(HARDENED_CANARY), "only the canary tells of blocks that wait");
_Static_assert(!HARDENED_BY(HARDENED_TAGS) || HARDENED_BY(HARDENED_CANARY), "tags are set and cleared where the canary is");

/* See front/fast.h. */
#ifdef COLLAM_UNCHECKED_FREE
static const bool checked_free = false;
#else
static const bool checked_free = true;
#endif

#ifdef COLLAM_DEBUG
static const bool debug_checks = true;
#else
static const bool debug_checks = false;
#endif

#endif
