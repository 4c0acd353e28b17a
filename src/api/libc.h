/*
 * Purpose: tells whether the program allocates from this library.
 * Layer: api. No state.
 */
#ifndef COLLAM_API_LIBC_H
#define COLLAM_API_LIBC_H

#include "base/compiler.h"

/* The names of libc lead to ours: preloaded or linked. False in a library that was loaded later, and behind another allocator. */
bool libc_names_are_ours(void);

#endif
