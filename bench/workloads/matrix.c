// matrix: a thousand untouched blocks of 0 to 9 MiB, then a 1024 x 1024 matrix of separately allocated numbers.
// In real life: buffers reserved generously and hardly used, then beginner's numerics. An allocator that asks for huge
// pages at once, or that writes into blocks it hands out, pays for memory nobody touched.
//
// cycling: one block at a time, of cycling sizes.
// In real life: a formatter or an interpreter's temporaries. An allocator that retires a page with its last block and
// builds it anew for the next pays tens of nanoseconds for what should cost five.
#include "../driver/bench.h"

enum { SIDE = 1024, BLOCKS = 1000 };

void workload_matrix(void) {
    uint64_t rounds = arg_u64("rounds", 1);
    void **blocks = bench_map(BLOCKS * sizeof *blocks);
    double **cells = bench_map((size_t)SIDE * SIDE * sizeof *cells);
    struct rng r = rng_make(11);
    bench_begin();
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < BLOCKS; i++)
            blocks[i] = must_malloc(rng_below(&r, 9u << 20));
        for (uint32_t i = 0; i < BLOCKS; i++)
            free(blocks[i]);
        double sum = 0;
        for (uint32_t i = 0; i < SIDE * SIDE; i++) {
            cells[i] = must_malloc(sizeof(double));
            *cells[i] = i % 2;
        }
        for (uint32_t column = 0; column < SIDE; column++)
            for (uint32_t row = 0; row < SIDE; row++)
                sum += *cells[row * SIDE + column];
        for (uint32_t i = 0; i < SIDE * SIDE; i++)
            free(cells[i]);
        if (sum != SIDE * SIDE / 2)
            bench_fail("the matrix lost numbers");
    }
    bench_end(rounds * (SIDE * SIDE + BLOCKS));
}

void workload_cycling(void) {
    uint64_t ops = arg_u64("ops", 5 << 20);
    size_t low = arg_u64("low", 16), high = arg_u64("high", 1024), step = arg_u64("step", 16);
    size_t size = low;
    bench_begin();
    for (uint64_t i = 0; i < ops; i++) {
        void *block = must_malloc(size);
        touch_head(block);
        free(block);
        size += step;
        if (size > high)
            size = low;
    }
    bench_end(ops);
}
