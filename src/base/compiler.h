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
/* The compiler forgets what it derived from the variable. */
#define FORGET(variable) __asm__("" : "+r"(variable))
#define EXPORT __attribute__((visibility("default")))
/* For declarations of data on fast paths: -fvisibility concerns definitions only, and without it the address is loaded from a table. */
#define HIDDEN __attribute__((visibility("hidden")))

/* The build libcollam-hardened.so: see front/hardened.h. */
#ifdef COLLAM_HARDENED
static const bool hardened = true;
#else
static const bool hardened = false;
#endif

#ifdef COLLAM_DEBUG
static const bool debug_checks = true;
#else
static const bool debug_checks = false;
#endif

#endif
