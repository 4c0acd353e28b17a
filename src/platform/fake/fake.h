/*
 * Purpose: what tests may ask of the fake platform: settings, refusals at chosen calls, and an exact account of what was done.
 * Layer: platform. Included by tests only. Settings are made by one thread while no other runs; the account may be read at any time.
 *
 * The fake gives out memory from one reservation, lowest address first, so that a run with one thread is the same each time. A call
 * that breaks the contract of platform.h (a size that is no multiple of the page, a range that is not mapped, ...) ends the process
 * with a line that says which. What was unmapped faults when touched.
 */
#ifndef COLLAM_PLATFORM_FAKE_FAKE_H
#define COLLAM_PLATFORM_FAKE_FAKE_H

#include "platform/platform.h"

enum fake_call {
    FAKE_MAP,
    FAKE_UNMAP,
    FAKE_PURGE,
    FAKE_PROTECT,
    FAKE_REMAP,
    FAKE_HUGE_PAGES,
    FAKE_BREAK_HUGE_PAGES,
    FAKE_RESIDENT,
    FAKE_WAIT,
    FAKE_WAKE,
    FAKE_PAUSE,
    FAKE_WRITE,
    FAKE_CREATE_FILE,
    FAKE_OPEN_FILE,
    FAKE_READ,
    FAKE_CLOSE,
    FAKE_WHERE,
    FAKE_NODE_COUNT,
    FAKE_CALLS
};

enum fake_threads { FAKE_THREADS_REAL, FAKE_THREADS_ONE, FAKE_THREADS_MANY };

/* Written by tests directly. */
struct fake_settings {
    size_t page_size; /* a power of two from 4 KiB (the default) to 64 KiB; unchanged once memory was mapped */
    unsigned cpu_count;
    unsigned cpu;
    unsigned node;
    unsigned node_count;
    size_t address_space_limit;
    size_t data_limit;
    size_t free_swap;
    size_t read_size; /* bytes that one read gives at most; 0: no bound */
    uint32_t process_id;
    bool secure;
    bool huge_offered;
    uint64_t clock; /* nanoseconds; a thread's time is the same, and each look at that moves both on */
    uint64_t clock_step;
    bool no_loader;
    bool loaded_late;
    const char *program_path; /* NULL: not known */
    char name[PLATFORM_NAME_BYTES];
    unsigned (*run_hook)(const char *path, char *const *argv, char *const *environment); /* platform_run: returning refuses */
    size_t mapped_max;        /* bytes that may be mapped in all, as under RLIMIT_AS; 0: any number */
    bool remap_moves;         /* growing remaps move if they may, though the addresses behind are free */
    void (*abort_hook)(void); /* called by platform_abort instead of ending the process; must not return */
};

extern struct fake_settings fake_settings;

/* The id of the calling thread; by default 1, 2, ... in the order in which threads ask. */
void fake_set_thread_id(uint32_t id);

/* Calls of one kind since the start, refused ones included. */
unsigned long fake_calls(enum fake_call call);
/* Refuses the n-th call from now on (1: the next one). A refused wait returns at once, a refused write writes nothing. */
void fake_fail_nth(enum fake_call call, unsigned long n);
/* Refuses the n-th call from now on and all that follow. */
void fake_fail_from(enum fake_call call, unsigned long n);
/* Refuses one call in `one_in`, chosen by the seed. */
void fake_fail_randomly(enum fake_call call, unsigned one_in, uint64_t seed);
/* Ends all refusals. */
void fake_fail_never(void);
/* Calls hook at the start of each call of the kind, with no lock of the fake held and not from within itself. NULL: none. */
void fake_on_call(enum fake_call call, void (*hook)(void));

/* What platform_single_threaded answers; by default what the C library knows. */
void fake_threads(enum fake_threads threads);
/* Calls hook once, when the next unmap has been done and before it returns, as another thread might run then. */
void fake_after_unmap(void (*hook)(void));

size_t fake_mapped_bytes(void);
unsigned fake_mapping_count(void);
/* Bytes that still are mapped although somebody asked to unmap them and was refused; forgotten once they are unmapped after all. */
size_t fake_refused_bytes(void);
/* Bytes of all purges that were not refused. */
size_t fake_purged_bytes(void);
bool fake_is_mapped(const void *address, size_t size);
/* Bytes of all mappings that cost memory now, by 4 KiB pages, as the kernel tells. */
size_t fake_resident_bytes(void);
/* Whether huge pages were last asked for (1), asked against (-1) or not spoken of (0) for the page at the address. Only
 * noted: memory is backed by ordinary pages whatever was asked for. */
int fake_huge_pages_at(const void *address);

/* What was written to descriptors 1 and 2 since the last clearing, at most 8 KiB of it. */
const char *fake_output(void);
void fake_output_clear(void);
/* The last file that was created, and its text so far; "" when there is none. */
const char *fake_file_path(void);
const char *fake_file_text(void);
/* Makes a file exist for reading, or gives it another text; NULL: it does not exist any more. The texts stay the caller's. */
void fake_set_file(const char *path, const char *text);
/* Files created or opened and not closed. */
int fake_open_files(void);

#endif
