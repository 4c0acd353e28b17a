/*
 * Purpose: tests of heap/bin.c: where blocks are taken from, how slabs drain and go, shards, bad blocks, refusals, fork.
 */
#include "bin_blocks.h"
#include "config/options.h"
#include "pages/meta.h"
#include "pages/purge.h"
#include "platform/lock.h"

static void lowest_address_first(void **state) {
    (void)state;
    unsigned shard = 0;
    void *block[64];
    assert_int_equal(claim(&shard, 4, block, 64), 64);
    for (size_t i = 1; i < 64; i++) {
        assert_ptr_equal(block[i], (char *)block[0] + i * 64);
    }
    put(4, block[40]);
    put(4, block[7]);
    put(4, block[20]);
    void *again[4];
    assert_int_equal(claim(&shard, 4, again, 4), 4);
    assert_ptr_equal(again[0], block[7]);
    assert_ptr_equal(again[1], block[20]);
    assert_ptr_equal(again[2], block[40]);
    assert_ptr_equal(again[3], (char *)block[63] + 64);
}

/* Three slabs with one block in 16, in 2 and 15 of 16 free: the fullest gives, the emptiest drains and its unit goes. */
static void fullest_slab_first_so_that_sparse_ones_drain(void **state) {
    (void)state;
    enum { CLASS = 49, BLOCKS = 16 }; /* 4096 bytes */
    unsigned shard = 0;
    void *block[3 * BLOCKS];
    assert_int_equal(size_classes[CLASS].blocks, BLOCKS);
    assert_int_equal(claim(&shard, CLASS, block, 3 * BLOCKS), BLOCKS); /* as many as a new slab has */
    assert_int_equal(claim(&shard, CLASS, block + BLOCKS, BLOCKS), BLOCKS);
    assert_int_equal(claim(&shard, CLASS, block + 2 * BLOCKS, BLOCKS), BLOCKS);
    assert_int_equal(used_units(), 3);
    void **full = block;
    void **half = block + BLOCKS;
    void **sparse = block + 2 * BLOCKS;
    for (int i = 0; i < 15; i++) {
        put(CLASS, sparse[i]);
    }
    for (int i = 0; i < 8; i++) {
        put(CLASS, half[i]);
    }
    put(CLASS, full[0]);
    void *again[9];
    assert_int_equal(claim(&shard, CLASS, again, 9), 9);
    assert_ptr_equal(again[0], full[0]);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(unit_of(again[1 + i]), unit_of(half[0]));
    }
    put(CLASS, again[1]); /* something to claim from remains ... */
    put(CLASS, sparse[15]);
    assert_int_equal(used_units(), 2); /* ... so the empty slab goes */
    assert_int_equal(bin_blocks_held(CLASS), 2 * BLOCKS);
    assert_int_equal(bin_blocks_out(CLASS), 2 * BLOCKS - 1);
}

static void one_empty_slab_is_kept_until_trimmed(void **state) {
    (void)state;
    unsigned shard = 0;
    void *block;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(claim(&shard, 10, &block, 1), 1);
        put(10, block);
        assert_int_equal(used_units(), 1);
    }
    assert_int_equal(bin_blocks_held(10), size_classes[10].blocks);
    assert_int_equal(bin_blocks_out(10), 0);
    bin_trim();
    assert_int_equal(used_units(), 0);
    assert_int_equal(bin_blocks_held(10), 0);
    bin_trim();
}

static void a_kept_slab_goes_when_another_is_partly_used(void **state) {
    (void)state;
    unsigned shard = 0;
    void *block[32];
    assert_int_equal(claim(&shard, 49, block, 16), 16);
    assert_int_equal(claim(&shard, 49, block + 16, 16), 16);
    for (int i = 0; i < 16; i++) {
        put(49, block[i]);
    }
    assert_int_equal(used_units(), 2); /* the other one is full: this one is all there is to claim from */
    put(49, block[16]);
    assert_int_equal(used_units(), 1);
}

static void bad_blocks_come_to_the_front(void **state) {
    (void)state;
    static char foreign;
    unsigned shard = 0;
    void *block[8];
    void *other[1];
    assert_int_equal(claim(&shard, 6, block, 8), 8);
    assert_int_equal(claim(&shard, 7, other, 1), 1);
    put(6, block[5]);
    void *given[] = {block[0], &foreign, block[5], block[1], (char *)block[2] + 16, other[0], block[2], block[0]};
    assert_int_equal(bin_put(6, given, COUNT(given)), 5);
    assert_ptr_equal(given[0], &foreign);
    assert_ptr_equal(given[1], block[5]);
    assert_ptr_equal(given[2], (char *)block[2] + 16);
    assert_ptr_equal(given[3], other[0]);
    assert_ptr_equal(given[4], block[0]);
    assert_int_equal(bin_blocks_out(6), 4);
    assert_int_equal(bin_blocks_out(7), 1);
    assert_int_equal(bin_put(6, given, 0), 0);
    void *alone;
    assert_int_equal(claim(&shard, 7, &alone, 1), 1);
    put(7, alone);
    assert_int_equal(bin_put(7, &alone, 1), 1);
}

/* Those before the bin changes are no blocks of the one that is left. */
static void bad_blocks_are_not_counted_whichever_bin_they_stand_before(void **state) {
    (void)state;
    static char foreign;
    assert_true(option_set(OPTION_shards, 2));
    unsigned first = 0;
    unsigned second = 1;
    void *a[8];
    void *b[8];
    assert_int_equal(claim(&first, 6, a, 8), 8);
    assert_int_equal(claim(&second, 6, b, 8), 8);
    void *given[] = {&foreign, a[0], a[0], b[0], b[0], &foreign, a[1], b[1], a[1], a[2], a[3], a[4], a[4], b[2]};
    assert_int_equal(bin_put(6, given, COUNT(given)), 6);
    assert_int_equal(bin_blocks_out(6), 8);
    assert_int_equal(bin_put(6, a + 5, 3), 0);
    assert_int_equal(bin_put(6, b + 3, 5), 0);
    assert_int_equal(bin_blocks_out(6), 0);
}

static void follows_a_model(void **state) {
    (void)state;
    enum { CLASS = 40, MOST = 3000 };
    static void *out[MOST];
    unsigned count = 0;
    uint64_t seed = 20;
    assert_true(option_set(OPTION_shards, 3));
    for (int step = 0; step < 20000; step++) {
        bool grow = step / 2000 % 2 == 0;
        unsigned n = 1 + (unsigned)(unit_random(&seed) % 31);
        if (count + n <= MOST && unit_random(&seed) % 8 < (grow ? 6u : 2u)) {
            unsigned shard = (unsigned)(unit_random(&seed) % 3);
            unsigned got = claim(&shard, CLASS, out + count, n);
            assert_in_range(got, 1, n);
            for (unsigned i = 0; i < got; i++) {
                assert_true(*(unsigned char *)out[count + i] != 0xee); /* not out already */
                *(unsigned char *)out[count + i] = 0xee;
            }
            count += got;
        } else {
            void *back[31];
            unsigned k = 0;
            while (k < n && count) {
                unsigned i = (unsigned)(unit_random(&seed) % count);
                back[k++] = out[i];
                *(unsigned char *)out[i] = 0;
                out[i] = out[--count];
            }
            assert_int_equal(bin_put(CLASS, back, k), 0);
        }
        assert_int_equal(bin_blocks_out(CLASS), count);
        assert_true(bin_blocks_held(CLASS) >= count);
        assert_int_equal(bin_blocks_held(CLASS), used_units() * size_classes[CLASS].blocks);
    }
    assert_int_equal(bin_put(CLASS, out, count), 0);
    bin_trim();
    assert_int_equal(used_units(), 0);
}

static void blocks_go_back_to_their_own_shard(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 2));
    unsigned first = 0;
    unsigned second = 1;
    void *a[16];
    void *b[16];
    assert_int_equal(claim(&first, 49, a, 16), 16);
    assert_int_equal(claim(&second, 49, b, 16), 16);
    assert_int_equal(slab_shard(slab_of((uintptr_t)a[0])), 0);
    assert_int_equal(slab_shard(slab_of((uintptr_t)b[0])), 1);
    void *mixed[] = {a[0], b[0], a[1], b[1], a[2], b[2]};
    assert_int_equal(bin_put(49, mixed, 6), 0);
    assert_int_equal(bin_blocks_out(49), 26);
    void *again[3];
    assert_int_equal(claim(&second, 49, again, 3), 3);
    assert_memory_equal(again, b, sizeof again);
    assert_int_equal(claim(&first, 49, again, 3), 3);
    assert_memory_equal(again, a, sizeof again);
}

static void what_other_shards_have_plenty_of_is_used_before_new_memory(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 4));
    unsigned first = 0;
    void *block[300];
    unsigned blocks = 3 * size_classes[30].blocks;
    assert_in_range(blocks, 1, COUNT(block));
    for (unsigned got = 0; got < blocks;) {
        unsigned now = claim(&first, 30, block + got, blocks - got);
        assert_true(now > 0);
        got += now;
    }
    for (unsigned i = 0; i < blocks; i += 2) {
        put(30, block[i]); /* half of three slabs */
    }
    assert_int_equal(used_units(), 3);
    for (unsigned s = 1; s < 4; s++) {
        unsigned shard = s;
        void *other;
        assert_int_equal(claim(&shard, 30, &other, 1), 1);
        assert_int_equal(shard, s);
        assert_int_equal(used_units(), 3);
    }
}

/* Four shards of two memory nodes: whichever asks, the next by number has plenty too, but is of the other node. */
static void shards_of_the_same_node_are_asked_first(void **state) {
    (void)state;
    enum { SHARDS = 4, CLASS = 30 };
    assert_true(option_set(OPTION_shards, SHARDS));
    fake_settings.cpu_count = 16;
    fake_settings.node_count = 2;
    unsigned node_of[SHARDS];
    for (unsigned cpu = 0; cpu < SHARDS; cpu++) {
        fake_settings.cpu = cpu;
        fake_settings.node = cpu % 2;
        node_of[shard_for_heap(false)] = cpu % 2;
    }
    unsigned own = 1;
    assert_int_not_equal(node_of[own + 1], node_of[own]);
    static void *block[SHARDS][300];
    unsigned blocks = 3 * size_classes[CLASS].blocks;
    for (unsigned s = 0; s < SHARDS; s++) {
        unsigned shard = s;
        for (unsigned got = 0; s != own && got < blocks;) {
            got += claim(&shard, CLASS, block[s] + got, blocks - got);
        }
    }
    for (unsigned s = 0; s < SHARDS; s++) {
        for (unsigned i = 0; s != own && i < blocks; i += 2) {
            put(CLASS, block[s][i]);
        }
    }
    void *taken;
    assert_int_equal(claim(&own, CLASS, &taken, 1), 1);
    unsigned from = slab_shard(slab_of((uintptr_t)taken));
    assert_int_not_equal(from, own);
    assert_int_equal(node_of[from], node_of[own]);
}

/* Or threads would share cache lines for the sake of a few kilobytes; but a block that is there is never refused. */
static void a_little_is_left_to_its_shard_while_there_is_memory(void **state) {
    (void)state;
    enum { CLASS = 8 };
    assert_true(option_set(OPTION_shards, 2));
    unsigned first = 0;
    unsigned second = 1;
    void *block[2];
    void *other;
    assert_int_equal(claim(&first, CLASS, block, 2), 2);
    put(CLASS, block[0]);
    assert_int_equal(claim(&second, CLASS, &other, 1), 1);
    assert_int_not_equal(unit_of(other), unit_of(block[1]));
    fake_fail_from(FAKE_MAP, 1);
    unsigned from_first = 0;
    while (claim(&second, CLASS, &other, 1)) {
        from_first += unit_of(other) == unit_of(block[1]);
    }
    assert_int_equal(from_first, size_classes[CLASS].blocks - 1);
}

/* The first shard has one slab of this class, half of it free: where does the second take from? */
static bool half_a_slab_is_shared(unsigned class_index) {
    unsigned first = 0;
    unsigned second = 1;
    void *block[UNIT_SIZE / 16];
    void *other;
    unsigned blocks = size_classes[class_index].blocks;
    assert_int_equal(claim(&first, class_index, block, blocks), blocks);
    for (unsigned i = 0; i < blocks; i += 2) {
        put(class_index, block[i]);
    }
    assert_int_equal(claim(&second, class_index, &other, 1), 1);
    return unit_of(other) == unit_of(block[0]);
}

static void half_a_slab_is_shared_unless_its_blocks_share_cache_lines(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 2));
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        assert_int_equal(half_a_slab_is_shared(c), size_classes[c].size >= 256);
    }
}

/* One block in 64 stays in each of many slabs. */
static size_t clean_after_leaving_survivors(unsigned slabs) {
    enum { CLASS = 24, BLOCKS = 128, SIZE = 512 };
    static void *block[BLOCKS * 192];
    unsigned shard = 0;
    assert_int_equal(size_classes[CLASS].size, SIZE);
    for (unsigned n = 0; n < slabs * BLOCKS; n += BLOCKS) {
        assert_int_equal(claim(&shard, CLASS, block + n, BLOCKS), BLOCKS);
        memset(block[n], 5, UNIT_SIZE - 4096);
    }
    for (unsigned n = 0; n < slabs * BLOCKS; n += 16) {
        void *leaving[16];
        unsigned count = 0;
        for (unsigned i = n; i < n + 16; i++) {
            if (i % 64) {
                leaving[count++] = block[i];
            }
        }
        assert_int_equal(bin_put(CLASS, leaving, count), 0);
    }
    for (unsigned n = 0; n < slabs * BLOCKS; n += 64) {
        assert_true(unit_all(block[n], SIZE, 5));
    }
    return load_relaxed(&page_counters.slab_clean_bytes);
}

static void free_pages_of_slabs_go_when_there_are_many(void **state) {
    (void)state;
    size_t clean = clean_after_leaving_survivors(192);
    size_t free = (size_t)192 * 126 * 512;
    assert_in_range(clean, free / 2, free);
    assert_int_equal(used_units(), 192);
    assert_true(free - clean < 3 * DIRTY_MIN);
}

/* Few slabs change where a heap rests at its size: what has gone to and fro tells that time has passed. */
static void free_pages_of_slabs_that_rest_go_while_blocks_are_exchanged(void **state) {
    (void)state;
    enum { CLASS = 24, BLOCKS = 128, SLABS = 160, PAGES_OUT = 13, IN_PAGE = 8 };
    static void *block[BLOCKS * SLABS];
    unsigned shard = 0;
    for (unsigned n = 0; n < SLABS * BLOCKS; n += BLOCKS) {
        assert_int_equal(claim(&shard, CLASS, block + n, BLOCKS), BLOCKS);
        memset(slab_base(slab_of((uintptr_t)block[n])), 5, UNIT_SIZE);
    }
    for (unsigned n = 0; n < SLABS * BLOCKS; n += BLOCKS) { /* three pages free, of the others one block out: no slab is sparse */
        for (unsigned i = 0; i < BLOCKS; i++) {
            if (i / IN_PAGE >= PAGES_OUT || i % IN_PAGE > 3) {
                put(CLASS, block[n + i]);
            }
        }
    }
    assert_int_equal(load_relaxed(&page_counters.slab_clean_bytes), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(load_relaxed(&page_counters.slab_clean_bytes), 0);
        bin_after_exchange(load_relaxed(&page_counters.used_bytes) + ((size_t)shard_count() << 20) - 1);
        assert_int_equal(load_relaxed(&page_counters.slab_clean_bytes), 0);
        bin_after_exchange(1);
    }
    assert_int_equal(load_relaxed(&page_counters.slab_clean_bytes), (size_t)SLABS * 3 * 4096);
}

/* A program that takes and frees the same blocks in turn: pages that went back and were claimed again are kept the next time. */
static void free_pages_of_slabs_stay_when_they_are_needed_again(void **state) {
    (void)state;
    enum { SLABS = 192 };
    purge_note_slab_took(SWING_MAX / 2); /* as slab_claim says */
    size_t clean = clean_after_leaving_survivors(SLABS);
    size_t free = (size_t)SLABS * 126 * 512;
    assert_true(free < DIRTY_MIN + SWING_MAX);
    assert_int_equal(clean, 0);
}

static void claimed_pages_are_told_to_those_who_keep_the_budget(void **state) {
    (void)state;
    size_t clean = clean_after_leaving_survivors(192);
    assert_true(clean >= DIRTY_MIN);
    assert_int_equal(purge_budget_of_slabs(), purge_budget_now());
    unsigned shard = 0;
    void *block[128];
    for (unsigned i = 0; load_relaxed(&page_counters.slab_clean_bytes) > clean / 8; i++) {
        assert_in_range(claim(&shard, 24, block, 126), 1, 126);
    }
    assert_true(purge_budget_of_slabs() >= purge_budget_now() + clean / 2);
}

static void a_few_free_pages_stay(void **state) {
    (void)state;
    assert_int_equal(clean_after_leaving_survivors(DIRTY_MIN / UNIT_SIZE), 0);
    assert_int_equal(fake_purged_bytes(), 0);
}

static void refusals(void **state) {
    (void)state;
    unsigned shard = 0;
    void *block[40];
    assert_int_equal(claim(&shard, 63, block, 40), 2);
    unsigned count = 2;
    fake_fail_from(FAKE_MAP, 1);
    unsigned got;
    while ((got = claim(&shard, 63, block, 40)) != 0) {
        count += got;
    }
    assert_int_equal(count, 2 * CHUNK_UNITS); /* the chunk that was there */
    assert_int_equal(claim(&shard, 1, block, 1), 0);
    assert_int_equal(bin_blocks_out(63), count);
    fake_fail_never();
    assert_int_equal(claim(&shard, 1, block, 1), 1);
}

static void fork_takes_and_gives_every_lock(void **state) {
    (void)state;
    unsigned shard = 0;
    void *block;
    assert_true(option_set(OPTION_shards, 2));
    bin_fork_take();
    chunk_fork_take();
    meta_fork_take();
    lock_fork_begin();
    assert_int_equal(claim(&shard, 3, &block, 1), 1); /* by the thread that forks */
    put(3, block);
    lock_fork_end();
    meta_fork_give();
    chunk_fork_give();
    bin_fork_give();
    assert_int_equal(claim(&shard, 3, &block, 1), 1);
    assert_int_equal(shard, 0); /* its lock was free at once */
}

/* Of every bin in every shard; the blocks that are out stay, and a second call finds nothing. */
static void free_pages_of_partly_used_slabs_go_back(void **state) {
    (void)state;
    enum { CLASS = 49, BLOCKS = 16 }; /* 4096 bytes */
    assert_true(option_set(OPTION_shards, 2));
    void *block[2][BLOCKS];
    for (unsigned s = 0; s < 2; s++) {
        unsigned shard = s;
        assert_int_equal(claim(&shard, CLASS, block[s], BLOCKS), BLOCKS);
        for (unsigned i = 0; i < BLOCKS; i++) {
            memset(block[s][i], 1, 4096);
        }
        put(CLASS, block[s][0]); /* looks at its bit: from now on the page of the bits is resident */
        assert_int_equal(claim(&shard, CLASS, block[s], 1), 1);
    }
    assert_false(bin_purge());
    size_t resident = fake_resident_bytes();
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = 0; i < BLOCKS; i += 2) {
            put(CLASS, block[s][i]);
        }
    }
    assert_true(bin_purge());
    assert_int_equal(fake_resident_bytes(), resident - (size_t)BLOCKS * 4096);
    assert_false(bin_purge());
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = 1; i < BLOCKS; i += 2) {
            assert_int_equal(*(char *)block[s][i], 1);
        }
    }
    assert_int_equal(bin_blocks_out(CLASS), BLOCKS);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(lowest_address_first),
    cmocka_unit_test(fullest_slab_first_so_that_sparse_ones_drain),
    cmocka_unit_test(one_empty_slab_is_kept_until_trimmed),
    cmocka_unit_test(a_kept_slab_goes_when_another_is_partly_used),
    cmocka_unit_test(bad_blocks_come_to_the_front),
    cmocka_unit_test(bad_blocks_are_not_counted_whichever_bin_they_stand_before),
    cmocka_unit_test(follows_a_model),
    cmocka_unit_test(blocks_go_back_to_their_own_shard),
    cmocka_unit_test(what_other_shards_have_plenty_of_is_used_before_new_memory),
    cmocka_unit_test(shards_of_the_same_node_are_asked_first),
    cmocka_unit_test(half_a_slab_is_shared_unless_its_blocks_share_cache_lines),
    cmocka_unit_test(a_little_is_left_to_its_shard_while_there_is_memory),
    cmocka_unit_test(free_pages_of_slabs_go_when_there_are_many),
    cmocka_unit_test(free_pages_of_slabs_that_rest_go_while_blocks_are_exchanged),
    cmocka_unit_test(free_pages_of_slabs_stay_when_they_are_needed_again),
    cmocka_unit_test(claimed_pages_are_told_to_those_who_keep_the_budget),
    cmocka_unit_test(a_few_free_pages_stay),
    cmocka_unit_test(refusals),
    cmocka_unit_test(free_pages_of_partly_used_slabs_go_back),
    cmocka_unit_test(fork_takes_and_gives_every_lock),
};
UNIT_MAIN(tests)
