// promise_*: one workload for each thing a user notices about memory, printing the figure he would look at. The start-up
// promise is in cold.c; those of two or more threads are in promises_threads.c.
#include "../driver/bench.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

// A program allocates 250 MiB in blocks of 256 bytes, frees all of it, and waits for a second. What does it still hold?
void workload_promise_idle(void) {
    uint32_t count = 250 * MIB / 256;
    void **blocks = bench_map(count * sizeof *blocks);
    bench_begin();
    for (uint32_t i = 0; i < count; i++) {
        blocks[i] = must_malloc(256);
        touch_head(blocks[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        free(blocks[i]);
    bench_end(count);
    bench_unmap(blocks, count * sizeof *blocks);
    bench_sleep_ms(arg_u64("idle_ms", 1000));
    bench_figure("idle_rss_mib", (double)bench_anonymous_kib() / 1024);
}

// A table of 512 MiB is reserved with calloc and nothing of it is used yet.
void workload_promise_calloc(void) {
    uint64_t before = bench_anonymous_kib();
    bench_begin();
    void *block = bench_check(calloc(1, (size_t)512 * MIB));
    bench_sink = block;
    bench_end(1);
    bench_figure("calloc_rss_mib", (double)(bench_anonymous_kib() - before) / 1024);
    free(block);
}

// A buffer grows from 1 to 512 MiB by steps of one, as a download of unknown length does.
void workload_promise_realloc(void) {
    char *buffer = NULL;
    bench_begin();
    for (size_t mib = 1; mib <= 512; mib++) {
        buffer = bench_check(realloc(buffer, mib * MIB));
        bench_sink = buffer;
        touch_pages(buffer + (mib - 1) * MIB, MIB);
    }
    bench_end(512);
    for (size_t mib = 0; mib < 512; mib++)
        if (buffer[mib * MIB] != 1)
            bench_fail("realloc lost data");
    bench_figure("realloc_peak_mib", (double)bench_status_kib("VmHWM:") / 1024);
    free(buffer);
}

// 300 blocks of 66 KiB, just beyond a power of two, every page used: what is paid beyond what was asked for?
void workload_promise_66k(void) {
    enum { COUNT = 300, SIZE = 66 << 10 };
    void **blocks = bench_map(COUNT * sizeof *blocks);
    bench_begin();
    uint64_t before = bench_anonymous_kib();
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = must_malloc(SIZE);
        touch_pages(blocks[i], SIZE);
    }
    bench_end(COUNT);
    uint64_t grown = bench_anonymous_kib() - before;
    bench_figure("overhead_66k_percent", 100.0 * ((double)grown * 1024 / ((double)COUNT * SIZE) - 1));
    for (unsigned i = 0; i < COUNT; i++)
        free(blocks[i]);
}

// 50 pages, each aligned to 2 MiB, as a runtime asks for its heap's chunks.
void workload_promise_aligned(void) {
    enum { COUNT = 50 };
    void **blocks = bench_map(COUNT * sizeof *blocks);
    bench_begin();
    uint64_t before = bench_anonymous_kib();
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = bench_check(aligned_alloc(2 * MIB, 4096));
        if (((uintptr_t)blocks[i] & (2 * MIB - 1)) != 0)
            bench_fail("aligned_alloc gave a misaligned block");
        memset(blocks[i], 1, 4096);
    }
    bench_end(COUNT);
    bench_figure("aligned_rss_kib", (double)(bench_anonymous_kib() - before));
    for (unsigned i = 0; i < COUNT; i++)
        free(blocks[i]);
}

// A server with 1.6 million small blocks forks, as a database does for a snapshot; the child frees one in 64. Each page
// the allocator writes to is copied.
void workload_promise_fork(void) {
    enum { COUNT = 1600000 };
    void **blocks = bench_map(COUNT * sizeof *blocks);
    for (uint32_t i = 0; i < COUNT; i++) {
        blocks[i] = must_malloc(64);
        memset(blocks[i], 1, 64);
    }
    int ends[2];
    if (pipe(ends) != 0)
        bench_fail("pipe failed");
    bench_begin();
    pid_t child = fork();
    if (child == 0) {
        uint64_t before = bench_smaps_kib("Private_Dirty:");
        for (uint32_t i = 0; i < COUNT; i += 64)
            free(blocks[i]);
        uint64_t dirty = bench_smaps_kib("Private_Dirty:") - before;
        _exit(write(ends[1], &dirty, sizeof dirty) == sizeof dirty ? 0 : 1);
    }
    int status;
    uint64_t dirty;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || read(ends[0], &dirty, sizeof dirty) != sizeof dirty)
        bench_fail("the forked child failed");
    bench_end(COUNT / 64);
    bench_figure("fork_dirty_mib", (double)dirty / 1024);
}

static void say_outcome(const char *text) {
    bench_text("limit_outcome", text);
    fflush(stdout); // the kernel may kill us: the last line that got out is the outcome
}

// Run in a container of 256 MiB: 32 MiB stay live while 120 MiB of ever other sizes come and go; then more is asked for
// than there is. A good allocator survives the first and answers NULL to the second.
void workload_promise_limit(void) {
    enum { KEEP = 32, COME = 120 };
    uint32_t capacity = COME * MIB / 512;
    void **blocks = bench_map(capacity * sizeof *blocks);
    say_outcome("killed while 152 MiB were live");
    for (unsigned i = 0; i < KEEP * 1024; i++)
        memset(must_malloc(1024), 1, 1024);
    for (uint32_t size = 512; size <= MIB; size *= 2) {
        uint32_t count = COME * MIB / size;
        for (uint32_t i = 0; i < count; i++) {
            blocks[i] = must_malloc(size);
            touch_pages(blocks[i], size);
        }
        for (uint32_t i = 0; i < count; i++)
            free(blocks[i]);
    }
    say_outcome("killed when asking for too much");
    for (unsigned i = 0; i < 512 * 1024; i++) {
        void *block = malloc(1024);
        if (block == NULL) {
            say_outcome(errno == ENOMEM ? "NULL with ENOMEM" : "NULL without ENOMEM");
            return;
        }
        touch_head(block);
    }
    say_outcome("not limited");
}
