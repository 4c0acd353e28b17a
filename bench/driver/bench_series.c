// RSS over live memory in the course of a workload (see bench.h).
#include "bench.h"

#include <stdio.h>

enum { MAX_POINTS = 2048 };
static struct { double ms, ratio; } points[MAX_POINTS];
static unsigned point_count;
static uint64_t series_start;
static double rss_sum, live_sum, worst;

void series_add(uint64_t own_kib, uint64_t live_bytes) {
    if (point_count == MAX_POINTS || live_bytes == 0)
        return;
    uint64_t now = bench_now_ns(), anonymous = bench_anonymous_kib();
    double rss = anonymous > own_kib ? (double)(anonymous - own_kib) * 1024 : 0;
    if (point_count == 0)
        series_start = now;
    points[point_count].ms = (double)(now - series_start) * 1e-6;
    points[point_count].ratio = rss / (double)live_bytes;
    worst = points[point_count].ratio > worst ? points[point_count].ratio : worst;
    point_count++;
    rss_sum += rss;
    live_sum += (double)live_bytes;
}

void series_print(void) {
    if (point_count == 0)
        bench_fail("a series has no points");
    printf("series.rss_live=");
    for (unsigned i = 0; i < point_count; i++)
        printf("%s%.1f:%.3f", i == 0 ? "" : ",", points[i].ms, points[i].ratio);
    printf("\n");
    bench_figure("rss_live_mean", rss_sum / live_sum);
    bench_figure("rss_live_worst", worst);
    bench_figure("rss_live_end", points[point_count - 1].ratio);
}
