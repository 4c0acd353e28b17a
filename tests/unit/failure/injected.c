/*
 * Purpose: a fixed random sequence of all operations of collam.h, run again and again with one platform call after the other refused.
 *
 * Each run is a process of its own. Required of each: an allocation succeeds and leaves errno alone, or is NULL with ENOMEM; contents
 * stay; a realloc that fails leaves its block as it was; and when all is freed and trimmed, nothing remains but metadata and the first
 * chunk. Debug builds check every invariant on the way.
 */
#include "collam/collam.h"
#include "config/options.h"
#include "front/sampled.h"
#include "front/slow.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "pages/counters.h"
#include "pages/page_map.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = 600, SLOTS = 64, EDGE = 2048 };

struct slot {
    unsigned char *block;
    size_t size;
    size_t align;
    unsigned char mark;
};

/* What one run refuses. */
struct plan {
    enum fake_call call;
    unsigned long nth;
    bool all_after;
    unsigned one_in; /* not 0: any call of any kind, at random */
    bool without_heap;
    bool huge;    /* huge pages are offered, and blocks are filled */
    bool guarded; /* one allocation in four stands between inaccessible pages, while slots last */
    size_t page_size;
};

/* All that can be refused and that the sequence comes to. */
static const struct {
    enum fake_call call;
    const char *name;
} refusable[] = {{FAKE_MAP, "map"},           {FAKE_UNMAP, "unmap"},     {FAKE_PURGE, "purge"},         {FAKE_REMAP, "remap"},
                 {FAKE_RESIDENT, "resident"}, {FAKE_PROTECT, "protect"}, {FAKE_OPEN_FILE, "open file"}, {FAKE_READ, "read"}};
static const char *call_name; /* of the call that is refused now */

static struct plan plan;
static struct slot slots[SLOTS];
static int step;
static unsigned refused_allocations;

#define REQUIRE(e) ((void)((e) || (complain(#e, __LINE__), 0)))

static void complain(const char *what, int line) {
    fprintf(stderr, "injected.c:%d: not so at step %d: %s\n%s", line, step, what, fake_output());
    exit(1);
}

/* The edges of a block; all of it when it is small. */
static void mark_block(struct slot *slot, unsigned char mark) {
    slot->mark = mark;
    size_t edge = slot->size < (plan.huge ? (size_t)1 << 20 : EDGE) ? slot->size : EDGE;
    memset(slot->block, mark, edge);
    memset(slot->block + slot->size - edge, mark, edge);
}

static void require_marks(const struct slot *slot, size_t size) {
    size_t edge = slot->size < EDGE ? slot->size : EDGE;
    REQUIRE(unit_all(slot->block, edge < size ? edge : size, slot->mark));
    if (size >= slot->size) {
        REQUIRE(unit_all(slot->block + slot->size - edge, edge, slot->mark));
    }
}

/* All of a small block; of a large one some bytes, or all its pages would have to be touched each time. */
static void require_zeros(const unsigned char *block, size_t size) {
    if (size < (size_t)256 << 10) {
        REQUIRE(unit_all(block, size, 0));
        return;
    }
    for (size_t i = 0; i < size; i += 16384) {
        REQUIRE(block[i] == 0);
    }
    REQUIRE(unit_all(block, EDGE, 0) && unit_all(block + size - EDGE, EDGE, 0));
}

static size_t some_size(uint64_t *seed) {
    uint64_t r = unit_random(seed);
    switch (unit_random(seed) % 10) {
    case 0:
    case 1:
    case 2:
        return r % 600;
    case 3:
    case 4:
        return r % 33000;
    case 5:
    case 6:
        return 33000 + r % 200000;
    case 7:
        return 33000 + r % 1100000;
    case 8:
        return ((size_t)1 << 20) + r % ((size_t)1 << 20);
    default:
        return ((size_t)1 << 20) + r % ((size_t)5 << 20);
    }
}

/* After a call that allocates: what it may answer. */
static bool answered(const void *block) {
    if (block == NULL) {
        REQUIRE(errno == ENOMEM);
        refused_allocations++;
        return false;
    }
    REQUIRE(errno == 0);
    return true;
}

static void entered(struct slot *slot, void *block, size_t size, size_t align, uint64_t *seed) {
    REQUIRE((uintptr_t)block % align == 0);
    REQUIRE(collam_usable_size(block) >= size);
    *slot = (struct slot){block, size, align, 0};
    mark_block(slot, (unsigned char)unit_random(seed));
}

static void allocate(struct slot *slot, uint64_t *seed) {
    size_t size = some_size(seed);
    size_t align = 16;
    void *block;
    errno = 0;
    switch (unit_random(seed) % 4) {
    case 0:
        block = collam_calloc(1 + size / 7, 7);
        if (block) {
            size = (1 + size / 7) * 7;
            require_zeros(block, size);
        }
        break;
    case 1:
        align = (size_t)16 << unit_random(seed) % 18;
        block = collam_aligned_alloc(align, size);
        break;
    case 2:
        block = collam_realloc(NULL, size);
        break;
    default:
        block = collam_malloc(size);
        break;
    }
    if (answered(block)) {
        entered(slot, block, size, align, seed);
    }
}

static void resize(struct slot *slot, uint64_t *seed) {
    size_t size = 1 + (unit_random(seed) % 3 ? some_size(seed) : slot->size + unit_random(seed) % (slot->size + 1));
    errno = 0;
    void *block = collam_realloc(slot->block, size);
    if (answered(block)) {
        slot->block = block;
        require_marks(slot, size);
        entered(slot, block, size, 16, seed);
    } else {
        require_marks(slot, slot->size);
        REQUIRE(collam_usable_size(slot->block) >= slot->size);
    }
}

static void release(struct slot *slot, uint64_t *seed) {
    require_marks(slot, slot->size);
    errno = 77;
    switch (unit_random(seed) % 4) {
    case 0:
        if (slot->align == 16) { /* as C23 wants it */
            collam_free_sized(slot->block, slot->size);
            break;
        }
        /* fall through */
    case 1:
        collam_free_aligned_sized(slot->block, slot->align, slot->size);
        break;
    case 2:
        REQUIRE(collam_realloc(slot->block, 0) == NULL);
        break;
    default:
        collam_free(slot->block);
        break;
    }
    REQUIRE(errno == 77);
    slot->block = NULL;
}

static void look(uint64_t *seed) {
    struct collam_stats stats;
    switch (unit_random(seed) % 3) {
    case 0:
        (void)collam_trim(unit_random(seed) % ((size_t)4 << 20));
        break;
    case 1:
        collam_get_stats(&stats, sizeof stats);
        REQUIRE(stats.live_bytes == stats.small_bytes + stats.large_bytes + stats.direct_bytes + stats.guarded_bytes);
        REQUIRE(stats.mapped_bytes <= fake_mapped_bytes());
        break;
    default:
        REQUIRE(collam_version()[0] != '\0');
        break;
    }
}

static void run_operations(uint64_t seed) {
    for (step = 0; step < STEPS; step++) {
        struct slot *slot = &slots[unit_random(&seed) % SLOTS];
        /* By turns filling and draining. */
        bool filling = step / 100 % 2 == 0;
        unsigned action = (unsigned)(unit_random(&seed) % 16);
        if (action == 0) {
            look(&seed);
        } else if (slot->block == NULL) {
            if (filling || action < 6) {
                allocate(slot, &seed);
            }
        } else if (action < 6) {
            resize(slot, &seed);
        } else if (!filling || action < 8) {
            release(slot, &seed);
        } else {
            require_marks(slot, slot->size);
        }
        if (plan.without_heap && step == STEPS / 3) {
            heap_end_of_thread();
        }
    }
}

/* Everything is freed: what remains is collam's own, bounded, and the first chunk. */
static void require_nothing_left(void) {
    struct collam_stats stats;
    (void)collam_trim(0);
    collam_get_stats(&stats, sizeof stats);
    if (COLLAM_HARDENED && (plan.call == FAKE_PROTECT || plan.one_in)) {
        /* What waited and cannot be made accessible again is lost, its addresses that is: nobody may use them. */
        REQUIRE(stats.cached_bytes == 0 && stats.slab_free_bytes == 0 && stats.small_bytes == 0);
        return;
    }
    REQUIRE(stats.live_blocks == 0 && stats.live_bytes == 0 && stats.cached_bytes == 0 && stats.slab_free_bytes == 0);
    REQUIRE(stats.dirty_bytes == 0);
    REQUIRE(load_relaxed(&page_counters.used_bytes) == 0);
    REQUIRE(load_relaxed(&page_counters.direct_bytes) == 0 && load_relaxed(&page_counters.direct_count) == 0);
    REQUIRE(load_relaxed(&page_counters.large_bytes) == 0 && load_relaxed(&page_counters.large_count) == 0);
    size_t chunks = load_relaxed(&page_counters.chunk_bytes);
    REQUIRE(chunks <= ((size_t)2 << 20));
    /* The first mapping with its region, a second region, steps of metadata, and the table of mappings. */
    size_t metadata = fake_mapped_bytes() - fake_refused_bytes() - chunks - (plan.guarded ? GUARDED_POOL : 0);
    REQUIRE(metadata <= 2 * (size_t)REGION_BYTES + ((size_t)5 << 20));
    /* Resident: descriptors and page map, not a single page of a block; but what can neither be unmapped nor purged stays. */
    REQUIRE(fake_resident_bytes() <= ((size_t)768 << 10) + (plan.one_in ? fake_refused_bytes() : 0));
}

/* Limits there are, so that files are read, but none that is met. */
static void set_limits_files(void) {
    fake_set_file("/proc/self/cgroup", "0::/\n");
    fake_set_file("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    fake_set_file("/sys/fs/cgroup/memory.max", "1073741824\n");
    fake_set_file("/sys/fs/cgroup/memory.current", "104857600\n");
}

static void run_plan(void) {
    set_limits_files();
    option_set(OPTION_dirty_min, (size_t)256 << 10);
    option_set(OPTION_dirty_shift, 6);
    fake_settings.remap_moves = plan.nth % 2;
    if (plan.huge) {
        fake_settings.huge_offered = true;
        option_set(OPTION_huge_start, 0);
    }
    if (plan.guarded) { /* as start does it */
        sampled_start(4);
        heap_count_calls();
        store_relaxed(&front_special, true);
    }
    if (plan.one_in) {
        for (unsigned i = 0; i < COUNT(refusable); i++) {
            fake_fail_randomly(refusable[i].call, plan.one_in, plan.nth * 8 + i);
        }
    } else if (plan.nth) {
        (plan.all_after ? fake_fail_from : fake_fail_nth)(plan.call, plan.nth);
    }
    run_operations(20260501);
    fake_fail_never();
    uint64_t seed = 1;
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].block) {
            release(&slots[i], &seed);
        }
    }
    require_nothing_left();
    /* And all of it once more: whatever was refused left nothing behind that fails later. */
    refused_allocations = 0;
    run_operations(42);
    REQUIRE(refused_allocations == 0);
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].block) {
            release(&slots[i], &seed);
        }
    }
    require_nothing_left();
}

/* Runs the plan in a process of its own; calls[] gets its platform calls when it is not NULL. */
static void run(unsigned long *calls) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_plan();
        unsigned long made[FAKE_CALLS];
        for (unsigned i = 0; i < FAKE_CALLS; i++) {
            made[i] = fake_calls((enum fake_call)i);
        }
        REQUIRE(write(ends[1], made, sizeof made) == sizeof made);
        exit(0);
    }
    close(ends[1]);
    unsigned long got[FAKE_CALLS] = {0};
    bool complete = read(ends[0], got, sizeof got) == sizeof got;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0 || !complete) {
        fail_msg("status %#x with pages of %zu when %s call %lu%s was refused (one in %u, %s)", (unsigned)status, plan.page_size, call_name,
                 plan.nth, plan.all_after ? " and all after" : "", plan.one_in, plan.without_heap ? "without a heap" : "with a heap");
    }
    if (calls) {
        memcpy(calls, got, sizeof got);
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How often the sequence comes to the call at least. */
static unsigned long least_of(enum fake_call call, struct plan how) {
    switch (call) {
    case FAKE_RESIDENT:
        return how.huge && !COLLAM_HARDENED ? 3 : 0;
    case FAKE_PROTECT:
        return how.guarded || COLLAM_HARDENED ? 10 : 0;
    case FAKE_OPEN_FILE:
    case FAKE_READ:
        return 3;
    default:
        return 10;
    }
}

/* Every call of every kind in turn; where that would take longer than `seconds`, evenly spread ones, unless COLLAM_TEST_EVERY is set. */
static void refuse_each(struct plan how, double seconds) {
    unsigned long calls[FAKE_CALLS];
    size_t page_size = how.page_size;
    bool all_after = how.all_after;
    plan = how;
    plan.all_after = false;
    fake_settings.page_size = page_size;
    double each = seconds;
    for (int i = 0; i < 3; i++) {
        double start = now();
        run(calls);
        each = now() - start < each ? now() - start : each;
    }
    unsigned long all = 0;
    for (unsigned i = 0; i < COUNT(refusable); i++) {
        assert_true(calls[refusable[i].call] >= least_of(refusable[i].call, how)); /* the sequence reaches it */
        all += calls[refusable[i].call];
    }
    unsigned long stride = getenv("COLLAM_TEST_EVERY") ? 1 : 1 + (unsigned long)((double)all * each / seconds);
    unsigned long runs = 0;
    for (unsigned i = 0; i < COUNT(refusable); i++) {
        plan.call = refusable[i].call;
        call_name = refusable[i].name;
        plan.all_after = all_after;
        for (plan.nth = 1; plan.nth <= calls[plan.call]; plan.nth += stride) {
            run(NULL);
            runs++;
        }
    }
    printf("%lu of %lu calls refused in turn, %.1f ms each\n", runs, all, each * 1e3);
}

static void each_call_once(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 4096}, 8);
}

static void each_call_once_with_16_kib_pages(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 16384}, 3);
}

static void each_call_once_with_64_kib_pages(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 65536}, 3);
}

static void each_call_and_all_after(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 4096, .all_after = true}, 3);
}

static void each_call_once_without_a_heap(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 4096, .without_heap = true}, 3);
}

static void each_call_once_with_huge_pages(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 4096, .huge = true}, 4);
}

static void each_call_once_with_guarded_blocks(void **state) {
    (void)state;
    refuse_each((struct plan){.page_size = 4096, .guarded = true}, 4);
}

static void calls_at_random(void **state) {
    (void)state;
    for (unsigned one_in = 2; one_in <= 32; one_in *= 4) {
        for (unsigned long seed = 1; seed <= 12; seed++) {
            plan = (struct plan){.nth = seed, .one_in = one_in, .page_size = (size_t)4096 << 2 * (seed % 3), .huge = seed % 2};
            fake_settings.page_size = plan.page_size;
            run(NULL);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_call_once),
    cmocka_unit_test(each_call_once_with_16_kib_pages),
    cmocka_unit_test(each_call_once_with_64_kib_pages),
    cmocka_unit_test(each_call_and_all_after),
    cmocka_unit_test(each_call_once_without_a_heap),
    cmocka_unit_test(each_call_once_with_huge_pages),
    cmocka_unit_test(each_call_once_with_guarded_blocks),
    cmocka_unit_test(calls_at_random),
};
UNIT_MAIN(tests)
