/*
 * Purpose: what the one-fault functions share: the announcement of the line collam must print, and the sizes in play.
 */
#ifndef COLLAM_TESTS_MISUSE_H
#define COLLAM_TESTS_MISUSE_H

#include "../support/entry_points.h"
#include "../support/say.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAULT(name, collam, guarded, hardened, glibc, wrong) void fault_##name(void);
#include "misuse.def"
#undef FAULT

/* Of libstdc++, or of the allocator. */
void *_Znwm(size_t size);
void *_ZnwmSt11align_val_t(size_t size, size_t alignment);
void _ZdlPv(void *block);
void _ZdlPvm(void *block, size_t size);
void _ZdaPvm(void *block, size_t size);
void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t alignment);

/* The call that will go wrong, as the report names it: `second` is the size or alignment given, NO_SECOND where there is none. */
#define NO_SECOND SIZE_MAX
struct call {
    const char *name;
    const void *pointer;
    size_t second;
};
#define CALL(name, pointer) ((struct call){name, pointer, NO_SECOND})
#define CALL_WITH(name, pointer, second) ((struct call){name, pointer, second})

/* Each prints "expect: " and the exact line to come. */
void expect_double_free(struct call call, size_t size);
/* Pages that went back to their chunk: how long the block was is not known any more. */
void expect_double_free_of_pages(struct call call);
void expect_interior(struct call call, const void *block, size_t size);
void expect_no_block(struct call call);
void expect_wrong_size(struct call call, size_t size);
void expect_wrong_alignment(struct call call, size_t size);

/* Exits 77: this allocator does not have the entry point. */
_Noreturn void absent(void);

/* malloc that must succeed, of a size the end of the program will ask for again to see whether a block is given twice. */
void *get(size_t size);
void watch(size_t size);
/* Frees without the compiler seeing it. */
void drop(void *pointer);
void run_in_thread(void (*function)(void *), void *argument);

#endif
