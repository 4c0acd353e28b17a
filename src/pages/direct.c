/*
 * Purpose: see direct.h.
 * Layer: pages. Owner: direct_lock protects the table.
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
#include "pages/purge.h"
#include "platform/lock.h"
#include "platform/platform.h"

struct mapping {
    uintptr_t address; /* 0: free slot */
    size_t size;
};

enum { FIRST_SLOTS = 64 };

static struct lock direct_lock;
static struct mapping first_slots[FIRST_SLOTS];
static struct mapping *slots = first_slots;
static size_t slot_count = FIRST_SLOTS;
static size_t used;

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
    struct mapping *bigger = platform_map(bytes, platform_page_size());
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
        (void)platform_unmap(old, align_up(old_count * sizeof *old, platform_page_size()));
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
    slots[hole].address = 0;
    slots[hole].size = 0;
}

static void note(size_t added, size_t removed, long blocks) {
    fetch_add_relaxed(&page_counters.direct_bytes, added - removed);
    fetch_add_relaxed(&page_counters.direct_count, (size_t)blocks);
}

void *direct_take(size_t size, size_t align) {
    size_t page = platform_page_size();
    if (size > (size_t)PTRDIFF_MAX - page || align > (size_t)PTRDIFF_MAX) {
        return NULL;
    }
    size = align_up(size, page);
    align = align > page ? align : page;
    void *address = platform_map(size, align);
    if (address == NULL && purge_down_to(0)) {
        address = platform_map(size, align);
    }
    if (address == NULL) {
        return NULL;
    }
    lock_take(&direct_lock, LOCK_DIRECT);
    bool room = make_room();
    if (room) {
        size_t slot = find((uintptr_t)address);
        ASSERT(slots[slot].address == 0);
        slots[slot].address = (uintptr_t)address;
        slots[slot].size = size;
        used++;
        note(size, 0, 1);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    if (!room) {
        (void)platform_unmap(address, size);
        return NULL;
    }
    return address;
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

/* Takes the entry out of the table; its size, or 0. */
static size_t detach(uintptr_t address) {
    lock_take(&direct_lock, LOCK_DIRECT);
    size_t slot = find(address);
    size_t size = slots[slot].size;
    if (size) {
        remove_slot(slot);
        used--;
        note(0, size, -1);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return size;
}

static void attach(uintptr_t address, size_t size) {
    lock_take(&direct_lock, LOCK_DIRECT);
    size_t slot = find(address);
    slots[slot].address = address;
    slots[slot].size = size;
    used++;
    note(size, 0, 1);
    lock_give(&direct_lock, LOCK_DIRECT);
}

bool direct_give(uintptr_t address) {
    size_t size = address ? detach(address) : 0;
    if (size == 0) {
        return false;
    }
    if (!platform_unmap((void *)address, size)) {
        /* The table of mappings is full: keep the address range, give its memory back. Reported as mapped from now on. */
        (void)platform_purge((void *)address, size);
    }
    return true;
}

void *direct_resize(uintptr_t address, size_t new_size) {
    size_t page = platform_page_size();
    if (new_size > (size_t)PTRDIFF_MAX - page) {
        return NULL;
    }
    new_size = align_up(new_size, page);
    size_t old_size = detach(address); /* off the table, so that a mapping made meanwhile at a freed address cannot collide */
    if (old_size == 0) {
        return NULL;
    }
    void *moved = (void *)address;
    if (new_size != old_size) {
        moved = platform_remap((void *)address, old_size, new_size, true);
        if (moved == NULL && new_size > old_size && purge_down_to(0)) {
            moved = platform_remap((void *)address, old_size, new_size, true);
        }
    }
    if (moved == NULL) {
        attach(address, old_size);
        return NULL;
    }
    attach((uintptr_t)moved, new_size);
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
