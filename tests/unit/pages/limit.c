/*
 * Purpose: tests of pages/limit.c: when limits are looked for, what each kind admits, how the ceiling rises, and what stays of the budget.
 */
#include "pages/limit.h"
#include "config/options.h"
#include "unit.h"

#include <stdio.h>

#define MIB ((size_t)1 << 20)

static struct limit_reached reached;

/* Sets what the heap is taken to hold. */
static void heap_of(size_t bytes) {
    store_relaxed(&page_counters.used_bytes, bytes);
}

/* A container of `limit` bytes of which `used` are used. */
static void container(size_t limit, size_t used) {
    static char texts[2][32];
    snprintf(texts[0], sizeof texts[0], "%zu\n", limit);
    snprintf(texts[1], sizeof texts[1], "%zu\n", used);
    fake_set_file("/proc/self/cgroup", "0::/\n");
    fake_set_file("/sys/fs/cgroup/memory.max", texts[0]);
    fake_set_file("/sys/fs/cgroup/memory.current", texts[1]);
}

static enum limit_verdict look(size_t bytes) {
    return limit_look(bytes, &reached);
}

static void small_heaps_read_no_file(void **state) {
    (void)state;
    container(MIB, MIB);
    assert_true(limit_admits(15 * MIB));
    assert_true(limit_allows(15 * MIB));
    assert_int_equal(look(15 * MIB), LIMIT_ROOM);
    assert_int_equal(look(16 * MIB - 1), LIMIT_ROOM);
    assert_int_equal(fake_calls(FAKE_OPEN_FILE), 0);
    assert_int_equal(look(16 * MIB), LIMIT_FULL);
    limit_options_changed();
    assert_false(limit_admits(17 * MIB));
    assert_false(limit_allows(17 * MIB)); /* now it was looked for, and found */
    assert_true(fake_calls(FAKE_OPEN_FILE) > 0);
}

static void without_limits_the_ceiling_rises_with_the_heap(void **state) {
    (void)state;
    unsigned looks = 0;
    for (size_t mib = 0; mib < 16384; mib++) {
        heap_of(mib * MIB);
        if (!limit_admits(MIB)) {
            looks++;
            assert_int_equal(look(MIB), LIMIT_ROOM);
            assert_true(limit_admits(MIB));
        }
    }
    assert_in_range(looks, 5, 15);
    assert_int_equal(reached.limit, SIZE_MAX);
    assert_string_equal(reached.name, "no limit");
    heap_of(20 * MIB);
    assert_int_equal(look(MIB), LIMIT_ROOM);
    assert_int_equal(reached.used, 20 * MIB);
    assert_int_equal(limit_budget(123 * MIB), 123 * MIB);
}

static void the_system_is_not_asked_when_told_so(void **state) {
    (void)state;
    container(64 * MIB, 64 * MIB);
    assert_true(option_set(OPTION_system_limits, 0));
    limit_options_changed();
    heap_of(64 * MIB);
    assert_true(limit_allows(MIB));
    assert_int_equal(fake_calls(FAKE_OPEN_FILE), 0);
}

static void the_soft_limit_is_exact(void **state) {
    (void)state;
    assert_true(option_set(OPTION_soft_limit, 10 * MIB));
    limit_options_changed();
    heap_of(4 * MIB);
    assert_true(limit_allows(6 * MIB));
    assert_false(limit_allows(6 * MIB + 1));
    assert_true(limit_admits(6 * MIB)); /* what is less may still fit */
    assert_false(limit_admits(6 * MIB + 1));
    assert_int_equal(look(6 * MIB + 1), LIMIT_FULL);
    assert_string_equal(reached.name, "soft limit");
    assert_int_equal(reached.limit, 10 * MIB);
    assert_int_equal(reached.used, 4 * MIB);
    assert_int_equal(look(5 * MIB), LIMIT_ROOM);
    assert_int_equal(look(6 * MIB - 600 * 1024), LIMIT_NEAR); /* less than a sixteenth would be left */
    assert_int_equal(look(6 * MIB - 640 * 1024), LIMIT_ROOM);
    assert_int_equal(look(6 * MIB - 640 * 1024 + 1), LIMIT_NEAR);
    heap_of(10 * MIB);
    assert_false(limit_allows(1));
    assert_true(limit_allows(0));
    heap_of(12 * MIB); /* larger already */
    assert_false(limit_allows(1));
    assert_int_equal(look(SIZE_MAX), LIMIT_FULL);
    assert_int_equal(fake_calls(FAKE_OPEN_FILE), 0);
    assert_true(option_set(OPTION_soft_limit, 0));
    limit_options_changed();
    assert_true(limit_allows(2 * MIB));
}

static void every_part_of_the_heap_counts(void **state) {
    (void)state;
    assert_true(option_set(OPTION_soft_limit, 10 * MIB));
    limit_options_changed();
    _Atomic(size_t) *const parts[] = {&page_counters.used_bytes, &page_counters.dirty_bytes, &page_counters.direct_bytes,
                                      &page_counters.meta_bytes};
    for (size_t i = 0; i < COUNT(parts); i++) {
        assert_true(limit_allows(MIB));
        store_relaxed(parts[i], 10 * MIB);
        assert_false(limit_allows(MIB));
        store_relaxed(parts[i], 0);
    }
}

static void a_container_refuses_only_when_it_is_full(void **state) {
    (void)state;
    container(256 * MIB, 100 * MIB);
    heap_of(1000 * MIB); /* reserved, hardly touched: what is used is what counts */
    assert_int_equal(look(MIB), LIMIT_ROOM);
    assert_int_equal(look(100 * MIB), LIMIT_ROOM);
    assert_int_equal(look(4096 * MIB), LIMIT_NEAR); /* nobody can know that it will be touched */
    container(256 * MIB, 240 * MIB);
    assert_int_equal(look(65536), LIMIT_NEAR);
    container(256 * MIB, 252 * MIB + 4096); /* within the margin */
    assert_int_equal(look(65536), LIMIT_FULL);
    container(256 * MIB, 252 * MIB - 65536); /* it just fits */
    assert_int_equal(look(65536), LIMIT_NEAR);
    assert_int_equal(look(65537), LIMIT_FULL);
    assert_string_equal(reached.name, "container limit");
    assert_string_equal(reached.where, "/sys/fs/cgroup");
    assert_int_equal(reached.limit, 256 * MIB);
    assert_false(limit_admits(1));
    heap_of(990 * MIB);
    assert_true(limit_admits(10 * MIB)); /* what the heap gave back it may take again */
    container(256 * MIB, 100 * MIB);
    assert_int_equal(look(65536), LIMIT_ROOM);
}

static void memory_high_is_near_but_never_full(void **state) {
    (void)state;
    container(1024 * MIB, 300 * MIB);
    fake_set_file("/sys/fs/cgroup/memory.high", "314572800\n");
    heap_of(250 * MIB);
    assert_int_equal(look(MIB), LIMIT_NEAR);
    assert_string_equal(reached.where, "memory.high");
    assert_int_equal(limit_budget(100 * MIB), 0);
}

static void resource_limits_are_near_but_never_full(void **state) {
    (void)state;
    fake_set_file("/proc/self/statm", "25600 25600 300 10 0 25600 0\n"); /* 100 MiB */
    fake_settings.address_space_limit = 101 * MIB;
    heap_of(90 * MIB);
    assert_int_equal(look(MIB), LIMIT_NEAR);
    assert_int_equal(look(MIB * 50), LIMIT_NEAR); /* the system will refuse that itself */
    assert_string_equal(reached.name, "process limit");
    fake_settings.address_space_limit = 1000 * MIB;
    assert_int_equal(look(MIB), LIMIT_ROOM);
}

/* A heap that grows to the end of its container looks often enough, and not too often. */
static void looks_get_denser_near_the_end(void **state) {
    (void)state;
    unsigned looks = 0;
    size_t kib = 0;
    for (; kib < 300 * 1024; kib += 64) {
        heap_of(kib * 1024);
        if (!limit_admits(65536)) {
            looks++;
            container(256 * MIB, kib * 1024 + 2 * MIB);
            if (look(65536) == LIMIT_FULL) {
                break;
            }
        }
    }
    assert_in_range(kib, 249 * 1024, 250 * 1024); /* 256 less a 64th less 2 */
    assert_in_range(looks, 5, 30);
}

/* While much of the heap is untouched, any of it may come to be used between two looks. */
static void untouched_memory_makes_looks_denser(void **state) {
    (void)state;
    container(256 * MIB, 20 * MIB);
    heap_of(200 * MIB);
    assert_int_equal(look(65536), LIMIT_ROOM);
    size_t ceiling = load_relaxed(&limit_ceiling);
    fake_set_file("/proc/self/statm", "99999 5420 300 10 0 400 0\n"); /* 20 MiB resident and private */
    assert_int_equal(look(65536), LIMIT_ROOM);
    assert_true(load_relaxed(&limit_ceiling) < ceiling);
    assert_true(load_relaxed(&limit_ceiling) >= 201 * MIB);
}

/* Each of several processes takes a part of the room before it looks again; all of these parts together are no more than the room. */
static void processes_share_the_room(void **state) {
    (void)state;
    static char statm[64];
    fake_set_file("/proc/self/statm", statm);
    for (size_t processes = 1; processes <= 16; processes *= 2) {
        size_t each = 160 * MIB / processes;
        snprintf(statm, sizeof statm, "99999 %zu 0 10 0 400 0\n", each / 4096);
        container(256 * MIB, 160 * MIB);
        heap_of(each);
        assert_true(each < 16 * MIB || look(65536) == LIMIT_ROOM);
        if (each >= 16 * MIB) {
            assert_true((load_relaxed(&limit_ceiling) - each) * processes <= 92 * MIB);
            /* A huge page is touched as a whole: all who touch one at once must fit in the margin, which is 4 MiB here. */
            assert_int_equal(limit_lets_soil(HUGE_WINDOW), processes <= 2);
            (void)limit_budget(0);
            assert_true(limit_admits(UNIT_SIZE)); /* its part stays its own */
            /* Given back, and wanted again: others may have taken it, unless there are hardly any. */
            heap_of(each / 2);
            (void)limit_budget(0);
            assert_int_equal(limit_admits(each / 2 + MIB), processes == 1);
        }
    }
}

static void without_a_limit_anything_may_be_soiled(void **state) {
    (void)state;
    heap_of(20 * MIB);
    assert_int_equal(look(65536), LIMIT_ROOM);
    assert_true(limit_lets_soil((size_t)1 << 40));
}

static void a_failed_request_does_not_count_as_used(void **state) {
    (void)state;
    heap_of(20 * MIB);
    assert_true(limit_allows((size_t)1 << 45));
    assert_true(limit_admits((size_t)1 << 45));
    limit_refused();
    assert_false(limit_admits((size_t)1 << 45));
    assert_true(limit_admits(32 * MIB));
    size_t ceiling = load_relaxed(&limit_ceiling);
    heap_of(40 * MIB); /* what was refused later does not raise it */
    limit_refused();
    assert_int_equal(load_relaxed(&limit_ceiling), ceiling);
}

/* What this process has resident and private. */
static void resident(size_t bytes) {
    static char statm[64];
    snprintf(statm, sizeof statm, "99999 %zu 0 10 0 400 0\n", bytes / 4096);
    fake_set_file("/proc/self/statm", statm);
}

static size_t ceiling_after(size_t bytes) {
    assert_int_not_equal(look(bytes), LIMIT_FULL);
    return load_relaxed(&limit_ceiling);
}

/* Half of what would remain, of which nothing that may be touched anyway; but a sixteenth, and a MiB, in any case. */
static void the_step_is_half_of_what_remains(void **state) {
    (void)state;
    container(256 * MIB, 100 * MIB); /* room for 152 */
    heap_of(100 * MIB);
    assert_int_equal(ceiling_after(0), 176 * MIB);
    assert_int_equal(ceiling_after(100 * MIB), 226 * MIB);
    heap_of(200 * MIB);
    resident(100 * MIB);
    assert_int_equal(ceiling_after(0), 226 * MIB);
    assert_int_equal(ceiling_after(72 * MIB), 277 * MIB);
    container(256 * MIB, 250 * MIB + 512 * 1024);
    resident(200 * MIB);
    assert_int_equal(ceiling_after(0), 201 * MIB);
    container(256 * MIB, 251 * MIB + 512 * 1024);
    assert_int_equal(ceiling_after(0), 200 * MIB + 512 * 1024); /* that is all there is */
    container(256 * MIB, 160 * MIB);
    heap_of(20 * MIB);
    resident(MIB);
    assert_int_equal(ceiling_after(0), 20 * MIB + UNIT_SIZE); /* a 160th of the margin would be less than a unit */
}

/* However much the heap has shrunk, it may grow to where all of it could be touched. */
static void what_fits_when_all_is_touched_is_not_looked_for_again(void **state) {
    (void)state;
    container(256 * MIB, 20 * MIB);
    heap_of(200 * MIB);
    resident(20 * MIB);
    assert_int_equal(ceiling_after(100 * MIB), 308 * MIB + 256 * 1024);
    heap_of(100 * MIB);
    (void)limit_budget(0);
    assert_int_equal(load_relaxed(&limit_ceiling), 252 * MIB);
    /* For who has less than three quarters of what is used others may take it meanwhile. */
    container(256 * MIB, 160 * MIB);
    heap_of(120 * MIB);
    resident(120 * MIB);
    size_t ceiling = ceiling_after(0);
    heap_of(60 * MIB);
    (void)limit_budget(0);
    assert_int_equal(load_relaxed(&limit_ceiling), ceiling);
    heap_of(120 * MIB);
    resident(120 * MIB - 4096);
    ceiling = ceiling_after(0);
    heap_of(60 * MIB);
    (void)limit_budget(0);
    assert_int_equal(load_relaxed(&limit_ceiling), ceiling - 60 * MIB);
}

static void the_margin_is_a_64th_but_8_mib_at_most(void **state) {
    (void)state;
    heap_of(100 * MIB);
    container(256 * MIB, 100 * MIB);
    (void)look(0);
    assert_int_equal(load_relaxed(&limit_full_at), 252 * MIB);
    container(1024 * MIB, 100 * MIB);
    (void)look(0);
    assert_int_equal(load_relaxed(&limit_full_at), 1016 * MIB);
}

static void another_thread_frees(void) {
    fake_on_call(FAKE_OPEN_FILE, NULL);
    heap_of(90 * MIB);
}

static void another_thread_purges(void) {
    fake_on_call(FAKE_OPEN_FILE, NULL);
    fetch_add_relaxed(&page_counters.purged_bytes, 10 * MIB);
}

/* It may be taken again before this thread takes what it has seen. */
static void what_goes_back_during_a_look_is_no_room(void **state) {
    (void)state;
    container(256 * MIB, 100 * MIB);
    void (*const others[])(void) = {another_thread_frees, another_thread_purges};
    for (size_t i = 0; i < COUNT(others); i++) {
        heap_of(100 * MIB);
        fake_on_call(FAKE_OPEN_FILE, others[i]);
        (void)look(0);
        assert_int_equal(load_relaxed(&limit_full_at), 242 * MIB);
    }
}

/* Even a small heap may be too large then. */
static void where_limits_are_known_small_heaps_look_too(void **state) {
    (void)state;
    heap_of(MIB);
    container(MIB, MIB);
    assert_int_equal(look(0), LIMIT_ROOM);
    limit_suspect();
    assert_int_equal(look(65536), LIMIT_FULL);
    assert_int_equal(look(65536), LIMIT_FULL);
    fake_set_file("/sys/fs/cgroup/memory.max", "max\n");
    assert_int_equal(look(65536), LIMIT_ROOM); /* no longer */
    container(MIB, MIB);
    assert_int_equal(look(65536), LIMIT_ROOM);
    fake_set_file("/sys/fs/cgroup/memory.max", "max\n");
    fake_set_file("/sys/fs/cgroup/memory.high", "1048576\n");
    limit_suspect();
    assert_int_equal(look(65536), LIMIT_NEAR);
    assert_int_equal(look(65536), LIMIT_NEAR);
    fake_set_file("/sys/fs/cgroup/memory.high", "max\n");
    resident(0);
    fake_settings.address_space_limit = (size_t)99999 * 4096;
    assert_int_equal(look(65536), LIMIT_NEAR);
    assert_int_equal(look(65536), LIMIT_NEAR);
}

static void the_budget_shrinks_to_nothing_near_a_limit(void **state) {
    (void)state;
    assert_true(option_set(OPTION_soft_limit, 64 * MIB));
    limit_options_changed();
    size_t before = SIZE_MAX;
    for (size_t mib = 1; mib < 64; mib++) {
        heap_of(mib * MIB);
        (void)look(0);
        size_t budget = limit_budget(8 * MIB);
        assert_true(budget <= before);
        assert_int_equal(budget, mib <= 52 ? 8 * MIB : mib < 60 ? (60 - mib) * MIB : 0);
        before = budget;
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(small_heaps_read_no_file),
    cmocka_unit_test(without_limits_the_ceiling_rises_with_the_heap),
    cmocka_unit_test(the_system_is_not_asked_when_told_so),
    cmocka_unit_test(the_soft_limit_is_exact),
    cmocka_unit_test(every_part_of_the_heap_counts),
    cmocka_unit_test(a_container_refuses_only_when_it_is_full),
    cmocka_unit_test(memory_high_is_near_but_never_full),
    cmocka_unit_test(resource_limits_are_near_but_never_full),
    cmocka_unit_test(looks_get_denser_near_the_end),
    cmocka_unit_test(untouched_memory_makes_looks_denser),
    cmocka_unit_test(processes_share_the_room),
    cmocka_unit_test(without_a_limit_anything_may_be_soiled),
    cmocka_unit_test(a_failed_request_does_not_count_as_used),
    cmocka_unit_test(the_step_is_half_of_what_remains),
    cmocka_unit_test(what_fits_when_all_is_touched_is_not_looked_for_again),
    cmocka_unit_test(the_margin_is_a_64th_but_8_mib_at_most),
    cmocka_unit_test(what_goes_back_during_a_look_is_no_room),
    cmocka_unit_test(where_limits_are_known_small_heaps_look_too),
    cmocka_unit_test(the_budget_shrinks_to_nothing_near_a_limit),
};
UNIT_MAIN(tests)
