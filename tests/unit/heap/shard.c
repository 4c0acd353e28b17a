/*
 * Purpose: tests of heap/shard.c: how many shards there are, and which one a thread gets on machines of 1 to 64 memory nodes.
 */
#include "heap/shard.h"
#include "config/options.h"
#include "unit.h"

static void as_many_as_processors(void **state) {
    (void)state;
    fake_settings.cpu_count = 5;
    assert_int_equal(shard_count(), 5);
    fake_settings.cpu_count = 9;
    assert_int_equal(shard_count(), 5); /* fixed by the first call */
}

static void as_many_as_the_option_says(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 7));
    assert_int_equal(shard_count(), 7);
}

static void never_more_than_there_are(void **state) {
    (void)state;
    fake_settings.cpu_count = 4096;
    assert_int_equal(shard_count(), SHARDS_MAX);
}

static unsigned at(unsigned cpu, unsigned node) {
    fake_settings.cpu = cpu;
    fake_settings.node = node;
    return shard_for_heap(false);
}

static void starting_asks_nothing(void **state) {
    (void)state;
    fake_settings.cpu = 1;
    assert_int_equal(shard_for_heap(true), 0);
    assert_int_equal(fake_calls(FAKE_WHERE), 0);
    assert_int_equal(fake_calls(FAKE_NODE_COUNT), 0);
    assert_int_equal(at(1, 0), 1); /* not where the first heap is */
    assert_int_equal(at(0, 0), 0);
    assert_int_equal(fake_calls(FAKE_NODE_COUNT), 0); /* each processor can have one: no need to know */
}

static void one_shard_asks_nothing(void **state) {
    (void)state;
    fake_settings.cpu_count = 1;
    assert_int_equal(at(0, 0), 0);
    assert_int_equal(shard_after(0), 0);
    assert_int_equal(fake_calls(FAKE_WHERE), 0);
}

static void processors_have_shards_of_their_own(void **state) {
    (void)state;
    fake_settings.cpu_count = 16;
    bool taken[16] = {false};
    for (unsigned i = 0; i < 16; i++) {
        unsigned shard = at(3 + 7 * i, i % 2); /* whatever their numbers */
        assert_true(shard < 16);
        assert_false(taken[shard]);
        taken[shard] = true;
        assert_int_equal(at(3 + 7 * i, i % 2), shard); /* and they stay */
    }
}

static void shards_follow_the_limit(void **state) {
    (void)state;
    fake_settings.cpu_count = 8;
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        (void)at(cpu, 0);
    }
    shard_limit(3);
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        assert_true(at(cpu, 0) < 3);
        assert_true(shard_after(at(cpu, 0)) < 3);
    }
    shard_limit(1);
    assert_int_equal(at(5, 0), 0);
    assert_int_equal(shard_after(0), 0);
    shard_limit(100);
    assert_true(at(5, 0) < 8);
}

static void a_busy_shard_sends_the_thread_to_where_it_runs(void **state) {
    (void)state;
    fake_settings.cpu_count = 8;
    unsigned of_cpu[8];
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        of_cpu[cpu] = at(cpu, cpu / 4);
    }
    fake_settings.cpu = 6; /* the thread came from processor 2 */
    fake_settings.node = 1;
    assert_int_equal(shard_after(of_cpu[2]), of_cpu[6]);
    /* Already there: another shard of the same node. */
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        unsigned mine = at(cpu, cpu / 4);
        unsigned other = shard_after(mine);
        assert_int_not_equal(other, mine);
        assert_true(shard_is_near(mine, other));
    }
    assert_false(shard_is_near(of_cpu[0], of_cpu[7]));
}

/* Every processor of a machine asks, in an order that is bad for those who come late. */
static void simulate(unsigned nodes, unsigned cpus_of_node, bool interleaved) {
    unsigned cpus = nodes * cpus_of_node;
    fake_settings.cpu_count = cpus;
    fake_settings.node_count = nodes;
    static unsigned users[SHARDS_MAX];
    static unsigned node_of[SHARDS_MAX]; /* node + 1 of the first to come */
    unsigned mixed = 0;
    for (unsigned i = 0; i < cpus; i++) {
        unsigned node = i / cpus_of_node; /* node after node */
        unsigned cpu = interleaved ? (i % cpus_of_node) * nodes + node : i;
        unsigned shard = at(cpu, node);
        assert_true(shard < shard_count());
        mixed += node_of[shard] && node_of[shard] != node + 1;
        node_of[shard] = node_of[shard] ? node_of[shard] : node + 1;
        users[shard]++;
    }
    assert_int_equal(mixed, 0);
    unsigned least = users[0];
    unsigned most = users[0];
    for (unsigned s = 1; s < shard_count(); s++) {
        least = users[s] < least ? users[s] : least;
        most = users[s] > most ? users[s] : most;
    }
    assert_true(most <= 2 * (least ? least : 1));
    assert_true(least > 0);
}

static void two_nodes(void **state) {
    (void)state;
    simulate(2, 16, false);
}

static void two_large_nodes(void **state) {
    (void)state;
    simulate(2, 128, true);
}

static void eight_nodes(void **state) {
    (void)state;
    simulate(8, 8, true);
}

static void eight_large_nodes(void **state) {
    (void)state;
    simulate(8, 24, false);
}

static void sixty_four_nodes(void **state) {
    (void)state;
    simulate(64, 4, true);
}

/* More nodes than shards: they must share, evenly. */
static void more_nodes_than_shards(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 4));
    fake_settings.cpu_count = 64;
    fake_settings.node_count = 16;
    unsigned users[4] = {0};
    for (unsigned cpu = 0; cpu < 64; cpu++) {
        users[at(cpu, cpu / 4)]++;
    }
    for (unsigned s = 0; s < 4; s++) {
        assert_in_range(users[s], 8, 24);
    }
}

static void a_kernel_without_nodes(void **state) {
    (void)state;
    assert_true(option_set(OPTION_shards, 8));
    fake_settings.cpu_count = 64;
    fake_settings.node_count = 1;
    unsigned users[8] = {0};
    for (unsigned cpu = 0; cpu < 64; cpu++) {
        users[at(cpu, 0)]++;
    }
    for (unsigned s = 0; s < 8; s++) {
        assert_int_equal(users[s], 8);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(as_many_as_processors),
    cmocka_unit_test(as_many_as_the_option_says),
    cmocka_unit_test(never_more_than_there_are),
    cmocka_unit_test(starting_asks_nothing),
    cmocka_unit_test(one_shard_asks_nothing),
    cmocka_unit_test(processors_have_shards_of_their_own),
    cmocka_unit_test(shards_follow_the_limit),
    cmocka_unit_test(a_busy_shard_sends_the_thread_to_where_it_runs),
    cmocka_unit_test(two_nodes),
    cmocka_unit_test(two_large_nodes),
    cmocka_unit_test(eight_nodes),
    cmocka_unit_test(eight_large_nodes),
    cmocka_unit_test(sixty_four_nodes),
    cmocka_unit_test(more_nodes_than_shards),
    cmocka_unit_test(a_kernel_without_nodes),
};
UNIT_MAIN(tests)
