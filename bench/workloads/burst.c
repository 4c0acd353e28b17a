// burst: allocate a batch, then free the whole batch; in the order of allocation, in reverse, or shuffled.
// In real life: reading a document and dropping it (fifo), a recursive descent (lifo), a hash table being destroyed
// (shuffled). Free lists and magazines run over and under here, which pairs never make them do.
#include "../driver/bench.h"

void workload_burst(void) {
    uint32_t count = (uint32_t)arg_u64("count", 1000);
    uint64_t ops = arg_u64("ops", 5 << 20);
    size_t low = arg_u64("low", 16), high = arg_u64("high", 256);
    const char *order = arg_text("order", "fifo");
    void **blocks = bench_map(count * sizeof *blocks);
    uint32_t *victim = bench_map(count * sizeof *victim), *size = bench_map(count * sizeof *size);
    struct rng r = rng_make(1);
    for (uint32_t i = 0; i < count; i++) {
        victim[i] = strcmp(order, "lifo") == 0 ? count - 1 - i : i;
        size[i] = (uint32_t)rng_between(&r, low, high);
    }
    if (strcmp(order, "shuffled") == 0) {
        for (uint32_t i = count - 1; i > 0; i--) {
            uint32_t other = rng_below(&r, i + 1), kept = victim[i];
            victim[i] = victim[other];
            victim[other] = kept;
        }
    } else if (strcmp(order, "lifo") != 0 && strcmp(order, "fifo") != 0) {
        bench_fail("order= must be fifo, lifo or shuffled");
    }
    uint64_t rounds = ops / count > 0 ? ops / count : 1;
    bench_begin();
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < count; i++) {
            blocks[i] = must_malloc(size[i]);
            touch_head(blocks[i]);
        }
        for (uint32_t i = 0; i < count; i++)
            free(blocks[victim[i]]);
    }
    bench_end(rounds * count);
}
