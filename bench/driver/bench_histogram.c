// Latency histograms: merging the threads' parts, printing buckets and percentiles in nanoseconds.
#include "bench.h"

#include <stdio.h>

void hist_merge(struct histogram *into, const struct histogram *from) {
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->count[i] += from->count[i];
    into->total += from->total;
    if (from->maximum > into->maximum)
        into->maximum = from->maximum;
}

// the lowest value that falls into a bucket; the inverse of the index computed in hist_add
static uint64_t bucket_low(unsigned index) {
    unsigned group = index >> HIST_SUB_BITS;
    if (group <= 1)
        return index;
    unsigned shift = group - 1;
    return (uint64_t)(index - (shift << HIST_SUB_BITS)) << shift;
}

static double percentile_ns(const struct histogram *h, double share) {
    uint64_t wanted = (uint64_t)((double)h->total * share), seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->count[i];
        if (seen > wanted)
            return bench_ticks_to_ns(bucket_low(i));
    }
    return bench_ticks_to_ns(h->maximum);
}

void hist_print(const char *name, const struct histogram *h) {
    static const struct {
        const char *suffix;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}, {"p99999", 0.99999}};
    char key[64];
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        snprintf(key, sizeof key, "%s_%s_ns", name, points[i].suffix);
        bench_figure(key, percentile_ns(h, points[i].share));
    }
    snprintf(key, sizeof key, "%s_max_ns", name);
    bench_figure(key, bench_ticks_to_ns(h->maximum));
    printf("hist.%s=", name);
    const char *separator = "";
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        if (h->count[i] != 0) {
            printf("%s%.1f:%llu", separator, bench_ticks_to_ns(bucket_low(i)), (unsigned long long)h->count[i]);
            separator = ",";
        }
    }
    printf("\n");
}
