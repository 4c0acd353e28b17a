// What a workload may use: its arguments, memory that is not the allocator's, clocks, figures, threads, histograms.
//
// The driver must not disturb what it measures. Its own arrays come from bench_map (never from malloc), it prints with
// stdio only after the measured section, and every block passes through a volatile sink so that no compiler can prove a
// malloc useless. A workload is a function named workload_NAME and a row in workloads.def.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// ---- arguments: key=value on the command line; one that no workload asked for ends the run with an error ----
uint64_t arg_u64(const char *key, uint64_t fallback); // accepts k, m, g (1024) suffixes
const char *arg_text(const char *key, const char *fallback);

// ---- memory of the driver itself: zeroed, already faulted in, from mmap ----
void *bench_map(size_t bytes);
void bench_unmap(void *memory, size_t bytes);

// ---- ends the run with a message: a workload that cannot do its work must never print a figure ----
_Noreturn void bench_fail(const char *what);
void *bench_check(void *block); // bench_fail when NULL

// ---- clocks ----
uint64_t bench_now_ns(void);
static inline uint64_t bench_ticks(void) { // a few ns cheap; bench_ticks_to_ns scales it
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high) : : "ecx", "memory");
    return ((uint64_t)high << 32) | low;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
    return ticks;
#else
    return bench_now_ns();
#endif
}
double bench_ticks_to_ns(uint64_t ticks);
void bench_sleep_ms(uint64_t ms);

// ---- the measured section: prints time_ns, ops, ns_per_op, user_ns, sys_ns, faults of what lies between ----
void bench_begin(void);
void bench_end(uint64_t ops);
// the same for work that n threads shared: ns_per_op is then CPU-time like, wall * min(n, cpus) / ops
void bench_end_threads(uint64_t ops, unsigned threads);

// ---- figures ----
void bench_figure(const char *key, double value);
void bench_text(const char *key, const char *value);

// ---- what the kernel says of this process, in KiB; read with raw system calls into a buffer on the stack ----
uint64_t bench_rss_kib(void);
uint64_t bench_anonymous_kib(void);           // the part of RSS that is not files: what an allocator decides about
uint64_t bench_smaps_kib(const char *field);  // of /proc/self/smaps_rollup, e.g. "Private_Dirty:"
uint64_t bench_status_kib(const char *field); // of /proc/self/status, e.g. "VmHWM:"

// ---- RSS over live memory in the course of a workload ----
// Adds a point: anonymous memory less `own_kib`, which is the driver's, over the bytes that are live now.
void series_add(uint64_t own_kib, uint64_t live_bytes);
// Prints them as series.rss_live=ms:ratio,..., and rss_live_mean (sum over sum), rss_live_worst, rss_live_end.
void series_print(void);

// ---- random numbers: xorshift64*, the same sequence on every machine ----
struct rng {
    uint64_t state;
};
static inline struct rng rng_make(uint64_t seed) {
    return (struct rng){(seed + 1) * UINT64_C(0x9E3779B97F4A7C15)};
}
static inline uint64_t rng_next(struct rng *r) {
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(0x2545F4914F6CDD1D);
}
static inline uint32_t rng_below(struct rng *r, uint32_t limit) { // 0 .. limit-1, without a division
    return (uint32_t)(((rng_next(r) >> 32) * limit) >> 32);
}
static inline size_t rng_between(struct rng *r, size_t low, size_t high) {
    return low + rng_below(r, (uint32_t)(high - low + 1));
}

// ---- touching memory as a program would ----
extern void *volatile bench_sink;
// the first word, as a constructor would
static inline void touch_head(void *block) {
    *(volatile uint64_t *)block = (uint64_t)(uintptr_t)block;
}
// one byte in every 4 KiB: all pages become resident, at little other cost
static inline void touch_pages(void *block, size_t size) {
    for (size_t i = 0; i < size; i += 4096)
        ((volatile char *)block)[i] = 1;
    if (size > 0)
        ((volatile char *)block)[size - 1] = 1;
}
static inline void *must_malloc(size_t size) {
    void *block = malloc(size);
    bench_sink = block;
    return block != NULL ? block : bench_check(block);
}

// ---- threads ----
// Runs body(index, arg) on `count` threads that start together; begins and ends the measured section around them.
typedef void bench_body(unsigned index, void *arg);
void bench_run_threads(unsigned count, bench_body *body, void *arg, uint64_t ops);
// The parts, for workloads that mix roles. stack_kib 0 leaves the default.
pthread_t bench_thread(void *(*start)(void *), void *arg, size_t stack_kib);
unsigned bench_cpus(void);

// ---- latency histograms: 16 buckets per power of two, values in ticks, printed in ns ----
#define HIST_SUB_BITS 4u
#define HIST_BUCKETS ((65u - HIST_SUB_BITS) << HIST_SUB_BITS)
struct histogram {
    uint64_t count[HIST_BUCKETS];
    uint64_t total, maximum;
};
static inline void hist_add(struct histogram *h, uint64_t ticks) {
    unsigned index = (unsigned)ticks;
    if (ticks >= (1u << HIST_SUB_BITS)) {
        unsigned shift = 63u - (unsigned)__builtin_clzll(ticks) - HIST_SUB_BITS;
        index = (shift << HIST_SUB_BITS) + (unsigned)(ticks >> shift);
    }
    h->count[index]++;
    h->total++;
    if (ticks > h->maximum)
        h->maximum = ticks;
}
void hist_merge(struct histogram *into, const struct histogram *from);
void hist_print(const char *name, const struct histogram *h); // hist.NAME=ns:count,... and NAME_p50, NAME_p99, ...
