/*
 * Purpose: see quarantine.h.
 * Layer: heap. Owner: quarantine_lock protects the ring.
 *
 * Invariant: blocks in ring[first .. first + count) (modulo the slots) are inaccessible, and their sizes add up to bytes <=
 * QUARANTINE_BYTES.
 */
#include "heap/quarantine.h"
#include "platform/lock.h"
#include "platform/platform.h"

struct waiting {
    uintptr_t address;
    size_t size;
    bool direct;
};

static struct lock quarantine_lock;
static SPARSE struct waiting ring[QUARANTINE_SLOTS];
static unsigned first;
static unsigned count;
static size_t bytes;

/* Until `size` more bytes have room. Blocks that the system refuses to make accessible again are lost: nobody may use them. */
static unsigned make_room(size_t size, unsigned most, uintptr_t *out) {
    unsigned leaving = 0;
    while (count > most || (count && bytes + size > QUARANTINE_BYTES)) {
        const struct waiting *oldest = &ring[first];
        if (platform_protect((void *)oldest->address, oldest->size, true)) {
            out[leaving++] = oldest->address;
        }
        bytes -= oldest->size;
        first = (first + 1) % QUARANTINE_SLOTS;
        count--;
    }
    return leaving;
}

static size_t waiting_size(uintptr_t address) {
    for (unsigned i = 0; i < count; i++) {
        const struct waiting *waiting = &ring[(first + i) % QUARANTINE_SLOTS];
        if (waiting->address == address) {
            return waiting->size;
        }
    }
    return 0;
}

static bool shut(uintptr_t address, size_t size) {
    return platform_purge((void *)address, size) && platform_protect((void *)address, size, false);
}

unsigned quarantine_put(uintptr_t address, size_t size, bool direct, uintptr_t *out) {
    unsigned leaving = 1;
    lock_take(&quarantine_lock, LOCK_QUARANTINE);
    if (waiting_size(address)) {
        leaving = QUARANTINE_HAS_IT;
    } else if (size > QUARANTINE_BYTES || !shut(address, size)) {
        leaving = platform_protect((void *)address, size, true) ? 1 : 0; /* else it is lost */
        out[0] = address;
    } else {
        leaving = make_room(size, QUARANTINE_SLOTS - 1, out);
        ring[(first + count) % QUARANTINE_SLOTS] = (struct waiting){.address = address, .size = size, .direct = direct};
        count++;
        bytes += size;
    }
    lock_give(&quarantine_lock, LOCK_QUARANTINE);
    return leaving;
}

unsigned quarantine_empty(uintptr_t *out) {
    lock_take(&quarantine_lock, LOCK_QUARANTINE);
    unsigned leaving = make_room(0, 0, out);
    lock_give(&quarantine_lock, LOCK_QUARANTINE);
    return leaving;
}

size_t quarantine_size(uintptr_t address) {
    lock_take(&quarantine_lock, LOCK_QUARANTINE);
    size_t size = waiting_size(address);
    lock_give(&quarantine_lock, LOCK_QUARANTINE);
    return size;
}

unsigned quarantine_waiting(size_t *run_bytes, size_t *direct_bytes) {
    *run_bytes = 0;
    *direct_bytes = 0;
    lock_take(&quarantine_lock, LOCK_QUARANTINE);
    unsigned waiting = count;
    for (unsigned i = 0; i < count; i++) {
        const struct waiting *one = &ring[(first + i) % QUARANTINE_SLOTS];
        *(one->direct ? direct_bytes : run_bytes) += one->size;
    }
    lock_give(&quarantine_lock, LOCK_QUARANTINE);
    return waiting;
}

void quarantine_fork_take(void) {
    lock_fork_take(&quarantine_lock);
}

void quarantine_fork_give(void) {
    lock_fork_give(&quarantine_lock);
}
