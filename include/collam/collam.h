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

/* Gives free memory back to the system, keeping at most `keep` bytes of free pages ready. True when any was given back by this call.
 * Free blocks that other threads keep for themselves are not touched by it; each such thread puts them back the next time it runs out of
 * blocks of a size or has too many, and not before. errno is preserved. */
bool collam_trim(size_t keep);

/* Settings. All of these may also be chosen by the environment: COLLAM_OPTIONS="preset=small,soft_limit=512m". */
enum collam_preset {
    COLLAM_PRESET_BALANCED, /* the default: memory goes back soon */
    COLLAM_PRESET_LATENCY,  /* more is kept ready */
    COLLAM_PRESET_SMALL     /* almost nothing is kept ready */
};

/* Gives every option of a preset its value, except those that were set by themselves (COLLAM_OPTIONS, mallopt). False for a preset that
 * is not known. May be called at any time, and concerns what happens afterwards: free memory above the new bounds goes back with the
 * next call that frees pages (or collam_trim), magazines that are larger stay until their thread needs room. The number of shards is
 * fixed by the first allocation of the process, so only a call before that (or the environment) changes it. Preserves errno. */
bool collam_set_preset(enum collam_preset preset);

/* Bounds the memory of the heap, in bytes: blocks at their usable size, free memory not given back yet, and collam's own metadata;
 * untouched blocks count too. 0: no bound. A heap that is larger already keeps what it has and gets no more. Requests beyond it first make
 * collam give back all free memory it can, then call the limit callback, and then fail with NULL and ENOMEM, or end the program when option
 * limit_policy=abort is set. Threads that ask at the same moment may overrun it by what each asks for; thread heaps and lists of
 * mappings are made even when it is reached. False, with nothing changed, for more than SIZE_MAX / 2 bytes. Preserves errno. */
bool collam_set_soft_limit(size_t bytes);

/*
 * Called when little memory is left, after free memory was given back: when less than a sixteenth of a limit is left (again each time
 * half of that rest is gone), and before a request fails because a limit is reached or the system refuses. Limits are the soft limit, the
 * container's (cgroup memory.max and memory.high, version 1 memory.limit_in_bytes), RLIMIT_AS and RLIMIT_DATA.
 *
 * `used` bytes count against `limit` bytes (limit is SIZE_MAX, and used what the heap holds, when the system refused and no limit is
 * known); `wanted` is the request. The callback runs in the thread that asked, with no lock of collam held, inside its malloc: it may free,
 * and may allocate; a request of its own that meets a limit fails without calling it again. It may run in several threads at once. It must
 * not wait for a lock that its thread may hold while allocating, and must return. After it returns the request is tried once more.
 */
typedef void (*collam_limit_callback)(size_t used, size_t limit, size_t wanted, void *context);

/* Registers the callback, in place of the one before; NULL: none. May be called at any time; a thread that is about to call the old one may
 * still do so afterwards. Each call keeps 16 bytes for good. False when there is no memory for them; nothing is changed then. */
bool collam_set_limit_callback(collam_limit_callback callback, void *context);

/* Writes text that says in plain words what the current settings do and cost, with every option's value, default and bounds, into the
 * buffer, cut to size - 1 bytes and terminated (nothing is written when size is 0). Returns the length of the whole text without its
 * terminator. Allocates nothing. May read files below /proc and the cgroup file system once the heap has passed 16 MiB. */
size_t collam_explain(char *buffer, size_t size);

/* The same, written to a file descriptor. What cannot be written is dropped. */
void collam_explain_to(int descriptor);

/* Where the memory is, in bytes unless said otherwise. */
struct collam_stats {
    size_t allocations;     /* blocks handed out so far; 0 unless calls are counted (option stats) */
    size_t frees;           /* blocks taken back so far; likewise */
    size_t live_blocks;     /* blocks in the program's hands */
    size_t live_bytes;      /* their usable bytes: small + large + direct + guarded */
    size_t small_bytes;     /* in slabs (up to 32 KiB each) */
    size_t large_bytes;     /* in spans of pages (up to 32 MiB each) */
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
