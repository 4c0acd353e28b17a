/*
 * Purpose: see shard.h.
 * Layer: heap. Every table is relaxed: an entry is one word, is written once (by compare-and-swap from 0), and nothing else is published
 * through it. The counts only balance.
 */
#include "heap/shard.h"
#include "base/atomic.h"
#include "config/options.h"
#include "platform/platform.h"

/* Processors and nodes beyond these share an entry. */
enum { CPUS_MAX = 1024, NODES_MAX = 64, NO_SHARD = SHARDS_MAX };

static _Atomic(unsigned) shards_in_use;
static _Atomic(unsigned) shards_open;              /* 0: no limit was set */
static _Atomic(unsigned) shares;                   /* shards that a node may have; 0: not known yet */
static _Atomic(uint8_t) shard_of_cpu[CPUS_MAX];    /* 0: none yet, else shard + 1 */
static _Atomic(uint8_t) node_of_shard[SHARDS_MAX]; /* 0: nobody's yet, else node + 1 */
static _Atomic(unsigned) shards_of_node[NODES_MAX];
static _Atomic(unsigned) cpus_of_shard[SHARDS_MAX];

_Static_assert(SHARDS_MAX < 255 && NODES_MAX < 255, "a shard or node plus one fits in a byte");

unsigned shard_count(void) {
    unsigned count = load_relaxed(&shards_in_use); /* relaxed: self-contained; racing first callers agree on the value */
    if (UNLIKELY(count == 0)) {
        count = (unsigned)option_get(OPTION_shards);
        if (count == 0) {
            count = platform_cpu_count();
        }
        if (count > SHARDS_MAX) {
            count = SHARDS_MAX;
        }
        unsigned nobody = 0;
        if (!cas_relaxed(&shards_in_use, &nobody, count)) {
            count = nobody;
        }
    }
    return count;
}

void shard_limit(unsigned limit) {
    store_relaxed(&shards_open, limit);
}

static unsigned open_count(void) {
    unsigned open = load_relaxed(&shards_open);
    unsigned count = shard_count();
    return open && open < count ? open : count;
}

/* Where every processor can have a shard, nobody needs to hold back; the system is asked for its nodes only where not. */
static unsigned share_of_node(unsigned open) {
    unsigned share = load_relaxed(&shares);
    if (share == 0) {
        share = platform_cpu_count() <= open ? open : open / platform_node_count();
        share = share ? share : 1;
        store_relaxed(&shares, share);
    }
    return share;
}

/* Makes a shard that is nobody's the node's, unless the node has its share. */
static bool take_over(unsigned shard, unsigned node, unsigned share) {
    uint8_t nobody = 0;
    if (load_relaxed(&node_of_shard[shard]) || load_relaxed(&shards_of_node[node]) >= share ||
        !cas_relaxed(&node_of_shard[shard], &nobody, (uint8_t)(node + 1))) {
        return false;
    }
    fetch_add_relaxed(&shards_of_node[node], 1);
    return true;
}

/* The shard that fewest processors have: of the node's, or of all. */
static unsigned least_used(unsigned open, unsigned node, bool any_node) {
    unsigned best = NO_SHARD;
    for (unsigned shard = 0; shard < open; shard++) {
        bool counts = any_node || load_relaxed(&node_of_shard[shard]) == node + 1;
        if (counts && (best == NO_SHARD || load_relaxed(&cpus_of_shard[shard]) < load_relaxed(&cpus_of_shard[best]))) {
            best = shard;
        }
    }
    return best;
}

static unsigned choose(unsigned open, unsigned node) {
    unsigned share = share_of_node(open);
    for (unsigned i = 1; i <= open; i++) {
        if (take_over(i % open, node, share)) { /* shard 0 last: the first heap is there */
            return i % open;
        }
    }
    unsigned shard = least_used(open, node, false);
    return shard != NO_SHARD ? shard : least_used(open, node, true);
}

/* The shard of the processor that the caller runs on. */
static unsigned shard_here(void) {
    unsigned open = open_count();
    if (open == 1) {
        return 0;
    }
    unsigned cpu = 0;
    unsigned node = 0;
    platform_where(&cpu, &node);
    _Atomic(uint8_t) *entry = &shard_of_cpu[cpu % CPUS_MAX];
    uint8_t known = load_relaxed(entry);
    if (UNLIKELY(known == 0)) {
        unsigned shard = choose(open, node % NODES_MAX);
        if (cas_relaxed(entry, &known, (uint8_t)(shard + 1))) {
            fetch_add_relaxed(&cpus_of_shard[shard], 1);
            known = (uint8_t)(shard + 1);
        }
    }
    return (known - 1u) % open;
}

unsigned shard_for_heap(bool first_of_process) {
    return first_of_process ? 0 : shard_here();
}

bool shard_is_near(unsigned one, unsigned other) {
    unsigned a = load_relaxed(&node_of_shard[one]);
    unsigned b = load_relaxed(&node_of_shard[other]);
    return a == b || a == 0 || b == 0;
}

unsigned shard_after(unsigned busy) {
    unsigned open = open_count();
    unsigned here = shard_here();
    if (here != busy) {
        return here;
    }
    for (unsigned i = 1; i < open; i++) {
        if (shard_is_near(busy, (busy + i) % open)) {
            return (busy + i) % open;
        }
    }
    return (busy + 1) % open;
}
