/*
 * Purpose: see direct.h.
 * Layer: pages. Owner: direct_lock protects every static variable here.
 *
 * The table is open addressing with linear probing over addresses, at most half full, doubled by mapping a new one. An entry is removed
 * by shifting its followers back, so there are no tombstones.
 *
 * Invariant: for each entry e, every slot from home(e) to e's slot is occupied.
 */
#include "pages/direct.h"
#include "base/bits.h"
#include "base/check.h"
#include "pages/counters.h"
#include "pages/direct_huge.h"
#include "pages/fence.h"
#include "pages/huge.h"
#include "pages/limit.h"
#include "platform/lock.h"
#include "platform/platform.h"

struct mapping {
    uintptr_t address; /* 0: free slot */
    size_t size;
    uint8_t advice; /* enum huge_advice, about all of it */
    bool fresh;     /* was taken fresh and never resized: what is resident of it tells whether its owner fills it */
    bool zeros;     /* was asked for with zeros */
    bool trusted;   /* asks for huge pages on trust */
    bool seen;      /* found filled, and counted, while it was in use */
    size_t soiled;  /* bytes from its start that may be resident though its owner never used them */
};

enum { FIRST_SLOTS = 128, KEPT_MAX = 16 };

static struct lock direct_lock;
static SPARSE ALIGNED(SLICE_SIZE)
struct mapping first_slots[FIRST_SLOTS];
static struct mapping *slots = first_slots;
static size_t slot_count = FIRST_SLOTS;
static size_t used;
static struct mapping kept[KEPT_MAX]; /* freed mappings, oldest first; their bytes count as dirty */
static unsigned kept_count;
static struct huge_trust trust[2]; /* by `zeros`: who asks for zeros often uses little of the block */
static uintptr_t newest[2];        /* fresh blocks, by the same; may be gone */

static size_t home(uintptr_t address) {
    return (size_t)((address >> 12) * 0x9E3779B97F4A7C15u >> 20) & (slot_count - 1);
}

static size_t find(uintptr_t address) {
    size_t i = home(address);
    while (slots[i].address && slots[i].address != address) {
        i = (i + 1) & (slot_count - 1);
    }
    return i;
}

/* Doubles the table. False when there is no memory and no room. */
static bool make_room(void) {
    if (used * 2 < slot_count) {
        return true;
    }
    size_t bytes = align_up(2 * slot_count * sizeof *slots, platform_page_size());
    struct mapping *bigger = fenced_map(bytes, platform_page_size());
    if (bigger == NULL) {
        return used + 1 < slot_count; /* slower, but right as long as one slot stays free */
    }
    struct mapping *old = slots;
    size_t old_count = slot_count;
    slots = bigger;
    slot_count = is_power_of_two(bytes / sizeof *slots) ? bytes / sizeof *slots : 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].address) {
            slots[find(old[i].address)] = old[i];
        }
    }
    if (old != first_slots) {
        (void)fenced_unmap(old, align_up(old_count * sizeof *old, platform_page_size()));
    }
    return true;
}

static void remove_slot(size_t hole) {
    size_t i = hole;
    for (;;) {
        i = (i + 1) & (slot_count - 1);
        if (slots[i].address == 0) {
            break;
        }
        size_t distance_from_home = (i - home(slots[i].address)) & (slot_count - 1);
        if (distance_from_home >= ((i - hole) & (slot_count - 1))) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole] = (struct mapping){0};
}

static void note(size_t added, size_t removed, long blocks) {
    fetch_add_relaxed(&page_counters.direct_bytes, added - removed);
    fetch_add_relaxed(&page_counters.direct_count, (size_t)blocks);
}

static void unmap_or_purge(struct mapping mapping) {
    if (!platform_unmap((void *)mapping.address, mapping.size)) {
        /* The system's table of mappings is full: the address range is lost, its memory is not. */
        (void)platform_purge((void *)mapping.address, mapping.size);
    }
    if (mapping.advice == HUGE_FOR) {
        huge_given((char *)mapping.address, mapping.size);
    }
}

static struct mapping remove_kept(unsigned index) {
    struct mapping mapping = kept[index];
    kept_count--;
    for (unsigned i = index; i < kept_count; i++) {
        kept[i] = kept[i + 1];
    }
    fetch_sub_relaxed(&page_counters.dirty_bytes, mapping.size);
    return mapping;
}

/* The kept mapping of the nearest size, preferring larger ones; address 0 when none is kept with that alignment. */
static struct mapping take_kept(size_t size, size_t align) {
    struct mapping found = {0};
    unsigned best = KEPT_MAX;
    lock_take(&direct_lock, LOCK_DIRECT);
    for (unsigned i = 0; i < kept_count; i++) {
        if ((kept[i].address & (align - 1)) != 0) {
            continue;
        }
        bool larger = kept[i].size >= size;
        bool better =
            best == KEPT_MAX || (larger ? kept[best].size < size || kept[i].size < kept[best].size : kept[i].size > kept[best].size);
        best = better ? i : best;
    }
    if (best != KEPT_MAX) {
        found = remove_kept(best);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return found;
}

/* False when enough are kept already. */
static bool keep(struct mapping mapping) {
    lock_take(&direct_lock, LOCK_DIRECT);
    bool room = kept_count < KEPT_MAX;
    if (room) {
        kept[kept_count++] = mapping;
        fetch_add_relaxed(&page_counters.dirty_bytes, mapping.size);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return room;
}

/* Cuts or grows a kept mapping to the size: its pages are backed already, which saves a fault for each. Address 0 when that fails. */
static struct mapping fit_kept(struct mapping mapping, size_t size, size_t align) {
    if (mapping.size > size) {
        if (platform_unmap((char *)mapping.address + size, mapping.size - size)) {
            mapping.size = size;
        } else if (mapping.size / 2 > size - platform_page_size()) {
            /* It stays for a request that fits: a block of more than twice what was asked for, which may have been a byte of the last page,
             * would be wasteful, and a sized free of it an error. */
            if (!keep(mapping)) {
                unmap_or_purge(mapping);
            }
            return (struct mapping){0};
        }
        return mapping;
    }
    if (mapping.address && mapping.size < size) {
        void *grown = platform_remap((void *)mapping.address, mapping.size, size, align <= platform_page_size());
        if (grown == NULL) {
            unmap_or_purge(mapping);
            return (struct mapping){0};
        }
        mapping.address = (uintptr_t)grown;
        mapping.size = size;
    }
    return mapping;
}

/* Enters a mapping in the table; false when there is no room for it. With `reserved` there is: its slot was counted all the time. */
static bool attach(struct mapping mapping, bool reserved) {
    lock_take(&direct_lock, LOCK_DIRECT);
    bool room = reserved || make_room();
    if (room) {
        size_t slot = find(mapping.address);
        ASSERT(slots[slot].address == 0);
        slots[slot] = mapping;
        newest[mapping.zeros] = mapping.fresh ? mapping.address : newest[mapping.zeros];
        used += reserved ? 0 : 1;
        note(mapping.size, 0, 1);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return room;
}

/* A mapping has one kind of advice only, or it could not be resized. */
static void advise(struct mapping *mapping, enum huge_advice advice) {
    if (mapping->address && mapping->advice != advice) {
        platform_huge_pages((void *)mapping->address, mapping->size, advice == HUGE_FOR);
        mapping->advice = (uint8_t)advice;
    }
}

static bool worth_a_look(const struct mapping *mapping, size_t detached) {
    return mapping->fresh && !mapping->seen && mapping->size >= huge_page_size() && huge_allowed(detached);
}

/* The newest block may be filled by now, though it is still in use. */
static void look_at_newest(bool zeros) {
    lock_take(&direct_lock, LOCK_DIRECT);
    struct mapping last = slots[find(newest[zeros])];
    lock_give(&direct_lock, LOCK_DIRECT);
    if (last.address == 0 || !worth_a_look(&last, 0)) {
        return;
    }
    lock_take(&direct_lock, LOCK_DIRECT);
    struct mapping *now = &slots[find(last.address)]; /* unless its owner has freed it meanwhile */
    if (now->address && now->size == last.size && now->fresh && !now->seen && huge_look(now->address, now->size) == HUGE_FOUND_FILLED) {
        now->seen = true;
        huge_trust_learn(&trust[zeros], now->size, now->trusted, HUGE_FOUND_FILLED);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
}

/* Whether blocks like this one have been filled so far. */
static bool trusts(size_t size, bool zeros) {
    lock_take(&direct_lock, LOCK_DIRECT);
    bool possible = newest[zeros] || trust[zeros].bytes >= size;
    lock_give(&direct_lock, LOCK_DIRECT);
    if (!possible || !huge_allowed(size)) {
        return false;
    }
    look_at_newest(zeros);
    lock_take(&direct_lock, LOCK_DIRECT);
    bool trusted = huge_trust_spend(&trust[zeros], size);
    lock_give(&direct_lock, LOCK_DIRECT);
    return trusted;
}

/* `copied` bytes of it are about to be written. */
static struct mapping map_fresh(size_t size, size_t align, bool zeros, size_t copied) {
    struct mapping mapping = {.size = size, .zeros = zeros, .fresh = copied == 0};
    size_t huge = huge_page_size();
    mapping.trusted = size >= huge && copied == 0 && trusts(size, zeros);
    bool wanted = mapping.trusted || (copied >= huge && huge_allowed(0));
    if (wanted && huge > align) {
        mapping.address = (uintptr_t)platform_map(size, huge);
    }
    if (mapping.address == 0) {
        mapping.address = (uintptr_t)platform_map(size, align);
    }
    if (wanted) {
        advise(&mapping, HUGE_FOR);
    }
    bool quick = !wanted || mapping.address == 0 || huge_back(mapping.address, mapping.address + (copied ? copied : huge));
    if (size >= huge && (!mapping.trusted || !quick)) {
        advise(&mapping, HUGE_AGAINST);
    }
    fetch_add_relaxed(&page_counters.clean_taken_bytes, mapping.address ? size : 0);
    return mapping;
}

/* A kept mapping is backed already. Where it is not, its next owner need not fill it. */
static struct mapping reuse(size_t size, size_t align) {
    struct mapping mapping = take_kept(size, align);
    mapping.fresh = false;
    mapping.trusted = false;
    size_t kept_size = mapping.size;
    if (mapping.size >= huge_page_size() || size >= huge_page_size()) {
        advise(&mapping, HUGE_AGAINST);
    }
    mapping = fit_kept(mapping, size, align);
    mapping.soiled = kept_size < mapping.size ? kept_size : mapping.size;
    return mapping;
}

static void *take(size_t size, size_t align, size_t copied, bool *zeroed) {
    size_t page = platform_page_size();
    if (size > (size_t)PTRDIFF_MAX - page || align > (size_t)PTRDIFF_MAX) {
        return NULL;
    }
    size = align_up(size, page);
    align = align > page ? align : page;
    struct mapping mapping = {0};
    bool zeros = *zeroed;
    if (!zeros) {
        mapping = reuse(size, align);
    }
    bool fresh = mapping.address == 0;
    if (fresh) {
        mapping = map_fresh(size, align, zeros, copied);
    }
    if (mapping.address && !attach(mapping, false)) {
        (void)platform_unmap((void *)mapping.address, mapping.size);
        return NULL;
    }
    *zeroed = mapping.address ? fresh : zeros; /* who tries again still wants the same */
    return (void *)mapping.address;
}

void *direct_take(size_t size, size_t align, bool *zeroed) {
    return take(size, align, 0, zeroed);
}

void *direct_take_growing(size_t size, size_t copied, bool *zeroed) {
    return take(size, platform_page_size(), copied, zeroed);
}

size_t direct_size(uintptr_t address) {
    if (address == 0) {
        return 0;
    }
    lock_take(&direct_lock, LOCK_DIRECT);
    size_t size = slots[find(address)].size;
    lock_give(&direct_lock, LOCK_DIRECT);
    return size;
}

/* Takes the entry out of the table; size 0 when there is none. With `reserve` nobody else can get the slot that it leaves free. */
static struct mapping detach(uintptr_t address, bool reserve) {
    lock_take(&direct_lock, LOCK_DIRECT);
    size_t slot = find(address);
    struct mapping mapping = slots[slot];
    if (mapping.size) {
        remove_slot(slot);
        used -= reserve ? 0 : 1;
        note(0, mapping.size, -1);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return mapping;
}

static void learn_from(const struct mapping *mapping) {
    if (worth_a_look(mapping, mapping->size)) {
        lock_take(&direct_lock, LOCK_DIRECT);
        enum huge_finding finding = huge_look(mapping->address, mapping->size);
        huge_trust_learn(&trust[mapping->zeros], mapping->size, mapping->trusted, finding);
        lock_give(&direct_lock, LOCK_DIRECT);
    }
}

bool direct_give(uintptr_t address, size_t budget) {
    struct mapping mapping = {0};
    if (address) {
        mapping = detach(address, false);
    }
    if (mapping.size == 0) {
        return false;
    }
    learn_from(&mapping);
    if (load_relaxed(&page_counters.dirty_bytes) + mapping.size > budget || !keep(mapping)) {
        unmap_or_purge(mapping);
    }
    return true;
}

bool direct_evict(void) {
    struct mapping mapping = {0};
    lock_take(&direct_lock, LOCK_DIRECT);
    if (kept_count) {
        mapping = remove_kept(0);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    if (mapping.address) {
        fetch_add_relaxed(&page_counters.purged_bytes, mapping.size);
        fetch_add_relaxed(&page_counters.purge_calls, 1);
        unmap_or_purge(mapping);
    }
    return mapping.address != 0;
}

/* Grows a mapping that asks for huge pages, at its end up to a whole one: where the program goes on filling, it is backed at once. */
static void *grow_huge(struct mapping *mapping, size_t new_size, enum huge_advice before) {
    size_t huge = huge_page_size();
    void *at = (void *)mapping->address;
    size_t here = new_size;
    size_t there = new_size;
    if (huge_rounds(new_size) && limit_admits(new_size + huge)) { /* the block itself is not counted now */
        here = align_up(mapping->address + new_size, huge) - mapping->address;
        there = before == HUGE_FOR ? here : align_up(new_size, huge);
    }
    void *grown = platform_remap(at, mapping->size, here, false);
    if (grown == NULL) {
        here = there;
        grown = huge_move(mapping->address, mapping->size, there, before);
    }
    if (grown == NULL) {
        return NULL;
    }
    mapping->address = (uintptr_t)grown;
    uintptr_t first = align_up(mapping->address + mapping->size, huge);
    mapping->size = here;
    if (first + huge <= mapping->address + here && !huge_back(first, first + huge)) {
        advise(mapping, HUGE_AGAINST);
    }
    return grown;
}

static bool is_filled_up_to(uintptr_t end, size_t size) {
    lock_take(&direct_lock, LOCK_DIRECT);
    bool filled = huge_filled_up_to(end, size);
    lock_give(&direct_lock, LOCK_DIRECT);
    return filled;
}

/* NULL when refused; the mapping is then as it was, but for the advice. */
static void *grow(struct mapping *mapping, size_t new_size) {
    enum huge_advice before = mapping->advice;
    if (new_size >= huge_page_size()) {
        size_t own = mapping->size > mapping->soiled ? mapping->size - mapping->soiled : 0;
        bool filled = huge_allowed(mapping->size) && is_filled_up_to(mapping->address + mapping->size, own);
        advise(mapping, filled ? HUGE_FOR : HUGE_AGAINST);
    }
    void *grown = mapping->advice == HUGE_FOR ? grow_huge(mapping, new_size, before) : NULL;
    if (grown == NULL) {
        grown = platform_remap((void *)mapping->address, mapping->size, new_size, true);
        mapping->size = grown ? new_size : mapping->size;
    }
    return grown;
}

/* What a mapping has beyond the block to fill its last huge page stays. */
static bool has_little_beyond(const struct mapping *mapping, size_t size) {
    return mapping->advice == HUGE_FOR && huge_rounds(size) && mapping->size - size < huge_page_size();
}

void *direct_resize(uintptr_t address, size_t new_size) {
    size_t page = platform_page_size();
    if (new_size > (size_t)PTRDIFF_MAX - page) {
        return NULL;
    }
    new_size = align_up(new_size, page);
    struct mapping mapping = detach(address, true); /* off the table, so that a mapping made meanwhile at a freed address cannot collide */
    if (mapping.size == 0) {
        return NULL;
    }
    void *moved = (void *)address;
    if (new_size > mapping.size) {
        moved = grow(&mapping, new_size);
        mapping.fresh = false;
    } else if (new_size < mapping.size && !has_little_beyond(&mapping, new_size)) {
        moved = platform_remap(moved, mapping.size, new_size, true);
        mapping.size = moved ? new_size : mapping.size;
        mapping.fresh = false;
    }
    mapping.address = moved ? (uintptr_t)moved : address;
    (void)attach(mapping, true);
    return moved;
}

uintptr_t direct_containing(uintptr_t address) {
    uintptr_t found = 0;
    lock_take(&direct_lock, LOCK_DIRECT);
    for (size_t i = 0; i < slot_count; i++) {
        if (slots[i].address && address - slots[i].address < slots[i].size) {
            found = slots[i].address;
        }
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return found;
}

void direct_fork_take(void) {
    lock_fork_take(&direct_lock);
}
void direct_fork_give(void) {
    lock_fork_give(&direct_lock);
}
