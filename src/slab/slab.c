/*
 * Purpose: see slab.h.
 * Layer: slab. Owner: the bin's lock.
 */
#include "slab/slab.h"
#include "base/check.h"
#include "pages/counters.h"
#include "platform/platform.h"

_Static_assert(sizeof(struct slab) == UNIT_INFO_BYTES, "a slab header is a chunk's unit_info");
_Static_assert(UNIT_SIZE / FEW_BLOCKS_SIZE <= 64, "few blocks fit in one word");

static const struct size_class *class_of(const struct slab *slab) {
    return &size_classes[slab_class(slab)];
}

char *slab_base(const struct slab *slab) {
    return chunk_unit_base(chunk_of_unit_info(slab), unit_of_unit_info(slab));
}

static bool has_few_blocks(const struct slab *slab) {
    return slab->blocks <= UNIT_SIZE / FEW_BLOCKS_SIZE;
}

void slab_check(const struct slab *slab) {
    if (!debug_checks) {
        return;
    }
    unsigned set = 0;
    for (unsigned w = 0; w < UNIT_WORDS; w++) {
        set += (unsigned)__builtin_popcountll(load_relaxed(&slab->out[w]));
    }
    unsigned out = 0;
    unsigned granules = class_of(slab)->size / BLOCK_ALIGN;
    for (unsigned i = 0; i < slab->blocks; i++) {
        unsigned at = i * granules;
        bool is_out = load_relaxed(&slab->out[at / 64]) >> at % 64 & 1;
        out += is_out;
        CHECK(!is_out || at + granules <= slab->fresh);
        CHECK(!has_few_blocks(slab) || (slab->few_free >> i & 1) != is_out);
        CHECK(has_few_blocks(slab) || is_out || at / 64 >= slab->hint);
    }
    CHECK(set == out && slab->free == slab->blocks - out);
}

struct slab *slab_create(unsigned class_index, unsigned shard) {
    const struct size_class *class = &size_classes[class_index];
    struct slab *slab = chunk_take_unit(class_index);
    if (slab == NULL) {
        return NULL;
    }
    uintptr_t base = (uintptr_t)slab_base(slab);
    slab->out = page_map_region(base) + region_index(base, WORD_SHIFT);
    slab->blocks = class->blocks;
    slab->free = class->blocks;
    slab->few_free = ~(uint64_t)0 >> (class->blocks < 64 ? 64 - class->blocks : 0);
    slab->fresh = 0;
    slab->free_when_purged = 0;
    slab->hint = 0;
    slab->fullness = 0;
    store_relaxed(&slab->owner, (uint16_t)slab_owner(shard, class_index));
    slab_check(slab);
    return slab;
}

void slab_destroy(struct slab *slab) {
    slab_check(slab);
    ASSERT(slab->free == slab->blocks && !list_contains(&slab->node));
    /* In whole pages, because only those can be purged. */
    unsigned touched = (unsigned)(align_up((size_t)slab->fresh << GRANULE_SHIFT, platform_page_size()) >> SLICE_SHIFT);
    slab->out = NULL;
    slab->few_free = 0;
    slab->fresh = 0;
    slab->free = 0;
    slab->blocks = 0;
    store_relaxed(&slab->owner, (uint16_t)slab_owner(slab_shard(slab), 0));
    chunk_give_unit(slab, touched);
}

static void note_fresh(struct slab *slab, unsigned end) {
    if (end > slab->fresh) {
        slab->fresh = (uint16_t)end;
    }
}

/* At most 64 blocks: the lowest free one is the lowest bit. */
static void claim_few(struct slab *slab, void **end, unsigned count) {
    char *base = slab_base(slab);
    unsigned size = class_of(slab)->size;
    uint64_t free = slab->few_free;
    unsigned offset = 0;
    for (; count; count--) {
        offset = lowest_bit(free) * size;
        free &= free - 1;
        *--end = base + offset;
        bitmap_word *word = &slab->out[offset >> WORD_SHIFT];
        store_relaxed(word, load_relaxed(word) | (uint64_t)1 << (offset >> GRANULE_SHIFT) % 64);
    }
    slab->few_free = free;
    note_fresh(slab, (offset + size) >> GRANULE_SHIFT);
}

/*
 * Word by word: the class's pattern, moved to where the word's first block begins, has a bit wherever a block begins; those that are clear
 * in `out` are free. What would begin in the unit's tail is never reached, since lower blocks are taken first and there are `count` of
 * them.
 */
static void claim_many(struct slab *slab, void **end, unsigned count) {
    char *base = slab_base(slab);
    unsigned class_index = slab_class(slab);
    unsigned size = size_classes[class_index].size;
    unsigned granules = size >> GRANULE_SHIFT;
    unsigned step = size_classes[class_index].step;
    uint64_t pattern = class_pattern[class_index];
    unsigned w = slab->hint;
    unsigned offset = w << WORD_SHIFT;
    unsigned first = (block_index((uint64_t)(offset + size - 1) * class_reciprocal[class_index]) * size - offset) >> GRANULE_SHIFT;
    void *const *stop = end - count;
    size_t last = 0;
    for (;;) {
        uint64_t word = load_relaxed(&slab->out[w]);
        uint64_t free = pattern << first & ~word;
        uint64_t left = free;
        char *word_base = base + ((size_t)w << WORD_SHIFT);
        FORGET(word_base); /* or its two parts would be added for each block */
        while (left && end != stop) {
            last = lowest_bit(left);
            left &= left - 1;
            *--end = word_base + (last << GRANULE_SHIFT);
        }
        store_relaxed(&slab->out[w], word | (free & ~left));
        if (end == stop) {
            break;
        }
        w++;
        first = first < step ? first + granules - step : first - step;
    }
    slab->hint = (uint8_t)w;
    note_fresh(slab, 64 * w + (unsigned)last + granules);
}

unsigned slab_claim(struct slab *slab, void **end, unsigned want) {
    slab_check(slab);
    unsigned claimed = want < slab->free ? want : slab->free;
    if (claimed == 0) {
        return 0;
    }
    if (has_few_blocks(slab)) {
        claim_few(slab, end, claimed);
    } else {
        claim_many(slab, end, claimed);
    }
    slab->free = (uint16_t)(slab->free - claimed);
    slab->free_when_purged = 0;
    slab_check(slab);
    return claimed;
}

/* The bits of the blocks at the start of the array that lie in one word are gathered before it is written: neighbours are often freed
 * together. Returns the first block of another word; *bad_end moves on with every block whose bit is clear already. */
ALWAYS_INLINE void **put_in_word(bitmap_word *word_of_out, void **next, void *const *end, void ***bad_end) {
    uintptr_t granule = (uintptr_t)*next >> GRANULE_SHIFT;
    uintptr_t first = granule;
    uint64_t word = load_relaxed(word_of_out);
    do {
        if (UNLIKELY(!take_bit(&word, granule))) {
            *(*bad_end)++ = (void *)(granule << GRANULE_SHIFT);
        }
        if (++next == end) {
            break;
        }
        granule = (uintptr_t)*next >> GRANULE_SHIFT;
    } while ((granule ^ first) < 64);
    store_relaxed(word_of_out, word);
    return next;
}

static void note_few_free(struct slab *slab) {
    unsigned granules = class_of(slab)->size >> GRANULE_SHIFT;
    uint64_t free = 0;
    for (unsigned i = 0; i < slab->blocks; i++) {
        unsigned at = i * granules;
        free |= (~load_relaxed(&slab->out[at / 64]) >> at % 64 & 1) << i;
    }
    slab->few_free = free;
}

unsigned slab_put(struct slab *slab, void **blocks, unsigned count, void **bad, unsigned *bad_count) {
    void **next = blocks;
    void *const *end = blocks + count;
    void **bad_end = bad + *bad_count;
    uintptr_t unit = (uintptr_t)*next >> UNIT_SHIFT;
    unsigned lowest = slab->hint;
    do {
        unsigned w = (unsigned)((uintptr_t)*next >> WORD_SHIFT) % UNIT_WORDS;
        lowest = w < lowest ? w : lowest;
        next = put_in_word(&slab->out[w], next, end, &bad_end);
    } while (next != end && (uintptr_t)*next >> UNIT_SHIFT == unit);
    unsigned done = (unsigned)(next - blocks);
    unsigned bad_now = (unsigned)(bad_end - bad);
    slab->hint = (uint8_t)lowest;
    slab->free = (uint16_t)(slab->free + done - (bad_now - *bad_count));
    *bad_count = bad_now;
    if (has_few_blocks(slab)) {
        note_few_free(slab);
    }
    return done;
}

/* A bit for each page on which a block lies that is out, the lowest for the first page. */
static uint32_t pages_in_use(const struct slab *slab, unsigned page_shift) {
    uint32_t used = 0;
    for (unsigned w = 0; w < UNIT_WORDS; w++) {
        uint64_t out = load_relaxed(&slab->out[w]);
        if (out) { /* all blocks that begin in a word begin in one page, so no page between the first and the last is free */
            size_t start = (size_t)w << WORD_SHIFT;
            size_t end = start + ((size_t)highest_bit(out) << GRANULE_SHIFT) + class_of(slab)->size;
            for (size_t page = start >> page_shift; page << page_shift < end; page++) {
                used |= (uint32_t)1 << page;
            }
        }
    }
    return used;
}

static size_t purge_pages(struct slab *slab, size_t offset, size_t bytes) {
    struct chunk *chunk = chunk_of_unit_info(slab);
    if (chunk_stop_huge(chunk)) { /* or the kernel would fill the holes again */
        platform_huge_pages(chunk->base, CHUNK_SIZE, false);
    }
    if (!platform_purge(slab_base(slab) + offset, bytes)) {
        return 0;
    }
    fetch_add_relaxed(&page_counters.purged_bytes, bytes);
    fetch_add_relaxed(&page_counters.purge_calls, 1);
    return bytes;
}

size_t slab_purge(struct slab *slab) {
    if (slab->free_when_purged == slab->free) {
        return 0;
    }
    slab->free_when_purged = slab->free;
    unsigned page_shift = lowest_bit(platform_page_size());
    unsigned touched = (unsigned)(align_up((size_t)slab->fresh << GRANULE_SHIFT, platform_page_size()) >> page_shift);
    uint32_t used = pages_in_use(slab, page_shift);
    size_t purged = 0;
    for (unsigned page = 0, end; page < touched; page = end + 1) {
        for (end = page; end < touched && !(used >> end & 1);) {
            end++;
        }
        if (end != page) {
            purged += purge_pages(slab, (size_t)page << page_shift, (size_t)(end - page) << page_shift);
        }
    }
    return purged;
}
