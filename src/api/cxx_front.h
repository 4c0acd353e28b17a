/*
 * Purpose: the C functions that the C++ operators are made of.
 * Layer: api.
 */
#ifndef COLLAM_API_CXX_FRONT_H
#define COLLAM_API_CXX_FRONT_H

#include <stddef.h>

void *cxx_allocate(size_t size);
void *cxx_allocate_aligned(size_t align, size_t size); /* align: a power of two */
void cxx_free(void *block);
void cxx_free_array(void *block);
/* The size and alignment (1: none given) are held against the block in the hardened build only: many programs delete through a base class
 * without a virtual destructor, pass a wrong one, and have always got away with it. */
void cxx_free_sized(void *block, size_t size, size_t align);
void cxx_free_array_sized(void *block, size_t size, size_t align);
/* Memory ran out and no C++ runtime is there to throw: says so and ends the program. */
void cxx_out_of_memory(void) __attribute__((noreturn));

#endif
