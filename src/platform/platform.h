/*
 * Purpose: the whole contract with the operating system. The build picks linux/ or fake/.
 * Layer: platform. Never logs, never reads options, never touches errno, never calls a libc function that could allocate.
 *
 * All addresses and sizes given are multiples of platform_page_size() unless said otherwise. A range that is given back, purged or
 * protected may lie in several mappings that touch. Every function may be called from any thread at any time, also before constructors have
 * run.
 */
#ifndef COLLAM_PLATFORM_PLATFORM_H
#define COLLAM_PLATFORM_PLATFORM_H

#include "base/atomic.h"
#include "base/compiler.h"

/* Size of an OS page: a power of two, 4 KiB to 64 KiB. */
size_t platform_page_size(void);

/* Maps size bytes of zeroed private memory at an address that is a multiple of align (a power of two >= page size).
 * Pages cost memory only once touched. Returns NULL when the system refuses; nothing is left mapped then. */
void *platform_map(size_t size, size_t align);

/* Gives the range back. False when the system refuses, as it may when unmapping the middle of a mapping needs one mapping more
 * than it allows: the range is then still mapped and untouched. */
bool platform_unmap(void *address, size_t size);

/* Forgets the contents: afterwards the pages cost no memory and read as zeros. False when refused: contents are then undefined. */
bool platform_purge(void *address, size_t size);

/* Makes the range inaccessible, or readable and writable again with its contents as they were. False when refused, as when that
 * takes more mappings than the system allows; which part of the range is then accessible is not known. */
bool platform_protect(void *address, size_t size, bool accessible);

/* Resizes a whole mapping, contents kept up to the smaller size; new bytes are zero. With may_move the address may change.
 * Returns the address, or NULL with nothing changed. */
void *platform_remap(void *address, size_t old_size, size_t new_size, bool may_move);

/* The same, growing and moving to `target`, which is a mapping of the caller's of new_size bytes that was never touched, and which is
 * replaced. True: moved. False: the mapping is as it was, and the target is not the caller's any more: it must be neither used nor
 * unmapped. */
bool platform_remap_onto(void *address, size_t old_size, void *target, size_t new_size);

/* Advises for or against huge pages in the range. A hint: no result. */
void platform_huge_pages(void *address, size_t size, bool wanted);

/* The program confines itself: from now on no calls but those that the C library's own malloc makes as well (mmap, munmap, mremap, futex,
 * and where guarded blocks or the hardened build are on mprotect and getrandom), and those of messages. All other functions here, purging
 * too, behave as if the system refused. Never taken back. */
void platform_confine(void);

/* Breaks up the huge pages that the range has a part of. Else the system keeps what is purged of one, though it counts it no more, until it
 * is short of memory. Costs as much as all page faults that the huge page saved. A hint: no result. */
void platform_break_huge_pages(void *address, size_t size);

/* True when the system, as it is set, backs memory of this process by huge pages of the size where that is advised. False also when it does
 * not tell. Reads files. */
bool platform_huge_offered(size_t size);

/* How many bytes of the range, at most PLATFORM_RESIDENT_MAX, are backed by memory now. 0 also when the system does not tell. Called
 * with a lock held that is taken for a fork: a child would inherit the file that is read meanwhile. */
enum { PLATFORM_RESIDENT_MAX = 1 << 20 };
size_t platform_resident(const void *address, size_t size);

/* Nanoseconds since some moment of the past, and nanoseconds that the calling thread has run. */
uint64_t platform_clock(void);
uint64_t platform_thread_time(void);

/* Sleeps while *word == value, until woken; may return early. */
void platform_wait(_Atomic(uint32_t) *word, uint32_t value);
void platform_wake_one(_Atomic(uint32_t) *word);

/* Lets the processor know that this is a waiting loop. */
void platform_pause(void);

/* CPUs this process may use (>= 1). */
unsigned platform_cpu_count(void);
/* The CPU the caller runs on now, and the memory node it belongs to. */
void platform_where(unsigned *cpu, unsigned *node);
/* Memory nodes this process may use (>= 1). */
unsigned platform_node_count(void);

/* Bytes of address space and of private writable memory that the process may have; SIZE_MAX: no limit. */
size_t platform_address_space_limit(void);
size_t platform_data_limit(void);
/* Bytes of the machine's swap space that are free. */
size_t platform_free_swap(void);

/* An id of the calling thread, unique among live threads of the machine; never 0. */
uint32_t platform_thread_id(void);
uint32_t platform_process_id(void);

/* Random bits that no other process can foresee, as far as the system has them. */
uint64_t platform_random(void);

/* True while the process is known to have one thread only: while what platform_alone points to is not 0. Every lock asks that twice. */
extern const char *platform_alone HIDDEN;
ALWAYS_INLINE bool platform_single_threaded(void) {
    return *platform_alone != 0;
}

/* True in a set-user-id (or otherwise privileged) start. */
bool platform_secure_start(void);

/* True when the system brought a dynamic loader for the program (false: it is linked statically, or the loader was started by its own
 * name). */
bool platform_has_loader(void);
/* True when the library or program that the code is in was loaded with the program and before the C library: preloaded, linked, or itself.
 * False when it was loaded later, however it was told to find its names. */
bool platform_loaded_first(uintptr_t code);
/* The file of the program, with all links followed, as the system knows it. False when it cannot tell or the path does not fit. */
bool platform_program_path(char *to, size_t size);
/* Runs the file in place of this program. Returns only when the system refuses: the number of the error. */
unsigned platform_run(const char *path, char *const *argv, char *const *environment);
/* The thread's name: at start that of the file, or of the script, that the system was told to execute. */
enum { PLATFORM_NAME_BYTES = 16 };
void platform_get_name(char name[PLATFORM_NAME_BYTES]);
void platform_set_name(const char *name);

/* Writes all of it to the descriptor, or as much as can be. */
void platform_write(int descriptor, const char *text, size_t length);
/* Creates a file that only its owner may read, or empties one: a plain file of this user's with no other name. Follows no link. Returns a
 * descriptor or -1. */
int platform_create_file(const char *path);
/* Opens a file for reading; a descriptor or -1. */
int platform_open_file(const char *path);
/* Reads on, at most size bytes: how many, 0 at the end and after an error. */
size_t platform_read(int descriptor, char *buffer, size_t size);
void platform_close(int descriptor);

/* Ends the process as abort() does. */
_Noreturn void platform_abort(void);

#endif
