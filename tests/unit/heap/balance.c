/*
 * Purpose: tests of heap/balance.c: how magazines grow and give way, what heaps may cache alone and among many, what is left after frees.
 */
#include "heap/balance.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap_calls.h"
#include "pages/limit.h"

#include <pthread.h>

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

/* A heap at its bound makes room class by class: no single call shrinks more than one other magazine. */
static void no_call_pays_for_all_classes(void **state) {
    (void)state;
    uint64_t seed = 22;
    static void *kept[CLASS_COUNT][64];
    size_t shrunk_in_all = 0;
    for (int round = 0; round < 3000; round++) {
        unsigned c = 1 + (unsigned)(unit_random(&seed) % (CLASS_COUNT - 1));
        for (int i = 0; i < 128; i++) {
            unsigned before[CLASS_COUNT];
            for (unsigned k = 1; k < CLASS_COUNT; k++) {
                before[k] = capacity(k);
            }
            if (i < 64) {
                kept[c][i] = take(c);
            } else {
                put(c, kept[c][i - 64]);
            }
            unsigned shrunk = 0;
            for (unsigned k = 1; k < CLASS_COUNT; k++) {
                shrunk += capacity(k) < before[k];
            }
            assert_true(shrunk <= 1);
            shrunk_in_all += shrunk;
        }
    }
    assert_true(shrunk_in_all > 100);
}

/* What each of eight and more may cache. */
#define HALF ((size_t)HEAP_CACHE_BYTES / 2)

enum { MANY = 95, TIMES_MAX = 12, USED = 40 /* classes whose first magazines leave most of the bound free */ };
static pthread_barrier_t made, done;

static void use_classes(int rounds) {
    static __thread void *kept[USED][64];
    for (int round = 0; round < rounds; round++) {
        for (unsigned c = 1; c < USED; c++) {
            for (int i = 0; i < 64; i++) {
                kept[c][i] = take(c);
            }
            for (int i = 0; i < 64; i++) {
                put(c, kept[c][i]);
            }
        }
    }
}

static bool hold_much;

static void *hold_a_heap(void *unused) {
    if (hold_much) {
        use_classes(20);
    }
    void *block = take(1);
    pthread_barrier_wait(&made);
    pthread_barrier_wait(&done);
    put(1, block);
    heap_end_of_thread();
    return unused;
}

static size_t capacity_after_hard_use(void) {
    use_classes(20);
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
    store_relaxed(&limit_ceiling, SIZE_MAX);
    static pthread_t thread[MANY];
    size_t least = 0;
    for (unsigned c = 1; c < USED; c++) {
        least += CAPACITY_LEAST * size_classes[c].size;
    }
    size_t alone = in_a_thread();
    assert_true(alone > HALF / 4 * 3);
    hold_much = true;
    pthread_barrier_init(&made, NULL, MANY + 1);
    pthread_barrier_init(&done, NULL, MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, hold_a_heap, NULL), 0);
    }
    pthread_barrier_wait(&made);
    size_t among_many = in_a_thread();
    size_t each = HALF / 32 * 3; /* beside the share */
    assert_true(among_many < alone && among_many <= least + HALF / 96 * 32 + each);
    /* Those that stopped early keep what they had grown to, and the others have their share, which is less for each: the bound, and as much
     * again by the time that there are e times as many as reached it, some 27. */
    assert_true(load_relaxed(&magazines_bytes) <= MANY * (least + each) + HALF * 32 / 4 * 9);
    pthread_barrier_wait(&done);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    assert_true(in_a_thread() > among_many);
}

/* Beyond the bound a share is next to nothing when heaps are a thousand, but each has something beside it. */
static void each_heap_has_something_however_many_there_are(void **state) {
    (void)state;
    static struct heap others;
    fetch_add_relaxed(&magazines_bytes, 64 << 20);
    for (int i = 0; i < 1000; i++) {
        balance_join(&others);
    }
    (void)heap_of_thread();
    for (int round = 0; round < 200; round++) {
        for (unsigned c = 1; c <= 24; c++) {
            work(c, 1);
        }
    }
    assert_true(thread_heap->capacity_bytes > HALF / 32 * 3 / 4 * 3);
    assert_true(thread_heap->capacity_bytes <= HALF / 32 * 4);
}

/* Most heaps hold less than their share: one that works may have what is left of all, which is as much less as it has: half of what was. */
static void what_is_left_of_all_is_there_for_whoever_asks(void **state) {
    (void)state;
    static struct heap others;
    fetch_add_relaxed(&magazines_bytes, HALF * 32 - HALF / 2);
    for (int i = 0; i < 1000; i++) {
        balance_join(&others);
    }
    use_classes(60);
    assert_in_range(thread_heap->capacity_bytes, HALF / 32 * 6, HALF / 2); /* the share alone: 4 32nds */
}

/* Classes that were used once hold capacity until others ask in vain for long enough; then their magazines go, and the blocks in them. */
static void idle_classes_lose_their_magazines(void **state) {
    (void)state;
    unsigned first[] = {42, 43, 44, 45};
    for (size_t i = 0; i < COUNT(first); i++) {
        work(first[i], 4);
    }
    for (size_t i = 0; i < COUNT(first); i++) {
        put(first[i], take(first[i]));
        assert_true(capacity(first[i]) > CAPACITY_FIRST);
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

/* And when nobody asks for room, after twice as many calls as it takes to look at all. */
static void magazines_of_sizes_no_longer_used_go(void **state) {
    (void)state;
    enum { LOOK_EVERY = 16, BUSY = 28, GONE = 4, ALSO_BUSY = 29 };
    assert_true(size_classes[BUSY].cache < 64 && size_classes[ALSO_BUSY].cache < 64); /* so that each round of work finds them empty */
    store_relaxed(&limit_ceiling, SIZE_MAX);
    work(GONE, 4);
    assert_true(capacity(GONE) > CAPACITY_FIRST && heap_blocks_cached(GONE) > 0);
    for (int i = 0; i < 2 * LOOK_EVERY * CLASS_COUNT; i++) {
        work(BUSY, 1);
        work(ALSO_BUSY, 1);
        if (i > 4) {
            assert_int_equal(capacity(BUSY), size_classes[BUSY].cache);
            assert_int_equal(capacity(ALSO_BUSY), size_classes[ALSO_BUSY].cache);
        }
    }
    assert_true(thread_heap->capacity_bytes < HALF / 2); /* nobody was refused */
    assert_int_equal(capacity(GONE), 0);
    assert_int_equal(heap_blocks_cached(GONE), 0);
}

/* Their blocks keep slabs, while more slabs than ever have to be made: one class is looked at for each. */
static void magazines_of_quiet_sizes_go_when_memory_grows(void **state) {
    (void)state;
    enum { BUSY = 28, GONE = 4 };
    store_relaxed(&limit_ceiling, SIZE_MAX);
    work(GONE, 4);
    work(BUSY, 8);
    assert_int_equal(capacity(BUSY), size_classes[BUSY].cache);
    assert_true(capacity(GONE) > CAPACITY_FIRST && heap_blocks_cached(GONE) > 0);
    for (unsigned i = 0; i < 2 * CLASS_COUNT; i++) { /* not more than there were */
        fetch_sub_relaxed(&page_counters.used_bytes, UNIT_SIZE);
        (void)balance_grow(thread_heap, BUSY, "test");
        fetch_add_relaxed(&page_counters.used_bytes, UNIT_SIZE);
    }
    assert_true(capacity(GONE) > CAPACITY_FIRST);
    for (unsigned i = 0; i < 2 * CLASS_COUNT; i++) { /* a round sees that it was used, the next that it is not */
        fetch_add_relaxed(&page_counters.used_bytes, UNIT_SIZE);
        (void)balance_grow(thread_heap, BUSY, "test");
    }
    assert_int_equal(capacity(GONE), 0);
    assert_int_equal(heap_blocks_cached(GONE), 0);
    assert_int_equal(capacity(BUSY), size_classes[BUSY].cache);
}

enum { SMALL = 36 }; /* classes that two blocks of each take next to nothing of */

/* The most that this heap comes to while it works hard in small classes and so many heaps are in use. */
static size_t capacity_among(unsigned heaps) {
    static struct heap others;
    while (balance_heaps() < heaps) {
        balance_join(&others);
    }
    uint64_t seed = heaps;
    size_t most = 0;
    for (int round = 0; round < 3000; round++) {
        work(1 + (unsigned)(unit_random(&seed) % SMALL), 1);
        if (round >= 2000) { /* until then it may have to give up what it had */
            most = thread_heap->capacity_bytes > most ? thread_heap->capacity_bytes : most;
        }
    }
    return most;
}

/* Four threads may cache twice as much as eight and more may, those between as much together as four. */
static void few_heaps_may_cache_more_each(void **state) {
    (void)state;
    const size_t option = 384 << 10;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(option_set(OPTION_magazine_bytes, option));
    (void)heap_of_thread();
    size_t step = MAGAZINE_BYTES / 2 + 2 * (size_t)size_classes[SMALL].size; /* as much as a magazine grows by */
    for (unsigned heaps = 1; heaps <= 9; heaps++) {
        size_t most = heaps <= 4 ? option : heaps < 8 ? option * 4 / heaps : option / 2;
        assert_in_range(capacity_among(heaps), most - step, most);
    }
}

/* What a class may hold at most in a heap that holds more than half of what it may. */
static unsigned crowded_limit(unsigned c) {
    unsigned blocks = (12 << 10) / size_classes[c].size;
    blocks = blocks > 16 ? blocks : 16;
    return blocks < size_classes[c].cache ? blocks : size_classes[c].cache;
}

/* As long as all of a heap's magazines hold half of what they may, a class has what it can use; beyond, what many classes need is shared.
 */
static void a_class_of_a_heap_that_holds_much_may_hold_less(void **state) {
    (void)state;
    enum { FIRST = 28, LAST = 36, HOLD = 250 << 10 /* half of it lies well within a magazine */ };
    assert_true(size_classes[FIRST].cache < 64); /* so that each round of work finds them empty */
    assert_true(crowded_limit(FIRST) < size_classes[FIRST].cache);
    store_relaxed(&limit_ceiling, SIZE_MAX);
    assert_true(option_set(OPTION_magazine_bytes, HOLD));
    (void)heap_of_thread();
    unsigned c = FIRST;
    for (; thread_heap->capacity_bytes <= HOLD / 2; c++) {
        work(c, 4);
        assert_int_equal(capacity(c), size_classes[c].cache);
    }
    assert_in_range(c, FIRST + 1, LAST - 2);
    for (; c <= LAST; c++) {
        work(c, 4);
        assert_int_equal(capacity(c), crowded_limit(c));
    }
    /* As they all go on, the first ones give up what the others may not have, though nothing is refused, */
    size_t sum = 0;
    for (c = FIRST; c <= LAST; c++) {
        sum += crowded_limit(c) * size_classes[c].size;
    }
    assert_in_range(sum, HOLD / 2 + 1, HOLD); /* else those that gave up might grow again */
    thread_heap->most_used = SIZE_MAX;        /* and not because quiet ones are looked for when slabs are made */
    for (int round = 0; round < 200; round++) {
        for (c = FIRST; c <= LAST; c++) {
            work(c, 1);
            assert_true(capacity(c) >= crowded_limit(c));
        }
    }
    for (c = FIRST; c <= LAST; c++) {
        assert_int_equal(capacity(c), crowded_limit(c));
    }
    assert_int_equal(thread_heap->capacity_bytes, sum);
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

/* Takes what the magazines hold, and as much more as the classes' magazines may hold `times` over. */
static void take_many(unsigned first, unsigned last, unsigned times, void *(*blocks)[TIMES_MAX * MAGAZINE_BLOCKS_MAX]) {
    for (unsigned c = first; c <= last; c++) {
        for (unsigned i = 0; i < times * size_classes[c].cache; i++) {
            blocks[c][i] = take(c);
        }
    }
}

static size_t cached_bytes(void) {
    size_t bytes = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        bytes += heap_blocks_cached(c) * size_classes[c].size;
    }
    return bytes;
}

/* A thread that gives up what it had, and then rests, keeps little in magazines that it will not use; half of each, and more, is what it
 * would keep if it freed as it works. */
static void a_thread_that_only_frees_keeps_little(void **state) {
    (void)state;
    enum { FIRST = 4, LAST = 24, TIMES = TIMES_MAX };
    static void *blocks[CLASS_COUNT][TIMES_MAX * MAGAZINE_BLOCKS_MAX];
    store_relaxed(&limit_ceiling, SIZE_MAX);
    take_many(FIRST, LAST, TIMES, blocks);
    size_t could = thread_heap->capacity_bytes;
    size_t sum = 0;
    unsigned looks = 0;
    for (unsigned i = 0; i < TIMES * MAGAZINE_BLOCKS_MAX; i++) {
        for (unsigned c = FIRST; c <= LAST; c++) {
            if (i < TIMES * size_classes[c].cache) {
                put(c, blocks[c][i]);
            }
        }
        if (i >= TIMES * MAGAZINE_BLOCKS_MAX / 2) {
            sum += cached_bytes();
            looks++;
        }
    }
    assert_true(could > HALF / 2);
    assert_true(sum / looks < could / 2);
    assert_true(thread_heap->overflows >= 8);
    (void)take(40); /* a refill: it works again, and the next full magazine goes back by half */
    assert_int_equal(thread_heap->overflows, 0);
}

/* The first time that a magazine is full half of it goes back, from the eighth time in a row on all. */
static void full_magazines_in_a_row_go_back_whole(void **state) {
    (void)state;
    enum { CLASS = 20, OTHER = 21, BLOCKS = 8 * MAGAZINE_BLOCKS_MAX };
    static void *blocks[BLOCKS];
    unsigned limit = size_classes[CLASS].cache;
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = take(CLASS);
    }
    work(OTHER, 1);
    size_t next = 0;
    unsigned seen = 0;
    while (seen < 10) {
        assert_true(next < COUNT(blocks));
        size_t before = heap_blocks_cached(CLASS);
        unsigned overflows = thread_heap->overflows;
        put(CLASS, blocks[next++]);
        if (thread_heap->overflows != overflows) {
            seen = thread_heap->overflows;
            assert_int_equal(before, limit);
            assert_int_equal(heap_blocks_cached(CLASS), seen < 8 ? limit / 2 + 1 : 1);
        }
    }
    for (unsigned looks = 0; looks < CLASS_COUNT && heap_blocks_cached(OTHER); looks++) {
        while (thread_heap->overflows == seen) {
            assert_true(next < COUNT(blocks));
            put(CLASS, blocks[next++]);
        }
        seen = thread_heap->overflows;
    }
    assert_int_equal(heap_blocks_cached(OTHER), 0); /* the hand came by */
}

/* What other classes hold goes back while the thread only frees, until each has little: by some full magazines, none of which pays for
 * all. */
static void other_classes_are_emptied_a_few_at_a_time(void **state) {
    (void)state;
    enum { CLASS = 20, FIRST = 10, LAST = 26, LITTLE = 2 << 10, BLOCKS = 16 * MAGAZINE_BLOCKS_MAX };
    static void *blocks[BLOCKS];
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = take(CLASS);
    }
    for (unsigned c = FIRST; c <= LAST; c++) {
        void *some[24];
        for (size_t i = 0; i < COUNT(some); i++) {
            some[i] = take(c);
        }
        for (size_t i = 0; i < COUNT(some); i++) {
            put(c, some[i]);
        }
    }
    unsigned much = 0;
    unsigned seen = 0;
    for (unsigned next = 0; seen < 8 + 6; next++) {
        size_t before[CLASS_COUNT];
        for (unsigned c = FIRST; c <= LAST; c++) {
            before[c] = heap_blocks_cached(c);
        }
        assert_true(next < COUNT(blocks));
        put(CLASS, blocks[next]);
        bool full = thread_heap->overflows > seen;
        seen = thread_heap->overflows;
        size_t emptied = 0;
        much = 0;
        for (unsigned c = FIRST; c <= LAST; c++) {
            size_t after = heap_blocks_cached(c);
            emptied += c != CLASS && after < before[c] ? before[c] - after : 0;
            much += c != CLASS && after * size_classes[c].size > LITTLE;
        }
        assert_true(emptied == 0 || (full && seen >= 8));
        assert_true(emptied < 2 * MAGAZINE_BLOCKS_MAX);
        assert_true(seen >= 8 || much == LAST - FIRST);
    }
    assert_int_equal(much, 0);
}

/* So many blocks of the class are in its magazine. */
static void hold(unsigned class_index, size_t count) {
    static void *blocks[2 * MAGAZINE_BLOCKS_MAX];
    size_t taken = 2 * count;
    for (size_t i = 0; i < taken; i++) {
        blocks[i] = take(class_index);
    }
    while (heap_blocks_cached(class_index) < count) {
        put(class_index, blocks[--taken]);
    }
    assert_int_equal(heap_blocks_cached(class_index), count);
}

/* A magazine of two blocks is full all the time: that many blocks have gone is what tells that a thread only frees. */
static void a_few_large_blocks_do_not_empty_other_classes(void **state) {
    (void)state;
    enum { CLASS = 59, OTHER = 12, BLOCKS = 320, EMPTIES_AFTER = 256 };
    static void *blocks[BLOCKS];
    assert_int_equal(size_classes[CLASS].cache, 2);
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (int times = 0; times < 2; times++) {
        for (size_t i = 0; i < COUNT(blocks); i++) {
            blocks[i] = take(CLASS);
        }
        hold(OTHER, MAGAZINE_BLOCKS_MAX / 2);
        unsigned next = 0;
        size_t gone = 0;
        while (heap_blocks_cached(OTHER)) {
            size_t before = heap_blocks_cached(CLASS);
            assert_true(next < BLOCKS);
            put(CLASS, blocks[next++]);
            gone += before + 1 - heap_blocks_cached(CLASS);
        }
        assert_true(thread_heap->overflows > 8);
        assert_in_range(gone, EMPTIES_AFTER, EMPTIES_AFTER + 1);
        while (next < BLOCKS) {
            put(CLASS, blocks[next++]);
        }
    }
}

/* The last class is the last of a magazine's worth: what comes next is the first. */
static void emptying_others_begins_anew_after_the_last_class(void **state) {
    (void)state;
    enum { CLASS = 20, OTHER = 12, LAST = CLASS_COUNT - 1, BLOCKS = 12 * MAGAZINE_BLOCKS_MAX };
    static void *blocks[BLOCKS];
    store_relaxed(&limit_ceiling, SIZE_MAX);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = take(CLASS);
    }
    hold(OTHER, MAGAZINE_BLOCKS_MAX - 1);
    hold(LAST, 1);
    size_t next = 0;
    for (int times = 0; times < 2; times++) {
        while (heap_blocks_cached(OTHER)) {
            assert_true(next < COUNT(blocks));
            put(CLASS, blocks[next++]);
        }
        if (times == 0) {
            assert_int_equal(heap_blocks_cached(LAST), 0);
            assert_int_equal(thread_heap->empty_hand, 0);
            hold(OTHER, MAGAZINE_BLOCKS_MAX - 1); /* it works again, and then only frees for a while */
        }
    }
}

/* Heaps that hold next to nothing take nothing from those that work, however many they are. */
static void idle_heaps_leave_their_share_to_others(void **state) {
    (void)state;
    static pthread_t thread[MANY];
    assert_true(in_a_thread() > HALF / 4 * 3);
    pthread_barrier_init(&made, NULL, MANY + 1);
    pthread_barrier_init(&done, NULL, MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, hold_a_heap, NULL), 0);
    }
    pthread_barrier_wait(&made);
    assert_true(in_a_thread() > HALF / 4 * 3); /* as alone; a share would be less than half */
    pthread_barrier_wait(&done);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
}

/* --- what a thread leaves to the next ------------------------------------------------------------------------------------------ */

enum { LIFE_BLOCKS = 3, LIFE_FIRST = 3, LIFE_LAST = 20 };

/* A life that takes so many blocks of each of these classes, and frees them. */
struct life {
    unsigned first, last, blocks;
    unsigned refills; /* how often the bins were asked */
    size_t fetched;   /* blocks that the first refill of the first class brought */
};

static void *live(void *context) {
    struct life *life = context;
    for (unsigned c = life->first; c <= life->last; c++) {
        void *block[MAGAZINE_BLOCKS_MAX];
        assert_true(life->blocks <= COUNT(block));
        for (unsigned i = 0; i < life->blocks; i++) {
            size_t out = bin_blocks_out(c);
            block[i] = take(c);
            life->refills += bin_blocks_out(c) != out;
            life->fetched += c == life->first && i == 0 ? bin_blocks_out(c) - out : 0;
        }
        for (unsigned i = 0; i < life->blocks; i++) {
            put(c, block[i]);
        }
    }
    heap_end_of_thread();
    return NULL;
}

static struct life a_life(unsigned first, unsigned last, unsigned blocks) {
    struct life life = {.first = first, .last = last, .blocks = blocks};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, live, &life), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return life;
}

/* Threads that come and go and do the same ask once for each class. */
static void the_next_thread_begins_where_the_last_ended(void **state) {
    (void)state;
    unsigned classes = LIFE_LAST - LIFE_FIRST + 1;
    assert_true(a_life(LIFE_FIRST, LIFE_LAST, LIFE_BLOCKS).refills >= 2 * classes);
    (void)a_life(LIFE_FIRST, LIFE_LAST, LIFE_BLOCKS);
    for (int lives = 0; lives < 5; lives++) {
        assert_int_equal(a_life(LIFE_FIRST, LIFE_LAST, LIFE_BLOCKS).refills, classes);
    }
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(bin_blocks_out(c), 0);
    }
}

/* What threads no longer use is forgotten. */
static void what_no_thread_takes_is_forgotten(void **state) {
    (void)state;
    (void)a_life(30, 30, LIFE_BLOCKS);
    (void)a_life(30, 30, LIFE_BLOCKS);
    assert_true(a_life(30, 30, LIFE_BLOCKS).fetched > 1);
    for (int lives = 0; lives < 3; lives++) {
        (void)a_life(LIFE_FIRST, LIFE_LAST, LIFE_BLOCKS);
    }
    assert_int_equal(a_life(30, 30, LIFE_BLOCKS).fetched, 1);
}

/* A thread that took thousands does not make the next take as many at once: that one may need one block, and rest. */
static void the_next_thread_begins_with_a_few_blocks(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        (void)a_life(LIFE_FIRST, LIFE_FIRST, MAGAZINE_BLOCKS_MAX);
    }
    size_t fetched = a_life(LIFE_FIRST, LIFE_FIRST, 1).fetched;
    assert_true(fetched > 1 && fetched <= 4);
}

/* The sum over all heaps follows them, also when their threads end, and in a forked child. */
static void the_bytes_of_all_heaps_add_up(void **state) {
    (void)state;
    (void)in_a_thread();
    assert_int_equal(load_relaxed(&magazines_bytes), 0);
    work(9, 10);
    assert_true(thread_heap->capacity_bytes > 0);
    assert_int_equal(load_relaxed(&magazines_bytes), thread_heap->capacity_bytes);
    fetch_add_relaxed(&magazines_bytes, 12345); /* those of a thread that does not come along */
    balance_fork_child(thread_heap);
    assert_int_equal(load_relaxed(&magazines_bytes), thread_heap->capacity_bytes);
    balance_fork_child(NULL);
    assert_int_equal(load_relaxed(&magazines_bytes), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(magazines_of_quiet_sizes_go_when_memory_grows),
    cmocka_unit_test(capacity_starts_small_and_doubles),
    cmocka_unit_test(a_full_magazine_grows_then_flushes_the_newest),
    cmocka_unit_test(all_capacities_together_are_bounded),
    cmocka_unit_test(no_call_pays_for_all_classes),
    cmocka_unit_test(many_heaps_share_what_few_may_have),
    cmocka_unit_test(each_heap_has_something_however_many_there_are),
    cmocka_unit_test(what_is_left_of_all_is_there_for_whoever_asks),
    cmocka_unit_test(idle_classes_lose_their_magazines),
    cmocka_unit_test(magazines_of_sizes_no_longer_used_go),
    cmocka_unit_test(few_heaps_may_cache_more_each),
    cmocka_unit_test(a_class_of_a_heap_that_holds_much_may_hold_less),
    cmocka_unit_test(magazines_keep_to_the_bytes_chosen),
    cmocka_unit_test(a_thread_that_only_frees_keeps_little),
    cmocka_unit_test(full_magazines_in_a_row_go_back_whole),
    cmocka_unit_test(idle_heaps_leave_their_share_to_others),
    cmocka_unit_test(other_classes_are_emptied_a_few_at_a_time),
    cmocka_unit_test(a_few_large_blocks_do_not_empty_other_classes),
    cmocka_unit_test(emptying_others_begins_anew_after_the_last_class),
    cmocka_unit_test(the_bytes_of_all_heaps_add_up),
    cmocka_unit_test(the_next_thread_begins_where_the_last_ended),
    cmocka_unit_test(what_no_thread_takes_is_forgotten),
    cmocka_unit_test(the_next_thread_begins_with_a_few_blocks),
};
UNIT_MAIN(tests)
