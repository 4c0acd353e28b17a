/*
 * Purpose: random operations against the reference model, from several threads that end, or are killed between operations, and are
 * replaced.
 *
 *   property [--seed N] [--seconds N] [--operations N] [--threads N] [--largest BYTES] [--live MIB] [--no-set] [--no-respawn]
 *
 * One thread with --operations repeats exactly what its seed says. --no-set leaves the ordered set of live blocks out:
 * overlaps are then found by their contents, and the threads run free of the model's mutex.
 */
#include "../support/api.h"
#include "../support/process_memory.h"
#include "worker.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

enum { MOST_THREADS = 64, KILL_EVERY = 16 /* milliseconds, roughly */ };
struct settings settings = {.seconds = 10, .threads = 4, .largest = 8u << 20, .live_bytes = 256u << 20, .set = true, .respawn = true};
_Atomic bool time_over;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void read_settings(int count, char **argument) {
    settings.seed = now() ^ ((uint64_t)getpid() << 40);
    for (int i = 1; i < count; i++) {
        const char *name = argument[i];
        if (strcmp(name, "--no-set") == 0) {
            settings.set = false;
        } else if (strcmp(name, "--no-respawn") == 0) {
            settings.respawn = false;
        } else if (i + 1 < count) {
            uint64_t number = strtoull(argument[++i], NULL, 0);
            size_t *place = strcmp(name, "--seconds") == 0      ? &settings.seconds
                            : strcmp(name, "--operations") == 0 ? &settings.operations
                            : strcmp(name, "--threads") == 0    ? &settings.threads
                            : strcmp(name, "--largest") == 0    ? &settings.largest
                            : strcmp(name, "--live") == 0       ? &settings.live_bytes
                                                                : NULL;
            if (place)
                *place = number;
            else if (strcmp(name, "--seed") == 0)
                settings.seed = number;
            else
                count = 0;
            if (place == &settings.live_bytes)
                *place <<= 20;
        } else {
            count = 0;
        }
    }
    if (count == 0 || settings.threads == 0 || settings.threads > MOST_THREADS) {
        fprintf(stderr, "usage: property [--seed N] [--seconds N] [--operations N] [--threads N] [--largest BYTES] [--live MIB] "
                        "[--no-set] [--no-respawn]\n");
        exit(2);
    }
}

static void *thread_main(void *argument) {
    worker_run(argument);
    return NULL;
}

/* Small stacks, which a deep call inside the allocator would overrun. */
static void start_thread(pthread_t *thread, struct worker *worker) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (!burdened)
        pthread_attr_setstacksize(&attributes, 64 * 1024);
    if (pthread_create(thread, &attributes, thread_main, worker)) {
        perror("pthread_create");
        exit(2);
    }
    pthread_attr_destroy(&attributes);
}

/* One of the threads, now and then; who has ended since takes no notice. */
static void kill_one(const pthread_t *thread) {
    static size_t turn;
    turn++;
    pthread_t victim = thread[turn / KILL_EVERY % settings.threads];
    if (settings.respawn && settings.operations == 0 && turn % KILL_EVERY == 0 && victim)
        pthread_cancel(victim);
}

struct ends {
    size_t started;
    size_t killed;
};

static struct ends run(struct worker *workers) {
    pthread_t thread[MOST_THREADS];
    uint64_t end = now() + settings.seconds * 1000000000u;
    size_t running = settings.threads;
    struct ends ends = {running, 0};
    for (size_t i = 0; i < settings.threads; i++)
        start_thread(&thread[i], &workers[i]);
    while (running) {
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
        if (settings.operations == 0 && now() >= end)
            time_over = true;
        kill_one(thread);
        for (size_t i = 0; i < settings.threads; i++) {
            void *how;
            if (thread[i] == 0 || pthread_tryjoin_np(thread[i], &how))
                continue;
            thread[i] = 0;
            ends.killed += how == PTHREAD_CANCELED;
            if (workers[i].finished) {
                running--;
            } else {
                start_thread(&thread[i], &workers[i]);
                ends.started++;
            }
        }
    }
    return ends;
}

int main(int count, char **argument) {
    read_settings(count, argument);
    printf("property (%s): seed %" PRIu64 ", %zu threads, largest block %zu\n", API_NAME, settings.seed, settings.threads,
           settings.largest);
    fflush(stdout);
    size_t space = settings.threads * sizeof(struct worker);
    struct worker *workers = mmap(NULL, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED)
        return 2;
    model_start((size_t)1 << 24, settings.set);
    for (size_t i = 0; i < settings.threads; i++) {
        workers[i].number = i;
        workers[i].random.state = settings.seed + i * 0x632be59bd9b4e019u;
    }
    struct ends ends = run(workers);
    size_t operations = 0, refused = 0;
    long full = resident_kib();
    for (size_t i = 0; i < settings.threads; i++) {
        worker_clear(&workers[i]);
        operations += workers[i].operations;
        refused += workers[i].refused;
    }
    exchange_clear(&workers[0]);
    api_trim(0);
    long empty = resident_kib(), descriptors = model_resident_kib();
    printf("property: %zu operations, %zu refused as they must be, %zu threads started, %zu of them killed, %ld KiB full, %ld KiB empty\n",
           operations, refused, ends.started, ends.killed, full, empty - descriptors);
    if (on_collam() && !burdened && empty - descriptors > 24 * 1024) {
        printf("property: %ld KiB are still resident though every block was freed\n", empty - descriptors);
        return 1;
    }
    return 0;
}
