/*
 * Purpose: the entry points by one set of names, so that the same test runs through the libc names or, compiled with
 * COLLAM_TESTS_NATIVE, through collam's own. The second is what runs under a sanitizer, which keeps malloc for itself.
 */
#ifndef COLLAM_TESTS_API_H
#define COLLAM_TESTS_API_H

#include "entry_points.h"

#ifdef COLLAM_TESTS_NATIVE
#include <collam/collam.h>
#define API_NAME "collam_*"
#define api_malloc collam_malloc
#define api_calloc collam_calloc
#define api_realloc collam_realloc
#define api_free collam_free
#define api_aligned_alloc collam_aligned_alloc
#define api_usable_size collam_usable_size
#define api_trim collam_trim
#else
#define API_NAME "malloc"
#define api_malloc malloc
#define api_calloc calloc
#define api_realloc realloc
#define api_free free
#define api_aligned_alloc aligned_alloc
#define api_usable_size malloc_usable_size
#define api_trim malloc_trim
#endif

#endif
