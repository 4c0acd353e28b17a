/*
 * Purpose: many threads, small stacks, and blocks that are freed by others than made them.
 */
#include "stress.h"
#include <stdatomic.h>
#include <time.h>

/* Threads at once on a machine whose limits are unknown: enough to outnumber its processors. */
enum { TEAM = 8 };

static void *work_on_small_stack(void *argument) {
    for (size_t i = 0; i < 20; i++)
        use_every_kind((size_t)(uintptr_t)argument + i);
    return NULL;
}

int stress_small_stacks(void) {
    for (size_t round = 0; round < (long_form ? 200 : emulated ? 2 : 10); round++) {
        pthread_t thread[TEAM];
        for (size_t i = 0; i < TEAM; i++)
            thread[i] = start_with_stack(work_on_small_stack, (void *)(round * TEAM + i), 64 * 1024);
        for (size_t i = 0; i < TEAM; i++)
            join(thread[i]);
    }
    return 0;
}

static void *short_life(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    void *block[30];
    for (size_t i = 0; i < 30; i++)
        block[i] = make_block(next_number(&seed) % 3000, i);
    for (size_t i = 0; i < 29; i++)
        check_and_free(block[i]);
    return block[29]; /* freed by whoever joins */
}

int stress_ten_thousand_threads(void) {
    long resident = 0, mapped = 0;
    size_t all = long_form ? 100000 : burdened ? 2000 : 10000;
    for (size_t done = 0; done < all; done += TEAM) {
        pthread_t thread[TEAM];
        for (size_t i = 0; i < TEAM; i++)
            thread[i] = start_with_stack(short_life, (void *)(done + i), 64 * 1024);
        for (size_t i = 0; i < TEAM; i++) {
            void *block;
            REQUIRE(pthread_join(thread[i], &block) == 0, "join");
            check_and_free(block);
        }
        if (done / TEAM == 100) {
            resident = resident_kib();
            mapped = mapped_kib();
        }
    }
    long grown = resident_kib() - resident, mapped_more = mapped_kib() - mapped;
    printf("%zu threads: resident grew by %ld KiB, mapped by %ld KiB\n", all, grown, mapped_more);
    REQUIRE(burdened || (grown < 4096 && mapped_more < 32 * 1024), "each thread leaves something behind");
    return 0;
}

static pthread_barrier_t all_hold, all_leave;

static void *hold_24_sizes(void *argument) {
    (void)argument;
    void *block[24];
    for (size_t i = 0; i < 24; i++)
        block[i] = make_block(16 + i * 40, i);
    pthread_barrier_wait(&all_hold);
    pthread_barrier_wait(&all_leave);
    for (size_t i = 0; i < 24; i++)
        check_and_free(block[i]);
    return NULL;
}

int stress_thousand_at_once(void) {
    enum { ALL = 1000 };
    static pthread_t thread[ALL];
    long resident = resident_kib();
    pthread_barrier_init(&all_hold, NULL, ALL + 1);
    pthread_barrier_init(&all_leave, NULL, ALL + 1);
    for (size_t i = 0; i < ALL; i++)
        thread[i] = start_with_stack(hold_24_sizes, NULL, 64 * 1024);
    pthread_barrier_wait(&all_hold);
    long each = (resident_kib() - resident) / ALL;
    pthread_barrier_wait(&all_leave);
    for (size_t i = 0; i < ALL; i++)
        join(thread[i]);
    printf("%ld KiB per idle thread, stack included\n", each);
    if (on_collam() && !burdened)
        REQUIRE(each <= 64, "an idle thread holds %ld KiB", each);
    return 0;
}

/* --- blocks freed by others ---------------------------------------------------------------------------------------------- */

enum { SHELF = 4096 };
static _Atomic(void *) shelf[SHELF];

static void *fill_shelf(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < 3000; i++) {
        size_t size = next_number(&seed) % (i % 50 ? 2000 : 100000);
        check_and_free(atomic_exchange_explicit(&shelf[next_number(&seed) % SHELF], make_block(size, seed), memory_order_acq_rel));
    }
    return NULL; /* and ends, while others free what it made */
}

static void clear_shelf(void) {
    for (size_t i = 0; i < SHELF; i++)
        check_and_free(atomic_exchange_explicit(&shelf[i], NULL, memory_order_acq_rel));
}

int stress_exit_against_remote_frees(void) {
    long resident = 0;
    size_t rounds = long_form ? 2000 : burdened ? 5 : 40;
    for (size_t round = 0; round < rounds; round++) {
        pthread_t thread[TEAM];
        for (size_t i = 0; i < TEAM; i++)
            thread[i] = start(fill_shelf, (void *)(round * TEAM + i + 1));
        for (size_t i = 0; i < TEAM; i++)
            join(thread[i]);
        if (round == rounds / 4)
            resident = resident_kib();
    }
    long grown = resident_kib() - resident;
    clear_shelf();
    printf("resident grew by %ld KiB over the last three quarters\n", grown);
    REQUIRE(burdened || (grown < 16 * 1024), "blocks of ended threads are lost");
    return 0;
}

enum { QUEUE = 1024 };
static _Atomic(void *) queue[QUEUE];
static size_t queue_items;

/* A thread that waits for its peer sleeps: spinning for a whole time slice would measure the scheduler. */
static void wait_a_little(void) {
    struct timespec pause = {.tv_nsec = 20000};
    nanosleep(&pause, NULL);
}

static void *produce(void *argument) {
    size_t seed = 1;
    for (size_t i = 0; i < queue_items; i++) {
        void *block = make_block(next_number(&seed) % (i % 100 ? 500 : 50000), i);
        while (atomic_load_explicit(&queue[i % QUEUE], memory_order_acquire))
            wait_a_little();
        atomic_store_explicit(&queue[i % QUEUE], block, memory_order_release);
    }
    return argument;
}

static void *consume(void *argument) {
    for (size_t i = 0; i < queue_items; i++) {
        void *block;
        while (!(block = atomic_load_explicit(&queue[i % QUEUE], memory_order_acquire)))
            wait_a_little();
        atomic_store_explicit(&queue[i % QUEUE], NULL, memory_order_release);
        check_and_free(block);
    }
    return argument;
}

int stress_producer_consumer(void) {
    queue_items = long_form ? 20000000 : 1000000;
    if (burdened)
        queue_items = 100000;
    long before = resident_kib();
    pthread_t producer = start(produce, NULL), consumer = start(consume, NULL);
    join(producer);
    join(consumer);
    long grown = resident_kib() - before;
    printf("%zu blocks handed over, resident grew by %ld KiB\n", queue_items, grown);
    if (on_collam() && !burdened)
        REQUIRE(grown < 12 * 1024, "about 1 MiB is ever live");
    return 0;
}

/* --- threads that rest ------------------------------------------------------------------------------------------------------ */

enum { SLEEPERS = 32, BLOCKS_OF_SLEEPER = 4000, MIB = 1024 /* in KiB */ };

static pthread_barrier_t all_made, all_freed, all_leave;

/* The blocks of all threads are live at once. Every second thread frees its own in another order than it made them. */
static void *free_all_and_sleep(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    bool shuffled = seed % 2;
    void **block = malloc(BLOCKS_OF_SLEEPER * sizeof *block);
    for (size_t i = 0; i < BLOCKS_OF_SLEEPER; i++)
        block[i] = make_block(1 + next_number(&seed) % 1024, i);
    for (size_t i = BLOCKS_OF_SLEEPER - 1; shuffled && i; i--) {
        size_t other = next_number(&seed) % (i + 1);
        void *held = block[i];
        block[i] = block[other];
        block[other] = held;
    }
    pthread_barrier_wait(&all_made);
    for (size_t i = 0; i < BLOCKS_OF_SLEEPER; i++)
        check_and_free(block[i]);
    free(block);
    pthread_barrier_wait(&all_freed);
    pthread_barrier_wait(&all_leave);
    return NULL;
}

int stress_sleepers(void) {
    pthread_barrier_init(&all_made, NULL, SLEEPERS + 1);
    pthread_barrier_init(&all_freed, NULL, SLEEPERS + 1);
    pthread_barrier_init(&all_leave, NULL, SLEEPERS + 1);
    pthread_t thread[SLEEPERS];
    long before = resident_kib();
    for (size_t i = 0; i < SLEEPERS; i++)
        thread[i] = start_with_stack(free_all_and_sleep, (void *)i, 64 * 1024);
    pthread_barrier_wait(&all_made);
    long full = resident_kib() - before;
    pthread_barrier_wait(&all_freed);
    long freed = resident_kib() - before;
    int gave = malloc_trim(0);
    long trimmed = resident_kib() - before;
    printf("32 threads held %ld MiB, sleep on %ld, after malloc_trim(0) on %ld\n", full / MIB, freed / MIB, trimmed / MIB);
    if (on_collam() && !burdened) {
        REQUIRE(gave == 1 && trimmed < freed, "returned %d", gave);
        REQUIRE(trimmed < 32L * MIB, "%ld KiB stay", trimmed);
    }
    pthread_barrier_wait(&all_leave);
    for (size_t i = 0; i < SLEEPERS; i++)
        join(thread[i]);
    return 0;
}

struct station {
    _Atomic(void *) *from, *to;
    size_t turns;
};

static void *pass_on(void *argument) {
    struct station *station = argument;
    size_t seed = (size_t)(uintptr_t)station;
    for (size_t i = 0; i < station->turns;) {
        void *block = atomic_exchange_explicit(&station->from[i % 64], NULL, memory_order_acq_rel);
        if (!block) {
            wait_a_little();
            continue;
        }
        block = grow_block(block, next_number(&seed) % (i % 40 ? 3000 : 300000));
        while (atomic_load_explicit(&station->to[i % 64], memory_order_acquire))
            wait_a_little();
        atomic_store_explicit(&station->to[i % 64], block, memory_order_release);
        i++;
    }
    return NULL;
}

int stress_ring(void) {
    static _Atomic(void *) place[TEAM][64];
    static struct station station[TEAM];
    pthread_t thread[TEAM];
    for (size_t i = 0; i < 64; i++)
        place[0][i] = make_block(100 + i, i);
    for (size_t i = 0; i < TEAM; i++) {
        station[i] = (struct station){place[i], place[(i + 1) % TEAM], long_form ? 400000 : 20000};
        if (burdened)
            station[i].turns = 6400;
        thread[i] = start(pass_on, &station[i]);
    }
    for (size_t i = 0; i < TEAM; i++)
        join(thread[i]);
    for (size_t i = 0; i < TEAM; i++)
        for (size_t j = 0; j < 64; j++)
            check_and_free(place[i][j]);
    return 0;
}

static void *burst(void *argument) {
    void *block[600];
    size_t seed = (size_t)(uintptr_t)argument;
    size_t rounds = long_form ? 20000 : 1000;
    if (burdened)
        rounds = 100;
    for (size_t round = 0; round < rounds; round++) {
        size_t count = next_number(&seed) % 600;
        for (size_t i = 0; i < count; i++)
            block[i] = make_block(64, i);
        for (size_t i = 0; i < count; i++)
            check_and_free(block[round % 2 ? i : count - 1 - i]);
    }
    return NULL;
}

int stress_same_size_contention(void) {
    pthread_t thread[TEAM];
    for (size_t i = 0; i < TEAM; i++)
        thread[i] = start(burst, (void *)(i + 1));
    for (size_t i = 0; i < TEAM; i++)
        join(thread[i]);
    return 0;
}
