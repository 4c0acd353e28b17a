/*
 * Purpose: what a caller who frees with a size (and alignment) claims, held against the block.
 * Layer: api.
 */
#ifndef COLLAM_API_SIZED_H
#define COLLAM_API_SIZED_H

#include "base/compiler.h"

/*
 * True when the block may be freed: NULL, or a block that a request of this size and alignment can have yielded. That is: the class or
 * run the request would get now, or, since realloc leaves a block where it is while half of it is used, any block of up to twice
 * the size, or of any size once realloc had to leave one for want of memory. Else it is reported under the name `call`, and false.
 */
bool sized_matches(const void *block, size_t align, size_t size, const char *call);

/* The same for a block of C++'s new, which realloc never had: exactly what a request of this size and alignment gets. */
bool sized_matches_new(const void *block, size_t align, size_t size, const char *call);

#endif
