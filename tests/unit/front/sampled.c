/*
 * Purpose: tests of front/sampled.c, and of the front with guarded blocks: how many are taken, and every entry point on them.
 */
#include "front/sampled.h"
#include "collam/collam.h"
#include "config/options.h"
#include "front/slow.h"
#include "heap/guarded.h"
#include "heap/thread_heap.h"
#include "unit.h"

#include <errno.h>
#include <pthread.h>

static bool is_guarded(const void *block) {
    return guarded_holds((uintptr_t)block);
}

static void without_a_rate_nothing_is_guarded(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_false(is_guarded(collam_malloc(100)));
    }
    assert_false(is_guarded(collam_calloc(1, 100)));
    assert_false(is_guarded(collam_aligned_alloc(64, 100)));
}

/* As start does it. */
static void guard_at(size_t rate) {
    sampled_start(rate);
    heap_count_calls();
    store_relaxed(&front_special, true);
}

/* Blocks that are freed at once and taken again from the magazine, of all kinds; a heap that is there before the rate is set. */
static void recycled_blocks_are_guarded_at_the_rate(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 100, 1024, 1025, 4000, 32768 - 64};
    (void)heap_of_thread();
    guard_at(50);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        unsigned guarded = 0;
        for (int i = 0; i < 50000; i++) {
            void *block = i % 4 == 0   ? collam_calloc(1, sizes[s])
                          : i % 4 == 1 ? collam_aligned_alloc(64, align_up(sizes[s], 64))
                                       : collam_malloc(sizes[s]);
            guarded += is_guarded(block);
            collam_free(block);
        }
        assert_in_range(guarded, 900, 1100);
    }
}

/* One call in so many, with a rate for which a thread that recycles hardly ever takes the slow path by itself. */
static void a_high_rate_guards_recycled_blocks_too(void **state) {
    (void)state;
    guard_at(SAMPLED_PACED - 1);
    unsigned guarded = 0;
    for (int i = 0; i < 2000000; i++) {
        void *block = collam_malloc(48);
        guarded += is_guarded(block);
        collam_free(block);
    }
    assert_in_range(guarded, 1800, 2200);
}

/* No block of them is used again. */
static void fresh_blocks_are_guarded_at_the_rate(void **state) {
    (void)state;
    guard_at(SAMPLED_PACED - 1);
    unsigned guarded = 0;
    for (int i = 0; i < 400000; i++) {
        void *block = collam_malloc(48);
        if (is_guarded(block)) {
            guarded++;
            collam_free(block); /* its slot is wanted again */
        }
    }
    assert_in_range(guarded, 320, 480);
}

static void *take_and_count(void *context) {
    unsigned guarded = 0;
    for (int i = 0; i < 50000; i++) {
        void *block = collam_malloc(100);
        guarded += is_guarded(block);
        collam_free(block);
    }
    *(unsigned *)context = guarded;
    return NULL;
}

/* In the order in which start goes: the thread has a heap before it is said that they shall count. */
static void *take_before_and_count(void *context) {
    pthread_barrier_t *turn = *(pthread_barrier_t **)context;
    collam_free(collam_malloc(100));
    (void)pthread_barrier_wait(turn);
    (void)pthread_barrier_wait(turn);
    bool emptied = heap_flush_all(); /* or it would never leave the fast path */
    return take_and_count(context), emptied ? context : NULL;
}

static void a_heap_that_is_older_than_the_rate_counts_from_its_first_slow_call(void **state) {
    (void)state;
    pthread_barrier_t turn;
    assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
    union {
        pthread_barrier_t *turn;
        unsigned guarded;
    } shared = {&turn};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_before_and_count, &shared), 0);
    (void)pthread_barrier_wait(&turn);
    guard_at(50);
    (void)pthread_barrier_wait(&turn);
    void *emptied;
    assert_int_equal(pthread_join(thread, &emptied), 0);
    assert_non_null(emptied);
    assert_in_range(shared.guarded, 900, 1100);
    assert_int_equal(pthread_barrier_destroy(&turn), 0);
}

/* The thread counts on when its heap is gone, and never finds a block in the heap that stands in for it. */
static void a_thread_that_has_ended_its_heap_counts_on(void **state) {
    (void)state;
    guard_at(50);
    unsigned guarded;
    (void)take_and_count(&guarded);
    heap_end_of_thread();
    assert_ptr_equal(thread_heap, &no_heap);
    (void)take_and_count(&guarded);
    assert_in_range(guarded, 900, 1100);
    assert_ptr_equal(thread_heap, &no_heap);
}

/* Each call counts as one, whether its magazine holds a block or not, and whichever way it goes. */
static void the_countdown_is_exact(void **state) {
    (void)state;
    enum { LEFT = 4000 };
    guard_at(1u << 20);
    collam_free(collam_malloc(1)); /* drawn now */
    sampled_left = LEFT;
    void *kept[16] = {NULL};
    for (int i = 0; i < LEFT; i++) {
        size_t size = (size_t)(i % 7 * 700 + i % 50);
        void **place = &kept[i % 16]; /* of every third, what was taken is freed at once */
        collam_free(*place);
        *place = i % 5 == 0   ? collam_calloc(2, size)
                 : i % 5 == 1 ? collam_aligned_alloc(64, align_up(size, 64))
                 : i % 5 == 2 ? collam_realloc(NULL, size)
                              : collam_malloc(i % 31 ? size : 100000);
        assert_non_null(*place);
        assert_false(is_guarded(*place));
        if (i % 3 == 0) {
            collam_free(*place);
            *place = NULL;
        }
        assert_int_equal(sampled_left, LEFT - 1 - i);
    }
    assert_true(is_guarded(collam_malloc(100)));
    assert_true(sampled_left >= 0);
}

/* Allocations so many nanoseconds apart; how many of each tenth of them were guarded is added up. */
static void work_for(unsigned calls, uint64_t apart, unsigned guarded[10]) {
    for (unsigned i = 0; i < calls; i++) {
        fake_settings.clock += apart;
        void *block = collam_malloc(48);
        guarded[(uint64_t)i * 10 / calls] += is_guarded(block);
        collam_free(block);
    }
}

static unsigned sum(const unsigned guarded[10]) {
    unsigned all = 0;
    for (int i = 0; i < 10; i++) {
        all += guarded[i];
    }
    return all;
}

static void a_rate_for_daily_use_is_paced(void **state) {
    (void)state;
    fake_settings.clock = 1;
    guard_at(SAMPLED_PACED);
    unsigned slow[10] = {0};
    work_for(100 * SAMPLED_PACED, SAMPLED_PAUSE / 10, slow); /* a turn each hundred pauses */
    assert_in_range(sum(slow), 70, 130);
    unsigned quick[10] = {0};
    work_for(1000 * SAMPLED_PACED, SAMPLED_PAUSE / SAMPLED_PACED / 10, quick); /* ten turns each pause, a hundred pauses */
    assert_in_range(sum(quick), 20, 90);
    unsigned at_once[10] = {0};
    work_for(100 * SAMPLED_PACED, 0, at_once);
    assert_true(sum(at_once) <= 1);
}

/* Bursts with idleness between them: the ends of them have a chance as well. */
static void no_part_of_a_burst_is_left_out(void **state) {
    (void)state;
    fake_settings.clock = 1;
    guard_at(SAMPLED_PACED);
    unsigned guarded[10] = {0};
    for (int i = 0; i < 2000; i++) {
        work_for(10 * SAMPLED_PACED, 50, guarded);
        fake_settings.clock += SAMPLED_PAUSE;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(guarded[i], 40, 400);
    }
    assert_in_range(sum(guarded), 1300, 2000);
}

static void the_pause_is_the_process_s(void **state) {
    (void)state;
    fake_settings.clock = SAMPLED_PAUSE;
    guard_at(SAMPLED_PACED);
    collam_free(collam_malloc(48)); /* drawn now */
    fake_settings.clock += SAMPLED_PAUSE;
    sampled_left = 0;
    assert_true(is_guarded(collam_malloc(48)));
    fake_settings.clock += SAMPLED_PAUSE / 2;
    unsigned guarded;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_and_count, &guarded), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(guarded, 0);
}

/* So many turns passed while much was going on that a quiet program would not be looked at for hours. */
static void a_busy_start_does_not_blind_a_quiet_program(void **state) {
    (void)state;
    fake_settings.clock = 1;
    guard_at(SAMPLED_PACED);
    unsigned busy[10] = {0};
    work_for(20000 * SAMPLED_PACED, SAMPLED_PAUSE / SAMPLED_PACED / 1000, busy); /* a thousand turns each pause */
    unsigned quiet[10] = {0};
    work_for(100 * SAMPLED_PACED, SAMPLED_PAUSE, quiet); /* ten seconds each */
    assert_in_range(sum(quiet), 50, 130);
}

/* As after a fork into another time. */
static void a_clock_that_goes_back_does_not_end_it(void **state) {
    (void)state;
    fake_settings.clock = 100 * (uint64_t)SAMPLED_PAUSE;
    guard_at(SAMPLED_PACED);
    collam_free(collam_malloc(48)); /* drawn now */
    fake_settings.clock += SAMPLED_PAUSE;
    for (int i = 0; i < 3; i++) {
        sampled_left = 0;
        assert_true(is_guarded(collam_malloc(48)));
        fake_settings.clock -= SAMPLED_PAUSE;
    }
}

/* Nothing was guarded: nobody waits for it. */
static void a_turn_that_cannot_be_guarded_makes_no_pause(void **state) {
    (void)state;
    fake_settings.clock = 1;
    guard_at(SAMPLED_PACED);
    collam_free(collam_malloc(48)); /* drawn now */
    fake_settings.clock += SAMPLED_PAUSE;
    sampled_left = 0;
    assert_false(is_guarded(collam_malloc(GUARDED_MAX + 1)));
    sampled_left = 0;
    assert_true(is_guarded(collam_malloc(48)));
}

/* A block that grows by a little is given room to grow on, unless this is the one that is guarded. */
static void ordinary_blocks_grow_ahead(void **state) {
    (void)state;
    guard_at(1u << 20);
    collam_free(collam_malloc(1)); /* drawn now */
    sampled_left = 1000;
    size_t usable = collam_usable_size(collam_malloc(512));
    char *grown = collam_realloc(collam_malloc(512), usable + 1);
    assert_true(collam_usable_size(grown) >= usable + usable / 4); /* the next class would be an eighth */
    sampled_start(1);
    sampled_left = 0;
    grown = collam_realloc(grown, collam_usable_size(grown) + 1);
    assert_true(is_guarded(grown) && collam_usable_size(grown) % 16 == 1);
}

/* While calls are counted for statistics too. */
static void the_mean_is_the_rate_while_watched(void **state) {
    (void)state;
    (void)heap_of_thread();
    heap_watch();
    guard_at(50);
    unsigned guarded = 0;
    for (int i = 0; i < 50000; i++) {
        void *block = collam_malloc(100);
        guarded += is_guarded(block);
        collam_free(block);
    }
    assert_in_range(guarded, 900, 1100);
}

/* Every allocation of this thread, while slots last; statistics count. */
static void guard_all(void) {
    (void)heap_of_thread();
    heap_watch();
    sampled_start(1);
    store_relaxed(&front_special, true);
}

static void every_entry_point_takes_guarded_blocks(void **state) {
    (void)state;
    guard_all();
    char *block = collam_malloc(100);
    assert_true(is_guarded(block));
    assert_int_equal(collam_usable_size(block), 100);
    char *zeroed = collam_calloc(10, 30);
    assert_true(is_guarded(zeroed) && unit_all(zeroed, 300, 0));
    char *aligned = collam_aligned_alloc(4096, 100);
    assert_true(is_guarded(aligned) && (uintptr_t)aligned % 4096 == 0);
    collam_free_sized(block, 100);
    collam_free(zeroed);
    collam_free_aligned_sized(aligned, 4096, 100);
    assert_int_equal(collam_usable_size(collam_malloc(0)), 1);
    assert_false(is_guarded(collam_malloc(32769)));
    size_t bytes;
    assert_int_equal(guarded_live(&bytes), 1);
    assert_string_equal(fake_output(), "");
}

static void realloc_moves_and_stays(void **state) {
    (void)state;
    guard_all();
    char *block = collam_malloc(100);
    memset(block, 7, 100);
    assert_ptr_equal(collam_realloc(block, 60), block); /* fits and uses half of it */
    char *moved = collam_realloc(block, 5000);
    assert_true(moved != block && unit_all(moved, 60, 7));
    char *large = collam_realloc(moved, 3 << 20);
    assert_true(!is_guarded(large) && unit_all(large, 60, 7));
    char *small = collam_realloc(large, 10);
    assert_true(is_guarded(small) && unit_all(small, 10, 7));
    assert_null(collam_realloc(small, SIZE_MAX));
    assert_true(unit_all(small, 10, 7));
    collam_free(small);
    size_t bytes;
    assert_int_equal(guarded_live(&bytes), 0);
    assert_string_equal(fake_output(), "");
}

static void statistics_know_them(void **state) {
    (void)state;
    guard_all();
    struct collam_stats stats;
    void *block = collam_malloc(100);
    collam_get_stats(&stats, sizeof stats);
    assert_int_equal(stats.guarded_bytes, 100);
    assert_int_equal(stats.live_bytes, 100);
    assert_int_equal(stats.live_blocks, 1);
    assert_int_equal(stats.allocations, 1);
    collam_free(block);
    collam_get_stats(&stats, sizeof stats);
    assert_int_equal(stats.guarded_bytes, 0);
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.frees, 1);
}

static void when_all_slots_are_taken_the_rest_is_ordinary(void **state) {
    (void)state;
    guard_all();
    void *block[100];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = collam_malloc(100);
        assert_int_equal(is_guarded(block[i]), i < GUARDED_SLOTS);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        collam_free(block[i]);
    }
}

static void expect_line(const char *end) {
    char *newline = strchr(fake_output(), '\n');
    assert_non_null(newline);
    *newline = '\0';
    if (strstr(fake_output(), end) == NULL) {
        fail_msg("no '%s' in '%s'", end, fake_output());
    }
    fake_output_clear();
}

static void misuse_is_told_as_of_any_block(void **state) {
    (void)state;
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
    guard_all();
    char *block = collam_malloc(64);
    collam_free(block);
    collam_free(block);
    expect_line("double free of a 64-byte block; ignored");
    assert_null(collam_realloc(block, 10));
    expect_line("double free of a 64-byte block; ignored");
    assert_int_equal(collam_usable_size(block), 0);
    expect_line("double free of a 64-byte block; ignored");
    collam_free_sized(block, 64);
    expect_line("double free of a 64-byte block; ignored");
    char *other = collam_malloc(64);
    collam_free(other + 16);
    expect_line("pointer into the middle of a 64-byte block at 0x");
    collam_free(other - 4096);
    expect_line("not a block of collam");
    collam_free(other + GUARDED_PITCH * 3);
    expect_line("not a block of collam");
    collam_free_sized(other, 100);
    expect_line("size does not match the block (64 bytes); ignored");
    assert_int_equal(collam_usable_size(other), 64);
    int before = errno = 77;
    other[64] = 1; /* the second block stands to the left of its space */
    collam_free(other);
    assert_int_equal(errno, before);
    expect_line("overflow, written at 0x");
    char *third = collam_malloc(64);
    third[-1] = 1;
    collam_free(third);
    expect_line("underflow, written at 0x");
}

static void without_memory_for_the_pool_all_is_ordinary(void **state) {
    (void)state;
    guard_all();
    fake_fail_nth(FAKE_PROTECT, 1);
    assert_false(is_guarded(collam_malloc(10)));
    assert_false(is_guarded(collam_malloc(10)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(without_a_rate_nothing_is_guarded),
    cmocka_unit_test(a_heap_that_is_older_than_the_rate_counts_from_its_first_slow_call),
    cmocka_unit_test(a_thread_that_has_ended_its_heap_counts_on),
    cmocka_unit_test(the_countdown_is_exact),
    cmocka_unit_test(a_rate_for_daily_use_is_paced),
    cmocka_unit_test(no_part_of_a_burst_is_left_out),
    cmocka_unit_test(the_pause_is_the_process_s),
    cmocka_unit_test(a_busy_start_does_not_blind_a_quiet_program),
    cmocka_unit_test(a_clock_that_goes_back_does_not_end_it),
    cmocka_unit_test(a_turn_that_cannot_be_guarded_makes_no_pause),
    cmocka_unit_test(ordinary_blocks_grow_ahead),
    cmocka_unit_test(the_mean_is_the_rate_while_watched),
    cmocka_unit_test(recycled_blocks_are_guarded_at_the_rate),
    cmocka_unit_test(a_high_rate_guards_recycled_blocks_too),
    cmocka_unit_test(fresh_blocks_are_guarded_at_the_rate),
    cmocka_unit_test(every_entry_point_takes_guarded_blocks),
    cmocka_unit_test(realloc_moves_and_stays),
    cmocka_unit_test(statistics_know_them),
    cmocka_unit_test(when_all_slots_are_taken_the_rest_is_ordinary),
    cmocka_unit_test(misuse_is_told_as_of_any_block),
    cmocka_unit_test(without_memory_for_the_pool_all_is_ordinary),
};
UNIT_MAIN(tests)
