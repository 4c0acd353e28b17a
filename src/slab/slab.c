/*
 * Purpose: see slab.h.
 * Layer: slab. Owner: the bin's lock.
 */
#include "slab/slab.h"
#include "base/check.h"
#include "pages/meta.h"
#include "platform/platform.h"

_Static_assert(sizeof(struct slab) == UNIT_INFO_BYTES, "a slab header is a chunk's unit_info");

static const struct size_class *class_of(const struct slab *slab) {
    return &size_classes[slab_class(slab)];
}

char *slab_base(const struct slab *slab) {
    return chunk_unit_base(chunk_of_unit_info(slab), unit_of_unit_info(slab));
}

void slab_check(const struct slab *slab) {
    if (!debug_checks) {
        return;
    }
    unsigned free = 0;
    for (unsigned w = 0; w < class_of(slab)->words; w++) {
        free += (unsigned)__builtin_popcountll(load_relaxed(&slab->words[w]));
        CHECK(w >= slab->hint || load_relaxed(&slab->words[w]) == 0);
    }
    unsigned spare = slab->blocks % 64 ? 1 : 0;
    CHECK(free == slab->free + spare && slab->free <= slab->blocks);
    for (unsigned i = slab->fresh; i < slab->blocks; i++) {
        CHECK(slab_is_free(slab, i));
    }
}

struct slab *slab_create(unsigned class_index, unsigned shard) {
    const struct size_class *class = &size_classes[class_index];
    bitmap_word *words = NULL;
    size_t bitmap = class->words * sizeof *words;
    if (bitmap > sizeof((struct slab *)NULL)->inline_words) {
        words = meta_small(bitmap);
        if (words == NULL) {
            return NULL;
        }
    }
    struct slab *slab = chunk_take_unit(class_index);
    if (slab == NULL) {
        if (words) {
            meta_small_free(words, bitmap);
        }
        return NULL;
    }
    slab->words = words ? words : slab->inline_words;
    unsigned whole = class->blocks / 64;
    for (unsigned w = 0; w < whole; w++) {
        store_relaxed(&slab->words[w], ~(uint64_t)0);
    }
    if (class->blocks % 64) {
        /* The bit after the last block is set for good: whoever frees an address in the unit's tail meets a block that is free already. No
         * claim reaches it, since lower bits are taken first and only as many as there are blocks. */
        store_relaxed(&slab->words[whole], ((uint64_t)2 << (class->blocks % 64)) - 1);
    }
    slab->blocks = class->blocks;
    slab->free = class->blocks;
    slab->fresh = 0;
    slab->hint = 0;
    slab->fullness = 0;
    store_relaxed(&slab->owner, (uint16_t)slab_owner(shard, class_index));
    slab_check(slab);
    return slab;
}

void slab_destroy(struct slab *slab) {
    slab_check(slab);
    ASSERT(slab->free == slab->blocks && !list_contains(&slab->node));
    const struct size_class *class = class_of(slab);
    /* In whole pages, because only those can be purged. */
    unsigned touched = (unsigned)(align_up((size_t)slab->fresh * class->size, platform_page_size()) >> SLICE_SHIFT);
    if (slab->words != slab->inline_words) {
        meta_small_free(slab->words, class->words * sizeof *slab->words);
    }
    slab->words = NULL;
    store_relaxed(&slab->inline_words[0], 0);
    store_relaxed(&slab->inline_words[1], 0);
    store_relaxed(&slab->inline_words[2], 0);
    slab->free = 0;
    slab->blocks = 0;
    store_relaxed(&slab->owner, (uint16_t)slab_owner(slab_shard(slab), 0));
    chunk_give_unit(slab, touched);
}

unsigned slab_claim(struct slab *slab, void **end, unsigned want) {
    slab_check(slab);
    char *base = slab_base(slab);
    size_t size = class_of(slab)->size;
    unsigned claimed = want < slab->free ? want : slab->free;
    unsigned left = claimed;
    unsigned w = slab->hint;
    unsigned index = 0;
    while (left) {
        uint64_t word = load_relaxed(&slab->words[w]);
        char *first = base + (size_t)w * 64 * size;
        while (word && left) {
            index = lowest_bit(word);
            *--end = first + index * size;
            word &= word - 1;
            left--;
        }
        store_relaxed(&slab->words[w], word);
        index += w * 64;
        w += word == 0;
    }
    slab->hint = (uint8_t)w;
    slab->free = (uint16_t)(slab->free - claimed);
    if (claimed && index >= slab->fresh) {
        slab->fresh = (uint16_t)(index + 1);
    }
    slab_check(slab);
    return claimed;
}
