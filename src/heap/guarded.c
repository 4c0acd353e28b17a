/*
 * Purpose: see guarded.h.
 * Layer: heap. Owner: guarded_lock protects the slots and the two counts.
 *
 * Invariant: slot i is live exactly when rests_since[i] is LIVE and when the pages of its block, and no others of its space, are accessible
 * (guarded_open aside).
 */
#include "heap/guarded.h"
#include "base/bits.h"
#include "pages/fence.h"
#include "platform/fault.h"
#include "platform/lock.h"
#include "platform/platform.h"

enum { PATTERN = 0xa5, PATIENCE = 2000 };
#define LIVE UINT64_MAX

/* Not an address of any process: the hardware wants the upper bits of one to be equal. */
_Atomic(uintptr_t) guarded_base = (uintptr_t)1 << 62;

static struct lock guarded_lock;
static struct guarded_slot *slots; /* NULL: no pool yet */
static bool refused;               /* the system did not give one; not asked again */
static uint64_t changes;
static SPARSE uint64_t
    rests_since[GUARDED_SLOTS];    /* in changes; LIVE: it does not rest. Apart from the records, which would all be touched */
static _Atomic(size_t) live_count; /* relaxed, written under the lock, read anywhere */
static _Atomic(size_t) live_bytes;

void trace_take(struct trace *trace, uintptr_t stack) {
    trace->thread = platform_thread_id();
    trace->count = (uint32_t)fault_read_stack(stack, trace->words, TRACE_WORDS);
}

static uintptr_t space_of(size_t index) {
    return (uintptr_t)slots + GUARDED_RECORDS + GUARDED_SPACE + index * GUARDED_PITCH;
}

static bool make_pool(void) {
    char *pool = refused ? NULL : fenced_map(GUARDED_POOL, GUARDED_SPACE);
    if (pool == NULL || !platform_protect(pool + GUARDED_RECORDS, GUARDED_POOL - GUARDED_RECORDS, false)) {
        if (pool) {
            (void)fenced_unmap(pool, GUARDED_POOL);
        }
        refused = true;
        return false;
    }
    slots = (struct guarded_slot *)(void *)pool;
    store_relaxed(&guarded_base, (uintptr_t)pool);
    return true;
}

/* The slot that has been at rest for longest; NULL when all are live. */
static struct guarded_slot *oldest(void) {
    size_t best = 0;
    for (size_t i = 1; i < GUARDED_SLOTS; i++) {
        best = rests_since[i] < rests_since[best] ? i : best;
    }
    return rests_since[best] == LIVE ? NULL : &slots[best];
}

/* The accessible pages of a slot's block. */
static uintptr_t pages_of(const struct guarded_slot *slot, size_t *size) {
    size_t page = platform_page_size();
    uintptr_t first = align_down(slot->block, page);
    *size = align_up(slot->block + slot->size, page) - first;
    return first;
}

/* What is filled and looked at at once. */
typedef uint64_t pair_of_words __attribute__((vector_size(16)));
struct line {
    pair_of_words part[4];
};
enum { LINE = sizeof(struct line) };

static uint64_t word_of(unsigned char byte) {
    return 0x0101010101010101u * byte;
}

/* A loop of its own: the C library's is not called under a lock. */
static void fill(uintptr_t from, uintptr_t to, unsigned char byte) {
    pair_of_words part = {word_of(byte), word_of(byte)};
    while (from < to) {
        if (from % LINE == 0 && to - from >= LINE) {
            *(struct line *)from = (struct line){{part, part, part, part}};
            from += LINE;
        } else if (from % sizeof(uint64_t) == 0 && to - from >= sizeof(uint64_t)) {
            *(uint64_t *)from = word_of(byte);
            from += sizeof(uint64_t);
        } else {
            *(unsigned char *)from++ = byte;
        }
    }
}

static bool whole_word(uintptr_t at) {
    return *(const uint64_t *)at == word_of(PATTERN);
}

static bool whole_line(uintptr_t at) {
    const struct line *line = (const struct line *)at;
    pair_of_words whole = {word_of(PATTERN), word_of(PATTERN)};
    pair_of_words changed = (line->part[0] ^ whole) | (line->part[1] ^ whole) | (line->part[2] ^ whole) | (line->part[3] ^ whole);
    return (changed[0] | changed[1]) == 0;
}

/* The byte nearest to the block that does not hold the pattern any more; 0 when all do. */
static uintptr_t changed_behind(const struct guarded_slot *slot, uintptr_t end) {
    uintptr_t at = slot->block + slot->size;
    while (at < end) { /* the end is one of a page */
        if (at % LINE == 0 && whole_line(at)) {
            at += LINE;
        } else if (at % sizeof(uint64_t) == 0 && whole_word(at)) {
            at += sizeof(uint64_t);
        } else if (*(const unsigned char *)at == PATTERN) {
            at++;
        } else {
            return at;
        }
    }
    return 0;
}

static uintptr_t changed_before(const struct guarded_slot *slot, uintptr_t begin) {
    uintptr_t at = slot->block; /* a multiple of 16, and the begin is one of a page */
    while (at > begin && at % LINE && whole_word(at - sizeof(uint64_t))) {
        at -= sizeof(uint64_t);
    }
    while (at > begin && at % LINE == 0 && whole_line(at - LINE)) {
        at -= LINE;
    }
    while (at > begin && whole_word(at - sizeof(uint64_t))) {
        at -= sizeof(uint64_t);
    }
    while (at > begin && *(const unsigned char *)(at - 1) == PATTERN) {
        at--;
    }
    return at > begin ? at - 1 : 0;
}

/* The page that every block of the slot uses keeps an attribute that its neighbours lack: the system then keeps it apart, and changing
 * its access costs a third of what it would cost if it were split off and merged again each time. */
static void keep_apart(size_t index, bool leftwards) {
    size_t page = platform_page_size();
    platform_huge_pages((void *)(space_of(index) + (leftwards ? 0 : GUARDED_SPACE - page)), page, false);
}

static bool go_live(struct guarded_slot *slot, size_t size, size_t align) {
    size_t index = (size_t)(slot - slots);
    bool leftwards = index % 2 != 0;
    uintptr_t space = space_of(index);
    if (slot->state == GUARDED_UNUSED) {
        keep_apart(index, leftwards);
    }
    uintptr_t old_block = slot->block;
    size_t old_size = slot->size;
    slot->block = leftwards ? space : align_down(space + GUARDED_SPACE - size, align);
    slot->size = size;
    size_t bytes;
    uintptr_t first = pages_of(slot, &bytes);
    if (!platform_protect((void *)first, bytes, true)) {
        (void)platform_protect((void *)first, bytes, false);
        slot->block = old_block;
        slot->size = old_size;
        return false;
    }
    fill(first, slot->block, PATTERN);
    fill(slot->block, slot->block + size, 0);
    fill(slot->block + size, first + bytes, PATTERN);
    slot->state = GUARDED_LIVE;
    rests_since[slot - slots] = LIVE;
    store_relaxed(&live_count, load_relaxed(&live_count) + 1);
    store_relaxed(&live_bytes, load_relaxed(&live_bytes) + size);
    return true;
}

void *guarded_take(size_t size, size_t align) {
    if (size > GUARDED_MAX || align > GUARDED_SPACE) {
        return NULL;
    }
    void *block = NULL;
    lock_take(&guarded_lock, LOCK_GUARDED);
    struct guarded_slot *slot = slots || make_pool() ? oldest() : NULL;
    if (slot && go_live(slot, size ? size : 1, align < BLOCK_ALIGN ? BLOCK_ALIGN : align)) {
        trace_take(&slot->allocated, (uintptr_t)__builtin_frame_address(0));
        block = (void *)slot->block;
    }
    lock_give(&guarded_lock, LOCK_GUARDED);
    return block;
}

/* The slot in whose space, or in the half of a gap nearest to it, the address lies. NULL for the records. */
static struct guarded_slot *slot_near(uintptr_t address) {
    uintptr_t offset = address - (uintptr_t)slots;
    uintptr_t begin = GUARDED_RECORDS + GUARDED_SPACE / 2;
    if (offset < begin || offset >= GUARDED_POOL) {
        return NULL;
    }
    size_t index = (offset - begin) / GUARDED_PITCH;
    return &slots[index < GUARDED_SLOTS ? index : GUARDED_SLOTS - 1];
}

static struct guarded_slot *live_slot_at(uintptr_t address) {
    struct guarded_slot *slot = slots ? slot_near(address) : NULL;
    return slot && slot->state == GUARDED_LIVE && slot->block == address ? slot : NULL;
}

enum guarded_verdict guarded_give(uintptr_t address, uintptr_t *where) {
    enum guarded_verdict verdict = GUARDED_NOT_LIVE;
    lock_take(&guarded_lock, LOCK_GUARDED);
    struct guarded_slot *slot = live_slot_at(address);
    if (slot) {
        size_t bytes;
        uintptr_t first = pages_of(slot, &bytes);
        uintptr_t behind = changed_behind(slot, first + bytes);
        uintptr_t before = changed_before(slot, first);
        verdict = behind ? GUARDED_OVERRUN : before ? GUARDED_UNDERRUN : GUARDED_RIGHT;
        *where = behind ? behind : before;
        trace_take(&slot->freed, (uintptr_t)__builtin_frame_address(0));
        if (bytes > platform_page_size()) {
            (void)platform_purge((void *)first, bytes); /* refused: the memory stays in use */
        }
        (void)platform_protect((void *)first, bytes, false); /* refused: a use after free passes, nothing else */
        slot->state = GUARDED_FREED;
        rests_since[slot - slots] = ++changes;
        store_relaxed(&live_count, load_relaxed(&live_count) - 1);
        store_relaxed(&live_bytes, load_relaxed(&live_bytes) - slot->size);
    }
    lock_give(&guarded_lock, LOCK_GUARDED);
    return verdict;
}

size_t guarded_size(uintptr_t address) {
    lock_take(&guarded_lock, LOCK_GUARDED);
    const struct guarded_slot *slot = live_slot_at(address);
    size_t size = slot ? slot->size : 0;
    lock_give(&guarded_lock, LOCK_GUARDED);
    return size;
}

const struct guarded_slot *guarded_look(uintptr_t address, bool *locked) {
    *locked = false;
    for (int i = 0; i < PATIENCE && !*locked; i++) {
        *locked = lock_try(&guarded_lock, LOCK_GUARDED);
        if (!*locked) {
            platform_pause();
        }
    }
    const struct guarded_slot *slot = slots && guarded_holds(address) ? slot_near(address) : NULL;
    return slot && slot->state != GUARDED_UNUSED ? slot : NULL;
}

void guarded_end_look(bool locked) {
    if (locked) {
        lock_give(&guarded_lock, LOCK_GUARDED);
    }
}

bool guarded_open(uintptr_t address) {
    size_t page = platform_page_size();
    return platform_protect((void *)align_down(address, page), page, true);
}

size_t guarded_live(size_t *bytes) {
    *bytes = load_relaxed(&live_bytes);
    return load_relaxed(&live_count);
}

void guarded_fork_take(void) {
    lock_fork_take(&guarded_lock);
}

void guarded_fork_give(void) {
    lock_fork_give(&guarded_lock);
}
