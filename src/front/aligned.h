/*
 * Purpose: blocks aligned to any power of two.
 * Layer: front.
 */
#ifndef COLLAM_FRONT_ALIGNED_H
#define COLLAM_FRONT_ALIGNED_H

#include "base/compiler.h"

/* align must be a power of two. NULL with errno ENOMEM when there is no memory. */
void *front_aligned(size_t align, size_t size);

#endif
