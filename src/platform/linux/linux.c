/*
 * Purpose: the platform contract on Linux.
 * Layer: platform. State: the page size, written once with the same value by whoever comes first; whether the program has confined itself,
 * which is set once and never cleared.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MREMAP_MAYMOVE */
#endif
#include "base/bits.h"
#include "platform/linux/files.h"
#include "platform/platform.h"
#include "platform/syscall.h"

#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>

static _Atomic(size_t) page_size;

size_t platform_page_size(void) {
    size_t size = load_relaxed(&page_size); /* relaxed: the value is self-contained, every writer writes the same one */
    if (UNLIKELY(size == 0)) {
        size = getauxval(AT_PAGESZ);
        store_relaxed(&page_size, size);
    }
    return size;
}

/* Relaxed: the thread that installs a filter sees its own note; for others the kernel orders it before the filter. */
static _Atomic(bool) confined;

void platform_confine(void) {
    store_relaxed(&confined, true);
}

static bool is_confined(void) {
    return UNLIKELY(load_relaxed(&confined));
}

#if defined(__SANITIZE_THREAD__)
#define UNDER_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_THREAD_SANITIZER 1
#endif
#endif

#ifdef UNDER_THREAD_SANITIZER
/* The sanitizer watches libc's functions to learn that an address changes hands through the system. */
static void *map_anywhere(size_t size) {
    void *result = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return result == MAP_FAILED ? NULL : result;
}

static bool unmap(void *address, size_t size) {
    return munmap(address, size) == 0;
}

static void *remap(void *address, size_t old_size, size_t new_size, int flags, void *target) {
    void *result = mremap(address, old_size, new_size, flags, target);
    return result == MAP_FAILED ? NULL : result;
}
#else
static void *map_anywhere(size_t size) {
    long result = syscall6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return syscall_failed(result) ? NULL : (void *)result;
}

static bool unmap(void *address, size_t size) {
    return !syscall_failed(syscall6(SYS_munmap, (long)address, (long)size, 0, 0, 0, 0));
}

static void *remap(void *address, size_t old_size, size_t new_size, int flags, void *target) {
    long result = syscall6(SYS_mremap, (long)address, (long)old_size, (long)new_size, flags, (long)target, 0);
    return syscall_failed(result) ? NULL : (void *)result;
}
#endif

void *platform_map(size_t size, size_t align) {
    char *address = map_anywhere(size);
    if (address == NULL || ((uintptr_t)address & (align - 1)) == 0) {
        return address;
    }
    platform_unmap(address, size);
    size_t padded;
    if (__builtin_add_overflow(size, align - platform_page_size(), &padded)) {
        return NULL;
    }
    address = map_anywhere(padded);
    if (address == NULL) {
        return NULL;
    }
    char *aligned = (char *)align_up((size_t)address, align);
    size_t head = (size_t)(aligned - address);
    size_t tail = padded - head - size;
    if (head && !platform_unmap(address, head)) {
        platform_unmap(address, padded);
        return NULL;
    }
    if (tail && !platform_unmap(aligned + size, tail)) {
        platform_unmap(aligned, size + tail);
        return NULL;
    }
    return aligned;
}

/* Of AddressSanitizer's run-time library, where the program has it: freed blocks may have been marked as not to be touched. */
void __asan_unpoison_memory_region(void const volatile *address, size_t size) __attribute__((weak));

bool platform_unmap(void *address, size_t size) {
    if (__asan_unpoison_memory_region) {
        __asan_unpoison_memory_region(address, size);
    }
    return unmap(address, size);
}

bool platform_purge(void *address, size_t size) {
    return !is_confined() && !syscall_failed(syscall6(SYS_madvise, (long)address, (long)size, MADV_DONTNEED, 0, 0, 0));
}

bool platform_protect(void *address, size_t size, bool accessible) {
    long protection = accessible ? PROT_READ | PROT_WRITE : PROT_NONE;
    return !syscall_failed(syscall6(SYS_mprotect, (long)address, (long)size, protection, 0, 0, 0));
}

void *platform_remap(void *address, size_t old_size, size_t new_size, bool may_move) {
    return remap(address, old_size, new_size, may_move ? MREMAP_MAYMOVE : 0, NULL);
}

bool platform_remap_onto(void *address, size_t old_size, void *target, size_t new_size) {
    /* The kernel unmaps the target before it can still refuse: after that the addresses may be another thread's. */
    return remap(address, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target;
}

void platform_huge_pages(void *address, size_t size, bool wanted) {
    if (!is_confined()) {
        (void)syscall6(SYS_madvise, (long)address, (long)size, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE, 0, 0, 0);
    }
}

void platform_break_huge_pages(void *address, size_t size) {
    /* Marking a part of a huge page as not used lately breaks it up. */
    if (!is_confined()) {
        (void)syscall6(SYS_madvise, (long)address, (long)size, MADV_COLD, 0, 0, 0);
    }
}

/* What the system tells of huge pages in the file, "" when it does not. */
static void read_about_huge_pages(const char *path, char *text, size_t capacity) {
    int file = platform_open_file(path);
    size_t got = 0;
    if (file >= 0) {
        got = platform_read(file, text, capacity - 1);
        platform_close(file);
    }
    text[got] = '\0';
}

bool platform_huge_offered(size_t size) {
    if (is_confined() || syscall6(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0, 0) != 0) {
        return false; /* the program has said that it wants none */
    }
    char text[64];
    read_about_huge_pages("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text, sizeof text);
    size_t offered = 0;
    for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
        offered = 10 * offered + (size_t)(*digit - '0');
    }
    /* Then the settings that there are, the present one in brackets: always, madvise, never. */
    read_about_huge_pages("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    const char *set = text;
    while (*set && *set != '[') {
        set++;
    }
    return offered == size && *set && (set[1] == 'a' || set[1] == 'm');
}

/* The process's own map of its pages: eight bytes for each, of which the two highest bits tell whether it is in memory or swapped out. */
static size_t resident_by_map(uintptr_t address, size_t size, size_t page) {
    int map = syscall_open_file("/proc/self/pagemap");
    if (map < 0) {
        return 0;
    }
    enum { AT_ONCE = 64 };
    uint64_t entries[AT_ONCE] = {0}; /* the analyser does not see what the system call writes */
    size_t found = 0;
    for (size_t done = 0; done < size / page;) {
        size_t wanted = (size / page - done < AT_ONCE ? size / page - done : AT_ONCE) * sizeof *entries;
        long at = (long)((address / page + done) * sizeof *entries);
        if (syscall6(SYS_pread64, map, (long)entries, (long)wanted, at, 0, 0) != (long)wanted) {
            break;
        }
        for (size_t i = 0; i < wanted / sizeof *entries; i++) {
            found += entries[i] >> 62 != 0;
        }
        done += wanted / sizeof *entries;
    }
    syscall_close_file(map);
    return found * page;
}

/* Where calls are filtered mincore may be none of those that services make (systemd's @system-service lacks it), and end the process. */
static bool is_filtered(void) {
    return syscall6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
}

size_t platform_resident(const void *address, size_t size) {
    size_t page = platform_page_size();
    if (is_confined()) {
        return 0;
    }
    if (is_filtered()) {
        return resident_by_map((uintptr_t)address, size, page);
    }
    /* An emulator of larger pages (qemu) may write a byte for each of the machine's own. */
    unsigned char present[PLATFORM_RESIDENT_MAX / 4096] = {0};
    if (syscall_failed(syscall6(SYS_mincore, (long)address, (long)size, (long)present, 0, 0, 0))) {
        return 0;
    }
    size_t pages = 0;
    for (size_t i = 0; i < size / page; i++) {
        pages += present[i] & 1;
    }
    return pages * page;
}

static uint64_t read_clock(clockid_t which) {
    struct timespec now = {0};
    if (!is_confined()) {
        (void)syscall6(SYS_clock_gettime, which, (long)&now, 0, 0, 0, 0);
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t platform_clock(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t platform_thread_time(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void platform_wait(_Atomic(uint32_t) *word, uint32_t value) {
    (void)syscall6(SYS_futex, (long)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, (long)value, 0, 0, 0);
}

void platform_wake_one(_Atomic(uint32_t) *word) {
    (void)syscall6(SYS_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0);
}

void platform_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

unsigned platform_cpu_count(void) {
    uint64_t mask[128] = {0};
    long bytes = is_confined() ? 0 : syscall6(SYS_sched_getaffinity, 0, sizeof mask, (long)mask, 0, 0, 0);
    unsigned count = 0;
    for (long i = 0; i < bytes / 8; i++) {
        count += (unsigned)__builtin_popcountll(mask[i]);
    }
    return count ? count : 1;
}

void platform_where(unsigned *cpu, unsigned *node) {
    /* libc's: the kernel's shared page answers on x86-64, without a system call; elsewhere it is one. */
    if (is_confined() || getcpu(cpu, node) != 0) {
        *cpu = 0;
        *node = 0;
    }
}

unsigned platform_node_count(void) {
    enum { MEMS_ALLOWED = 4, NODES_MAX = 4096 };
    uint64_t mask[NODES_MAX / 64] = {0};
    long result = is_confined() ? -1 : syscall6(SYS_get_mempolicy, 0, (long)mask, NODES_MAX, 0, MEMS_ALLOWED, 0);
    unsigned count = 0;
    for (size_t i = 0; i < NODES_MAX / 64 && !syscall_failed(result); i++) {
        count += (unsigned)__builtin_popcountll(mask[i]);
    }
    return count ? count : 1;
}

static size_t resource_limit(int resource) {
    struct rlimit64 limit = {0};
    long result = is_confined() ? -1 : syscall6(SYS_prlimit64, 0, resource, 0, (long)&limit, 0, 0);
    return syscall_failed(result) || limit.rlim_cur > SIZE_MAX / 2 ? SIZE_MAX : (size_t)limit.rlim_cur;
}

size_t platform_address_space_limit(void) {
    return resource_limit(RLIMIT_AS);
}

size_t platform_data_limit(void) {
    return resource_limit(RLIMIT_DATA);
}

size_t platform_free_swap(void) {
    struct sysinfo info = {0};
    long result = is_confined() ? -1 : syscall6(SYS_sysinfo, (long)&info, 0, 0, 0, 0, 0);
    return syscall_failed(result) ? 0 : (size_t)info.freeswap * info.mem_unit;
}

uint32_t platform_thread_id(void) {
    return (uint32_t)syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

uint32_t platform_process_id(void) {
    return (uint32_t)syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

uint64_t platform_random(void) {
    uint64_t bits = 0;
    if (syscall6(SYS_getrandom, (long)&bits, sizeof bits, GRND_NONBLOCK, 0, 0, 0) == sizeof bits) {
        return bits;
    }
    /* Early in the life of the machine, or refused: what the kernel gave the process at its start, and where the stack is. */
    const char *given = (const char *)getauxval(AT_RANDOM); /* 16 bytes, anywhere */
    if (given) {
        __builtin_memcpy(&bits, given + sizeof bits, sizeof bits);
    }
    return bits * 0x9e3779b97f4a7c15u ^ (uintptr_t)&bits;
}

const char *platform_alone = &__libc_single_threaded;

bool platform_secure_start(void) {
    return getauxval(AT_SECURE) != 0;
}

bool platform_has_loader(void) {
    return getauxval(AT_BASE) != 0;
}

struct place {
    uintptr_t code;
    bool first; /* the next object is the first that is looked at */
    bool found;
};

static bool contains(const struct dl_phdr_info *object, uintptr_t address) {
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && address - (object->dlpi_addr + part->p_vaddr) < part->p_memsz) {
            return true;
        }
    }
    return false;
}

/* Objects come in the order in which they were loaded. In a name space of its own (dlmopen) the first is not the program. */
static int look_at_object(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    struct place *place = context;
    if (place->first && (uintptr_t)object->dlpi_phdr != getauxval(AT_PHDR)) {
        return 1;
    }
    place->first = false;
    place->found = contains(object, place->code);
    return place->found || contains(object, (uintptr_t)getauxval);
}

bool platform_loaded_first(uintptr_t code) {
    struct place place = {.code = code, .first = true};
    (void)dl_iterate_phdr(look_at_object, &place);
    return place.found;
}

bool platform_program_path(char *to, size_t size) {
    long length = syscall6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)to, (long)size, 0, 0);
    if (length <= 0 || (size_t)length >= size) {
        return false;
    }
    to[length] = '\0';
    return true;
}

unsigned platform_run(const char *path, char *const *argv, char *const *environment) {
    return (unsigned)-syscall6(SYS_execve, (long)path, (long)argv, (long)environment, 0, 0, 0);
}

void platform_get_name(char name[PLATFORM_NAME_BYTES]) {
    name[0] = '\0';
    (void)syscall6(SYS_prctl, PR_GET_NAME, (long)name, 0, 0, 0, 0);
}

void platform_set_name(const char *name) {
    (void)syscall6(SYS_prctl, PR_SET_NAME, (long)name, 0, 0, 0, 0);
}

void platform_write(int descriptor, const char *text, size_t length) {
    while (length) {
        long written = syscall6(SYS_write, descriptor, (long)text, (long)length, 0, 0, 0);
        if (written == -4 /* EINTR */) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        text += written;
        length -= (size_t)written;
    }
}

/* A plain file of this user's that has no other name: whoever put it there may write to it anyway. Emptied. */
static bool reuse_file(int descriptor) {
    struct stat status = {0};
    return !syscall_failed(syscall6(SYS_fstat, descriptor, (long)&status, 0, 0, 0, 0)) && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
           status.st_uid == (uid_t)syscall6(SYS_geteuid, 0, 0, 0, 0, 0, 0) &&
           !syscall_failed(syscall6(SYS_ftruncate, descriptor, 0, 0, 0, 0, 0));
}

int platform_create_file(const char *path) {
    const int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK; /* not to wait for the reader of a pipe */
    long result = syscall6(SYS_openat, AT_FDCWD, (long)path, flags | O_CREAT | O_EXCL, 0600, 0, 0);
    if (result != -17 /* EEXIST */) {
        return syscall_failed(result) ? -1 : (int)result;
    }
    result = syscall6(SYS_openat, AT_FDCWD, (long)path, flags, 0, 0, 0);
    if (!syscall_failed(result) && !reuse_file((int)result)) {
        platform_close((int)result);
        return -1;
    }
    return syscall_failed(result) ? -1 : (int)result;
}

int platform_open_file(const char *path) {
    return is_confined() ? -1 : syscall_open_file(path);
}

size_t platform_read(int descriptor, char *buffer, size_t size) {
    return syscall_read_file(descriptor, buffer, size);
}

void platform_close(int descriptor) {
    syscall_close_file(descriptor);
}

void platform_abort(void) {
    abort();
}
