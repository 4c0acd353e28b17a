/*
 * Purpose: tests of front/relief.c: what happens, in which order, when memory or a limit runs out.
 */
#include "front/relief.h"
#include "collam/collam.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/thread_heap.h"
#include "left_heap.h"
#include "pages/limit.h"
#include "pages/purge.h"
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define MIB ((size_t)1 << 20)

static void soft_limit(size_t bytes) {
    assert_true(collam_set_soft_limit(bytes));
}

static void *held[40000];
static size_t held_count;

/* Allocates until NULL, which must come with ENOMEM; returns the bytes. */
static size_t take_all(size_t size) {
    size_t bytes = 0;
    while (held_count < COUNT(held)) {
        errno = 0;
        void *block = collam_malloc(size);
        if (block == NULL) {
            assert_int_equal(errno, ENOMEM);
            return bytes;
        }
        assert_int_equal(errno, 0);
        held[held_count++] = block;
        bytes += size;
    }
    fail_msg("no limit was met");
    return bytes;
}

static void give_all(void) {
    while (held_count) {
        collam_free(held[--held_count]);
    }
}

/* --- soft limit ------------------------------------------------------------------------------------------------------------ */

static void every_kind_of_block_meets_the_soft_limit(void **state) {
    (void)state;
    static const size_t sizes[] = {1000, 20000, 100000, 1 << 20, 3 << 20};
    soft_limit(24 * MIB);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t bytes = take_all(sizes[i]);
        assert_true(limit_footprint() <= 24 * MIB);
        bool wasteful = sizes[i] == 20000 || fake_settings.page_size > 4096; /* three of 20,000 bytes fill a slab */
        assert_in_range(bytes, wasteful ? 14 * MIB : 20 * MIB, 24 * MIB);
        assert_null(collam_calloc(10, MIB));
        assert_null(collam_aligned_alloc(4 * MIB, 10 * MIB));
        give_all();
    }
    assert_non_null(collam_malloc(20 * MIB));
}

static void pages_of_16_kib(void **state) {
    fake_settings.page_size = 16384;
    every_kind_of_block_meets_the_soft_limit(state);
}

static void pages_of_64_kib(void **state) {
    fake_settings.page_size = 65536;
    every_kind_of_block_meets_the_soft_limit(state);
}

static void growing_a_block_meets_the_soft_limit(void **state) {
    (void)state;
    soft_limit(24 * MIB);
    char *block = collam_malloc(2 * MIB);
    size_t size = 2 * MIB;
    for (;;) {
        errno = 0;
        char *grown = collam_realloc(block, size + MIB);
        if (grown == NULL) {
            break;
        }
        block = grown;
        size += MIB;
    }
    assert_int_equal(errno, ENOMEM);
    assert_true(size >= 20 * MIB && size < 24 * MIB);
    block = collam_realloc(block, 3 * MIB); /* shrinking always works */
    assert_non_null(block);
    collam_free(block);
}

static void free_memory_goes_back_before_a_request_fails(void **state) {
    (void)state;
    soft_limit(32 * MIB);
    assert_true(option_set(OPTION_dirty_min, 1024 * MIB)); /* nothing goes back by itself */
    (void)take_all(100000);
    give_all();
    assert_true(take_all(3 * MIB) >= 24 * MIB); /* other sizes, so the pages must be given up first */
    give_all();
}

static void a_limit_below_what_is_used_stops_growth_only(void **state) {
    (void)state;
    void *block = collam_malloc(8 * MIB);
    void *small = collam_malloc(100);
    soft_limit(MIB);
    assert_null(collam_malloc(100000));
    void *from_the_slab = collam_malloc(100); /* needs no new memory */
    assert_non_null(from_the_slab);
    collam_free(from_the_slab);
    collam_free(small);
    collam_free(block);
    soft_limit(0);
    assert_non_null(collam_malloc(8 * MIB));
    assert_false(collam_set_soft_limit(SIZE_MAX));
    assert_non_null(collam_malloc(8 * MIB));
}

/* --- callback --------------------------------------------------------------------------------------------------------------- */

static unsigned calls;
static unsigned calls_inside;
static size_t said_used;
static size_t said_limit;
static size_t said_wanted;

static void gives_up_memory(size_t used, size_t limit, size_t wanted, void *context) {
    void **cache = context;
    calls++;
    said_used = used;
    said_limit = limit;
    said_wanted = wanted;
    collam_free(*cache);
    *cache = NULL;
    errno = 4711;
}

static void the_callback_may_free_what_is_missing(void **state) {
    (void)state;
    void *cache = collam_malloc(16 * MIB);
    assert_true(collam_set_limit_callback(gives_up_memory, &cache));
    soft_limit(24 * MIB);
    errno = 0;
    void *block = collam_malloc(12 * MIB);
    assert_non_null(block);
    assert_int_equal(errno, 0); /* success leaves it alone, whatever the callback did */
    assert_int_equal(calls, 1);
    assert_null(cache);
    assert_int_equal(said_limit, 24 * MIB);
    assert_int_equal(said_wanted, 12 * MIB);
    assert_in_range(said_used, 16 * MIB, 18 * MIB);
    errno = 0;
    assert_null(collam_malloc(20 * MIB)); /* called, in vain */
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(calls, 2);
    assert_true(collam_set_limit_callback(NULL, NULL));
    assert_null(collam_malloc(20 * MIB));
    assert_int_equal(calls, 2);
}

static void asks_for_more(size_t used, size_t limit, size_t wanted, void *context) {
    (void)used;
    (void)limit;
    (void)context;
    calls++;
    if (collam_malloc(wanted) == NULL) {
        calls_inside++;
    }
    void *small = collam_malloc(50);
    assert_non_null(small);
    collam_free(small);
}

static void the_callback_may_allocate_and_is_not_called_from_itself(void **state) {
    (void)state;
    collam_free(collam_malloc(50));
    assert_true(collam_set_limit_callback(asks_for_more, NULL));
    soft_limit(8 * MIB);
    assert_null(collam_malloc(16 * MIB));
    assert_int_equal(calls, 1);
    assert_int_equal(calls_inside, 1);
    assert_null(collam_malloc(16 * MIB));
    assert_int_equal(calls, 2);
}

static void *takes_every_lock(void *context) {
    struct collam_stats stats;
    collam_get_stats(&stats, sizeof stats);
    (void)collam_trim(0);
    collam_free(context);
    return NULL;
}

static void lets_another_thread_take_every_lock(size_t used, size_t limit, size_t wanted, void *context) {
    (void)used;
    (void)limit;
    (void)wanted;
    calls++;
    void **block = context;
    (void)takes_every_lock(NULL);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, takes_every_lock, *block), 0);
    pthread_join(thread, NULL);
    *block = NULL;
}

static void the_callback_runs_without_a_lock(void **state) {
    (void)state;
    static const size_t sizes[] = {1000, 100000, 3 << 20};
    soft_limit(8 * MIB);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        void *block = collam_malloc(100);
        calls = 0;
        assert_true(collam_set_limit_callback(lets_another_thread_take_every_lock, &block));
        (void)take_all(sizes[i]);
        assert_true(calls >= 1);
        assert_null(block);
        give_all();
    }
}

static void the_callback_is_told_when_little_is_left(void **state) {
    (void)state;
    void *nothing = NULL;
    assert_true(collam_set_limit_callback(gives_up_memory, &nothing));
    soft_limit(64 * MIB);
    while (calls == 0) {
        held[held_count] = collam_malloc(100000);
        assert_non_null(held[held_count++]);
    }
    assert_in_range(limit_footprint(), 59 * MIB, 64 * MIB);
    give_all();
}

static void a_refusal_of_the_system_calls_it_too(void **state) {
    (void)state;
    assert_true(option_set(OPTION_large_max, 1 << 20)); /* so that each block below is a call of the system */
    void *cache = collam_malloc(6 * MIB);
    assert_true(collam_set_limit_callback(gives_up_memory, &cache));
    assert_true(option_set(OPTION_dirty_min, 0));
    (void)collam_malloc(3 * MIB);
    fake_fail_nth(FAKE_MAP, 1);
    assert_non_null(collam_malloc(2 * MIB));
    assert_int_equal(calls, 1);
    assert_int_equal(said_limit, SIZE_MAX);
    fake_fail_from(FAKE_MAP, 1);
    assert_null(collam_malloc((size_t)1 << 40)); /* no cache could make room for that */
    assert_int_equal(calls, 1);
}

/* A request fails at the ceiling, and before it can look, another thread has looked and moved the ceiling: that is no refusal of the
 * system, however often it happens. */
static void a_ceiling_that_others_moved_is_no_refusal(void **state) {
    (void)state;
    struct relief done = {0};
    for (int i = 0; i < 100; i++) {
        store_relaxed(&limit_ceiling, 0);
        assert_false(limit_lets_grow(MIB));
        store_relaxed(&limit_ceiling, SIZE_MAX);
        assert_true(relief(&done, MIB));
    }
    assert_false(relief(&done, MIB)); /* now it is one, and there is nothing to give back */
}

static void without_memory_the_callback_stays_as_it_was(void **state) {
    (void)state;
    void *cache = NULL;
    assert_true(collam_set_limit_callback(gives_up_memory, &cache));
    fake_fail_from(FAKE_MAP, 1);
    bool set = true;
    for (int i = 0; i < 100000 && set; i++) {
        set = collam_set_limit_callback(asks_for_more, NULL);
    }
    assert_false(set);
    assert_true(collam_set_limit_callback(NULL, NULL)); /* none needs no memory */
}

/* --- policy ----------------------------------------------------------------------------------------------------------------- */

static void ask(void *context) {
    (void)collam_malloc(*(size_t *)context);
}

static void abort_ends_with_one_clear_line(void **state) {
    (void)state;
    soft_limit(8 * MIB);
    assert_true(option_set(OPTION_limit_policy, LIMIT_ABORT));
    assert_non_null(collam_malloc(100));
    size_t size = 9 * MIB;
    const char *said = unit_death(ask, &size);
    assert_non_null(said);
    assert_memory_equal(said, "collam: out of memory: soft limit of 8388608 bytes (option soft_limit), ", 72);
    assert_non_null(strstr(said, " in use, 9437184 more asked for; ended as limit_policy=abort says\n"));
    assert_int_equal(strchr(said, '\n') - said + 1, strlen(said));
    size = (size_t)1 << 62; /* beyond PTRDIFF_MAX or not: no request is too large for that */
    assert_non_null(unit_death(ask, &size));
}

static void abort_is_about_limits_only(void **state) {
    (void)state;
    assert_true(option_set(OPTION_limit_policy, LIMIT_ABORT));
    fake_fail_from(FAKE_MAP, 1);
    size_t size = 3 * MIB;
    assert_null(unit_death(ask, &size)); /* the system refused, and no limit is known: NULL */
    fake_fail_never();
    fake_set_file("/proc/self/statm", "25600 25600 300 10 0 25600 0\n");
    fake_settings.address_space_limit = 101 * MIB;
    store_relaxed(&limit_ceiling, 0);
    fake_fail_from(FAKE_MAP, 1);
    size = 20 * MIB;
    const char *said = unit_death(ask, &size);
    assert_non_null(said);
    assert_memory_equal(said, "collam: out of memory: process limit of 105906176 bytes (RLIMIT_AS or RLIMIT_DATA), ", 84);
}

/* Limits of the system are not looked up for a small heap; one that refuses it is. */
static void abort_also_ends_a_small_heap_that_a_limit_stops(void **state) {
    (void)state;
    assert_true(option_set(OPTION_limit_policy, LIMIT_ABORT));
    fake_set_file("/proc/self/statm", "25600 25600 300 10 0 25600 0\n");
    fake_settings.address_space_limit = 101 * MIB;
    fake_fail_from(FAKE_MAP, 1);
    size_t size = MIB;
    const char *said = unit_death(ask, &size);
    assert_non_null(said);
    assert_memory_equal(said, "collam: out of memory: process limit of 105906176 bytes (RLIMIT_AS or RLIMIT_DATA), ", 84);
}

/* A chunk does not fit in what is left, though that is more than a sixteenth of the limit. */
static void abort_also_ends_where_no_chunk_fits(void **state) {
    (void)state;
    assert_true(option_set(OPTION_limit_policy, LIMIT_ABORT));
    fake_set_file("/proc/self/statm", "4352 4352 300 10 0 4352 0\n");
    fake_settings.address_space_limit = 20 * MIB;
    fake_fail_from(FAKE_MAP, 1);
    size_t size = 16;
    const char *said = unit_death(ask, &size);
    assert_non_null(said);
    assert_memory_equal(said, "collam: out of memory: process limit of 20971520 bytes (RLIMIT_AS or RLIMIT_DATA), ", 83);
    fake_settings.address_space_limit = 40 * MIB;
    assert_null(unit_death(ask, &size)); /* 23 MiB are left: the system had another reason */
}

static void grow_a_little(void *context) {
    void **block = context;
    *block = collam_realloc(*block, 115);
}

static void ask_for_all(void *context) {
    while (collam_malloc(*(size_t *)context)) {
    }
}

/* The quarter more that realloc asks for is not what the program wants. */
static void abort_is_not_about_what_realloc_asks_for_beyond_the_size(void **state) {
    (void)state;
    void *block = collam_malloc(100);
    collam_free(collam_malloc(115));
    fake_set_file("/proc/self/statm", "25600 25600 300 10 0 25600 0\n");
    fake_settings.address_space_limit = 101 * MIB;
    fake_fail_from(FAKE_MAP, 1);
    void *last = collam_malloc(115); /* or its slab goes */
    (void)take_all(4000);
    (void)take_all(144);
    assert_true(option_set(OPTION_limit_policy, LIMIT_ABORT));
    size_t size = 4000;
    assert_non_null(unit_death(ask, &size));
    assert_null(unit_death(grow_a_little, &block));
    grow_a_little(&block);
    assert_non_null(block);
    assert_non_null(unit_death(ask_for_all, &size)); /* what it asks for afterwards is */
    collam_free(last);
    give_all();
}

/* --- container --------------------------------------------------------------------------------------------------------------- */

static char used_text[32];
static size_t others;

/* As the kernel would count it, each time somebody reads. */
static void count_resident(void) {
    snprintf(used_text, sizeof used_text, "%zu\n", fake_resident_bytes() + others);
}

static void container(size_t limit) {
    static char limit_text[32];
    snprintf(limit_text, sizeof limit_text, "%zu\n", limit);
    fake_set_file("/proc/self/cgroup", "0::/\n");
    fake_set_file("/sys/fs/cgroup/memory.max", limit_text);
    fake_set_file("/sys/fs/cgroup/memory.current", used_text);
    fake_on_call(FAKE_OPEN_FILE, count_resident);
}

static void fill(size_t size) {
    for (;;) {
        char *block = collam_malloc(size);
        if (block == NULL) {
            return;
        }
        memset(block, 1, size);
        assert_true(fake_resident_bytes() + others <= 64 * MIB); /* or the kernel would have killed */
        held[held_count++] = block;
    }
}

static void a_container_is_filled_but_never_overrun(void **state) {
    (void)state;
    static const size_t sizes[] = {4096, 100000, 1000000};
    others = 5 * MIB;
    container(64 * MIB);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        fill(sizes[i]);
        assert_true(fake_resident_bytes() + others >= 58 * MIB);
        give_all();
    }
}

/* 7/8 of the container live, while twice that comes and goes in other sizes. */
static void a_container_nearly_full_of_live_blocks_is_not_overrun(void **state) {
    (void)state;
    container(64 * MIB);
    static char *live[56];
    for (size_t i = 0; i < COUNT(live) - 8; i++) {
        live[i] = collam_malloc(MIB);
        memset(live[i], 1, MIB);
    }
    for (size_t size = 512; size <= MIB; size *= 2) {
        static char *block[16384];
        size_t count = 8 * MIB / size;
        for (size_t i = 0; i < count; i++) {
            block[i] = collam_malloc(size);
            assert_non_null(block[i]);
            memset(block[i], 2, size);
            assert_true(i % 64 || fake_resident_bytes() <= 64 * MIB);
        }
        for (size_t i = 0; i < count; i++) {
            collam_free(block[i]);
        }
    }
}

/* A request that the system refuses leaves no room behind that nobody looked for. */
static void a_refused_giant_hides_no_limit(void **state) {
    (void)state;
    others = 5 * MIB;
    container(64 * MIB);
    fake_fail_nth(FAKE_MAP, 1);
    assert_null(collam_malloc((size_t)2 << 30));
    assert_true(load_relaxed(&limit_ceiling) <= limit_footprint() + 64 * MIB);
    fill(100000);
    assert_true(fake_resident_bytes() + others >= 58 * MIB);
    give_all();
}

static void nothing_is_refused_that_is_not_touched(void **state) {
    (void)state;
    container(64 * MIB);
    fake_set_file("/sys/fs/cgroup/memory.current", "5000000\n");
    fake_on_call(FAKE_OPEN_FILE, NULL);
    for (unsigned i = 0; i < 100; i++) {
        assert_non_null(collam_malloc(10 * MIB));
        assert_non_null(collam_calloc(1, 100 * MIB));
    }
}

/* What ended threads' magazines lay in is given back before anything is refused. */
static void heaps_without_a_thread_give_their_pages(void **state) {
    (void)state;
    const struct heap *heap = heap_left_by_a_thread();
    soft_limit(24 * MIB);
    (void)take_all(100000);
    assert_false(keeps_pages(heap));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(heaps_without_a_thread_give_their_pages),
    cmocka_unit_test(every_kind_of_block_meets_the_soft_limit),
    cmocka_unit_test(pages_of_16_kib),
    cmocka_unit_test(pages_of_64_kib),
    cmocka_unit_test(growing_a_block_meets_the_soft_limit),
    cmocka_unit_test(free_memory_goes_back_before_a_request_fails),
    cmocka_unit_test(a_limit_below_what_is_used_stops_growth_only),
    cmocka_unit_test(the_callback_may_free_what_is_missing),
    cmocka_unit_test(the_callback_may_allocate_and_is_not_called_from_itself),
    cmocka_unit_test(the_callback_runs_without_a_lock),
    cmocka_unit_test(the_callback_is_told_when_little_is_left),
    cmocka_unit_test(a_refusal_of_the_system_calls_it_too),
    cmocka_unit_test(a_ceiling_that_others_moved_is_no_refusal),
    cmocka_unit_test(without_memory_the_callback_stays_as_it_was),
    cmocka_unit_test(abort_ends_with_one_clear_line),
    cmocka_unit_test(abort_is_about_limits_only),
    cmocka_unit_test(abort_also_ends_a_small_heap_that_a_limit_stops),
    cmocka_unit_test(abort_also_ends_where_no_chunk_fits),
    cmocka_unit_test(abort_is_not_about_what_realloc_asks_for_beyond_the_size),
    cmocka_unit_test(a_container_is_filled_but_never_overrun),
    cmocka_unit_test(a_container_nearly_full_of_live_blocks_is_not_overrun),
    cmocka_unit_test(a_refused_giant_hides_no_limit),
    cmocka_unit_test(nothing_is_refused_that_is_not_touched),
};
UNIT_MAIN(tests)
