/*
 * Purpose: see slab.h.
 * Layer: slab. Owner: the bin's lock.
 */
#include "slab/slab.h"
#include "base/check.h"
#include "pages/counters.h"
#include "pages/purge.h"
#include "platform/platform.h"
#include "slab/row.h"

_Static_assert(sizeof(struct slab) == UNIT_INFO_BYTES, "a slab header is a chunk's unit_info");
_Static_assert(UNIT_SIZE / FEW_BLOCKS_SIZE <= 64, "few blocks fit in one word");

/* Slices of a slab that must be free for their pages to go: many at first, fewer when the slab was found at rest as often as this. */
enum { WORTH_IT = 6, WORTH_IT_LATER = 2, LATER = 4 };

/* So many blocks that lie one after the other are taken or put back as a row; and after so many that do not, a row may follow. */
enum { ROW_LEAST = 4, LOOK_AFTER = 16 };

static const struct size_class *class_of(const struct slab *slab) {
    return &size_classes[slab_class(slab)];
}

char *slab_base(const struct slab *slab) {
    return chunk_unit_base(chunk_of_unit_info(slab), unit_of_unit_info(slab));
}

static bool has_few_blocks(const struct slab *slab) {
    return slab->blocks <= UNIT_SIZE / FEW_BLOCKS_SIZE;
}

/* At most 64 blocks, mostly few of them out. */
static unsigned slices_of_few(const struct slab *slab) {
    unsigned used = 0;
    unsigned size = class_of(slab)->size;
    unsigned first = class_places[slab_class(slab)].start;
    for (uint64_t out = ~slab->few_free & (~(uint64_t)0 >> (64 - slab->blocks)); out; out &= out - 1) {
        unsigned start = first + lowest_bit(out) * size;
        used |= (2u << ((start + size - 1) >> SLICE_SHIFT)) - (1u << (start >> SLICE_SHIFT));
    }
    return used;
}

/* Blocks are shorter than what a word stands for: of each slice, only those in the last word may reach into the next slice. No branches,
 * since what is out is a matter of chance. */
static unsigned slices_of_many(const struct slab *slab) {
    enum { WORDS = UNIT_WORDS / UNIT_SLICES };
    unsigned used = 0;
    unsigned granules = class_of(slab)->size >> GRANULE_SHIFT;
    for (unsigned slice = 0; slice < UNIT_SLICES; slice++) {
        uint64_t any = 0;
        uint64_t word = 0;
        for (unsigned w = 0; w < WORDS; w++) {
            word = load_relaxed(&slab->out[slice * WORDS + w]);
            any |= word;
        }
        unsigned reaches_over = (word >> 1 >> (64 - granules)) != 0; /* its last granules - 1 bits */
        used |= (unsigned)(any != 0) << slice | reaches_over << (slice + 1);
    }
    return used;
}

/* A bit for each slice on which a block lies that is out. */
static unsigned slices_in_use(const struct slab *slab) {
    return has_few_blocks(slab) ? slices_of_few(slab) : slices_of_many(slab);
}

static bool is_marked(const struct slab *slab) {
    return size_class_is_marked(slab_class(slab));
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
        unsigned at = (class_places[slab_class(slab)].start >> GRANULE_SHIFT) + i * granules;
        bool bit = load_relaxed(&slab->out[at / 64]) >> at % 64 & 1;
        bool is_out = is_marked(slab) ? !(slab->few_free >> i & 1) : bit;
        CHECK(!bit || is_out);
        out += is_out;
        CHECK(!is_out || at + granules <= slab->fresh);
        CHECK(!has_few_blocks(slab) || (slab->few_free >> i & 1) != is_out);
        CHECK(has_few_blocks(slab) || is_out || slab->words_free >> at / 64 & 1);
    }
    CHECK((is_marked(slab) || set == out) && slab->free == slab->blocks - out);
    CHECK((slices_in_use(slab) & slab->clean) == 0);
}

struct slab *slab_create(unsigned class_index, unsigned shard) {
    const struct size_class *class = &size_classes[class_index];
    struct slab *slab = chunk_take_unit(class_index);
    if (slab == NULL) {
        return NULL;
    }
    uintptr_t base = (uintptr_t)slab_base(slab);
    slab->out = page_map_region(base) + region_index(base, WORD_SHIFT);
    store_relaxed(slab->out, 0); /* as it is; but a page that is written to first faults once, one that is read first twice */
    slab->blocks = class->blocks;
    slab->free = class->blocks;
    slab->few_free = ~(uint64_t)0 >> (class->blocks < 64 ? 64 - class->blocks : 0);
    slab->fresh = 0;
    slab->clean = 0;
    slab->seen = 0;
    slab->purged = 0;
    slab->rested = 0;
    slab->kept = 0;
    slab->words_free = ~(uint64_t)0;
    slab->fullness = 0;
    store_relaxed(&slab->owner, (uint16_t)slab_owner(shard, class_index));
    slab_check(slab);
    return slab;
}

/* All slices of each OS page that has one of these. */
static unsigned whole_pages(unsigned slices) {
    unsigned page = 1u << (platform_page_size() >> SLICE_SHIFT);
    unsigned whole = 0;
    for (unsigned mask = page - 1; mask < 1u << UNIT_SLICES; mask *= page) {
        whole |= slices & mask ? mask : 0;
    }
    return whole;
}

static size_t bytes_of(unsigned slices) {
    return (size_t)__builtin_popcount(slices) << SLICE_SHIFT;
}

/* These slices, which were clean, are so no longer: they are in use, or the chunk knows them from now on. */
static void forget_clean(struct slab *slab, unsigned slices) {
    slab->clean = (uint16_t)(slab->clean & ~slices);
    fetch_sub_relaxed(&page_counters.slab_clean_bytes, bytes_of(slices));
}

/* Blocks were claimed from a slab with clean slices. */
static COLD void note_claimed(struct slab *slab) {
    unsigned taken = slab->clean & whole_pages(slices_in_use(slab));
    fetch_add_relaxed(&page_counters.clean_taken_bytes, bytes_of(taken));
    purge_note_slab_took(bytes_of(taken));
    forget_clean(slab, taken);
}

/* Those of these slices that could go back. */
static unsigned purgeable(const struct slab *slab, unsigned slices) {
    return slices & ~(whole_pages(slices_in_use(slab)) | slab->clean);
}

/* What may have been written to since the unit is this slab's. */
static unsigned touched_slices(const struct slab *slab) {
    return (1u << (align_up((size_t)slab->fresh << GRANULE_SHIFT, platform_page_size()) >> SLICE_SHIFT)) - 1;
}

/* What may be backed unless it is clean: touched by this slab, or by those that had the unit before, who can have left more than it has
 * come to. */
static unsigned backed_slices(const struct slab *slab) {
    enum { ALL = (1u << UNIT_SLICES) - 1 };
    unsigned touched = touched_slices(slab);
    return touched == ALL ? ALL : touched | chunk_soiled_slices(slab);
}

unsigned slab_backed_slices(const struct slab *slab) {
    return (unsigned)__builtin_popcount(backed_slices(slab) & ~(unsigned)slab->clean);
}

static size_t purge_slices(struct slab *slab, unsigned slices) {
    unsigned purged = 0;
    while (slices) {
        unsigned start = lowest_bit(slices);
        unsigned count = lowest_bit(~(slices >> start));
        unsigned run = ((1u << count) - 1) << start;
        char *pages = slab_base(slab) + ((size_t)start << SLICE_SHIFT);
        chunk_part_goes(chunk_of_unit_info(slab), pages, count);
        if (platform_purge(pages, (size_t)count << SLICE_SHIFT)) {
            purged |= run;
            fetch_add_relaxed(&page_counters.purge_calls, 1);
        }
        slices &= ~run;
    }
    slab->clean = (uint16_t)(slab->clean | purged);
    fetch_add_relaxed(&page_counters.slab_clean_bytes, bytes_of(purged));
    fetch_add_relaxed(&page_counters.purged_bytes, bytes_of(purged));
    purge_note_slab_gave(bytes_of(purged));
    slab_check(slab);
    return bytes_of(purged);
}

size_t slab_purge(struct slab *slab) {
    return purge_slices(slab, purgeable(slab, backed_slices(slab)));
}

size_t slab_purge_at_rest(struct slab *slab) {
    unsigned out = (unsigned)slab->blocks - slab->free;
    bool draining = slab->seen == 0 || out < slab->seen / 2u;
    slab->seen = (uint16_t)out;
    if (draining) {
        slab->rested = 0;
        return 0;
    }
    if (slab->rested < LATER && ++slab->rested == LATER) {
        slab->purged = 0; /* once more: less is worth it now */
    }
    if (slab->purged && out > slab->purged - slab->purged / 8u) {
        return 0;
    }
    slab->purged = (uint16_t)out;
    unsigned slices = purgeable(slab, backed_slices(slab));
    int worth_it = slab->rested == LATER ? WORTH_IT_LATER : WORTH_IT;
    return __builtin_popcount(slices) < worth_it ? 0 : purge_slices(slab, slices);
}

void slab_destroy(struct slab *slab) {
    slab_check(slab);
    ASSERT(slab->free == slab->blocks && !list_contains(&slab->node));
    /* In whole pages, because only those can be purged. */
    unsigned touched = (unsigned)(align_up((size_t)slab->fresh << GRANULE_SHIFT, platform_page_size()) >> SLICE_SHIFT);
    unsigned clean = slab->clean;
    forget_clean(slab, clean);
    slab->out = NULL;
    slab->few_free = 0;
    slab->fresh = 0;
    slab->free = 0;
    slab->blocks = 0;
    store_relaxed(&slab->owner, (uint16_t)slab_owner(slab_shard(slab), 0));
    chunk_give_unit(slab, touched, clean);
}

/* Hardened build: what is handed out for the first time will be read, to see that it is clear, before it is written to, which makes two
 * page faults of one unless it is written to here. No block has been handed out that reaches beyond `from`. */
static void touch_fresh(const struct slab *slab, unsigned from, unsigned end) {
    size_t page = platform_page_size();
    char *base = slab_base(slab);
    for (size_t offset = align_up((size_t)from << GRANULE_SHIFT, page); offset < (size_t)end << GRANULE_SHIFT; offset += page) {
        *(volatile char *)(base + offset) = 0;
    }
}

static void note_fresh(struct slab *slab, unsigned end) {
    if (end > slab->fresh) {
        if (HARDENED_BY(HARDENED_CLEAR)) {
            touch_fresh(slab, slab->fresh, end);
        }
        slab->fresh = (uint16_t)end;
    }
}

/* At most 64 blocks: the lowest free one is the lowest bit, from the class's first on and then from the others. */
static void claim_few(struct slab *slab, void **end, unsigned count) {
    char *base = slab_base(slab);
    unsigned size = class_of(slab)->size;
    struct class_place place = class_places[slab_class(slab)];
    uint64_t others = ((uint64_t)1 << place.first) - 1;
    uint64_t free = slab->few_free;
    bool marked = is_marked(slab);
    unsigned fresh = 0;
    for (; count; count--) {
        uint64_t next = free & ~others ? free & ~others : free;
        unsigned index = lowest_bit(next);
        unsigned offset = place.start + index * size;
        free &= ~((uint64_t)1 << index);
        fresh = offset > fresh ? offset : fresh;
        *--end = base + offset;
        if (!marked) { /* else it is set when the block goes to the program */
            bitmap_word *word = &slab->out[offset >> WORD_SHIFT];
            store_relaxed(word, load_relaxed(word) | (uint64_t)1 << (offset >> GRANULE_SHIFT) % 64);
        }
    }
    slab->few_free = free;
    note_fresh(slab, (fresh + size) >> GRANULE_SHIFT);
}

/* What a claim has come to. */
struct claiming {
    bitmap_word *out;
    struct begins begins; /* in word w */
    unsigned w;
};

/*
 * Takes blocks that lie one after the other, at most so many: from bit `start` of the word on, where `free` are all that begin there, and
 * through words with nothing out. Returns the granule at which the last of them ends. What has been come to is the word to be looked at
 * next, or the last one if all were taken.
 */
ALWAYS_INLINE unsigned claim_row(struct claiming *at, unsigned start, uint64_t free, unsigned count) {
    unsigned end = 64 * at->w + start + count * at->begins.granules;
    uint64_t word = load_relaxed(&at->out[at->w]);
    while (end > 64 * (at->w + 1)) {
        store_relaxed(&at->out[at->w], word | free);
        at->w++;
        begins_in_next(&at->begins);
        word = load_relaxed(&at->out[at->w]);
        free = begins_here(&at->begins);
        if (word) {
            unsigned reached = 64 * at->w + at->begins.first;
            return reached < end ? reached : end;
        }
    }
    store_relaxed(&at->out[at->w], word | (free & ~(uint64_t)0 >> (64 * (at->w + 1) - end)));
    return end;
}

/*
 * Words without a free block are passed over by their bit in words_free: in the fullest slabs, which come first, they are most. What would
 * begin in the unit's tail is never reached, since lower blocks are taken first and there are `count` of them.
 */
static void claim_many(struct slab *slab, void **end, unsigned count) {
    char *base = slab_base(slab);
    unsigned class_index = slab_class(slab);
    size_t size = size_classes[class_index].size;
    void *const *stop = end - count;
    uint64_t words = slab->words_free;
    struct claiming at = {.out = slab->out};
    unsigned fresh;
    for (;;) {
        at.w = lowest_bit(words);
        at.begins = begins_in_word(class_index, at.w);
        uint64_t word = load_relaxed(&at.out[at.w]);
        uint64_t begins = begins_here(&at.begins);
        uint64_t free = begins & ~word;
        if (free) {
            unsigned start = lowest_bit(free);
            bool all = free == begins >> start << start;
            if (all && (word == 0 || start + (ROW_LEAST - 1) * at.begins.granules < 64)) {
                char *block = base + (((size_t)at.w << WORD_SHIFT) + ((size_t)start << GRANULE_SHIFT));
                fresh = claim_row(&at, start, free, (unsigned)(end - stop));
                words &= ~(uint64_t)0 << at.w;
                end = row_emit(end, block, base + ((size_t)fresh << GRANULE_SHIFT), size);
                if (end == stop) {
                    if (!(begins_here(&at.begins) & ~load_relaxed(&at.out[at.w]))) {
                        words &= ~((uint64_t)1 << at.w);
                    }
                    break;
                }
                continue;
            }
            char *word_base = base + ((size_t)at.w << WORD_SHIFT);
            FORGET(word_base); /* or its two parts would be added for each block */
            uint64_t left = free;
            size_t last;
            do {
                last = lowest_bit(left);
                left &= left - 1;
                *--end = word_base + (last << GRANULE_SHIFT);
            } while (left && end != stop);
            store_relaxed(&at.out[at.w], word | (free & ~left));
            words = left ? words : words & (words - 1);
            if (end == stop) {
                fresh = 64 * at.w + (unsigned)last + at.begins.granules;
                break;
            }
        } else {
            words &= words - 1;
        }
    }
    slab->words_free = words;
    note_fresh(slab, fresh);
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
    slab->seen = 0;
    slab->purged = 0;
    if (UNLIKELY(slab->clean)) {
        note_claimed(slab);
    }
    slab_check(slab);
    return claimed;
}

/* All blocks from `low` to `high`: *bad_end moves on with every block whose bit is clear already. */
ALWAYS_INLINE void put_from_to(struct slab *slab, unsigned class_index, uintptr_t low, uintptr_t high, void ***bad_end) {
    unsigned w = (unsigned)(low >> WORD_SHIFT) % UNIT_WORDS;
    unsigned last = (unsigned)(high >> WORD_SHIFT) % UNIT_WORDS;
    slab->words_free |= ~(uint64_t)0 << w & ~(uint64_t)0 >> (63 - last);
    bitmap_word *out = slab->out;
    struct begins begins = begins_in_word(class_index, w);
    uint64_t row = begins_here(&begins) & ~(uint64_t)0 << (low >> GRANULE_SHIFT) % 64;
    for (;; w++) {
        if (w == last) {
            row &= ~(uint64_t)0 >> (63 - (high >> GRANULE_SHIFT) % 64);
        }
        uint64_t word = load_relaxed(&out[w]);
        for (uint64_t missing = row & ~word; UNLIKELY(missing != 0); missing &= missing - 1) {
            *(*bad_end)++ =
                (void *)(align_down(low, UNIT_SIZE) + ((size_t)w << WORD_SHIFT) + ((size_t)lowest_bit(missing) << GRANULE_SHIFT));
        }
        store_relaxed(&out[w], word & ~row);
        if (w == last) {
            return;
        }
        begins_in_next(&begins);
        row = begins_here(&begins);
    }
}

/* The blocks at the start of the array that lie in a row. Returns where others begin: `next` itself when there is no row. */
static NOINLINE void **put_row(struct slab *slab, void **next, void *const *end, void ***bad_end) {
    unsigned class_index = slab_class(slab);
    size_t size = size_classes[class_index].size;
    bool up = (uintptr_t)next[1] > (uintptr_t)next[0];
    void **row_end = row_end_in(next, end, up ? size : -size);
    if (row_end - next < ROW_LEAST) {
        return next;
    }
    while (UNLIKELY(((uintptr_t)row_end[-1] ^ (uintptr_t)next[0]) >> UNIT_SHIFT)) {
        row_end--; /* the first of another slab */
    }
    uintptr_t low = (uintptr_t)(up ? next[0] : row_end[-1]);
    uintptr_t high = (uintptr_t)(up ? row_end[-1] : next[0]);
    uint64_t scaled = block_scaled(low, class_index);
    if (UNLIKELY(!block_begins(scaled, class_index)) || UNLIKELY(block_index(scaled) >= slab->blocks)) { /* nor before the first one */
        return next;
    }
    put_from_to(slab, class_index, low, high, bad_end);
    return row_end;
}

/* Not so if the first two blocks do not follow each other, upwards or downwards, or the two behind them do not do it likewise. */
ALWAYS_INLINE bool may_be_row(void *const *next, void *const *end, size_t size) {
    if (end - next < ROW_LEAST) {
        return false;
    }
    size_t by = (uintptr_t)next[1] - (uintptr_t)next[0];
    return (by == size || by == -size) && (uintptr_t)next[ROW_LEAST - 1] - (uintptr_t)next[ROW_LEAST - 2] == by;
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

/* A bit that says otherwise than few_free: another copy of a marked block is in a program's hands. */
bool slab_put_few(struct slab *slab, uintptr_t address) {
    unsigned class_index = slab_class(slab);
    uint64_t scaled = block_scaled(address, class_index);
    unsigned index = block_index(scaled);
    if (UNLIKELY(!block_begins(scaled, class_index)) || UNLIKELY(index >= slab->blocks) || UNLIKELY(slab->few_free >> index & 1)) {
        return false;
    }
    bitmap_word *word = &slab->out[(address >> WORD_SHIFT) % UNIT_WORDS];
    bool marked = size_class_is_marked(class_index);
    if (UNLIKELY((load_relaxed(word) != 0) == marked)) {
        return false;
    }
    if (!marked) {
        store_relaxed(word, 0);
    }
    slab->few_free |= (uint64_t)1 << index;
    slab->free++;
    return true;
}

static unsigned put_few(struct slab *slab, void **blocks, unsigned count, void **bad, unsigned *bad_count) {
    uintptr_t unit = (uintptr_t)*blocks >> UNIT_SHIFT;
    unsigned done = 0;
    for (; done < count && (uintptr_t)blocks[done] >> UNIT_SHIFT == unit; done++) {
        if (UNLIKELY(!slab_put_few(slab, (uintptr_t)blocks[done]))) {
            bad[(*bad_count)++] = blocks[done];
        }
    }
    return done;
}

unsigned slab_put(struct slab *slab, void **blocks, unsigned count, void **bad, unsigned *bad_count) {
    if (has_few_blocks(slab)) {
        return put_few(slab, blocks, count, bad, bad_count);
    }
    void **next = blocks;
    void *const *end = blocks + count;
    void **bad_end = bad + *bad_count;
    uintptr_t unit = (uintptr_t)*next >> UNIT_SHIFT;
    uintptr_t look = (uintptr_t)next;
    size_t size = class_of(slab)->size;
    uint64_t words = 0;
    do {
        if ((uintptr_t)next >= look) {
            look = (uintptr_t)next + LOOK_AFTER * sizeof *next;
            if (may_be_row(next, end, size)) {
                void **others = put_row(slab, next, end, &bad_end);
                if (LIKELY(others != next)) {
                    next = others;
                    look = (uintptr_t)next;
                    continue;
                }
            }
        }
        unsigned w = (unsigned)((uintptr_t)*next >> WORD_SHIFT) % UNIT_WORDS;
        words |= (uint64_t)1 << w;
        next = put_in_word(&slab->out[w], next, end, &bad_end);
    } while (next != end && (uintptr_t)*next >> UNIT_SHIFT == unit);
    unsigned done = (unsigned)(next - blocks);
    unsigned bad_now = (unsigned)(bad_end - bad);
    slab->words_free |= words; /* rows have told theirs themselves */
    slab->free = (uint16_t)(slab->free + done - (bad_now - *bad_count));
    *bad_count = bad_now;
    return done;
}
