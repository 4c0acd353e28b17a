/*
 * Purpose: no memory, in each of the ways Linux says so. Each case works in a child process, so that the limits end with it.
 */
#include "stress.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { MOST = 1 << 20 };
static void *held[MOST];

/* Allocates until NULL; returns how many blocks there were. Everything got must be sound. */
static size_t exhaust(size_t size) {
    size_t count = 0;
    errno = 0;
    while (count < MOST && (held[count] = make_block_or_null(size, count + size)))
        count++;
    REQUIRE(count == MOST || errno == ENOMEM, "errno %d after %zu blocks of %zu", errno, count, size);
    return count;
}

static void give_back(size_t count) {
    while (count)
        check_and_free(held[--count]);
}

static void every_call_fails_well(void) {
    void *kept = held[0];
    errno = 0;
    REQUIRE(!malloc(opaque(900u << 20)) && errno == ENOMEM, "malloc: errno %d", errno);
    errno = 0;
    REQUIRE(!calloc(900, opaque(1u << 20)) && errno == ENOMEM, "calloc: errno %d", errno);
    errno = 0;
    REQUIRE(!aligned_alloc(1u << 20, opaque(900u << 20)) && errno == ENOMEM, "aligned_alloc: errno %d", errno);
    errno = 0;
    REQUIRE(posix_memalign(&kept, 4096, opaque(900u << 20)) == ENOMEM && kept == held[0], "posix_memalign: errno %d", errno);
    REQUIRE(errno == 0 || !on_collam(), "posix_memalign: errno %d", errno);
    if (held[0]) {
        REQUIRE(!realloc(opaque_pointer(held[0]), opaque(900u << 20)) && errno == ENOMEM, "realloc: errno %d", errno);
        check_block(held[0]);
    }
    errno = 0;
    FILE *stream = tmpfile(); /* libraries that allocate get NULL too, and must not find the allocator in disorder */
    if (stream)
        fclose(stream);
}

static int exhaust_all_sizes(void *argument) {
    static const size_t sizes[] = {16, 100, 1000, 5000, 32768, 50000, 300000, 1000000, 1100000, 5000000};
    (void)argument;
    for (int round = 0; round < (long_form ? 20 : 2); round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t first = exhaust(sizes[i]);
            every_call_fails_well();
            /* shrinking and freeing need no memory */
            for (size_t n = 0; n < first; n += 7)
                held[n] = grow_block(held[n], sizes[i] / 2);
            give_back(first);
            size_t second = exhaust(sizes[i]);
            give_back(second);
            REQUIRE(second + second / 8 + 2 >= first, "%zu blocks of %zu bytes at first, %zu after they were freed", first, sizes[i],
                    second);
            size_t bytes = first * sizes[i];
            REQUIRE(bytes > 16u << 20 || sizes[i] < 32, "only %zu bytes in blocks of %zu of the 64 MiB there are", bytes, sizes[i]);
        }
    return 0;
}

static int limited(int resource) {
    rlim_t limit = ((rlim_t)mapped_kib() + 64 * 1024) << 10;
    if (resource == RLIMIT_DATA)
        limit = ((rlim_t)proc_number("/proc/self/status", "\nVmData:") + 64 * 1024) << 10;
    if (setrlimit((__rlimit_resource_t)resource, &(struct rlimit){limit, limit}))
        return 2;
    int result = exhaust_all_sizes(NULL);
    use_every_kind(1);
    return result;
}

static int limit_address_space(void *argument) {
    (void)argument;
    return limited(RLIMIT_AS);
}

static int limit_data(void *argument) {
    (void)argument;
    return limited(RLIMIT_DATA);
}

int stress_address_space(void) {
    use_every_kind(1);
    int status = in_child(limit_address_space, NULL);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}

int stress_data_limit(void) {
    use_every_kind(1);
    int status = in_child(limit_data, NULL);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}

/* --- started under a limit ----------------------------------------------------------------------------------------------- */

static int start_tightly(void *argument) {
    rlim_t limit = *(rlim_t *)argument;
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 2);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}))
        return 2;
    execl(own_path, own_path, "started-tightly", (char *)NULL);
    return 127;
}

int stress_tight_start(void) {
    size_t works_from = 0;
    for (rlim_t mib = 16; mib <= 256; mib += mib < 64 ? 1 : 16) {
        rlim_t limit = mib << 20;
        int status = in_child(start_tightly, &limit);
        /* What cannot even be loaded is killed by the kernel or the loader (which does not look whether it got its memory): this program
         * and its libraries take 13 MiB. */
        REQUIRE(WIFEXITED(status), "ulimit -v of %ju MiB: status %#x", (uintmax_t)mib, status);
        if (status != 0)
            works_from = 0;
        else if (!works_from)
            works_from = (size_t)mib;
    }
    printf("a program that uses 10 MiB runs under ulimit -v from %zu MiB\n", works_from);
    REQUIRE(works_from && works_from <= 64, "it needs %zu MiB", works_from);
    return 0;
}

/* --- threads without memory ------------------------------------------------------------------------------------------------ */

static void *take_what_there_is(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    void *block[200];
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < 200; i++) {
            errno = 0;
            block[i] = make_block_or_null(next_number(&seed) % (i % 20 ? 2000 : 500000), i);
            REQUIRE(block[i] || errno == ENOMEM, "errno %d", errno);
        }
        for (size_t i = 0; i < 200; i++)
            check_and_free(block[i]);
    }
    return NULL;
}

static int threads_at_the_limit(void *argument) {
    (void)argument;
    check_and_free(make_block(1, 1)); /* what the allocator maps at its first call is no part of the room */
    rlim_t limit = ((rlim_t)mapped_kib() + 32 * 1024) << 10;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}))
        return 2;
    for (int round = 0; round < (long_form ? 100 : 8); round++) {
        size_t small = exhaust(40), large = 0;
        REQUIRE(small > 100, "there was room for %zu blocks", small);
        /* a little room again: enough for stacks, hardly for heaps */
        while (large < small / 4)
            check_and_free(held[--small]), large++;
        pthread_t thread[16];
        size_t running = 0;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 64 * 1024);
        while (running < 16 && pthread_create(&thread[running], &attributes, take_what_there_is, (void *)(running + 1)) == 0)
            running++;
        pthread_attr_destroy(&attributes);
        while (running)
            join(thread[--running]);
        give_back(small);
    }
    use_every_kind(1);
    return 0;
}

int stress_no_memory_threads(void) {
    int status = in_child(threads_at_the_limit, NULL);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}

/* --- mappings ---------------------------------------------------------------------------------------------------------------- */

/* Makes mappings of one page each until no more can be made; returns the range and how many pages of it are apart. */
static char *fill_mappings(size_t limit, size_t *pages) {
    size_t size = (limit + 1000) * 2 * 4096;
    char *range = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(range != MAP_FAILED, "mmap");
    size_t n = 0;
    while (n < size / 4096 && mprotect(range + n * 4096, 4096, n % 2 ? PROT_NONE : PROT_READ) == 0)
        n++;
    REQUIRE(errno == ENOMEM, "mprotect: errno %d", errno);
    *pages = n;
    return range;
}

static int use_few_mappings(void *argument) {
    long limit = *(long *)argument;
    size_t pages, got[2][4], start_seed = 7;
    void *early[400];
    for (size_t i = 0; i < 400; i++)
        early[i] = make_block(next_number(&start_seed) % (i % 10 ? 20000 : 3000000), i);
    char *range = fill_mappings((size_t)limit, &pages);
    for (int none_at_all = 0; none_at_all < 2; none_at_all++) {
        if (!none_at_all) /* merges 100 of them again: each two pages of another kind are one mapping more */
            REQUIRE(mprotect(range + (pages - 102) * 4096, 102 * 4096, PROT_NONE) == 0, "mprotect: errno %d", errno);
        else
            while (mmap(NULL, 4096, none_at_all++ % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
                ;
        static const size_t sizes[] = {100, 20000, 200000, 3000000};
        for (size_t i = 0; i < 4; i++) {
            size_t want = (64u << 20) / sizes[i], count = 0;
            errno = 0;
            while (count < want && (held[count] = make_block_or_null(sizes[i], count)))
                count++;
            REQUIRE(count == want || errno == ENOMEM, "errno %d", errno);
            got[none_at_all != 0][i] = count;
            /* every second first: holes are what an allocator would unmap, and each hole is one mapping more */
            for (size_t n = 0; n < count; n += 2)
                check_and_free(held[n]);
            for (size_t n = 1; n < count; n += 2)
                check_and_free(held[n]);
        }
        malloc_trim(0);
        if (!none_at_all)
            for (size_t i = 0; i < 200; i++)
                check_and_free(early[i]);
    }
    for (size_t i = 200; i < 400; i++)
        check_and_free(early[i]);
    for (size_t i = 0; i < 4; i++)
        printf("%s%zu/%zu", i ? ", " : "blocks of 100, 20000, 200000, 3000000 bytes with 100 mappings left / none: ", got[0][i], got[1][i]);
    printf("\n");
    fflush(stdout);
    munmap(range, pages * 4096);
    use_every_kind(1); /* and with mappings to be had, all is well */
    return 0;
}

int stress_few_mappings(void) {
    long limit = proc_number("/proc/sys/vm/max_map_count", "");
    if (limit <= 0 || limit > 1 << 20) {
        printf("skipped: vm.max_map_count is %ld, which would take too long to fill\n", limit);
        return SKIPPED;
    }
    int status = in_child(use_few_mappings, &limit);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}

/* --- strict overcommit ------------------------------------------------------------------------------------------------------ */

static const char mode_path[] = "/proc/sys/vm/overcommit_memory";

static bool write_mode(long mode) {
    char digit = (char)('0' + mode);
    int file = open(mode_path, O_WRONLY);
    bool written = file >= 0 && write(file, &digit, 1) == 1;
    close(file);
    return written;
}

static int under_strict_overcommit(void *argument) {
    (void)argument;
    long limit = proc_number("/proc/meminfo", "\nCommitLimit:"), used = proc_number("/proc/meminfo", "\nCommitted_AS:");
    use_every_kind(1);
    errno = 0;
    REQUIRE(!malloc(opaque(((size_t)(limit - used) << 10) + ((size_t)4 << 30))) && errno == ENOMEM, "more than the commit limit was given");
    void *within = malloc(opaque(256u << 20));
    REQUIRE(within, "256 MiB of %ld KiB", limit - used);
    free(within);
    long grown = proc_number("/proc/meminfo", "\nCommitted_AS:") - used;
    printf("committed for this process: %ld KiB\n", grown);
    return 0;
}

/* The setting is the whole machine's, so it is changed only where the caller said that the machine is his. */
int stress_strict_overcommit(void) {
    long mode = proc_number(mode_path, "");
    const char *allowed = getenv("COLLAM_TEST_OVERCOMMIT");
    if (mode != 2) {
        if (!allowed || strcmp(allowed, "1")) {
            printf("skipped: vm.overcommit_memory is %ld for the whole machine; COLLAM_TEST_OVERCOMMIT=1 allows to change it for some "
                   "seconds. The case data_limit counts the same mappings.\n",
                   mode);
            return SKIPPED;
        }
        long room = proc_number("/proc/meminfo", "\nCommitLimit:") - proc_number("/proc/meminfo", "\nCommitted_AS:");
        if (room < 2 << 20) {
            printf("skipped: only %ld KiB could be committed, others would fail\n", room);
            return SKIPPED;
        }
        if (!write_mode(2)) {
            printf("skipped: %s cannot be written\n", mode_path);
            return SKIPPED;
        }
    }
    int status = in_child(under_strict_overcommit, NULL);
    if (mode != 2)
        REQUIRE(write_mode(mode), "vm.overcommit_memory could not be set back to %ld", mode);
    REQUIRE(status == 0, "status %#x", status);
    return 0;
}
