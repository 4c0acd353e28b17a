/*
 * Purpose: what can be wrong with a pointer the program gives us, and where that is told.
 * Layer: heap. The hook is set once at start; whoever finds a misuse calls misuse_found with no lock held.
 */
#ifndef COLLAM_HEAP_MISUSE_H
#define COLLAM_HEAP_MISUSE_H

#include "base/compiler.h"

enum misuse_kind {
    MISUSE_DOUBLE_FREE,   /* block_size: its class, or 0 for a run of pages that is free */
    MISUSE_INTERIOR,      /* block and block_size: the block it points into */
    MISUSE_FOREIGN,       /* nothing of ours is there */
    MISUSE_WRONG_SIZE,    /* given_size does not belong to a block of block_size */
    MISUSE_WRONG_ALIGN,   /* given_size is an alignment the block does not have */
    MISUSE_OVERRUN,       /* `where`, behind the end of a guarded block, was written to; found when it was freed */
    MISUSE_UNDERRUN,      /* the same before its begin */
    MISUSE_WRONG_TAG,     /* the block there is in use under another memory tag than the address has (hardened build) */
    MISUSE_WRITTEN_FREED, /* `where`, in a free block, was written to; found when it was to be handed out (hardened build) */
};

struct misuse {
    enum misuse_kind kind;
    const char *call; /* the entry point the program called */
    uintptr_t address;
    uintptr_t block;
    size_t block_size;
    uintptr_t where;
    size_t given_size;
    bool has_given_size; /* the call had a size argument worth showing */
};

typedef void (*misuse_handler)(const struct misuse *misuse);
void misuse_set_handler(misuse_handler handler);

/* Returns only if the handler does: the block must then be left alone. */
COLD void misuse_found(const struct misuse *misuse);

/* Says what is wrong with an address that no block starts at, or whose block is free already. */
COLD void misuse_examine(const char *call, uintptr_t address);
/* The same for a call with a size argument. */
COLD void misuse_examine_sized(const char *call, uintptr_t address, size_t given_size);

#endif
