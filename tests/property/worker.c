/*
 * Purpose: random operations on all entry points. Every block is filled with a pattern of its own key, checked before it is
 * reallocated, handed over or freed, and (unless the set is off) held against all other blocks when it is made.
 */
#include "worker.h"
#include "../support/api.h"
#include "../support/pattern.h"
#include "../support/say.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic(struct block *) exchange[EXCHANGE];

#ifndef COLLAM_TESTS_NATIVE
extern void *_Znwm(size_t size) __attribute__((weak));
extern void *_ZnwmSt11align_val_t(size_t size, size_t alignment) __attribute__((weak));
extern void _ZdlPv(void *block) __attribute__((weak));
extern void _ZdlPvm(void *block, size_t size) __attribute__((weak));
extern void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t alignment) __attribute__((weak));
#endif

__attribute__((format(printf, 3, 4))) static void wrong(const struct worker *worker, const struct block *block, const char *what, ...) {
    char text[256];
    va_list list;
    va_start(list, what);
    vsnprintf(text, sizeof text, what, list);
    va_end(list);
    say(2,
        "property: %s\n  block %p: asked %zu, usable %zu, filled %zu, alignment %zu\n  thread %zu, operation %zu; repeat with --seed "
        "%llu\n",
        text, (void *)block->memory, block->size, block->usable, block->filled, block->alignment, worker->number, worker->operations,
        (unsigned long long)settings.seed);
    abort();
}

/* --- what to ask for -------------------------------------------------------------------------------------------------- */

static size_t draw_size(struct worker *worker) {
    struct random *random = &worker->random;
    size_t below[] = {130, 1100, 33000, 1u << 20, settings.largest};
    size_t kind = random_below(random, 1000), size;
    switch (worker->sizes) {
    case 0: /* what programs ask for */
        size = random_below(random, kind < 700   ? below[0]
                                    : kind < 920 ? below[1]
                                    : kind < 985 ? below[2]
                                    : kind < 998 ? below[3]
                                                 : below[4]);
        break;
    case 1: /* one small size, so that slabs fill up and become empty */
        size = worker->bias * 16;
        break;
    case 2: /* next to powers of two, and to their quarters */
        size = ((size_t)4 + random_below(random, 4)) << random_below(random, kind < 950 ? 13 : 19);
        size += random_below(random, 3) - 1;
        break;
    case 3: /* page runs */
        size = below[2] + random_below(random, below[3] - below[2]);
        break;
    case 4: /* mappings */
        size = kind < 900 ? random_below(random, below[1]) : (1u << 20) + random_below(random, below[4]);
        break;
    default: /* all magnitudes alike */
        size = random_below(random, (size_t)2 << random_below(random, 22));
        break;
    }
    return size < settings.largest ? size : settings.largest;
}

static size_t draw_alignment(struct worker *worker) {
    size_t kind = random_below(&worker->random, 100);
    return (size_t)1 << (kind < 80 ? random_below(&worker->random, 13) : random_below(&worker->random, kind < 97 ? 18 : 23));
}

static void next_phase(struct worker *worker) {
    worker->phase_left = 2000 + (unsigned)random_below(&worker->random, 20000);
    worker->sizes = (unsigned)random_below(&worker->random, 6);
    worker->bias = 1 + (unsigned)random_below(&worker->random, 128);
}

/* --- calls ------------------------------------------------------------------------------------------------------------- */

static void *call_plain(struct worker *worker, size_t size, bool *zeroed) {
    size_t entry = random_below(&worker->random, 8);
    *zeroed = false;
    if (entry < 2) {
        *zeroed = true;
        size_t count = entry ? 1 : size % 3 == 0 ? 3 : size % 5 == 0 ? 5 : 1;
        return api_calloc(count, size / count);
    }
    if (entry == 2)
        return api_realloc(NULL, size);
#ifndef COLLAM_TESTS_NATIVE
    if (entry == 3)
        return reallocarray(NULL, size, 1);
    if (entry == 4 && _Znwm && size <= settings.largest) {
        worker->by_new = true;
        return _Znwm(size);
    }
#endif
    return api_malloc(size);
}

static void *call_aligned(struct worker *worker, size_t size, size_t *alignment) {
#ifndef COLLAM_TESTS_NATIVE
    void *memory = NULL;
    int result;
    switch (random_below(&worker->random, 12)) {
    case 0:
    case 1:
        if (*alignment < sizeof(void *))
            *alignment = sizeof(void *);
        result = posix_memalign(&memory, *alignment, size);
        errno = result ? result : errno;
        return memory;
    case 2:
    case 3:
        return memalign(*alignment, size);
    case 4:
        *alignment = (size_t)sysconf(_SC_PAGESIZE);
        return valloc(size);
    case 5:
        *alignment = (size_t)sysconf(_SC_PAGESIZE);
        return pvalloc(size);
    case 6:
    case 7:
        if (_ZnwmSt11align_val_t && size <= settings.largest) {
            worker->by_new = true;
            return _ZnwmSt11align_val_t(size, *alignment);
        }
        break;
    default:
        break;
    }
#else
    (void)worker;
#endif
    return api_aligned_alloc(*alignment, size);
}

static void call_free(struct worker *worker, struct block *block) {
    errno = 4711;
#ifndef COLLAM_TESTS_NATIVE
    size_t entry = random_below(&worker->random, 10);
    if (block->alignment == 0 && entry == 0 && free_sized)
        free_sized(block->memory, block->size);
    else if (block->alignment && entry < 4 && free_aligned_sized)
        free_aligned_sized(block->memory, block->alignment, block->size);
    else if (entry == 4 && _ZdlPv)
        _ZdlPv(block->memory);
    else if (block->alignment == 0 && entry == 5 && _ZdlPvm && block->by_new)
        _ZdlPvm(block->memory, block->size);
    else if (block->alignment && entry == 6 && _ZdlPvmSt11align_val_t && block->by_new)
        _ZdlPvmSt11align_val_t(block->memory, block->size, block->alignment);
    else
        free(block->memory);
#else
    (void)worker;
    api_free(block->memory);
#endif
    if (errno != 4711)
        wrong(worker, block, "free changed errno to %d", errno);
}

/* --- operations ---------------------------------------------------------------------------------------------------------- */

static void check(const struct worker *worker, const struct block *block, size_t size) {
    size_t where;
    if (!pattern_holds(block->memory, size, block->filled, block->key, &where))
        wrong(worker, block, "byte %zu is not what was written", where);
}

/* What must hold of a block just given, whichever call gave it; then it is ours. */
static void accept(struct worker *worker, struct block *block, size_t alignment, bool zeroed) {
    block->usable = api_usable_size(block->memory);
    if ((uintptr_t)block->memory % (alignment > 16 ? alignment : 16))
        wrong(worker, block, "not aligned to %zu", alignment > 16 ? alignment : 16);
    if (block->usable < block->size)
        wrong(worker, block, "fewer bytes than were asked for");
    struct block *clash = model_take(block);
    if (clash)
        wrong(worker, block, "overlaps the live block at %p of %zu bytes", (void *)clash->memory, clash->usable);
    size_t step = block->size <= PATTERN_WHOLE ? 1 : 64; /* the pattern leaves no such gap */
    for (size_t at = 0; zeroed && at < block->size; at += step)
        if (block->memory[at])
            wrong(worker, block, "byte %zu from calloc is %d", at, block->memory[at]);
    block->filled = random_below(&worker->random, 2) ? block->usable : block->size;
    block->key = random_next(&worker->random);
    pattern_fill(block->memory, block->filled, block->key);
}

static void lawful_refusal(struct worker *worker, struct block *block, size_t size) {
    block->size = size;
    if (errno != ENOMEM)
        wrong(worker, block, "NULL with errno %d", errno);
    if (size <= settings.largest)
        wrong(worker, block, "NULL for %zu bytes", size);
    worker->refused++;
}

static void allocate(struct worker *worker, struct block **slot) {
    struct block *block = model_new();
    bool zeroed = false, absurd = random_below(&worker->random, 5000) == 0;
    block->size = absurd ? SIZE_MAX / 2 + 1 + random_below(&worker->random, SIZE_MAX / 2) : draw_size(worker);
    block->alignment = random_below(&worker->random, 8) ? 0 : draw_alignment(worker);
    block->usable = block->filled = 0;
    worker->by_new = false;
    errno = 0;
    block->memory =
        block->alignment ? call_aligned(worker, opaque(block->size), &block->alignment) : call_plain(worker, opaque(block->size), &zeroed);
    if (!block->memory) {
        lawful_refusal(worker, block, block->size);
        model_drop(block);
        return;
    }
    if (absurd)
        wrong(worker, block, "more than PTRDIFF_MAX was given");
    block->by_new = worker->by_new;
    accept(worker, block, block->alignment, zeroed);
    worker->live += block->usable;
    *slot = block;
}

static void release(struct worker *worker, struct block **slot) {
    struct block *block = *slot;
    check(worker, block, block->filled);
    worker->live -= block->usable;
    model_give_back(block);
    call_free(worker, block);
    model_drop(block);
    *slot = NULL;
}

static void resize(struct worker *worker, struct block **slot) {
    struct block *block = *slot;
    size_t kept,
        size = random_below(&worker->random, 3) ? draw_size(worker) : block->size / 2 + random_below(&worker->random, block->size + 2);
    if (size > settings.largest)
        size = settings.largest;
    check(worker, block, block->filled);
    if (size == 0)
        size = 1;
    worker->live -= block->usable;
    model_give_back(block);
    if (random_below(&worker->random, 3000) == 0) {
        errno = 0;
        if (api_realloc(block->memory, opaque(SIZE_MAX - random_below(&worker->random, 1u << 20))))
            wrong(worker, block, "realloc gave more than PTRDIFF_MAX");
        lawful_refusal(worker, &(struct block){.memory = block->memory}, SIZE_MAX);
        check(worker, block, block->filled);
    }
    kept = block->size < size ? block->size : size;
    void *memory;
#ifndef COLLAM_TESTS_NATIVE
    if (random_below(&worker->random, 4) == 0)
        memory = reallocarray(block->memory, 1, opaque(size));
    else
#endif
        memory = api_realloc(block->memory, opaque(size));
    if (!memory)
        wrong(worker, block, "realloc to %zu returned NULL", size);
    block->memory = memory;
    check(worker, block, kept);
    block->size = size;
    block->alignment = 0;
    block->by_new = false;
    accept(worker, block, 0, false);
    worker->live += block->usable;
}

static void swap_with_others(struct worker *worker, struct block **slot) {
    _Atomic(struct block *) *place = &exchange[random_below(&worker->random, EXCHANGE)];
    if (*slot)
        worker->live -= (*slot)->usable;
    *slot = atomic_exchange_explicit(place, *slot, memory_order_acq_rel);
    if (*slot) {
        worker->live += (*slot)->usable;
        check(worker, *slot, (*slot)->filled);
    }
}

static void one_operation(struct worker *worker) {
    if (worker->phase_left-- == 0)
        next_phase(worker);
    struct block **slot = &worker->table[random_below(&worker->random, TABLE)];
    size_t kind = random_below(&worker->random, 100);
    bool grows = worker->phase_left % 8192 > 3000; /* in turns the table fills up and empties */
    worker->operations++;
    if (worker->live > settings.live_bytes / settings.threads) {
        if (*slot)
            release(worker, slot);
    } else if (kind < 6) {
        swap_with_others(worker, slot);
    } else if (kind < 9 && *slot) {
        check(worker, *slot, (*slot)->filled);
    } else if (kind < 20 && *slot) {
        resize(worker, slot);
    } else if (*slot) {
        if (!grows || kind < 50)
            release(worker, slot);
    } else if (grows || kind < 50) {
        allocate(worker, slot);
    }
}

static void leave(void *argument) {
    struct worker *worker = argument;
    worker->unused = model_leave();
}

/* Killed between two operations only: what a thread has in hand within one is in nobody's table. */
static void may_be_killed(void) {
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

void worker_run(struct worker *worker) {
    size_t until = settings.respawn ? worker->operations + 5000 + random_below(&worker->random, 200000) : SIZE_MAX;
    if (settings.operations && until > settings.operations)
        until = settings.operations;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    model_adopt(worker->unused);
    pthread_cleanup_push(leave, worker);
    while (worker->operations < until && !time_over) {
        one_operation(worker);
        may_be_killed();
    }
    pthread_cleanup_pop(1);
    worker->finished = time_over || (settings.operations && worker->operations >= settings.operations);
}

void worker_clear(struct worker *worker) {
    for (size_t i = 0; i < TABLE; i++)
        if (worker->table[i])
            release(worker, &worker->table[i]);
}

void exchange_clear(struct worker *worker) {
    for (size_t i = 0; i < EXCHANGE; i++) {
        worker->table[0] = atomic_exchange_explicit(&exchange[i], NULL, memory_order_acq_rel);
        if (worker->table[0]) {
            worker->live += worker->table[0]->usable;
            release(worker, &worker->table[0]);
        }
    }
}
