// A library to preload into a real program: counts the sizes of its allocations and how long each block lives, measured
// in allocations, and writes them at exit to the file named by BENCH_RECORD (a line per size: size, count, then the number
// of blocks by lifetime: up to 4, 32, 256, 2048, 16384 allocations, longer or never freed). It stands on glibc's own
// malloc. bench/record_mixes.py turns the files into workloads/mix_tables.h.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { SIZES = 1024, LIVES = 6, TABLE_BITS = 23 };

struct block {
    uintptr_t address; // 0: free entry, 1: deleted
    uint64_t born;
    uint32_t size_index;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *table;
static atomic_bool closed; // set at exit: what the report itself allocates is not counted, nor may it take the lock
static uint64_t clock_allocations, counts[SIZES], lives[SIZES][LIVES];

// exact to 16 bytes up to 4 KiB, then eight steps per doubling
static uint32_t size_index(size_t size) {
    if (size <= 4096)
        return (uint32_t)((size + 15) / 16);
    unsigned log = 63u - (unsigned)__builtin_clzll(size - 1);
    uint32_t index = 257 + (log - 12) * 8 + (uint32_t)((size - 1) >> (log - 3) & 7);
    return index < SIZES ? index : SIZES - 1;
}

static size_t index_size(uint32_t index) {
    if (index <= 256)
        return index * 16u;
    return (size_t)(9 + (index - 257) % 8) << (9 + (index - 257) / 8);
}

static struct block *find(uintptr_t address, bool insert) {
    uint64_t slot = (address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> (64 - TABLE_BITS);
    for (unsigned tries = 0; tries < 1u << TABLE_BITS; tries++, slot = (slot + 1) & ((1u << TABLE_BITS) - 1)) {
        struct block *b = &table[slot];
        if (b->address == address || (insert && b->address <= 1))
            return b;
        if (b->address == 0)
            return NULL;
    }
    return NULL;
}

static void *born(void *address, size_t size) {
    if (address == NULL || atomic_load(&closed))
        return address;
    pthread_mutex_lock(&lock);
    if (table == NULL) {
        table = mmap(NULL, sizeof *table << TABLE_BITS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (table == MAP_FAILED)
            abort();
    }
    struct block *b = find((uintptr_t)address, true);
    if (b != NULL) {
        *b = (struct block){(uintptr_t)address, clock_allocations, size_index(size)};
        counts[b->size_index]++;
    }
    clock_allocations++;
    pthread_mutex_unlock(&lock);
    return address;
}

static void died(void *address) {
    if (address == NULL || table == NULL || atomic_load(&closed))
        return;
    pthread_mutex_lock(&lock);
    struct block *b = find((uintptr_t)address, false);
    if (b != NULL) {
        uint64_t age = clock_allocations - b->born;
        unsigned bucket = 0;
        for (uint64_t limit = 4; bucket < LIVES - 1 && age > limit; limit *= 8)
            bucket++;
        lives[b->size_index][bucket]++;
        b->address = 1;
    }
    pthread_mutex_unlock(&lock);
}

void *malloc(size_t size) {
    return born(__libc_malloc(size), size);
}

void *calloc(size_t count, size_t size) {
    return born(__libc_calloc(count, size), count * size);
}

void free(void *address) {
    died(address);
    __libc_free(address);
}

void *realloc(void *address, size_t size) {
    died(address);
    return born(__libc_realloc(address, size), size);
}

void *memalign(size_t alignment, size_t size) {
    return born(__libc_memalign(alignment, size), size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    *out = memalign(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}

// glibc has no second name for this one, and the program may be linked with another allocator that has it too
size_t malloc_usable_size(void *address) {
    static size_t (*libc_usable_size)(void *);
    if (libc_usable_size == NULL) {
        void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
        void *found = libc != NULL ? dlsym(libc, "malloc_usable_size") : NULL;
        if (found == NULL)
            abort();
        memcpy(&libc_usable_size, &found, sizeof found);
    }
    return libc_usable_size(address);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("BENCH_RECORD");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (fd < 0)
        return;
    atomic_store(&closed, true);
    pthread_mutex_lock(&lock); // waits for a count that is under way
    for (uint32_t i = 0; i < SIZES; i++) {
        uint64_t freed = 0;
        for (unsigned k = 0; k < LIVES; k++)
            freed += lives[i][k];
        if (counts[i] == 0)
            continue;
        lives[i][LIVES - 1] += counts[i] - freed;
        dprintf(fd, "%zu %llu", index_size(i), (unsigned long long)counts[i]);
        for (unsigned k = 0; k < LIVES; k++)
            dprintf(fd, " %llu", (unsigned long long)lives[i][k]);
        dprintf(fd, "\n");
    }
    close(fd);
    pthread_mutex_unlock(&lock);
}
