/*
 * Purpose: reads and writes where the program has no business: beyond a block, before it, in a freed one.
 * Each block that is chosen has others of its size all around, so that what is hit is nobody else's. While every allocation is guarded it
 * is one that stands at the edge where the fault will be seen at once, or on purpose at the other.
 */
#include "misuse.h"
#include <pthread.h>
#include <stdlib.h>

enum { AROUND = 300, CHOSEN = 150, PAGE = 4096 };
enum edge { RIGHT, LEFT };

static bool guarded(void) {
    const char *options = getenv("COLLAM_OPTIONS");
    return options && strstr(options, "guard_rate=1");
}

static bool stands_at(const char *block, size_t size, enum edge edge) {
    return ((uintptr_t)block + (edge == RIGHT ? size : 0)) % PAGE == 0;
}

static char *all[AROUND];

static volatile char *choose(size_t size, enum edge edge) {
    for (size_t i = 0; i < AROUND; i++)
        all[i] = get(size);
    for (size_t i = 0; guarded() && i < 8; i++)
        if (stands_at(all[i], size, edge))
            return all[i];
    return all[CHOSEN];
}

static void expect_access(const char *kind, const volatile char *at, const char *what, size_t distance, const char *place, size_t size,
                          const volatile char *block) {
#if !defined(__x86_64__)
    kind = "access";
#endif
    say(1, "guarded: collam: %s(%p): %s, ", kind, (const void *)(uintptr_t)at, what);
    say(1, place, distance);
    say(1, " a %s%zu-byte block at %p\n", strcmp(what, "use after free") ? "" : "freed ", size, (const void *)(uintptr_t)block);
}

static void expect_written(const char *call, const volatile char *block, const char *what, const volatile char *at, size_t size) {
    say(1, "guarded: collam: %s(%p): %s, written at %p %s a %zu-byte block\n", call, (const void *)(uintptr_t)block, what,
        (const void *)(uintptr_t)at, strcmp(what, "overflow") ? "before" : "behind", size);
}

static void done_with(volatile char *block) {
    drop((void *)(uintptr_t)block);
}

/* --- beyond the end ------------------------------------------------------------------------------------------------------ */

static void write_behind(volatile char *block, size_t size, size_t distance) {
    expect_access("write", block + size + distance, "overflow", distance, "%zu bytes behind", size, block);
    block[size + distance] = 1;
    done_with(block);
}

static void read_behind(size_t distance) {
    volatile char *block = choose(64, RIGHT);
    expect_access("read", block + 64 + distance, "overflow", distance, "%zu bytes behind", 64, block);
    (void)block[64 + distance];
    done_with(block);
}

void fault_overflow_write_1(void) {
    write_behind(choose(64, RIGHT), 64, 0);
}

void fault_overflow_write_8(void) {
    write_behind(choose(64, RIGHT), 64, 7);
}

void fault_overflow_write_4096(void) {
    write_behind(choose(64, RIGHT), 64, 4095);
}

void fault_overflow_write_16(void) {
    write_behind(choose(16, RIGHT), 16, 0);
}

void fault_overflow_write_1024(void) {
    write_behind(choose(1024, RIGHT), 1024, 0);
}

void fault_overflow_write_4096_page(void) {
    write_behind(choose(4096, RIGHT), 4096, 0);
}

void fault_overflow_read_1(void) {
    read_behind(0);
}

void fault_overflow_read_8(void) {
    read_behind(7);
}

void fault_overflow_read_4096(void) {
    read_behind(4095);
}

void fault_overflow_string(void) {
    char text[18];
    memset(text, 'x', 16);
    text[16] = '\0';
    char *block = (char *)(uintptr_t)choose(16, RIGHT);
    expect_access("write", block + 16, "overflow", 0, "%zu bytes behind", 16, block);
    for (size_t i = 0; i <= 16; i++) /* strcpy, a byte at a time */
        ((volatile char *)block)[i] = text[i];
    drop(block);
}

void fault_overflow_linear(void) {
    volatile char *block = choose(64, RIGHT);
    expect_access("write", block + 64, "overflow", 0, "%zu bytes behind", 64, block);
    size_t usable = malloc_usable_size((void *)(uintptr_t)block);
    say(1, "hardened: collam: free(%p): overflow, written at %p behind a %zu-byte block\n", (void *)(uintptr_t)block,
        (void *)(uintptr_t)(block + usable), usable);
    for (size_t i = 0; i < 2000; i++)
        block[i] = 2;
    done_with(block);
}

/* A block that grew has its new end; two, since one of them stands to the right. */
void fault_overflow_after_realloc(void) {
    volatile char *block = NULL;
    for (int i = 0; i < 2 && (!block || !stands_at((const char *)(uintptr_t)block, 320, RIGHT)); i++) {
        if (i)
            get(64); /* so that the other kind of slot is next */
        block = realloc(get(64), opaque(320));
    }
    watch(320);
    get(320);
    write_behind(block, 320, 0);
}

void fault_overflow_of_calloc(void) {
    volatile char *block = NULL;
    for (int i = 0; i < 2 && (!block || !stands_at((const char *)(uintptr_t)block, 96, RIGHT)); i++)
        block = calloc(opaque(12), 8);
    watch(96);
    get(96);
    write_behind(block, 96, 0);
}

void fault_overflow_of_aligned(void) {
    volatile char *block = NULL;
    for (int i = 0; i < 2 && (!block || !stands_at((const char *)(uintptr_t)block, 256, RIGHT)); i++)
        block = memalign(256, opaque(256));
    watch(256);
    get(256);
    write_behind(block, 256, 0);
}

void fault_overflow_of_new(void) {
    volatile char *block = NULL;
    for (int i = 0; i < 2 && (!block || !stands_at((const char *)(uintptr_t)block, 48, RIGHT)); i++)
        block = _Znwm(opaque(48));
    watch(48);
    get(48);
    write_behind(block, 48, 0);
}

static void written_behind(size_t size, enum edge edge, size_t distance) {
    volatile char *block = choose(size, edge);
    expect_written("free", block, "overflow", block + size + distance, size);
    block[size + distance] = 1;
    done_with(block);
}

void fault_overflow_odd_size(void) {
    written_behind(50, LEFT, 0);
}

void fault_overflow_seen_late(void) {
    written_behind(64, LEFT, 0);
}

void fault_overflow_seen_late_100(void) {
    written_behind(64, LEFT, 100);
}

void fault_overflow_seen_by_realloc(void) {
    volatile char *block = choose(64, RIGHT);
    size_t usable = malloc_usable_size((void *)(uintptr_t)block);
    expect_access("write", block + usable, "overflow", usable - 64, "%zu bytes behind", 64, block);
    say(1, "hardened: collam: realloc(%p): overflow, written at %p behind a %zu-byte block\n", (void *)(uintptr_t)block,
        (void *)(uintptr_t)(block + usable), usable);
    block[usable] = 1;
    done_with(realloc((void *)(uintptr_t)block, opaque(60)));
}

void fault_overflow_of_large(void) {
    volatile char *block = get(200000);
    block[malloc_usable_size((void *)(uintptr_t)block)] = 1;
}

/* --- before the begin ---------------------------------------------------------------------------------------------------- */

static void write_before(size_t size, size_t distance) {
    volatile char *block = choose(size, LEFT);
    expect_access("write", block - distance, "underflow", distance, "%zu bytes before", size, block);
    *(block - distance) = 1;
    done_with(block);
}

static void read_before(size_t distance) {
    volatile char *block = choose(64, LEFT);
    expect_access("read", block - distance, "underflow", distance, "%zu bytes before", 64, block);
    (void)*(block - distance);
    done_with(block);
}

void fault_underflow_write_1(void) {
    write_before(64, 1);
}

void fault_underflow_write_8(void) {
    write_before(64, 8);
}

void fault_underflow_write_4096(void) {
    write_before(64, 4096);
}

void fault_underflow_write_odd_size(void) {
    write_before(50, 1);
}

void fault_underflow_read_1(void) {
    read_before(1);
}

void fault_underflow_read_8(void) {
    read_before(8);
}

void fault_underflow_read_4096(void) {
    read_before(4096);
}

void fault_underflow_seen_late(void) {
    volatile char *block = choose(64, RIGHT);
    expect_written("free", block, "underflow", block - 8, 64);
    *(block - 8) = 1;
    done_with(block);
}

/* --- after the free ------------------------------------------------------------------------------------------------------ */

static void expect_stale(const char *kind, const volatile char *block, size_t offset, size_t size) {
    expect_access(kind, block + offset, "use after free", offset, "byte %zu of", size, block);
}

static void expect_found(const volatile char *block, size_t offset) {
    say(1, "hardened: collam: malloc(%p): write after free, at %p in a %zu-byte block\n", (const void *)(uintptr_t)block,
        (const void *)(uintptr_t)(block + offset), malloc_usable_size((void *)(uintptr_t)block));
}

/* In the hardened build a freed block comes back only after others of its class have been freed. */
static void drop_others(const volatile char *but) {
    for (size_t i = 0; i < AROUND; i++)
        if (all[i] != but)
            drop(all[i]);
}

void fault_write_after_free(void) {
    volatile char *block = choose(64, LEFT);
    expect_found(block, 40);
    done_with(block);
    expect_stale("write", block, 40, 64);
    block[40] = 1;
    drop_others(block);
}

void fault_read_after_free(void) {
    volatile char *block = choose(64, RIGHT);
    done_with(block);
    expect_stale("read", block, 40, 64);
    (void)block[40];
}

void fault_write_after_free_first_word(void) {
    volatile char *block = choose(64, LEFT);
    expect_found(block, 0);
    done_with(block);
    expect_stale("write", block, 0, 64);
    block[0] = 1;
    drop_others(block);
}

void fault_read_after_free_later(void) {
    volatile char *block = choose(64, LEFT);
    done_with(block);
    for (int i = 0; i < 10; i++)
        drop(get(64));
    expect_stale("read", block, 8, 64);
    (void)block[8];
}

void fault_read_after_realloc(void) {
    volatile char *block = choose(64, LEFT);
    if (realloc((void *)(uintptr_t)block, opaque(5000)) == block)
        _exit(3);
    expect_stale("read", block, 8, 64);
    (void)block[8];
}

static void drop_it(void *block) {
    drop(block);
}

void fault_read_after_free_by_thread(void) {
    volatile char *block = choose(64, LEFT);
    run_in_thread(drop_it, (void *)(uintptr_t)block);
    expect_stale("read", block, 8, 64);
    (void)block[8];
}

static void read_it(void *block) {
    (void)*((volatile char *)block + 8);
}

void fault_read_after_free_in_thread(void) {
    volatile char *stale = choose(64, LEFT);
    for (size_t i = 10; i < 20; i++) /* room for what making a thread allocates */
        drop(all[i]);
    done_with(stale);
    expect_stale("read", stale, 8, 64);
    run_in_thread(read_it, (void *)(uintptr_t)stale);
}

void fault_read_after_delete(void) {
    volatile char *block = _Znwm(opaque(64));
    get(64);
    _ZdlPv((void *)(uintptr_t)block);
    expect_stale("read", block, 8, 64);
    (void)block[8];
}

void fault_read_after_free_large(void) {
    volatile char *block = get(200000);
    get(200000);
    done_with(block);
    (void)block[8];
}

void fault_overflow_after_free(void) {
    volatile char *block = choose(64, RIGHT);
    done_with(block);
    expect_access("read", block + 64, "use after free", 0, "%zu bytes behind", 64, block);
    (void)block[64];
}

/* --- what was there before ------------------------------------------------------------------------------------------------ */

static void look_for_secret(const volatile char *block, size_t size) {
    static const char secret[] = "the secret of another time";
    char *old = (char *)(uintptr_t)block;
    memcpy(old + 16, secret, sizeof secret);
    drop(old);
    char *fresh = opaque_pointer(malloc(opaque(size)));
    if (memcmp(fresh + 16, secret, sizeof secret) == 0)
        say(1, "contents-seen\n");
    drop(fresh);
}

void fault_uninitialised_read(void) {
    look_for_secret(choose(64, LEFT), 64);
}

void fault_uninitialised_read_large(void) {
    watch(200000);
    look_for_secret(get(200000), 200000);
}

void fault_uninitialised_read_1000(void) {
    look_for_secret(choose(1000, LEFT), 1000);
}
