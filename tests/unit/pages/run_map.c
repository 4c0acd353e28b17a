/*
 * Purpose: tests of pages/run_map.c against a naive model, one byte per slice, on random maps.
 */
#include "pages/run_map.h"
#include "unit.h"

struct model {
    bool set[CHUNK_SLICES];
};

/* Runs of random length, so that long and short ones meet word boundaries. */
static void fill(struct run_map *map, struct model *model, uint64_t *seed) {
    memset(map, 0, sizeof *map);
    memset(model, 0, sizeof *model);
    unsigned style = (unsigned)(unit_random(seed) % 5);
    static const unsigned longest[] = {2, 10, 70, 200, CHUNK_SLICES};
    bool value = unit_random(seed) % 2;
    for (unsigned i = 0; i < CHUNK_SLICES;) {
        unsigned run = 1 + (unsigned)(unit_random(seed) % longest[style]);
        for (; run && i < CHUNK_SLICES; run--, i++) {
            model->set[i] = value;
            map->words[i / 64] |= (uint64_t)value << (i % 64);
        }
        value = !value;
    }
}

static void expect_same(const struct run_map *map, const struct model *model) {
    for (unsigned i = 0; i < CHUNK_SLICES; i++) {
        assert_int_equal(map->words[i / 64] >> (i % 64) & 1, model->set[i]);
    }
}

static unsigned naive_next(const struct model *model, unsigned from, bool value) {
    while (from < CHUNK_SLICES && model->set[from] != value) {
        from++;
    }
    return from < CHUNK_SLICES ? from : RUN_NONE;
}

static void next_set_and_clear(void **state) {
    (void)state;
    uint64_t seed = 4;
    struct run_map map;
    struct model model;
    for (int round = 0; round < 200; round++) {
        fill(&map, &model, &seed);
        for (unsigned from = 0; from <= CHUNK_SLICES; from++) {
            assert_int_equal(run_next_set(&map, from), naive_next(&model, from, true));
            assert_int_equal(run_next_clear(&map, from), naive_next(&model, from, false));
        }
    }
}

static void set_clear_and_count(void **state) {
    (void)state;
    uint64_t seed = 7;
    struct run_map map;
    struct model model;
    for (int round = 0; round < 5000; round++) {
        fill(&map, &model, &seed);
        unsigned start = (unsigned)(unit_random(&seed) % (CHUNK_SLICES + 1));
        unsigned count = (unsigned)(unit_random(&seed) % (CHUNK_SLICES - start + 1));
        unsigned sum = 0;
        for (unsigned i = start; i < start + count; i++) {
            sum += model.set[i];
        }
        assert_int_equal(run_count(&map, start, count), sum);
        bool value = round % 2;
        (value ? run_set : run_clear)(&map, start, count);
        memset(&model.set[start], value, count);
        expect_same(&map, &model);
    }
}

static void whole_units(void **state) {
    (void)state;
    uint64_t seed = 8;
    struct run_map map;
    struct model model;
    for (int round = 0; round < 3000; round++) {
        fill(&map, &model, &seed);
        uint32_t units = 0;
        for (unsigned unit = 0; unit < CHUNK_UNITS; unit++) {
            bool whole = true;
            for (unsigned i = 0; i < UNIT_SLICES; i++) {
                whole &= model.set[unit * UNIT_SLICES + i];
            }
            units |= (uint32_t)whole << unit;
        }
        assert_int_equal(run_whole_units(&map, UINT32_MAX), units);
        unsigned start = (unsigned)(unit_random(&seed) % CHUNK_SLICES);
        unsigned count = 1 + (unsigned)(unit_random(&seed) % (CHUNK_SLICES - start));
        uint32_t among = 0;
        for (unsigned i = start; i < start + count; i++) {
            among |= (uint32_t)1 << i / UNIT_SLICES;
        }
        assert_int_equal(run_units(start, count), among);
        assert_int_equal(run_whole_units(&map, among), units & among);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(next_set_and_clear),
    cmocka_unit_test(set_clear_and_count),
    cmocka_unit_test(whole_units),
};
UNIT_MAIN(tests)
