/*
 * Purpose: see balance.h.
 * Layer: heap. Owner: the heap's thread.
 */
#include "heap/balance.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/misuse.h"
#include "heap/shard.h"
#include "pages/counters.h"

enum {
    FULL_SHARES = 32,         /* heaps that may all cache half of what the option says; more if there are more shards */
    FEW = 4,                  /* heaps that may each cache what the option says; from twice as many on half of it */
    EACH_OF_64 = 3,           /* 64ths of what the option says that each has beside its share, however many they are */
    ONLY_FREES_AFTER = 8,     /* full magazines in a row without a refill */
    LOOK_EVERY = 16,          /* calls for magazines that are as large as they may be, until a class is looked at that may be quiet */
    EMPTIES_AFTER = 256,      /* blocks that went back in these, until those of other classes go, too */
    LITTLE = 2 << 10,         /* bytes that another class may hold then */
    CROWDED_BYTES = 12 << 10, /* of a class, at most, while the heap holds more than half of what the option says; */
    CROWDED_BLOCKS = 16,      /* but so many blocks at least */
};

static _Atomic(unsigned) heaps_in_use; /* written under the lock of the lists of heaps, read relaxed as a hint */

void balance_join(struct heap *heap) {
    heap->shares = shard_count() > FULL_SHARES ? shard_count() : FULL_SHARES;
    store_relaxed(&heaps_in_use, load_relaxed(&heaps_in_use) + 1);
}

void balance_leave(struct heap *heap) {
    fetch_sub_relaxed(&magazines_bytes, heap->capacity_bytes);
    store_relaxed(&heaps_in_use, load_relaxed(&heaps_in_use) - 1);
}

unsigned balance_heaps(void) {
    return load_relaxed(&heaps_in_use);
}

void balance_fork_child(const struct heap *own) {
    store_relaxed(&heaps_in_use, own != NULL);
    store_relaxed(&magazines_bytes, own ? own->capacity_bytes : 0);
}

void balance_flush(struct heap *heap, unsigned class_index, unsigned count, const char *call) {
    unsigned staying = held_in(heap, class_index) - count;
    void **leaving = first_of(heap, class_index) + staying;
    set_held(heap, class_index, staying);
    heap->exchanged += count * size_classes[class_index].size;
    unsigned bad = bin_put(class_index, leaving, count);
    for (unsigned i = 0; i < bad; i++) {
        misuse_examine(call, (uintptr_t)leaving[i]);
    }
}

/* FEW heaps together as much as twice as many. */
static size_t most_of_each(size_t option, unsigned heaps) {
    return LIKELY(heaps <= FEW) ? option : heaps < 2 * FEW ? FEW * option / heaps : option / 2;
}

/* What the magazines of this heap may hold together; see balance.h. */
static size_t allowance(const struct heap *heap) {
    size_t option = option_get(OPTION_magazine_bytes);
    unsigned heaps = load_relaxed(&heaps_in_use);
    size_t most = most_of_each(option, heaps);
    size_t all = option / 2 * heap->shares;
    size_t bytes = load_relaxed(&magazines_bytes);
    if (LIKELY(bytes + most <= all)) {
        return most;
    }
    size_t share = (heaps ? all / heaps : all) + option / 64 * EACH_OF_64;
    size_t left = bytes < all ? all - bytes : 0;
    share = share > left ? share : left;
    return share < most ? share : most;
}

/* What magazines hold beyond half of what the option says is for programs that use many sizes, and is worth it if it is shared among
 * these: the more a class holds, the more pages its blocks pin, and the less it gains. */
static unsigned class_limit(const struct heap *heap, unsigned class_index) {
    unsigned limit = size_classes[class_index].cache;
    if (LIKELY(heap->capacity_bytes <= option_get(OPTION_magazine_bytes) / 2)) {
        return limit;
    }
    unsigned crowded = CROWDED_BYTES / size_classes[class_index].size;
    crowded = crowded > CROWDED_BLOCKS ? crowded : CROWDED_BLOCKS;
    return crowded < limit ? crowded : limit;
}

static unsigned next_class(uint8_t *hand) {
    *hand = (uint8_t)(*hand < CLASS_COUNT - 1 ? *hand + 1 : 1);
    return *hand;
}

static void shrink(struct heap *heap, unsigned class_index, unsigned capacity, const char *call) {
    unsigned held = held_in(heap, class_index);
    if (held > capacity) {
        balance_flush(heap, class_index, held - capacity, call);
    }
    (void)magazine_set_capacity(heap, class_index, capacity);
}

/* A class that has been quiet for a round gives its magazine to those that ask for more; when the heap is too large, a busy one gives
 * half, and when it is crowded, what is beyond its limit then. One class is looked at each time a growth is refused, so that no call pays
 * for the whole round; and when nobody asks, since the blocks of a size that a program has done with keep slabs from being free: now and
 * then, and when slabs had to be made. */
static COLD void make_room(struct heap *heap, bool too_large, const char *call) {
    unsigned c = next_class(&heap->room_hand);
    unsigned capacity = capacity_of(heap, c);
    unsigned limit = class_limit(heap, c);
    bool busy = heap->active >> c & 1;
    heap->active &= ~((uint64_t)1 << c);
    if (capacity <= (too_large ? CAPACITY_LEAST : CAPACITY_FIRST)) {
        return;
    }
    if (!busy) {
        shrink(heap, c, 0, call);
    } else if (too_large) {
        unsigned half = capacity / 2 - 1;
        shrink(heap, c, half > CAPACITY_LEAST ? half : CAPACITY_LEAST, call);
    } else if (capacity > limit) {
        shrink(heap, c, limit, call);
    }
}

/* More of them than there ever were when this thread looked. */
static bool slabs_were_made(struct heap *heap) {
    size_t used = load_relaxed(&page_counters.used_bytes);
    if (used <= heap->most_used) {
        return false;
    }
    heap->most_used = used;
    return true;
}

bool balance_grow(struct heap *heap, unsigned class_index, const char *call) {
    unsigned capacity = capacity_of(heap, class_index);
    unsigned limit = class_limit(heap, class_index);
    size_t allowed = allowance(heap);
    bool too_large = heap->capacity_bytes > allowed;
    heap->active |= (uint64_t)1 << class_index;
    if (capacity < limit) {
        unsigned wanted = capacity ? 2 * capacity + 2 : CAPACITY_FIRST;
        wanted = wanted < limit ? wanted : limit;
        if (heap->capacity_bytes + (wanted - capacity) * size_classes[class_index].size <= allowed) {
            return magazine_set_capacity(heap, class_index, wanted);
        }
        if (capacity == 0) {
            return magazine_set_capacity(heap, class_index, wanted < CAPACITY_LEAST ? wanted : CAPACITY_LEAST);
        }
    } else if (!too_large && !slabs_were_made(heap) && ++heap->calls_at_limit % LOOK_EVERY) {
        return false;
    }
    make_room(heap, too_large, call);
    return false;
}

/* Other classes that hold more than a little are emptied, until a magazine's worth of blocks has gone: the next call goes on there. */
static void empty_others(struct heap *heap, const char *call) {
    unsigned from = heap->empty_hand;
    unsigned emptied = 0;
    heap->empty_hand = 0;
    for (uint64_t left = heap->with_magazine >> from; left; left &= left - 1) {
        unsigned c = from + lowest_bit(left);
        unsigned held = held_in(heap, c);
        if (held * size_classes[c].size > LITTLE) {
            balance_flush(heap, c, held, call);
            emptied += held;
            if (emptied >= MAGAZINE_BLOCKS_MAX) {
                heap->empty_hand = (uint8_t)((c + 1) % CLASS_COUNT);
                return;
            }
        }
    }
}

/*
 * The newer half goes back, the older is left for what the thread takes next. A thread that only frees will not take soon, and may rest
 * soon: then nobody can take its blocks from it. So all of the magazine goes back, and what other classes hold, in turn, while that is more
 * than a little. That costs next to no time: most flushes are of more blocks. Of large blocks, of which a magazine holds two or three,
 * eight in a row mean little: a thread that replaces blocks at random comes to that all the time, and would pay for others in its slowest
 * calls.
 */
void balance_overflow(struct heap *heap, unsigned class_index, const char *call) {
    unsigned held = held_in(heap, class_index);
    bool only_frees = ++heap->overflows >= ONLY_FREES_AFTER;
    unsigned going = only_frees ? held : (held + 1) / 2;
    heap->overflowed += going;
    balance_flush(heap, class_index, going, call);
    if (only_frees && heap->overflowed >= EMPTIES_AFTER) {
        empty_others(heap, call);
    }
}
