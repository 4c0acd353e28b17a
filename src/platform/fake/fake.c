/*
 * Purpose: the platform contract over memory of its own: the same in every run, exactly accounted, and able to refuse.
 * Layer: platform. Owner: fake_lock protects the counts of calls here, the mappings (fake_memory.c) and the texts (fake_files.c); settings
 * are made while one thread runs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "platform/fake/fake_inside.h"
#include "platform/syscall.h"
#include "platform/tag.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>

struct refusals {
    unsigned long calls;
    unsigned long first; /* calls first..last are refused; 0..0: none */
    unsigned long last;
    uint64_t random;
    void (*hook)(void);
    unsigned one_in; /* 0: not random */
    bool in_hook;
};

static _Atomic(uint32_t) fake_lock;
static struct refusals refusals[FAKE_CALLS];
struct fake_settings fake_settings = {.page_size = SMALLEST_PAGE,
                                      .cpu_count = 2,
                                      .node_count = 1,
                                      .address_space_limit = SIZE_MAX,
                                      .data_limit = SIZE_MAX,
                                      .process_id = 4711};
static _Atomic(uint32_t) thread_ids;
static __thread uint32_t thread_id;

void fake_take(void) {
    while (exchange_acquire(&fake_lock, 1)) {
        (void)syscall6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
}

void fake_give(void) {
    store_release(&fake_lock, 0);
}

/* Registered before every constructor, so taken after all other fork handlers: the child finds the account whole. */
static void keep_whole_over_fork(void) {
    (void)pthread_atfork(fake_take, fake_give, fake_give);
}
__attribute__((section(".preinit_array"), used)) static void (*const at_start)(void) = keep_whole_over_fork;

static void print(const char *text, size_t length) {
    (void)syscall6(SYS_write, 2, (long)text, (long)length, 0, 0, 0);
}

/* The contract was broken, or the fake is at its limits. */
void fake_demand(bool holds, const char *what) {
    if (!holds) {
        print("fake platform: ", 15);
        print(what, strlen(what));
        print("\n", 1);
        store_release(&fake_lock, 0);
        platform_abort();
    }
}

/* Counts a call, lets the hook run, and tells whether to refuse. */
bool fake_refuse(enum fake_call call) {
    struct refusals *r = &refusals[call];
    if (r->hook && !r->in_hook) {
        r->in_hook = true;
        r->hook();
        r->in_hook = false;
    }
    fake_take();
    unsigned long n = ++r->calls;
    bool refused = n >= r->first && n <= r->last;
    if (r->one_in) {
        r->random = r->random * 6364136223846793005u + 1442695040888963407u;
        refused |= (r->random >> 33) % r->one_in == 0;
    }
    fake_give();
    return refused;
}

/* --- the contract ------------------------------------------------------------------------------------------------------ */

size_t platform_page_size(void) {
    return fake_settings.page_size;
}

void platform_wait(_Atomic(uint32_t) *word, uint32_t value) {
    if (!fake_refuse(FAKE_WAIT)) {
        (void)syscall6(SYS_futex, (long)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, (long)value, 0, 0, 0);
    }
}

void platform_wake_one(_Atomic(uint32_t) *word) {
    (void)fake_refuse(FAKE_WAKE);
    (void)syscall6(SYS_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0);
}

void platform_pause(void) {
    (void)fake_refuse(FAKE_PAUSE);
}

unsigned platform_cpu_count(void) {
    return fake_settings.cpu_count;
}

void platform_where(unsigned *cpu, unsigned *node) {
    (void)fake_refuse(FAKE_WHERE);
    *cpu = fake_settings.cpu;
    *node = fake_settings.node;
}

unsigned platform_node_count(void) {
    (void)fake_refuse(FAKE_NODE_COUNT);
    return fake_settings.node_count;
}

size_t platform_address_space_limit(void) {
    return fake_settings.address_space_limit;
}

size_t platform_data_limit(void) {
    return fake_settings.data_limit;
}

size_t platform_free_swap(void) {
    return fake_settings.free_swap;
}

uint32_t platform_thread_id(void) {
    if (thread_id == 0) {
        thread_id = fetch_add_relaxed(&thread_ids, 1) + 1;
    }
    return thread_id;
}

uint32_t platform_process_id(void) {
    return fake_settings.process_id;
}

uint64_t platform_random(void) {
    static _Atomic(uint64_t) drawn; /* the same in every run */
    return (fetch_add_relaxed(&drawn, 1) + 1) * 0x9e3779b97f4a7c15u;
}

const char *platform_alone = &__libc_single_threaded;

void fake_threads(enum fake_threads threads) {
    static const char answers[] = {[FAKE_THREADS_ONE] = 1, [FAKE_THREADS_MANY] = 0};
    platform_alone = threads == FAKE_THREADS_REAL ? &__libc_single_threaded : &answers[threads];
}

bool platform_secure_start(void) {
    return fake_settings.secure;
}

bool platform_has_loader(void) {
    return !fake_settings.no_loader;
}

bool platform_loaded_first(uintptr_t code) {
    (void)code;
    return !fake_settings.loaded_late;
}

bool platform_program_path(char *to, size_t size) {
    const char *path = fake_settings.program_path;
    if (path == NULL || strlen(path) >= size) {
        return false;
    }
    memcpy(to, path, strlen(path) + 1);
    return true;
}

unsigned platform_run(const char *path, char *const *argv, char *const *environment) {
    return fake_settings.run_hook ? fake_settings.run_hook(path, argv, environment) : 1;
}

void platform_get_name(char name[PLATFORM_NAME_BYTES]) {
    memcpy(name, fake_settings.name, PLATFORM_NAME_BYTES);
}

void platform_set_name(const char *name) {
    memcpy(fake_settings.name, name, strnlen(name, PLATFORM_NAME_BYTES - 1) + 1);
    fake_settings.name[PLATFORM_NAME_BYTES - 1] = '\0';
}

_Atomic(bool) tags_on;

/* The fake's memory has none. */
void tags_ask(void *address, size_t size) {
    (void)address;
    (void)size;
}

void platform_abort(void) {
    if (fake_settings.abort_hook) {
        fake_settings.abort_hook();
    }
    print(fake_output(), strlen(fake_output()));
    abort();
}

/* --- settings and account ------------------------------------------------------------------------------------------------- */

void fake_set_thread_id(uint32_t id) {
    thread_id = id;
}

unsigned long fake_calls(enum fake_call call) {
    fake_take();
    unsigned long calls = refusals[call].calls;
    fake_give();
    return calls;
}

void fake_fail_nth(enum fake_call call, unsigned long n) {
    refusals[call].first = refusals[call].calls + n;
    refusals[call].last = refusals[call].first;
}

void fake_fail_from(enum fake_call call, unsigned long n) {
    refusals[call].first = refusals[call].calls + n;
    refusals[call].last = ~0ul;
}

void fake_fail_randomly(enum fake_call call, unsigned one_in, uint64_t seed) {
    refusals[call].one_in = one_in;
    refusals[call].random = seed;
}

void fake_fail_never(void) {
    for (unsigned i = 0; i < FAKE_CALLS; i++) {
        refusals[i].first = 0;
        refusals[i].last = 0;
        refusals[i].one_in = 0;
    }
}

void fake_on_call(enum fake_call call, void (*hook)(void)) {
    refusals[call].hook = hook;
}
