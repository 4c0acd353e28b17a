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
#include "pages/fence.h"
#include "platform/lock.h"
#include "platform/platform.h"

struct mapping {
    uintptr_t address; /* 0: free slot */
    size_t size;
};

enum { FIRST_SLOTS = 128, KEPT_MAX = 16 };

static struct lock direct_lock;
static struct mapping first_slots[FIRST_SLOTS];
static struct mapping *slots = first_slots;
static size_t slot_count = FIRST_SLOTS;
static size_t used;
static struct mapping kept[KEPT_MAX]; /* freed mappings, oldest first; their bytes count as dirty */
static unsigned kept_count;

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
    slots[hole].address = 0;
    slots[hole].size = 0;
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
    struct mapping found = {0, 0};
    unsigned best = KEPT_MAX;
    lock_take(&direct_lock, LOCK_DIRECT);
    for (unsigned i = 0; i < kept_count; i++) {
        if ((kept[i].address & (align - 1)) != 0) {
            continue;
        }
        bool larger = kept[i].size >= size;
        bool better = best == KEPT_MAX || (larger ? kept[best].size < size || kept[i].size < kept[best].size
                                                  : kept[best].size < size && kept[i].size > kept[best].size);
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
            return (struct mapping){0, 0};
        }
        return mapping;
    }
    if (mapping.address && mapping.size < size) {
        void *grown = platform_remap((void *)mapping.address, mapping.size, size, align <= platform_page_size());
        if (grown == NULL) {
            unmap_or_purge(mapping);
            return (struct mapping){0, 0};
        }
        mapping = (struct mapping){(uintptr_t)grown, size};
    }
    return mapping;
}

/* Enters a mapping in the table; false when there is no room for it. With `reserved` there is: its slot was counted all the time. */
static bool attach(uintptr_t address, size_t size, bool reserved) {
    lock_take(&direct_lock, LOCK_DIRECT);
    bool room = reserved || make_room();
    if (room) {
        size_t slot = find(address);
        ASSERT(slots[slot].address == 0);
        slots[slot].address = address;
        slots[slot].size = size;
        used += reserved ? 0 : 1;
        note(size, 0, 1);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return room;
}

void *direct_take(size_t size, size_t align, bool *zeroed) {
    size_t page = platform_page_size();
    if (size > (size_t)PTRDIFF_MAX - page || align > (size_t)PTRDIFF_MAX) {
        return NULL;
    }
    size = align_up(size, page);
    align = align > page ? align : page;
    struct mapping mapping = {0, 0};
    if (!*zeroed) {
        mapping = fit_kept(take_kept(size, align), size, align);
    }
    *zeroed = mapping.address == 0;
    if (*zeroed) {
        mapping.address = (uintptr_t)platform_map(size, align);
        mapping.size = size;
        fetch_add_relaxed(&page_counters.clean_taken_bytes, mapping.address ? size : 0);
    }
    if (mapping.address && !attach(mapping.address, mapping.size, false)) {
        (void)platform_unmap((void *)mapping.address, mapping.size);
        return NULL;
    }
    return (void *)mapping.address;
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

/* Takes the entry out of the table; its size, or 0. With `reserve` nobody else can get the slot that it leaves free. */
static size_t detach(uintptr_t address, bool reserve) {
    lock_take(&direct_lock, LOCK_DIRECT);
    size_t slot = find(address);
    size_t size = slots[slot].size;
    if (size) {
        remove_slot(slot);
        used -= reserve ? 0 : 1;
        note(0, size, -1);
    }
    lock_give(&direct_lock, LOCK_DIRECT);
    return size;
}

bool direct_give(uintptr_t address, size_t budget) {
    struct mapping mapping = {address, address ? detach(address, false) : 0};
    if (mapping.size == 0) {
        return false;
    }
    if (load_relaxed(&page_counters.dirty_bytes) + mapping.size > budget || !keep(mapping)) {
        unmap_or_purge(mapping);
    }
    return true;
}

bool direct_evict(void) {
    struct mapping mapping = {0, 0};
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

void *direct_resize(uintptr_t address, size_t new_size) {
    size_t page = platform_page_size();
    if (new_size > (size_t)PTRDIFF_MAX - page) {
        return NULL;
    }
    new_size = align_up(new_size, page);
    size_t old_size = detach(address, true); /* off the table, so that a mapping made meanwhile at a freed address cannot collide */
    if (old_size == 0) {
        return NULL;
    }
    void *moved = (void *)address;
    if (new_size != old_size) {
        moved = platform_remap((void *)address, old_size, new_size, true);
    }
    (void)(moved ? attach((uintptr_t)moved, new_size, true) : attach(address, old_size, true));
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
