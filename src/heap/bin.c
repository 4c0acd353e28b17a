/*
 * Purpose: see bin.h.
 * Layer: heap. Owner: each bin's lock protects the bin and the slabs that belong to it.
 */
#include "heap/bin.h"
#include "base/check.h"
#include "pages/counters.h"
#include "pages/limit.h"
#include "pages/purge.h"
#include "platform/lock.h"
#include "platform/platform.h"
#include "slab/slab.h"

#include <limits.h>

enum {
    FULLNESS_LISTS = 4,
    WHOLLY_FREE = FULLNESS_LISTS,
    LISTS,
    KEPT_SLICES_MAX = (768 << 10) / SLICE_SIZE,
    KEPT_SLICES_LEAST = 2, /* what a slab counts at least, for its address space */
    SPARSE_MANY = 32,
    SHARES_LINES = 256, /* smaller blocks mostly share their cache lines with others */
    PURGED_AT_ONCE = 2 << 20,
    SEVERAL = 4
};

struct bin {
    struct lock lock;
    _Atomic(uint32_t) slabs; /* of this bin, listed or full; written under the lock, read relaxed as a hint by other shards */
    _Atomic(size_t) out;     /* written under the lock, read relaxed by statistics */
    struct list lists[LISTS];
} ALIGNED(64);

static SPARSE ALIGNED(SLICE_SIZE) struct { struct bin bins[CLASS_COUNT]; } shards[SHARDS_MAX];

/* What wholly free slabs in all bins keep from the system, as slab->kept says. Relaxed: a bound, and nothing hangs on when it is read. */
static _Atomic(unsigned) kept_slices;

static unsigned fullness_of(const struct slab *slab) {
    if (slab->free == slab->blocks) {
        return WHOLLY_FREE;
    }
    unsigned free = (unsigned)slab->free * FULLNESS_LISTS; /* compared, not divided: this runs once per slab and flush */
    return (free >= slab->blocks ? 1u : 0u) + (free >= 2u * slab->blocks ? 1u : 0u) + (free >= 3u * slab->blocks ? 1u : 0u);
}

static void bin_check(const struct bin *bin) {
    if (!debug_checks) {
        return;
    }
    for (unsigned f = 0; f < LISTS; f++) {
        for (struct list_node *node = bin->lists[f].first; node; node = node->next) {
            const struct slab *slab = LIST_ENTRY(node, struct slab, node);
            CHECK(slab->free > 0 && slab->fullness == f && fullness_of(slab) == f);
            CHECK((slab->kept != 0) == (f == WHOLLY_FREE));
        }
    }
    CHECK(bin->lists[WHOLLY_FREE].first == NULL || bin->lists[WHOLLY_FREE].first->next == NULL);
}

static void list_slab(struct bin *bin, struct slab *slab, unsigned fullness) {
    slab->fullness = (uint8_t)fullness;
    slab->relist_at = (uint16_t)(((fullness + 1) * slab->blocks + FULLNESS_LISTS - 1) / FULLNESS_LISTS);
    list_push(&bin->lists[fullness], &slab->node);
}

static void unlist_slab(struct slab *slab) {
    list_remove(&slab->node);
    if (slab->kept) {
        fetch_sub_relaxed(&kept_slices, slab->kept);
        slab->kept = 0;
    }
}

/* How often a slab came to have few blocks out, or was made; and how often when free pages of slabs were looked for last, in some and in
 * all. Relaxed: hints. */
static _Atomic(unsigned) sparse_slabs;
static _Atomic(unsigned) sparse_looked;
static _Atomic(unsigned) sparse_looked_all;

/* Bytes of blocks taken and put back since all slabs were looked at for their sake. Relaxed: a hint. */
static _Atomic(size_t) exchanged;

static void note_sparse(void) {
    fetch_add_relaxed(&sparse_slabs, 1);
}

/* Puts the slab where its counts say it belongs; off every list when it is full. */
static void relist(struct bin *bin, struct slab *slab) {
    bool listed = list_contains(&slab->node);
    if (UNLIKELY(slab->free == 0)) {
        if (listed) {
            unlist_slab(slab);
        }
        slab->relist_at = 1;
        return;
    }
    unsigned fullness = fullness_of(slab);
    if (listed) {
        if (slab->fullness == fullness) {
            return;
        }
        unlist_slab(slab);
    }
    list_slab(bin, slab, fullness);
}

static struct slab *fullest(struct bin *bin) {
    for (unsigned f = 0; f < LISTS; f++) {
        if (bin->lists[f].first) {
            return LIST_ENTRY(bin->lists[f].first, struct slab, node);
        }
    }
    return NULL;
}

/* Takes what the listed slabs of the bin have, up to `want`. The bin's lock is held. */
static unsigned claim_listed(struct bin *bin, void **end, unsigned want) {
    unsigned got = 0;
    struct slab *slab;
    while (got < want && (slab = fullest(bin)) != NULL) {
        got += slab_claim(slab, end - got, want - got);
        relist(bin, slab);
    }
    store_relaxed(&bin->out, load_relaxed(&bin->out) + got); /* written under the lock only */
    bin_check(bin);
    return got;
}

/* Bytes free in the bin's slabs: a hint, read without the lock, so that the two counts may be of different moments. */
static size_t bytes_free(struct bin *bin, unsigned class_index) {
    size_t blocks = (size_t)load_relaxed(&bin->slabs) * size_classes[class_index].blocks;
    size_t out = load_relaxed(&bin->out);
    return blocks > out ? (blocks - out) * size_classes[class_index].size : 0;
}

/*
 * Other shards that have more than `but` bytes free in this class. No lock is held. Before new memory is taken, they are asked if that is
 * more than left_to_shard says. When there is no new memory, whatever they have will do.
 */
static unsigned claim_elsewhere(unsigned own, unsigned class_index, size_t but, void **end, unsigned want) {
    unsigned got = 0;
    unsigned count = shard_count();
    for (int far = 0; far < 2; far++) { /* first those of this memory node, then the others */
        for (unsigned i = 1; i < count && got == 0; i++) {
            unsigned shard = own + i < count ? own + i : own + i - count;
            struct bin *bin = &shards[shard].bins[class_index];
            if (shard_is_near(own, shard) == (far == 0) && bytes_free(bin, class_index) > but && lock_try(&bin->lock, LOCK_BIN)) {
                got = claim_listed(bin, end, want);
                lock_give(&bin->lock, LOCK_BIN);
            }
        }
    }
    return got;
}

/* Two threads that take small blocks from one slab write to the same cache lines: up to a slab's worth of them is the shard's own. Of
 * others a part is, so that what a shard has given up does not wait, in each class, for a thread that will not come. */
static size_t left_to_shard(unsigned class_index) {
    return size_classes[class_index].size < SHARES_LINES ? UNIT_SIZE : UNIT_SIZE / 4;
}

/* Makes a slab and takes from it. The bin's lock is held. */
static unsigned claim_new(struct bin *bin, unsigned shard, unsigned class_index, void **end, unsigned want) {
    struct slab *slab = limit_lets_grow(UNIT_SIZE) ? slab_create(class_index, shard) : NULL;
    if (slab == NULL) {
        return 0;
    }
    store_relaxed(&bin->slabs, load_relaxed(&bin->slabs) + 1);
    list_slab(bin, slab, WHOLLY_FREE);
    note_sparse();
    return claim_listed(bin, end, want);
}

static void purge_slabs_if_sparse(void);

unsigned bin_claim(unsigned *shard, unsigned class_index, void **end, unsigned want) {
    struct bin *bin = &shards[*shard].bins[class_index];
    if (UNLIKELY(!lock_try(&bin->lock, LOCK_BIN))) {
        *shard = shard_after(*shard);
        bin = &shards[*shard].bins[class_index];
        lock_take(&bin->lock, LOCK_BIN);
    }
    unsigned got = claim_listed(bin, end, want);
    if (UNLIKELY(got == 0)) {
        lock_give(&bin->lock, LOCK_BIN);
        got = claim_elsewhere(*shard, class_index, left_to_shard(class_index), end, want);
        if (got) {
            return got;
        }
        lock_take(&bin->lock, LOCK_BIN);
        got = claim_listed(bin, end, want); /* somebody may have put blocks back meanwhile */
        if (got == 0) {
            got = claim_new(bin, *shard, class_index, end, want);
        }
    }
    lock_give(&bin->lock, LOCK_BIN);
    purge_slabs_if_sparse();
    return LIKELY(got) ? got : claim_elsewhere(*shard, class_index, 0, end, want);
}

/* Whether the slab, wholly free, may stay as it is: so much of it is backed, and not too much of all that stay. */
static bool keep(struct slab *slab) {
    if (load_relaxed(&kept_slices) + KEPT_SLICES_LEAST > KEPT_SLICES_MAX) {
        return false; /* what is backed need not be looked up, for which there is a lock */
    }
    unsigned backed = slab_backed_slices(slab);
    unsigned kept = backed > KEPT_SLICES_LEAST ? backed : KEPT_SLICES_LEAST;
    if (fetch_add_relaxed(&kept_slices, kept) + kept > KEPT_SLICES_MAX) {
        fetch_sub_relaxed(&kept_slices, kept);
        return false;
    }
    slab->kept = (uint8_t)kept;
    return true;
}

static void retire(struct bin *bin, struct slab *slab) {
    unlist_slab(slab);
    store_relaxed(&bin->slabs, load_relaxed(&bin->slabs) - 1);
    slab_destroy(slab);
}

/* Blocks came back to the slab, and it has as many free that it belongs in another list. One wholly free slab is kept while the bin has
 * nothing else to claim from: this one, or one that was until now. True when a unit went back. */
static NOINLINE bool settle(struct bin *bin, struct slab *slab) {
    relist(bin, slab);
    if (slab->fullness == FULLNESS_LISTS - 1) {
        note_sparse();
    }
    bool went_back = false;
    struct list_node *node;
    while ((node = bin->lists[WHOLLY_FREE].first) != NULL) {
        struct slab *spare = LIST_ENTRY(node, struct slab, node);
        if (fullest(bin) == spare && node->next == NULL && (spare->kept || keep(spare))) {
            break;
        }
        retire(bin, spare);
        went_back = true;
    }
    return went_back;
}

/* The bin that blocks are being put back into; its lock is held. */
struct putting {
    struct bin *bin; /* NULL: none yet */
    unsigned owner;  /* what its slabs say */
    unsigned before; /* blocks put back before the lock was taken, into other bins */
};

static void give_bin(struct putting *putting, unsigned put) {
    struct bin *bin = putting->bin;
    if (bin) {
        store_relaxed(&bin->out, load_relaxed(&bin->out) - (put - putting->before)); /* written under the lock only */
        bin_check(bin);
        lock_give(&bin->lock, LOCK_BIN);
    }
}

/* The block's slab belongs to another bin: goes over to that. `put` blocks have been put back so far. NULL when no slab of this class is
 * there. */
static NOINLINE struct slab *change_bin(struct putting *putting, unsigned class_index, uintptr_t address, unsigned put) {
    struct slab *slab = slab_of(address);
    if (slab == NULL) {
        return NULL;
    }
    unsigned owner = load_relaxed(&slab->owner); /* read once: see docs/CONCURRENCY.md */
    if (owner != slab_owner(owner >> 8, class_index)) {
        return NULL; /* the slab went to others: nobody can own a block of it in this class */
    }
    give_bin(putting, put);
    *putting = (struct putting){.bin = &shards[(owner >> 8) % SHARDS_MAX].bins[class_index], .owner = owner, .before = put};
    lock_take(&putting->bin->lock, LOCK_BIN);
    /* Only now is it certain; and the chunk's descriptor may serve another address by now. */
    slab = slab_of(address);
    return slab && load_relaxed(&slab->owner) == owner ? slab : NULL;
}

ALWAYS_INLINE bool in_one_unit(const void *one, const void *other) {
    return ((uintptr_t)one ^ (uintptr_t)other) >> UNIT_SHIFT == 0;
}

/* So many that the call is worth it, as far as can be told from two of them. */
ALWAYS_INLINE bool several_in_unit(void *const *next, void *const *end) {
    return end - next >= SEVERAL && in_one_unit(next[0], next[1]) && in_one_unit(next[0], next[SEVERAL - 1]);
}

unsigned bin_put(unsigned class_index, void **blocks, unsigned count) {
    struct putting putting = {.bin = NULL, .owner = UINT_MAX};
    void **next = blocks;
    void *const *end = blocks + count;
    unsigned bad = 0;
    bool unit_went_back = false;
    while (next != end) {
        uintptr_t address = (uintptr_t)*next;
        struct slab *slab = slab_of(address);
        if (UNLIKELY(slab == NULL || load_relaxed(&slab->owner) != putting.owner)) {
            slab = change_bin(&putting, class_index, address, (unsigned)(next - blocks) - bad);
            if (slab == NULL) {
                blocks[bad++] = *next++;
                continue;
            }
        }
        if (!several_in_unit(next, end)) {
            if (UNLIKELY(!slab_put_one(slab, address))) {
                blocks[bad++] = *next;
            }
            next++;
        } else {
            unsigned bad_now = bad; /* or the count would be in memory throughout */
            next += slab_put(slab, next, (unsigned)(end - next), blocks, &bad_now);
            bad = bad_now;
        }
        if (UNLIKELY(slab->free >= slab->relist_at)) {
            unit_went_back |= settle(putting.bin, slab);
        }
    }
    give_bin(&putting, count - bad);
    if (unit_went_back) {
        purge_if_over_budget();
    }
    purge_slabs_if_sparse();
    return bad;
}

/* Free pages of the bin's slabs that are half free and more, the emptiest first; at most `slabs` of them are looked at. The bin's lock is
 * held. */
static size_t purge_listed(struct bin *bin, unsigned slabs) {
    size_t purged = 0;
    for (unsigned f = FULLNESS_LISTS; f-- > FULLNESS_LISTS / 2;) {
        for (struct list_node *node = bin->lists[f].first; node && slabs && purged < PURGED_AT_ONCE; node = node->next, slabs--) {
            purged += slab_purge_at_rest(LIST_ENTRY(node, struct slab, node));
        }
    }
    return purged;
}

/*
 * A few blocks that stay out keep a slab, and so all its pages, from going back. When slabs have more free in all than the dirty budget
 * allows, their free pages go back one by one. Blocks are taken from the fullest slabs first, so that these pages are the last to be
 * needed. One bin at a time, and 2 MiB of it: who wants its lock waits for some hundred system calls at most.
 */
static COLD void purge_slabs(unsigned slabs_of_bin) {
    size_t free = 0;
    for (unsigned s = 0; s < shard_count(); s++) {
        for (unsigned c = 1; c < CLASS_COUNT; c++) {
            free += bytes_free(&shards[s].bins[c], c);
        }
    }
    size_t kept = load_relaxed(&page_counters.slab_clean_bytes) + purge_budget_of_slabs();
    for (unsigned s = 0; s < shard_count(); s++) {
        for (unsigned c = 1; c < CLASS_COUNT && free > kept; c++) {
            struct bin *bin = &shards[s].bins[c];
            if (bytes_free(bin, c) >= UNIT_SIZE && lock_try(&bin->lock, LOCK_BIN)) {
                size_t purged = purge_listed(bin, slabs_of_bin);
                free -= purged < free ? purged : free;
                lock_give(&bin->lock, LOCK_BIN);
            }
        }
    }
}

/* Slabs that became sparse of late stand in front of their lists: those and some more are looked at each time. All are, when so many have
 * changed that this is a small part of the work that changed them. */
static void purge_slabs_if_sparse(void) {
    unsigned events = load_relaxed(&sparse_slabs);
    int since = (int)(events - load_relaxed(&sparse_looked)); /* negative when another thread counted further and looked meanwhile */
    if (UNLIKELY(since >= SPARSE_MANY)) {
        store_relaxed(&sparse_looked, events);
        int since_all = (int)(events - load_relaxed(&sparse_looked_all));
        bool all = since_all > 0 && (size_t)since_all >= load_relaxed(&page_counters.used_bytes) / UNIT_SIZE / 8;
        if (all) {
            store_relaxed(&sparse_looked_all, events);
        }
        purge_slabs(all ? UINT_MAX : 4 * SPARSE_MANY);
    }
}

/* While a heap rests at a size few of its slabs change, though blocks come and go: so all are looked at, too, each time that as much has
 * gone to and fro as slabs hold, and a MiB for each shard that has to be added up. */
void bin_after_exchange(size_t bytes) {
    size_t sum = fetch_add_relaxed(&exchanged, bytes) + bytes;
    if (sum >= load_relaxed(&page_counters.used_bytes) + ((size_t)shard_count() << 20)) {
        store_relaxed(&exchanged, 0);
        purge_slabs(UINT_MAX);
    }
}

bool bin_keeps_slabs(void) {
    return load_relaxed(&kept_slices) != 0;
}

void bin_trim(void) {
    for (unsigned s = 0; s < shard_count(); s++) {
        for (unsigned c = 1; c < CLASS_COUNT; c++) {
            struct bin *bin = &shards[s].bins[c];
            lock_take(&bin->lock, LOCK_BIN);
            struct list_node *node = bin->lists[WHOLLY_FREE].first;
            if (node) {
                retire(bin, LIST_ENTRY(node, struct slab, node));
            }
            lock_give(&bin->lock, LOCK_BIN);
        }
    }
}

bool bin_purge(void) {
    size_t purged = 0;
    for (unsigned s = 0; s < shard_count(); s++) {
        for (unsigned c = 1; c < CLASS_COUNT; c++) {
            struct bin *bin = &shards[s].bins[c];
            lock_take(&bin->lock, LOCK_BIN);
            for (unsigned f = 0; f < LISTS; f++) {
                for (struct list_node *node = bin->lists[f].first; node; node = node->next) {
                    purged += slab_purge(LIST_ENTRY(node, struct slab, node));
                }
            }
            lock_give(&bin->lock, LOCK_BIN);
        }
    }
    return purged != 0;
}

size_t bin_blocks_out(unsigned class_index) {
    size_t out = 0;
    for (unsigned s = 0; s < SHARDS_MAX; s++) {
        out += load_relaxed(&shards[s].bins[class_index].out);
    }
    return out;
}

size_t bin_blocks_held(unsigned class_index) {
    size_t slabs = 0;
    for (unsigned s = 0; s < shard_count(); s++) {
        struct bin *bin = &shards[s].bins[class_index];
        lock_take(&bin->lock, LOCK_BIN);
        slabs += load_relaxed(&bin->slabs);
        lock_give(&bin->lock, LOCK_BIN);
    }
    return slabs * size_classes[class_index].blocks;
}

void bin_fork_take(void) {
    for (unsigned s = 0; s < shard_count(); s++) {
        for (unsigned c = 1; c < CLASS_COUNT; c++) {
            lock_fork_take(&shards[s].bins[c].lock);
        }
    }
}

void bin_fork_give(void) {
    for (unsigned s = 0; s < shard_count(); s++) {
        for (unsigned c = 1; c < CLASS_COUNT; c++) {
            lock_fork_give(&shards[s].bins[c].lock);
        }
    }
}
