/*
 * collam: a general-purpose, thread-safe memory allocator for Linux.
 *
 * Programs that are linked with collam or started with it preloaded use malloc, free and their relatives, declared by <stdlib.h> and
 * <malloc.h>. The functions here do the same under names of their own, for code that wants collam whatever the rest of the process
 * uses, and add what the standard names cannot say. Blocks of either family may be freed by either.
 *
 * All functions may be called from any thread at any time, also before main and while a thread ends. None is async-signal-safe.
 * Blocks are aligned to 16 bytes at least. Sizes above PTRDIFF_MAX always fail. Unless said otherwise, failure is NULL with errno set to
 * ENOMEM, and success leaves errno alone.
 */
#ifndef COLLAM_COLLAM_H
#define COLLAM_COLLAM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COLLAM_VERSION_MAJOR 0
#define COLLAM_VERSION_MINOR 1
#define COLLAM_VERSION_PATCH 0

/* "major.minor.patch" of the library that runs. */
const char *collam_version(void);

/* At least `size` bytes, contents undefined (C17 7.22.3.4). Size 0 yields a unique block. */
void *collam_malloc(size_t size);

/* count * size bytes of zeros (C17 7.22.3.2); an overflowing product fails. Large fresh blocks are not touched. */
void *collam_calloc(size_t count, size_t size);

/* Resizes a block, moving it if need be (C17 7.22.3.5). NULL allocates. Size 0 frees the block and returns NULL, as glibc does.
 * On failure the block is unchanged. */
void *collam_realloc(void *block, size_t size);

/* Frees a block; NULL does nothing. errno is preserved. A pointer that is no block in use is reported on standard error and ends the
 * program, unless the option misuse=warn is set. */
void collam_free(void *block);

/* At least `size` bytes at a multiple of `align`, a power of two of any size, else NULL with EINVAL (C17 7.22.3.1). */
void *collam_aligned_alloc(size_t align, size_t size);

/* Like collam_free, for a caller who knows the size asked for (C23 free_sized): a size that cannot belong to the block is reported. */
void collam_free_sized(void *block, size_t size);

/* Likewise with the alignment asked for (C23 free_aligned_sized). */
void collam_free_aligned_sized(void *block, size_t align, size_t size);

/* Bytes of the block that may be used, at least as many as were asked for; 0 for NULL. */
size_t collam_usable_size(const void *block);

/* Gives free memory back to the system, keeping at most `keep` bytes of free pages ready. True when any was given back.
 * Blocks cached by other threads stay with them. */
bool collam_trim(size_t keep);

/* Where the memory is, in bytes unless said otherwise. */
struct collam_stats {
    size_t allocations;     /* blocks handed out so far; 0 unless calls are counted (option stats) */
    size_t frees;           /* blocks taken back so far; likewise */
    size_t live_blocks;     /* blocks in the program's hands */
    size_t live_bytes;      /* their usable bytes: small + large + direct + guarded */
    size_t small_bytes;     /* in slabs (up to 32 KiB each) */
    size_t large_bytes;     /* in runs of pages (up to 1 MiB each) */
    size_t direct_bytes;    /* in mappings of their own */
    size_t cached_bytes;    /* free blocks in the magazines of threads */
    size_t slab_free_bytes; /* free blocks in slabs */
    size_t dirty_bytes;     /* free pages kept ready */
    size_t mapped_bytes;    /* address space held for blocks */
    size_t metadata_bytes;  /* collam's own memory */
    size_t purged_bytes;    /* given back to the system so far */
    size_t purges;          /* how many calls that took */
    size_t guarded_bytes;   /* in blocks between guard pages (option guard_rate) */
};

/* Fills the first `size` bytes of *stats; pass sizeof *stats, so that older programs work with newer libraries. Each figure is right at
 * some moment during the call, all of them together when other threads rest. */
void collam_get_stats(struct collam_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif

#endif
