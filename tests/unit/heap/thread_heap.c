/*
 * Purpose: tests of heap/thread_heap.c: magazines as they fill, grow and flush, rebalancing, watching, threads that come and go.
 */
#include "heap/thread_heap.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/misuse.h"
#include "pages/counters.h"
#include "pages/limit.h"
#include "unit.h"

#include <pthread.h>

static unsigned first_capacity(unsigned class_index) {
    return size_classes[class_index].cache < CAPACITY_FIRST ? size_classes[class_index].cache : CAPACITY_FIRST;
}

static unsigned capacity(unsigned class_index) {
    return load_relaxed(&thread_heap->capacity[class_index]);
}

static void *take(unsigned class_index) {
    void *block = heap_take(heap_of_thread(), class_index);
    assert_non_null(block);
    return block;
}

static void put(unsigned class_index, void *block) {
    heap_put(heap_of_thread(), class_index, block, "test");
}

static void a_thread_gets_a_heap_when_it_asks(void **state) {
    (void)state;
    assert_ptr_equal(thread_heap, &no_heap);
    assert_false(heap_flush_all());
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_false(heap_freed_lately(thread_heap, c, 16));
    }
    struct heap *heap = heap_of_thread();
    assert_non_null(heap);
    assert_ptr_not_equal(heap, &no_heap);
    assert_ptr_equal(heap_of_thread(), heap);
    assert_ptr_equal(thread_heap, heap);
    assert_int_equal(heap->shard, 0);
}

static unsigned arrivals;

static void arrive(void) {
    arrivals++;
    assert_ptr_not_equal(thread_heap, &no_heap); /* it may allocate */
    (void)take(3);
}

static void the_hook_is_told_once_a_thread(void **state) {
    (void)state;
    heap_set_arrival_hook(arrive);
    (void)heap_of_thread();
    (void)heap_of_thread();
    assert_int_equal(arrivals, 1);
}

/* Newest first out; all distinct; what was put back comes again. */
static void last_in_first_out(void **state) {
    (void)state;
    void *a = take(5);
    void *b = take(5);
    assert_ptr_not_equal(a, b);
    put(5, a);
    put(5, b);
    assert_ptr_equal(take(5), b);
    assert_ptr_equal(take(5), a);
}

/* As long as no other class wants room, a magazine that runs empty again and again doubles until it is as large as its class allows. */
static void capacity_starts_small_and_doubles(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX); /* nobody here looks for limits when it is reached */
    for (unsigned c = 1; c < CLASS_COUNT; c += 7) {
        unsigned limit = size_classes[c].cache;
        (void)take(c);
        unsigned now = capacity(c);
        assert_int_equal(now, first_capacity(c));
        for (int i = 0; i < 2000; i++) {
            (void)take(c);
            unsigned grown = 2 * now + 2 < limit ? 2 * now + 2 : limit;
            assert_true(capacity(c) == now || capacity(c) == grown);
            now = capacity(c);
        }
        assert_int_equal(now, limit);
    }
}

/* Frees alone make it grow too; beyond the limit the newest half goes back and the oldest stay. */
static void a_full_magazine_grows_then_flushes_the_newest(void **state) {
    (void)state;
    enum { CLASS = 4, BLOCKS = 200 };
    void *block[BLOCKS];
    unsigned shard = 0;
    unsigned got = 0;
    while (got < BLOCKS) {
        got += bin_claim(&shard, CLASS, block + BLOCKS - got, BLOCKS - got);
    }
    size_t out = bin_blocks_out(CLASS);
    for (int i = 0; i < BLOCKS; i++) {
        put(CLASS, block[i]);
        size_t cached = heap_blocks_cached(CLASS);
        assert_true(cached <= capacity(CLASS));
        assert_true(cached >= 1);
        assert_int_equal(bin_blocks_out(CLASS) - cached, out - (size_t)i - 1); /* what is neither cached nor free is live */
    }
    assert_int_equal(capacity(CLASS), size_classes[CLASS].cache);
    /* The first ones freed have stayed, and what came after the last flush lies above them. */
    size_t cached = heap_blocks_cached(CLASS);
    size_t stay = size_classes[CLASS].cache / 2;
    assert_true(cached > stay);
    for (size_t i = 0; i < cached; i++) {
        assert_ptr_equal(take(CLASS), block[i < cached - stay ? BLOCKS - 1 - i : cached - 1 - i]);
    }
}

/* Uses all classes hard: the sum of capacities stays within the bound, whatever is asked. */
static void all_capacities_together_are_bounded(void **state) {
    (void)state;
    size_t floors = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        floors += first_capacity(c) * size_classes[c].size;
    }
    uint64_t seed = 21;
    static void *kept[CLASS_COUNT][64];
    for (int round = 0; round < 3000; round++) {
        unsigned c = 1 + (unsigned)(unit_random(&seed) % (CLASS_COUNT - 1));
        for (int i = 0; i < 64; i++) {
            kept[c][i] = take(c);
        }
        for (int i = 0; i < 64; i++) {
            put(c, kept[c][i]);
        }
        size_t sum = 0;
        size_t cached = 0;
        for (unsigned k = 1; k < CLASS_COUNT; k++) {
            sum += capacity(k) * size_classes[k].size;
            cached += heap_blocks_cached(k) * size_classes[k].size;
        }
        assert_int_equal(sum, thread_heap->capacity_bytes);
        assert_true(sum <= HEAP_CACHE_BYTES + floors);
        assert_true(cached <= sum);
    }
}

enum { MANY = 95, USED = 40 /* classes whose first magazines leave most of the bound free */ };
static pthread_barrier_t made, done;

static void *hold_a_heap(void *unused) {
    void *block = take(1);
    pthread_barrier_wait(&made);
    pthread_barrier_wait(&done);
    put(1, block);
    heap_end_of_thread();
    return unused;
}

static size_t capacity_after_hard_use(void) {
    static void *kept[USED][64];
    for (int round = 0; round < 20; round++) {
        for (unsigned c = 1; c < USED; c++) {
            for (int i = 0; i < 64; i++) {
                kept[c][i] = take(c);
            }
            for (int i = 0; i < 64; i++) {
                put(c, kept[c][i]);
            }
        }
    }
    size_t capacities = thread_heap->capacity_bytes;
    heap_end_of_thread();
    return capacities;
}

static void *use_hard(void *sum) {
    *(size_t *)sum = capacity_after_hard_use();
    return NULL;
}

static size_t in_a_thread(void) {
    size_t sum = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_hard, &sum), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return sum;
}

/* The more threads have a heap, the less each may keep; when they end, the others may keep more again. */
static void many_heaps_share_what_few_may_have(void **state) {
    (void)state;
    static pthread_t thread[MANY];
    size_t floors = 0;
    for (unsigned c = 1; c < USED; c++) {
        floors += first_capacity(c) * size_classes[c].size;
    }
    size_t alone = in_a_thread();
    assert_true(alone > HEAP_CACHE_BYTES / 4 * 3);
    pthread_barrier_init(&made, NULL, MANY + 1);
    pthread_barrier_init(&done, NULL, MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, hold_a_heap, NULL), 0);
    }
    pthread_barrier_wait(&made);
    size_t among_many = in_a_thread();
    assert_true(among_many < alone && among_many <= floors + HEAP_CACHE_BYTES / 96 * 32);
    pthread_barrier_wait(&done);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    assert_true(in_a_thread() > among_many);
}

static void work(unsigned class_index, int rounds) {
    void *block[64];
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < 64; i++) {
            block[i] = take(class_index);
        }
        for (int i = 0; i < 64; i++) {
            put(class_index, block[i]);
        }
    }
}

/* Classes that were used once hold capacity until others ask in vain for long enough; then their magazines go, and the blocks in them. */
static void idle_classes_lose_their_magazines(void **state) {
    (void)state;
    unsigned first[] = {42, 43, 44, 45};
    for (size_t i = 0; i < COUNT(first); i++) {
        work(first[i], 4);
    }
    for (size_t i = 0; i < COUNT(first); i++) {
        assert_true(capacity(first[i]) > 0);
        assert_true(heap_blocks_cached(first[i]) > 0);
    }
    for (unsigned c = 1; c <= 41; c++) { /* leaves no room for all of these to reach their limits */
        work(c, 1);
    }
    for (int i = 0; i < 200; i++) {
        for (unsigned c = 16; c <= 41; c++) {
            work(c, 1);
        }
    }
    for (size_t i = 0; i < COUNT(first); i++) {
        assert_int_equal(capacity(first[i]), 0);
        assert_int_equal(heap_blocks_cached(first[i]), 0);
    }
}

static void a_heap_that_only_takes_gets_whole_magazines(void **state) {
    (void)state;
    enum { CLASS = 1 };
    for (int i = 0; i < 3000; i++) {
        (void)take(CLASS);
    }
    while (heap_blocks_cached(CLASS)) {
        (void)take(CLASS);
    }
    (void)take(CLASS);
    assert_int_equal(heap_blocks_cached(CLASS) + 1, size_classes[CLASS].cache);
    /* Once it also frees more than fits, half a magazine is left for what comes back. */
    static void *block[3 * MAGAZINE_BLOCKS_MAX];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(CLASS);
    }
    for (size_t i = 0; i < COUNT(block); i++) {
        put(CLASS, block[i]);
    }
    while (heap_blocks_cached(CLASS)) {
        (void)take(CLASS);
    }
    (void)take(CLASS);
    assert_int_equal(heap_blocks_cached(CLASS) + 1, (size_classes[CLASS].cache + 1) / 2);
}

static void flushing_gives_everything_back(void **state) {
    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        put(c, take(c));
    }
    assert_true(heap_flush_all());
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(heap_blocks_cached(c), 0);
        assert_int_equal(bin_blocks_out(c), 0);
    }
    assert_false(heap_flush_all());
    put(9, take(9));
}

static void *in_thread(void *(*body)(void *), void *context) {
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, body, context), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static void *ask_for_a_flush(void *context) {
    (void)context;
    heap_request_flush();
    return NULL;
}

/* A request from elsewhere is obeyed at the next refill or flush, once, and by threads that come later not at all. */
static void a_request_to_flush_is_obeyed_by_the_owner(void **state) {
    (void)state;
    enum { CLASS = 9, OTHER = 30 };
    put(CLASS, take(CLASS));
    put(OTHER, take(OTHER));
    size_t cached = heap_blocks_cached(CLASS);
    assert_true(cached > 0);
    heap_request_flush(); /* by this thread: it is taken to have flushed */
    (void)take(OTHER + 1);
    assert_int_equal(heap_blocks_cached(CLASS), cached);
    (void)in_thread(ask_for_a_flush, NULL);
    assert_int_equal(heap_blocks_cached(CLASS), cached); /* nobody touches the heap of another thread */
    (void)take(OTHER + 2);                               /* a refill */
    assert_int_equal(heap_blocks_cached(CLASS), 0);
    assert_int_equal(heap_blocks_cached(OTHER), 0);
    put(CLASS, take(CLASS));
    cached = heap_blocks_cached(CLASS);
    (void)take(OTHER + 3);
    assert_int_equal(heap_blocks_cached(CLASS), cached); /* once */
}

static void a_request_to_flush_is_obeyed_when_a_magazine_is_full(void **state) {
    (void)state;
    enum { CLASS = 9, OTHER = 30, UNUSED = 40 };
    void *block[200];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(CLASS);
    }
    put(OTHER, take(OTHER));
    void *unused = NULL;
    unsigned shard = 0;
    assert_int_equal(bin_claim(&shard, UNUSED, &unused + 1, 1), 1);
    (void)in_thread(ask_for_a_flush, NULL);
    put(UNUSED, unused); /* has no magazine yet: everything else is put back, and it gets one */
    assert_int_equal(heap_blocks_cached(OTHER), 0);
    assert_int_equal(heap_blocks_cached(UNUSED), 1);
    (void)in_thread(ask_for_a_flush, NULL);
    for (size_t i = 0; i < COUNT(block); i++) {
        put(CLASS, block[i]);
    }
    assert_int_equal(heap_blocks_cached(UNUSED), 0);
    assert_true(heap_blocks_cached(CLASS) > 0);
}

static void magazines_keep_to_the_bytes_chosen(void **state) {
    (void)state;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(option_set(OPTION_magazine_bytes, 4096));
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        for (int i = 0; i < 100; i++) {
            (void)take(c);
        }
        if (capacity(c) > CAPACITY_FIRST) {
            assert_true(thread_heap->capacity_bytes <= 4096);
        }
    }
}

static void remembers_what_was_freed_last(void **state) {
    (void)state;
    void *a = take(6);
    void *b = take(6);
    assert_false(heap_freed_lately(thread_heap, 6, (uintptr_t)a));
    put(6, a);
    assert_true(heap_freed_lately(thread_heap, 6, (uintptr_t)a));
    put(6, b);
    assert_true(heap_freed_lately(thread_heap, 6, (uintptr_t)a));
    assert_true(heap_freed_lately(thread_heap, 6, (uintptr_t)b));
    assert_ptr_equal(take(6), b);
    assert_false(heap_freed_lately(thread_heap, 6, (uintptr_t)b));
    (void)take(6);
    assert_false(heap_freed_lately(thread_heap, 6, (uintptr_t)a));
}

static const char *told_call;
static uintptr_t told_address;

static void keep(const struct misuse *misuse) {
    told_call = misuse->call;
    told_address = misuse->address;
}

/* A bad block that got into a magazine is found when it leaves, and reported under the name of the call that made room. */
static void bad_blocks_are_found_at_the_flush(void **state) {
    (void)state;
    enum { CLASS = 8 };
    misuse_set_handler(keep);
    void *twice = take(CLASS);
    static void *block[3 * MAGAZINE_BLOCKS_MAX];
    for (size_t i = 0; i < COUNT(block); i++) {
        block[i] = take(CLASS);
    }
    put(CLASS, twice);
    (void)heap_flush_all();
    assert_null(told_call);
    for (size_t i = 0; i < COUNT(block) && !told_call; i++) {
        if (i == MAGAZINE_BLOCKS_MAX) {
            put(CLASS, twice);
        }
        put(CLASS, block[i]);
    }
    assert_non_null(told_call);
    assert_string_equal(told_call, "test");
    assert_int_equal(told_address, (uintptr_t)twice);
}

/* --- watching ------------------------------------------------------------------------------------------------------------ */

static void a_watched_heap_keeps_its_blocks_but_takes_the_slow_path(void **state) {
    (void)state;
    void *a = take(7);
    put(7, a);
    uint32_t before = load_relaxed(&thread_heap->top[7]);
    heap_watch();
    assert_true(thread_heap->watched);
    assert_int_equal(load_relaxed(&thread_heap->kept[7]), before);
    for (unsigned c = 0; c < CLASS_TABLE; c++) {
        uint32_t top = load_relaxed(&thread_heap->top[c]);
        assert_null(*top_slot(thread_heap, top)); /* empty */
        assert_true(top_is_full(top));            /* and full */
    }
    assert_true(heap_blocks_cached(7) >= 1);
    assert_ptr_equal(take(7), a);
    heap_watch(); /* again: nothing more happens */
    put(7, a);
    assert_ptr_equal(take(7), a);
    work(7, 10);
}

static void *is_watched(void *context) {
    (void)context;
    struct heap *heap = heap_of_thread();
    heap_end_of_thread();
    return heap->watched ? heap : NULL;
}

static void threads_that_come_later_are_watched_too(void **state) {
    (void)state;
    assert_null(in_thread(is_watched, NULL));
    heap_watch(); /* by a thread that has no heap itself */
    assert_ptr_equal(thread_heap, &no_heap);
    assert_non_null(in_thread(is_watched, NULL));
    assert_true(heap_of_thread()->watched);
}

static void counted_calls_add_up(void **state) {
    (void)state;
    size_t allocations;
    size_t frees;
    store_relaxed(&heap_of_thread()->allocations, 5);
    store_relaxed(&heap_of_thread()->frees, 3);
    heap_calls_counted(&allocations, &frees);
    assert_int_equal(allocations, 5);
    assert_int_equal(frees, 3);
}

/* --- threads --------------------------------------------------------------------------------------------------------------- */

static void *live_and_end(void *context) {
    struct heap *heap = heap_of_thread();
    work(12, 3);
    put(30, take(30));
    heap_end_of_thread();
    assert_ptr_equal(thread_heap, &no_heap);
    assert_null(heap_of_thread()); /* never again */
    assert_false(heap_flush_all());
    heap_end_of_thread();
    *(unsigned *)context = heap->shard;
    return heap;
}

static void a_heap_outlives_its_thread_and_serves_the_next(void **state) {
    (void)state;
    unsigned shard[2];
    void *first = in_thread(live_and_end, &shard[0]);
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(heap_blocks_cached(c), 0);
        assert_int_equal(bin_blocks_out(c), 0);
    }
    size_t metadata = load_relaxed(&page_counters.meta_bytes);
    assert_ptr_equal(in_thread(live_and_end, &shard[1]), first);
    assert_int_equal(load_relaxed(&page_counters.meta_bytes), metadata);
    assert_int_equal(shard[0], 0);
    assert_int_equal(shard[1], 1); /* that of the processor it runs on, not the last owner's */
}

static void *own_heap(void *context) {
    (void)context;
    return heap_of_thread();
}

static void heaps_follow_the_processor(void **state) {
    (void)state;
    fake_settings.cpu_count = 3;
    heap_set_arrival_hook(NULL); /* so that threads leave their heaps behind */
    for (unsigned i = 0; i < 7; i++) {
        fake_settings.cpu = i % 3;
        struct heap *heap = in_thread(own_heap, NULL);
        assert_int_equal(heap->shard, i % 3);
    }
}

static void without_memory_there_is_no_heap_for_now(void **state) {
    (void)state;
    heap_set_arrival_hook(NULL);
    fake_fail_from(FAKE_MAP, 1);
    unsigned heaps = 0; /* the first ones lie in the library's own pages */
    while (in_thread(own_heap, NULL)) {
        heaps++;
    }
    assert_in_range(heaps, 1, 3);
    assert_null(heap_of_thread());
    assert_ptr_equal(thread_heap, &no_heap);
    fake_fail_never();
    assert_non_null(heap_of_thread());
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_thread_gets_a_heap_when_it_asks),
    cmocka_unit_test(the_hook_is_told_once_a_thread),
    cmocka_unit_test(last_in_first_out),
    cmocka_unit_test(capacity_starts_small_and_doubles),
    cmocka_unit_test(a_full_magazine_grows_then_flushes_the_newest),
    cmocka_unit_test(all_capacities_together_are_bounded),
    cmocka_unit_test(many_heaps_share_what_few_may_have),
    cmocka_unit_test(idle_classes_lose_their_magazines),
    cmocka_unit_test(a_heap_that_only_takes_gets_whole_magazines),
    cmocka_unit_test(flushing_gives_everything_back),
    cmocka_unit_test(a_request_to_flush_is_obeyed_by_the_owner),
    cmocka_unit_test(a_request_to_flush_is_obeyed_when_a_magazine_is_full),
    cmocka_unit_test(magazines_keep_to_the_bytes_chosen),
    cmocka_unit_test(remembers_what_was_freed_last),
    cmocka_unit_test(bad_blocks_are_found_at_the_flush),
    cmocka_unit_test(a_watched_heap_keeps_its_blocks_but_takes_the_slow_path),
    cmocka_unit_test(threads_that_come_later_are_watched_too),
    cmocka_unit_test(counted_calls_add_up),
    cmocka_unit_test(a_heap_outlives_its_thread_and_serves_the_next),
    cmocka_unit_test(heaps_follow_the_processor),
    cmocka_unit_test(without_memory_there_is_no_heap_for_now),
};
UNIT_MAIN(tests)
