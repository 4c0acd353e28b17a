// The driver's own services (see bench.h): memory from mmap, clocks, the measured section, the kernel's figures, threads.
#include "bench.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void *volatile bench_sink;

_Noreturn void bench_fail(const char *what) {
    // write, not stdio: the allocator under test may just have failed
    static const char prefix[] = "collam-bench: ";
    ssize_t ignored = write(STDERR_FILENO, prefix, sizeof prefix - 1);
    ignored += write(STDERR_FILENO, what, strlen(what));
    ignored += write(STDERR_FILENO, "\n", 1);
    _exit(ignored < 0 ? 4 : 3);
}

void *bench_check(void *block) {
    if (block == NULL)
        bench_fail("an allocation failed");
    return block;
}

void *bench_map(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        bench_fail("mmap failed");
    return memory;
}

void bench_unmap(void *memory, size_t bytes) {
    if (munmap(memory, bytes) != 0)
        bench_fail("munmap failed");
}

uint64_t bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double bench_ticks_to_ns(uint64_t ticks) {
    static double ns_per_tick;
    if (ns_per_tick == 0) {
        uint64_t ns = bench_now_ns(), start = bench_ticks();
        while (bench_now_ns() - ns < 20 * 1000 * 1000) {
        }
        uint64_t stop = bench_ticks();
        ns_per_tick = (double)(bench_now_ns() - ns) / (double)(stop - start);
    }
    return (double)ticks * ns_per_tick;
}

void bench_sleep_ms(uint64_t ms) {
    struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

// ---- the measured section ----

static struct rusage section_usage;
static uint64_t section_start;

void bench_begin(void) {
    getrusage(RUSAGE_SELF, &section_usage);
    section_start = bench_now_ns();
}

static uint64_t timeval_ns(struct timeval t) {
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

void bench_end_threads(uint64_t ops, unsigned threads) {
    uint64_t elapsed = bench_now_ns() - section_start;
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    unsigned parallel = threads < bench_cpus() ? threads : bench_cpus();
    bench_figure("time_ns", (double)elapsed);
    bench_figure("ops", (double)ops);
    bench_figure("ns_per_op", (double)elapsed * parallel / (double)ops);
    bench_figure("section_user_ns", (double)(timeval_ns(now.ru_utime) - timeval_ns(section_usage.ru_utime)));
    bench_figure("section_sys_ns", (double)(timeval_ns(now.ru_stime) - timeval_ns(section_usage.ru_stime)));
    bench_figure("section_faults", (double)(now.ru_minflt - section_usage.ru_minflt));
    bench_figure("section_rss_kib", (double)bench_rss_kib());
}

void bench_end(uint64_t ops) {
    bench_end_threads(ops, 1);
}

void bench_figure(const char *key, double value) {
    printf("%s=%.10g\n", key, value);
}

void bench_text(const char *key, const char *value) {
    printf("%s=%s\n", key, value);
}

// ---- /proc ----

static size_t read_file(const char *path, char *buffer, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    if (fd < 0)
        bench_fail("a /proc file cannot be opened");
    for (;;) {
        ssize_t got = read(fd, buffer + length, capacity - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    close(fd);
    buffer[length] = '\0';
    return length;
}

static uint64_t proc_field(const char *path, const char *field) {
    char text[8192];
    read_file(path, text, sizeof text);
    const char *line = strstr(text, field);
    if (line == NULL)
        bench_fail("a /proc file lacks a field");
    return strtoull(line + strlen(field), NULL, 10);
}

uint64_t bench_smaps_kib(const char *field) {
    return proc_field("/proc/self/smaps_rollup", field);
}

uint64_t bench_status_kib(const char *field) {
    return proc_field("/proc/self/status", field);
}

// smaps_rollup counts pages; the counters in statm may lag by some per thread
uint64_t bench_rss_kib(void) {
    return bench_smaps_kib("Rss:");
}

uint64_t bench_anonymous_kib(void) {
    return bench_smaps_kib("Anonymous:");
}

// ---- threads ----

unsigned bench_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

pthread_t bench_thread(void *(*start)(void *), void *arg, size_t stack_kib) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (stack_kib != 0 && pthread_attr_setstacksize(&attributes, stack_kib * 1024) != 0)
        bench_fail("bad stack size");
    if (pthread_create(&thread, &attributes, start, arg) != 0)
        bench_fail("a thread cannot be created");
    pthread_attr_destroy(&attributes);
    return thread;
}

struct team {
    bench_body *body;
    void *arg;
    pthread_barrier_t start, stop, leave;
};

struct member {
    struct team *team;
    pthread_t thread;
    unsigned index;
};

static void *member_main(void *arg) {
    struct member *self = arg;
    pthread_barrier_wait(&self->team->start);
    self->team->body(self->index, self->team->arg);
    pthread_barrier_wait(&self->team->stop);
    // stay alive until the figures are read: what a thread's exit gives back is another workload's subject
    pthread_barrier_wait(&self->team->leave);
    return NULL;
}

void bench_run_threads(unsigned count, bench_body *body, void *arg, uint64_t ops) {
    struct team team = {.body = body, .arg = arg};
    struct member *members = bench_map(count * sizeof *members);
    pthread_barrier_init(&team.start, NULL, count + 1);
    pthread_barrier_init(&team.stop, NULL, count + 1);
    pthread_barrier_init(&team.leave, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        members[i].team = &team;
        members[i].index = i;
        members[i].thread = bench_thread(member_main, &members[i], 256);
    }
    bench_begin();
    pthread_barrier_wait(&team.start);
    pthread_barrier_wait(&team.stop);
    bench_end_threads(ops, count);
    pthread_barrier_wait(&team.leave);
    for (unsigned i = 0; i < count; i++)
        pthread_join(members[i].thread, NULL);
    bench_unmap(members, count * sizeof *members);
}
