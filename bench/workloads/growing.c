// strings: strings that grow by realloc, a few bytes at a time. vectors: arrays that double.
// In real life: building a reply, a log line, a path (strings; exact-size realloc as careless code does it); std::vector,
// every dynamic language's list (vectors). In-place growth, copying, and what the outgrown sizes leave behind.
#include "../driver/bench.h"

void workload_strings(void) {
    uint32_t count = (uint32_t)arg_u64("count", 1000), limit = (uint32_t)arg_u64("limit", 4096);
    uint64_t ops = arg_u64("ops", 2 << 20);
    char **text = bench_map(count * sizeof *text);
    uint32_t *length = bench_map(count * sizeof *length);
    struct rng r = rng_make(3);
    bench_begin();
    for (uint64_t i = 0; i < ops; i++) {
        uint32_t slot = rng_below(&r, count), more = 1 + rng_below(&r, 64);
        if (length[slot] + more > limit) {
            free(text[slot]);
            text[slot] = NULL;
            length[slot] = 0;
        }
        text[slot] = bench_check(realloc(text[slot], length[slot] + more));
        bench_sink = text[slot];
        memset(text[slot] + length[slot], 'x', more);
        length[slot] += more;
    }
    bench_end(ops);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < length[i]; k++)
            if (text[i][k] != 'x')
                bench_fail("realloc lost text");
}

void workload_vectors(void) {
    uint32_t count = (uint32_t)arg_u64("count", 20), limit = (uint32_t)arg_u64("limit", 1 << 18);
    uint64_t rounds = arg_u64("rounds", 10), ops = 0;
    uint64_t **vector = bench_map(count * sizeof *vector);
    uint32_t *capacity = bench_map(count * sizeof *capacity);
    bench_begin();
    for (uint64_t round = 0; round < rounds; round++) {
        // all vectors grow in step, each in turn, so that no one of them is always last on the heap
        for (uint32_t size = 4; size <= limit; size *= 2) {
            for (uint32_t i = 0; i < count; i++) {
                vector[i] = bench_check(realloc(vector[i], size * sizeof **vector));
                bench_sink = vector[i];
                for (uint32_t k = capacity[i]; k < size; k++)
                    vector[i][k] = k;
                capacity[i] = size;
                ops++;
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            if (vector[i][capacity[i] - 1] != capacity[i] - 1 || vector[i][1] != 1)
                bench_fail("realloc lost elements");
            free(vector[i]);
            vector[i] = NULL;
            capacity[i] = 0;
        }
    }
    bench_end(ops);
}
