/*
 * Purpose: every entry point a test may call, declared whether or not this C library's headers have it.
 * The names a C library may lack are weak: a test asks for the address before the call, so the same program also runs on an
 * allocator that has fewer names. opaque() hides a value from the compiler, which otherwise refuses absurd sizes or drops calls.
 */
#ifndef COLLAM_TESTS_ENTRY_POINTS_H
#define COLLAM_TESTS_ENTRY_POINTS_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));
extern void cfree(void *block) __attribute__((weak));
extern void *__libc_malloc(size_t size) __attribute__((weak));
extern void *__libc_calloc(size_t count, size_t size) __attribute__((weak));
extern void *__libc_realloc(void *block, size_t size) __attribute__((weak));
extern void __libc_free(void *block) __attribute__((weak));
extern void *__libc_memalign(size_t alignment, size_t size) __attribute__((weak));
extern void *__libc_valloc(size_t size) __attribute__((weak));
extern void *__libc_pvalloc(size_t size) __attribute__((weak));
extern const char *collam_version(void) __attribute__((weak));
#pragma GCC diagnostic pop

#ifdef __cplusplus
}
#endif

/* What is promised beyond the standards is asked of collam alone. */
static inline bool on_collam(void) {
    return collam_version != NULL;
}

/* The memory of a sanitizer or an emulator counts as ours, and threads are slow on both: such builds check less of memory, and less often.
 */
#if defined(COLLAM_TESTS_EMULATED) || defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static const bool burdened = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
static const bool burdened = true;
#else
static const bool burdened = false;
#endif
#else
static const bool burdened = false;
#endif

#ifdef COLLAM_TESTS_EMULATED
static const bool emulated = true;
#else
static const bool emulated = false;
#endif

static inline size_t opaque(size_t value) {
    __asm__ volatile("" : "+r"(value));
    return value;
}

static inline void *opaque_pointer(void *value) {
    __asm__ volatile("" : "+r"(value) : : "memory");
    return value;
}

#endif
