/*
 * Purpose: realloc.
 * Layer: front.
 */
#ifndef COLLAM_FRONT_RESIZE_H
#define COLLAM_FRONT_RESIZE_H

#include "base/compiler.h"

/* As realloc of POSIX and glibc: NULL allocates, size 0 frees and returns NULL. On failure NULL with ENOMEM and the block is unchanged. */
HIDDEN void *front_resize(void *block, size_t size, const char *call);

/* True once a block has stayed where it was although less than half of it is used, because no memory was left to move it to. */
bool front_resize_kept_large(void);

#endif
