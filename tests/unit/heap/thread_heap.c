/*
 * Purpose: tests of heap/thread_heap.c: magazines as they fill and are put back, watching, threads that come and go.
 */
#include "heap/thread_heap.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/magazine.h"
#include "heap/misuse.h"
#include "heap_calls.h"
#include "pages/counters.h"
#include "pages/limit.h"
#include "slab/slab.h"
#include "unit.h"

#include <pthread.h>

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

static void *tell_flush_seen(void *context) {
    *(unsigned *)context = heap_of_thread()->flush_seen;
    return NULL;
}

/* In this library the first refill would make up for it, with nothing to flush; the hardened one may have delayed blocks by then. */
static void a_heap_begins_without_a_request_to_obey(void **state) {
    (void)state;
    (void)heap_of_thread();
    heap_request_flush();
    unsigned seen;
    (void)in_thread(tell_flush_seen, &seen);
    assert_true(thread_heap->flush_seen != 0);
    assert_int_equal(seen, thread_heap->flush_seen);
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

/* Whatever it holds: blocks that were put there, and those that a refill brought. */
static void remembers_every_block_of_a_magazine(void **state) {
    (void)state;
    enum { CLASS = 6, BLOCKS = 100 };
    static void *block[BLOCKS];
    void **first;
    unsigned held;
    do { /* until a refill brings many */
        (void)take(CLASS);
        first = first_of(thread_heap, CLASS);
        held = held_in(thread_heap, CLASS);
    } while (held < 20);
    for (unsigned i = 0; i < held; i++) {
        assert_true(heap_freed_lately(thread_heap, CLASS, (uintptr_t)first[i]));
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = take(CLASS);
    }
    assert_true(heap_flush_all());
    for (unsigned i = 0; i < 20; i++) {
        put(CLASS, block[i]);
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_true(heap_freed_lately(thread_heap, CLASS, (uintptr_t)block[i]));
    }
    assert_false(heap_freed_lately(thread_heap, CLASS, (uintptr_t)block[20]));
}

/* Another block with the same hash may have been put somewhere since. */
static void the_two_newest_are_remembered_without_the_memo(void **state) {
    (void)state;
    enum { CLASS = 6, BLOCKS = 3 };
    void *block[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = take(CLASS);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        put(CLASS, block[i]);
    }
    memset(thread_heap->memo, 0, sizeof thread_heap->memo);
    assert_false(heap_freed_lately(thread_heap, CLASS, (uintptr_t)block[0]));
    assert_true(heap_freed_lately(thread_heap, CLASS, (uintptr_t)block[1]));
    assert_true(heap_freed_lately(thread_heap, CLASS, (uintptr_t)block[2]));
}

static void taken_blocks_can_be_forgotten(void **state) {
    (void)state;
    enum { CLASS = 6 };
    unsigned fits;
    do { /* until the magazine is full */
        put(CLASS, take(CLASS));
        void *block[MAGAZINE_BLOCKS_MAX];
        fits = capacity(CLASS);
        for (unsigned i = 0; i < fits; i++) {
            block[i] = take(CLASS);
        }
        for (unsigned i = 0; i < fits; i++) {
            put(CLASS, block[i]);
        }
    } while (held_in(thread_heap, CLASS) < capacity(CLASS));
    fits = capacity(CLASS);
    void **first = first_of(thread_heap, CLASS);
    enum { STAY = 2 };
    for (unsigned i = STAY; i < fits; i++) {
        (void)take(CLASS);
    }
    heap_forget_taken(thread_heap, CLASS);
    for (unsigned i = 0; i < fits; i++) {
        assert_true((first[i] != NULL) == (i < STAY));
    }
    heap_forget_taken(thread_heap, CLASS + 1); /* has no magazine */
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
    assert_int_equal(load_relaxed(&thread_heap->spare[7]), before);
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

/* Malloc's tables lead to the tops of the classes, or to others that lie so many behind. */
static bool leads_to_spares(const struct heap *heap, unsigned behind) {
    bool right = true;
    for (unsigned i = 0; i < CLASS_STEP_MAX; i++) {
        right &= heap->class_by_step[i] == behind + class_by_step[i];
    }
    for (unsigned i = 0; i < CLASS_STRIDE_MAX; i++) {
        right &= heap->class_by_stride[i] == behind + class_by_stride[i];
    }
    return right;
}

/* And those are empty and full at once. */
static bool counts_calls(struct heap *heap) {
    bool empty = true;
    for (unsigned c = 0; c < CLASS_TABLE; c++) {
        empty &= load_relaxed(&heap->spare[c]) == TOP_OF_NOTHING;
        empty &= heap_counted_top(heap, SPARE + c) == &heap->top[c];
    }
    return empty && leads_to_spares(heap, SPARE);
}

static void *counts_calls_in_thread(void *context) {
    (void)context;
    struct heap *heap = heap_of_thread();
    put(30, take(30));
    bool counts = counts_calls(heap);
    heap_end_of_thread();
    return counts ? heap : NULL;
}

static void heaps_that_count_calls_lead_to_spares(void **state) {
    (void)state;
    put(12, take(12));
    assert_true(leads_to_spares(thread_heap, 0));
    assert_null(in_thread(counts_calls_in_thread, NULL));
    heap_count_calls();
    assert_true(counts_calls(thread_heap));
    heap_count_calls();
    assert_true(counts_calls(thread_heap));
    assert_non_null(in_thread(counts_calls_in_thread, NULL));
}

/* Of a heap that is watched the spares are the real tops, which no table may lead to. */
static bool leads_nowhere(const struct heap *heap) {
    return unit_all(heap->class_by_step, CLASS_STEP_MAX, SPARE) && unit_all(heap->class_by_stride, CLASS_STRIDE_MAX, SPARE) &&
           load_relaxed(&heap->spare[0]) == TOP_OF_NOTHING;
}

static void *leads_nowhere_in_thread(void *context) {
    (void)context;
    struct heap *heap = heap_of_thread();
    bool nowhere = leads_nowhere(heap);
    heap_end_of_thread();
    return nowhere ? heap : NULL;
}

static void check_watched_and_counting(void) {
    assert_true(leads_nowhere(thread_heap) && thread_heap->watched);
    assert_true(load_relaxed(&thread_heap->spare[12]) != TOP_OF_NOTHING);
    assert_non_null(in_thread(leads_nowhere_in_thread, NULL));
}

static void a_watched_heap_that_is_to_count_leads_nowhere(void **state) {
    (void)state;
    put(12, take(12));
    heap_watch();
    assert_true(leads_to_spares(thread_heap, 0));
    heap_count_calls();
    check_watched_and_counting();
}

static void a_heap_that_counts_and_is_watched_leads_nowhere(void **state) {
    (void)state;
    put(12, take(12));
    heap_count_calls();
    heap_watch();
    check_watched_and_counting();
}

/* Every thread that has no heap uses the same one, so nothing may be found in it or written to it. */
static void the_heap_of_no_thread_leads_nowhere(void **state) {
    (void)state;
    assert_ptr_equal(thread_heap, &no_heap);
    assert_true(leads_nowhere(&no_heap));
    heap_count_calls();
    assert_true(leads_nowhere(&no_heap));
    assert_int_equal(load_relaxed(heap_counted_top(&no_heap, SPARE)), TOP_OF_NOTHING);
}

static void *count_some(void *unused) {
    struct heap *heap = heap_of_thread();
    store_relaxed(&heap->allocations, 20);
    store_relaxed(&heap->frees, 10);
    heap_end_of_thread();
    return unused;
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
    (void)in_thread(count_some, NULL);
    heap_calls_counted(&allocations, &frees);
    assert_int_equal(allocations, 5 + 20);
    assert_int_equal(frees, 3 + 10);
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

static void *leave_traces(void *unused) {
    struct heap *heap = heap_of_thread();
    work(12, 3);
    heap->room_hand = 5;
    heap->overflows = 7;
    heap->overflowed = 300;
    heap->empty_hand = 9;
    heap->calls_at_limit = 3;
    heap_end_of_thread();
    (void)unused;
    return heap;
}

static void *finds_no_traces(void *of) {
    const struct heap *heap = heap_of_thread();
    bool none = heap == of && heap->room_hand == 0 && heap->overflows == 0 && heap->overflowed == 0 && heap->empty_hand == 0 &&
                heap->calls_at_limit == 0 && heap->active == 0 && heap->with_magazine == 0 && heap->capacity_bytes == 0;
    heap_end_of_thread();
    return none ? of : NULL;
}

/* What one thread did with its heap says nothing about the next, whether the heap kept its pages meanwhile or not. */
static void the_next_thread_finds_no_traces_of_the_last(void **state) {
    (void)state;
    for (int purged = 0; purged < 2; purged++) {
        void *heap = in_thread(leave_traces, NULL);
        if (purged) {
            (void)heap_purge_idle();
        }
        assert_ptr_equal(in_thread(finds_no_traces, heap), heap);
    }
}

/* The bins count what goes either way, in bytes. */
static void what_refills_bring_is_counted_in_bytes(void **state) {
    (void)state;
    enum { CLASS = 20, BLOCKS = 50 };
    for (unsigned i = 1; i <= BLOCKS; i++) {
        (void)take(CLASS);
        assert_int_equal(thread_heap->exchanged, (i + heap_blocks_cached(CLASS)) * size_classes[CLASS].size);
    }
}

/* Slabs of which three pages are free, and of the others every second block is: none becomes sparse, and nothing is put back to them. */
static void lay_out_slabs_that_rest(void) {
    enum { CLASS = 24, SLABS = 160, BLOCKS = 128, IN_PAGE = 8, PAGES_OUT = 13 };
    static void *block[SLABS][BLOCKS];
    unsigned shard = 0;
    for (unsigned n = 0; n < SLABS; n++) {
        assert_int_equal(bin_claim(&shard, CLASS, block[n] + BLOCKS, BLOCKS), BLOCKS);
        memset(slab_base(slab_of((uintptr_t)block[n][0])), 5, UNIT_SIZE);
    }
    for (unsigned n = 0; n < SLABS; n++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            void *lowest_first = block[n][BLOCKS - 1 - i];
            if (i / IN_PAGE >= PAGES_OUT || i % IN_PAGE > 3) {
                assert_int_equal(bin_put(CLASS, &lowest_first, 1), 0);
            }
        }
    }
}

static void refills_look_after_slabs_that_rest(void **state) {
    (void)state;
    enum { CLASS = 32, BLOCKS = 1024, ROUNDS = 300 };
    static void *block[BLOCKS];
    lay_out_slabs_that_rest();
    for (unsigned i = 0; i < BLOCKS; i++) {
        block[i] = take(CLASS);
    }
    unsigned rounds = 0;
    while (load_relaxed(&page_counters.slab_clean_bytes) == 0 && rounds++ < ROUNDS) {
        for (unsigned i = 0; i < BLOCKS; i += 2) { /* every second one, so that these slabs are never sparse either */
            put(CLASS, block[i]);
        }
        for (unsigned i = 0; i < BLOCKS; i += 2) {
            block[i] = take(CLASS);
        }
    }
    assert_in_range(rounds, 10, ROUNDS); /* by what was exchanged, not by what was laid out */
}

static bool is_home_to(const struct heap *heap, const void *block) {
    return heap->home_root == (uintptr_t)block >> REGION_SHIFT && heap->home == page_map_region((uintptr_t)block);
}

static bool has_no_home(const struct heap *heap) {
    return heap->home_root == NO_ROOT && heap->home == page_map_no_region();
}

/* A free that is interrupted by a signal handler may have loaded half of what home was before. */
static void home_is_where_the_first_block_came_from(void **state) {
    (void)state;
    struct heap *heap = heap_of_thread();
    assert_true(has_no_home(heap));
    assert_int_equal(page_map_class((uintptr_t)16), region_class(heap->home, 16));
    void *block = take(3);
    assert_true(is_home_to(heap, block));
    heap->home_root = 5;
    while (heap_blocks_cached(3)) {
        (void)take(3);
    }
    (void)take(3);
    put(3, block);
    assert_int_equal(heap->home_root, 5);
    heap_end_of_thread();
    assert_true(has_no_home(heap));
}

static void *first_block_put(void *block) {
    put(3, block);
    return thread_heap == &no_heap || is_home_to(thread_heap, block) ? thread_heap : NULL;
}

static void home_of_a_thread_that_only_frees(void **state) {
    (void)state;
    void *block = take(3);
    heap_set_arrival_hook(NULL);
    assert_ptr_not_equal(in_thread(first_block_put, block), NULL);
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

/* A heap of which all that is live stays the same size, however much is allocated. */
static void what_nobody_grows_into_goes_back(void **state) {
    (void)state;
    enum { CLASS = 40, HELD = 256 };
    static void *block[HELD];
    fake_settings.huge_offered = true;
    assert_true(option_set(OPTION_huge_start, 0));
    size_t before;
    do { /* until a chunk is huge */
        before = load_relaxed(&page_counters.dirty_bytes);
        (void)take(CLASS);
    } while (load_relaxed(&page_counters.dirty_bytes) <= before);
    before = fake_purged_bytes();
    for (size_t allocated = 0; allocated < (size_t)6 << 20; allocated += HELD * size_classes[CLASS].size) {
        for (unsigned i = 0; i < HELD; i++) {
            block[i] = take(CLASS);
        }
        for (unsigned i = HELD; i-- > 0;) {
            put(CLASS, block[i]);
        }
    }
    assert_true(fake_purged_bytes() - before >= CHUNK_SIZE / 2);
}

/* It takes magazines that grew in an order that nobody plans: the arena has room for sixty of the largest, but not for every size of
 * slots that they may have left behind on the way there. */
static void a_class_that_finds_no_room_for_a_magazine_goes_to_the_bin(void **state) {
    (void)state;
    enum { CLASS = 5, BLOCKS = 10 };
    struct heap *heap = heap_of_thread();
    unsigned fit = HEAP_ARENA_BYTES / ((MAGAZINE_BLOCKS_MAX + 2) * sizeof(void *));
    assert_in_range(fit, CLASS + 1, CLASS_COUNT - 1);
    for (unsigned c = 1; c <= fit; c++) {
        assert_true(magazine_set_capacity(heap, c, MAGAZINE_BLOCKS_MAX));
    }
    assert_ptr_equal(heap->arena_next, heap->arena_end);
    assert_true(magazine_set_capacity(heap, CLASS, 0));
    void *block[BLOCKS];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            block[i] = take(CLASS);
            assert_non_null(block[i]);
            assert_int_equal(heap_blocks_cached(CLASS), 0);
        }
        for (unsigned i = 0; i < BLOCKS; i++) {
            put(CLASS, block[i]);
            assert_int_equal(heap_blocks_cached(CLASS), 0);
        }
    }
    assert_false(heap_flush_all()); /* none has any */
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_true(magazine_set_capacity(heap, c, 0));
    }
    put(CLASS, take(CLASS));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_nobody_grows_into_goes_back),
    cmocka_unit_test(a_thread_gets_a_heap_when_it_asks),
    cmocka_unit_test(the_hook_is_told_once_a_thread),
    cmocka_unit_test(last_in_first_out),
    cmocka_unit_test(a_heap_that_only_takes_gets_whole_magazines),
    cmocka_unit_test(flushing_gives_everything_back),
    cmocka_unit_test(a_request_to_flush_is_obeyed_by_the_owner),
    cmocka_unit_test(a_request_to_flush_is_obeyed_when_a_magazine_is_full),
    cmocka_unit_test(a_heap_begins_without_a_request_to_obey),
    cmocka_unit_test(remembers_what_was_freed_last),
    cmocka_unit_test(remembers_every_block_of_a_magazine),
    cmocka_unit_test(the_two_newest_are_remembered_without_the_memo),
    cmocka_unit_test(taken_blocks_can_be_forgotten),
    cmocka_unit_test(bad_blocks_are_found_at_the_flush),
    cmocka_unit_test(a_watched_heap_keeps_its_blocks_but_takes_the_slow_path),
    cmocka_unit_test(threads_that_come_later_are_watched_too),
    cmocka_unit_test(counted_calls_add_up),
    cmocka_unit_test(heaps_that_count_calls_lead_to_spares),
    cmocka_unit_test(a_watched_heap_that_is_to_count_leads_nowhere),
    cmocka_unit_test(a_heap_that_counts_and_is_watched_leads_nowhere),
    cmocka_unit_test(the_heap_of_no_thread_leads_nowhere),
    cmocka_unit_test(a_heap_outlives_its_thread_and_serves_the_next),
    cmocka_unit_test(the_next_thread_finds_no_traces_of_the_last),
    cmocka_unit_test(what_refills_bring_is_counted_in_bytes),
    cmocka_unit_test(refills_look_after_slabs_that_rest),
    cmocka_unit_test(home_is_where_the_first_block_came_from),
    cmocka_unit_test(home_of_a_thread_that_only_frees),
    cmocka_unit_test(heaps_follow_the_processor),
    cmocka_unit_test(without_memory_there_is_no_heap_for_now),
    cmocka_unit_test(a_class_that_finds_no_room_for_a_magazine_goes_to_the_bin),
};
UNIT_MAIN(tests)
