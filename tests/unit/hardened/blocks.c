/*
 * Purpose: tests of front/hardened.c in a core that is compiled as the hardened library is: what is found in blocks, and that chance
 * chooses them.
 */
#include "collam/collam.h"
#include "config/options.h"
#include "front/sampled.h"
#include "front/slow.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/quarantine.h"
#include "heap/thread_heap.h"
#include "slab/size_class.h"
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void warn(void) {
    assert_true(option_set(OPTION_misuse, MISUSE_WARN));
}

static void expect(const char *format, const char *block, const char *where, size_t size) {
    char line[300];
    snprintf(line, sizeof line, format, (const void *)block, (const void *)where, size);
    assert_string_equal(fake_output(), line);
    fake_output_clear();
}

static const size_t sizes[] = {0, 1, 8, 9, 24, 56, 57, 100, 1000, 1016, 1017, 5000, 20000, 32760};

static void blocks_are_clear_and_end_before_their_canary(void **state) {
    (void)state;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            char *block = collam_malloc(sizes[i]);
            size_t usable = collam_usable_size(block);
            assert_true(usable >= sizes[i] && usable % 16 == 8);
            assert_true(unit_all(block, usable, 0));
            memset(block, 0xff, usable);
            char *aligned = collam_aligned_alloc(256, sizes[i]);
            assert_true((uintptr_t)aligned % 256 == 0 && unit_all(aligned, sizes[i], 0));
            memset(aligned, 0xff, sizes[i]);
            collam_free_sized(block, sizes[i]);
            collam_free_aligned_sized(aligned, 256, sizes[i]);
        }
    }
    assert_string_equal(fake_output(), "");
}

static void an_overrun_is_found_when_the_block_is_freed(void **state) {
    (void)state;
    warn();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *block = collam_malloc(sizes[i]);
        size_t usable = collam_usable_size(block);
        for (size_t beyond = 0; beyond < 8; beyond += 7) {
            block[usable + beyond] = (char)(beyond ? ~block[usable + beyond] : 0 /* the end of a string */);
            collam_free(block);
            expect("collam: collam_free(%p): overflow, written at %p behind a %zu-byte block; ignored\n", block, block + usable + beyond,
                   usable);
            block = collam_malloc(sizes[i]);
        }
    }
}

static void a_write_after_free_is_found_when_the_block_is_given_again(void **state) {
    (void)state;
    warn();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *block = collam_malloc(sizes[i]);
        size_t usable = collam_usable_size(block);
        char *where = block + usable * i / COUNT(sizes);
        char *others[20];
        for (size_t n = 0; n < COUNT(others); n++) {
            others[n] = collam_malloc(sizes[i]);
        }
        collam_free(block);
        *where = 1;
        for (size_t n = 0; n < COUNT(others); n++) {
            collam_free(others[n]);
        }
        char *again = NULL;
        for (int n = 0; n < 1000 && again != block; n++) {
            again = collam_malloc(sizes[i]);
        }
        assert_ptr_equal(again, block);
        expect("collam: malloc(%p): write after free, at %p in a %zu-byte block; ignored\n", block, where, usable);
        assert_true(unit_all(block, usable, 0));
        collam_free(block);
        assert_string_equal(fake_output(), "");
    }
}

static pthread_barrier_t barrier;

/* The block waits in the magazine of a thread that lives: nothing but its contents says so. */
static void *free_and_wait(void *block) {
    collam_free(collam_malloc(100));
    collam_free(block);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void a_double_free_is_found_wherever_the_block_waits(void **state) {
    (void)state;
    warn();
    char *block = collam_malloc(100);
    size_t usable = collam_usable_size(block);
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, free_and_wait, block), 0);
    pthread_barrier_wait(&barrier);
    collam_free(block);
    char line[200];
    snprintf(line, sizeof line, "collam: collam_free(%p): double free of a %zu-byte block; ignored\n", (void *)block, usable);
    assert_string_equal(fake_output(), line);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}

static _Atomic(char *) offered;
static _Atomic(unsigned) gone_by;

static void *free_what_is_offered(void *rounds) {
    for (size_t i = 0; i < *(const size_t *)rounds; i++) {
        char *block;
        while ((block = offered) == NULL) {
            sched_yield();
        }
        collam_free(block);
        offered = NULL;
        while (gone_by == i) {
            sched_yield();
        }
    }
    return NULL;
}

static void of_two_threads_that_free_a_block_at_once_one_is_told(void **state) {
    (void)state;
    warn();
    size_t rounds = 20000;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_what_is_offered, &rounds), 0);
    for (size_t i = 0; i < rounds; i++) {
        char *block = collam_malloc(200);
        offered = block;
        collam_free(block);
        while (offered != NULL) {
            sched_yield();
        }
        expect("collam: collam_free(%p): double free of a 200-byte block; ignored\n", block, NULL, 0);
        gone_by++;
    }
    pthread_join(thread, NULL);
}

static void realloc_and_usable_size_look_at_the_end_and_at_blocks_that_wait(void **state) {
    (void)state;
    warn();
    char *block = collam_malloc(200);
    block[200] = 1;
    assert_int_equal(collam_usable_size(block), 0);
    expect("collam: collam_usable_size(%p): overflow, written at %p behind a %zu-byte block; ignored\n", block, block + 200, 200);
    assert_null(collam_realloc(block, 190));
    expect("collam: collam_realloc(%p): overflow, written at %p behind a %zu-byte block; ignored\n", block, block + 200, 200);
    char *freed = collam_malloc(200);
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, free_and_wait, freed), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(collam_usable_size(freed), 0);
    expect("collam: collam_usable_size(%p): double free of a 200-byte block; ignored\n", freed, NULL, 0);
    assert_null(collam_realloc(freed, 190));
    expect("collam: collam_realloc(%p, 190): double free of a 200-byte block; ignored\n", freed, NULL, 0);
    assert_null(collam_realloc(freed, 50000));
    expect("collam: collam_realloc(%p, 50000): double free of a 200-byte block; ignored\n", freed, NULL, 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}

static void calloc_gives_zeros(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            char *block = collam_calloc(sizes[i], 1);
            assert_true(unit_all(block, sizes[i], 0));
            memset(block, round + 1, sizes[i]);
            char *large = collam_calloc(32761 + sizes[i], 1);
            assert_true(unit_all(large, 32761 + sizes[i], 0));
            memset(large, 1, 32761 + sizes[i]);
            collam_free(large);
            collam_free(block);
        }
        assert_true(option_set(OPTION_perturb, round == 1 ? 0x5a : 0));
    }
    assert_string_equal(fake_output(), "");
}

static void chance_chooses_the_block(void **state) {
    (void)state;
    enum { N = 20, ROUNDS = 200 };
    char *block[N];
    unsigned newest = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < N; i++) {
            block[i] = collam_malloc(40);
        }
        for (size_t i = 0; i < N; i++) {
            collam_free(block[i]);
        }
        char *next = collam_malloc(40);
        newest += next == block[N - 1];
        collam_free(next);
    }
    assert_true(newest <= ROUNDS / 5);
}

enum { CHOICES = 20 };

static void choose(uintptr_t chosen[CHOICES]) {
    for (size_t i = 0; i < CHOICES; i++) {
        chosen[i] = (uintptr_t)collam_malloc(40);
    }
}

/* A server that forks a child for each who asks would else tell each what the next is given. */
static void a_child_chooses_otherwise_than_its_parent(void **state) {
    (void)state;
    uintptr_t mine[CHOICES], of_child[CHOICES];
    choose(mine);
    for (size_t i = 0; i < CHOICES; i++) {
        collam_free((void *)mine[i]);
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    choose(mine);
    if (child == 0) {
        _exit(write(ends[1], mine, sizeof mine) != sizeof mine);
    }
    assert_int_equal(read(ends[0], of_child, sizeof of_child), sizeof of_child);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unsigned same = 0;
    for (size_t i = 0; i < CHOICES; i++) {
        same += mine[i] == of_child[i];
    }
    assert_true(same <= CHOICES / 2);
}

static void realloc_keeps_contents(void **state) {
    (void)state;
    char *block = NULL;
    for (size_t size = 1; size < 3000000; size += size / 3 + 1) {
        block = collam_realloc(block, size);
        memset(block + size - 1, 3, 1);
        assert_int_equal(block[size / 2], size > 1 ? block[size / 2] : 3);
    }
    for (size_t size = 2000000; size > 0; size = size * 2 / 5) {
        memset(block, 4, size);
        block = collam_realloc(block, size);
        assert_true(unit_all(block, size, 4));
    }
    collam_free(block);
    assert_string_equal(fake_output(), "");
}

static void large_blocks_wait_and_a_second_free_is_seen(void **state) {
    (void)state;
    warn();
    static const size_t large[] = {80000, 300000, 50 << 20};
    for (size_t i = 0; i < COUNT(large); i++) {
        char *block = collam_malloc(large[i]);
        memset(block, 1, 5000);
        collam_free(block);
        collam_free(block);
        char line[200];
        snprintf(line, sizeof line, "collam: collam_free(%p): double free of a large block; ignored\n", (void *)block);
        assert_string_equal(fake_output(), line);
        fake_output_clear();
    }
    struct collam_stats stats;
    collam_get_stats(&stats, sizeof stats);
    assert_int_equal(stats.large_bytes + stats.direct_bytes, 0);
    collam_trim(0);
    assert_string_equal(fake_output(), "");
}

/* A block that shrinks leaves pages behind that nobody has cleared. */
static void calloc_clears_what_is_too_long_for_a_slab_with_its_canary(void **state) {
    (void)state;
    char *shrunk = collam_malloc(SMALL_MAX + 3 * 4096);
    memset(shrunk, 1, SMALL_MAX + 3 * 4096);
    char *place = collam_malloc(8 * SMALL_MAX);
    memset(place, 1, 8 * SMALL_MAX);
    assert_ptr_equal(collam_realloc(place, 2 * SMALL_MAX - 8192), place);
    for (size_t size = SMALL_MAX - 7; size <= SMALL_MAX; size++) {
        char *block = collam_calloc(1, size);
        assert_true(unit_all(block, size, 0));
        memset(block, 1, size);
    }
    collam_free(shrunk);
    collam_free(place);
}

static void perturbing_fills_blocks_of_every_size(void **state) {
    (void)state;
    assert_true(option_set(OPTION_perturb, 0xa5));
    (void)heap_of_thread();
    heap_watch();
    static const size_t asked[] = {1, 100, 32760, 40000, 300000};
    for (size_t i = 0; i < COUNT(asked); i++) {
        char *block = collam_malloc(asked[i]);
        assert_true(unit_all(block, asked[i], 0x5a));
        char *aligned = collam_aligned_alloc(4096, asked[i]);
        assert_true(unit_all(aligned, asked[i], 0x5a));
        collam_free(aligned);
        collam_free(block);
    }
}

static void a_block_of_the_least_size_stays_for_every_size_it_fits(void **state) {
    (void)state;
    char *block = collam_malloc(1);
    for (size_t size = 1; size <= collam_usable_size(block); size++) {
        assert_ptr_equal(collam_realloc(block, size), block);
    }
    collam_free(block);
}

/* Every one of them, from the least on; what waits is left alone. */
static void blocks_with_a_fence_wait(void **state) {
    (void)state;
    assert_true(option_set(OPTION_dirty_min, (size_t)1 << 30));
    assert_false(large_end_quarantine());
    for (unsigned i = 0; i < QUARANTINE_SLOTS + 3; i++) {
        char *block = collam_malloc(QUARANTINE_MIN);
        size_t calls = fake_calls(FAKE_PURGE);
        collam_free(block);
        assert_int_equal(quarantine_size((uintptr_t)block), QUARANTINE_MIN + 4096);
        assert_int_equal(fake_calls(FAKE_PURGE) - calls, 1);
    }
    assert_true(large_end_quarantine());
    assert_false(large_end_quarantine());
}

/* Of others and of blocks that cannot wait the contents are forgotten: a few pages are cleared, more go back. */
static void large_blocks_are_forgotten_where_they_do_not_wait(void **state) {
    (void)state;
    const size_t size = QUARANTINE_MIN - 4096;
    assert_true(option_set(OPTION_dirty_min, (size_t)1 << 30));
    if (size > SMALL_MAX) {
        char *block = collam_malloc(size);
        memset(block, 1, size);
        size_t calls = fake_calls(FAKE_PURGE);
        collam_free(block);
        assert_true(unit_all(block, size, 0));
        assert_int_equal(fake_calls(FAKE_PURGE), calls);
    }
    char *block = collam_malloc(QUARANTINE_BYTES + 1);
    memset(block, 1, 4096);
    size_t calls = fake_calls(FAKE_PURGE);
    collam_free(block);
    assert_int_equal(quarantine_size((uintptr_t)block), 0);
    assert_true(fake_calls(FAKE_PURGE) > calls);
}

static void what_is_no_large_block_is_reported(void **state) {
    (void)state;
    warn();
    char *block = collam_malloc(300000);
    collam_free(block + 4096);
    assert_non_null(strstr(fake_output(), "pointer into the middle of a "));
    fake_output_clear();
    collam_free(block);
    (void)large_end_quarantine();
    assert_string_equal(fake_output(), "");
    collam_free(block);
    assert_non_null(strstr(fake_output(), "double free of a large block"));
}

/* As start does it. */
static void one_block_in_so_many_is_guarded(void **state) {
    (void)state;
    sampled_start(50);
    heap_count_calls();
    store_relaxed(&front_special, true);
    unsigned guarded = 0;
    for (int i = 0; i < 50000; i++) {
        void *block = i % 2 ? collam_malloc(100) : collam_aligned_alloc(64, 128);
        guarded += guarded_holds((uintptr_t)block);
        collam_free(block);
    }
    assert_in_range(guarded, 900, 1100);
    assert_string_equal(fake_output(), "");
}

/* With what it is given ahead, too. */
static void a_block_that_grows_stays_in_slabs_while_it_can(void **state) {
    (void)state;
    size_t usable = collam_usable_size(collam_malloc(28000));
    char *grown = collam_realloc(collam_malloc(usable), usable + 1);
    assert_int_not_equal(page_map_class((uintptr_t)grown), 0);
    assert_int_equal(collam_usable_size(grown), SMALL_MAX - CANARY_BYTES);
    assert_string_equal(fake_output(), "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(blocks_are_clear_and_end_before_their_canary),
    cmocka_unit_test(an_overrun_is_found_when_the_block_is_freed),
    cmocka_unit_test(a_write_after_free_is_found_when_the_block_is_given_again),
    cmocka_unit_test(a_double_free_is_found_wherever_the_block_waits),
    cmocka_unit_test(of_two_threads_that_free_a_block_at_once_one_is_told),
    cmocka_unit_test(realloc_and_usable_size_look_at_the_end_and_at_blocks_that_wait),
    cmocka_unit_test(calloc_gives_zeros),
    cmocka_unit_test(chance_chooses_the_block),
    cmocka_unit_test(a_child_chooses_otherwise_than_its_parent),
    cmocka_unit_test(realloc_keeps_contents),
    cmocka_unit_test(large_blocks_wait_and_a_second_free_is_seen),
    cmocka_unit_test(calloc_clears_what_is_too_long_for_a_slab_with_its_canary),
    cmocka_unit_test(perturbing_fills_blocks_of_every_size),
    cmocka_unit_test(a_block_of_the_least_size_stays_for_every_size_it_fits),
    cmocka_unit_test(blocks_with_a_fence_wait),
    cmocka_unit_test(large_blocks_are_forgotten_where_they_do_not_wait),
    cmocka_unit_test(what_is_no_large_block_is_reported),
    cmocka_unit_test(one_block_in_so_many_is_guarded),
    cmocka_unit_test(a_block_that_grows_stays_in_slabs_while_it_can),
};
UNIT_MAIN(tests)
