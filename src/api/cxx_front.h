/*
 * Purpose: the C functions that the C++ operators are made of.
 * Layer: api.
 */
#ifndef COLLAM_API_CXX_FRONT_H
#define COLLAM_API_CXX_FRONT_H

#include <stddef.h>

#pragma GCC visibility push(hidden) /* or a processor without a linker that mends it looks their addresses up */

/* Where nothing can be thrown, an operator that must not throw calls its function last, as a jump. */
#define CXX_QUIET __attribute__((nothrow))

/* NULL when memory ran out. align: a power of two. */
void *cxx_allocate(size_t size);
void *cxx_allocate_aligned(size_t align, size_t size);
/* What `failed` makes of it when memory ran out: a block, or an exception (align 1: none given). The operators' order of arguments, which
 * then stay where they are. */
typedef void *cxx_failed(size_t size, size_t align);
void *cxx_new(size_t size, cxx_failed *failed);
void *cxx_new_aligned(size_t size, size_t align, cxx_failed *failed);
CXX_QUIET void cxx_free(void *block);
CXX_QUIET void cxx_free_array(void *block);
/* The size and alignment (1: none given) are held against the block in the hardened build only: many programs delete through a base class
 * without a virtual destructor, pass a wrong one, and have always got away with it. */
CXX_QUIET void cxx_free_sized(void *block, size_t size, size_t align);
CXX_QUIET void cxx_free_array_sized(void *block, size_t size, size_t align);
/* Memory ran out and no C++ runtime is there to throw: says so and ends the program. */
void cxx_out_of_memory(void) __attribute__((noreturn));

#pragma GCC visibility pop

#endif
