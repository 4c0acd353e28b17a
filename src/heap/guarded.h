/*
 * Purpose: a few blocks that each stand alone between inaccessible pages, so that a wrong access stops the program where it is made.
 * Layer: heap. One lock (LOCK_GUARDED, nothing is taken under it) guards the slots; it is held across system calls, which are rare.
 *
 *   | records | gap | space 0 | gap | space 1 | gap | ...
 *                    ^ 64 KiB: all inaccessible but the pages of a live block
 *
 *   a block to the right of its space:   |   no access   | pppppppp [ block ]p| no access ...
 *   a block to the left:    ... no access |[ block ] pppppppppp | no access   |
 *
 * What the block leaves of its pages (p) is filled with a pattern and looked at when it is freed. Slots with an even number place
 * their blocks to the right, the others to the left. Right: the end is at the gap where size and alignment allow it (sizes that are
 * multiples of 16), else up to 15 bytes before it.
 *
 * States of a slot: never used -> live -> freed -> live ... A freed slot has no access, and costs a page and its record; the one freed
 * longest ago is used next. The pool is reserved when the first block is asked for, once, and never given back.
 */
#ifndef COLLAM_HEAP_GUARDED_H
#define COLLAM_HEAP_GUARDED_H

#include "base/atomic.h"
#include "config/geometry.h"

enum {
    GUARDED_SLOTS = 32,
    GUARDED_SPACE = 64 << 10, /* a multiple of every page size there is */
    GUARDED_PITCH = 2 * GUARDED_SPACE,
    GUARDED_MAX = SMALL_MAX, /* larger blocks are never guarded */
    TRACE_WORDS = 240,
};

/* The stack of a call, as raw words from the innermost frame outwards; which of them are return addresses is found out by who prints it.
 * Frames cannot be followed: most programs are compiled without frame pointers, and a real unwinder allocates. */
struct trace {
    uint32_t thread;
    uint32_t count;
    uintptr_t words[TRACE_WORDS];
};

enum guarded_state { GUARDED_UNUSED, GUARDED_LIVE, GUARDED_FREED };

struct guarded_slot {
    uintptr_t block;
    size_t size; /* as asked for, 1 at least */
    enum guarded_state state;
    struct trace allocated;
    struct trace freed;
};

enum { GUARDED_RECORDS = 2 * GUARDED_SPACE, GUARDED_POOL = GUARDED_RECORDS + GUARDED_SPACE + GUARDED_SLOTS * GUARDED_PITCH };
_Static_assert(sizeof(struct guarded_slot) * GUARDED_SLOTS <= GUARDED_RECORDS, "the records fit before the first gap");

/* Where the pool begins; before there is one, an address no pointer of a program has. Relaxed: set before any block is handed out. */
extern _Atomic(uintptr_t) guarded_base HIDDEN;

ALWAYS_INLINE bool guarded_holds(uintptr_t address) {
    return address - load_relaxed(&guarded_base) < GUARDED_POOL;
}

/* A zeroed block that begins at a multiple of align (a power of two); NULL when it cannot be guarded, whatever the reason. */
void *guarded_take(size_t size, size_t align);

enum guarded_verdict {
    GUARDED_RIGHT,    /* it was a live block, and no longer is */
    GUARDED_OVERRUN,  /* the same, but something had written behind it, at *where */
    GUARDED_UNDERRUN, /* or before it */
    GUARDED_NOT_LIVE, /* no live block begins there: nothing was done */
};

/* The address must be held. */
enum guarded_verdict guarded_give(uintptr_t address, uintptr_t *where);
/* Bytes of the live block that begins there; 0 when none does. The address must be held. */
size_t guarded_size(uintptr_t address);

/* The slot whose block is nearest to the address, for a report; NULL when none near it has ever been used. Holds the lock until
 * guarded_end_look, unless somebody who may never go on has it: *locked tells. */
const struct guarded_slot *guarded_look(uintptr_t address, bool *locked);
void guarded_end_look(bool locked);
/* Makes the page that the address lies in accessible for good: the program has chosen to go on. */
bool guarded_open(uintptr_t address);

/* Live guarded blocks and their bytes. */
size_t guarded_live(size_t *bytes);

/* Takes down the stack from this address on, as far as it can be read. */
void trace_take(struct trace *trace, uintptr_t stack);

void guarded_fork_take(void);
void guarded_fork_give(void);

#endif
