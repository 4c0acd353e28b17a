/*
 * Purpose: see misuse.h.
 * Layer: heap. State: the handler, written once at start.
 */
#include "heap/misuse.h"
#include "base/check.h"
#include "heap/guarded.h"
#include "heap/quarantine.h"
#include "pages/chunk.h"
#include "pages/direct.h"
#include "pages/page_map.h"
#include "slab/slab.h"

static misuse_handler handler;

void misuse_set_handler(misuse_handler new_handler) {
    handler = new_handler;
}

void misuse_found(const struct misuse *misuse) {
    CHECK(handler != NULL && "misuse of the heap before start");
    handler(misuse);
}

/* The large block that contains the slice, as a start slice; RUN_NONE when none does. */
static unsigned span_containing(struct chunk *chunk, unsigned slice) {
    for (unsigned start = slice + 1; start-- > 0;) {
        unsigned length = __atomic_load_n(&chunk->span[start], __ATOMIC_RELAXED);
        if (length) {
            return start + length > slice ? start : RUN_NONE;
        }
    }
    return RUN_NONE;
}

static void examine_guarded(struct misuse *misuse) {
    bool locked;
    const struct guarded_slot *slot = guarded_look(misuse->address, &locked);
    if (slot) {
        misuse->block = slot->block;
        misuse->block_size = slot->size;
        misuse->kind = slot->block == misuse->address ? MISUSE_DOUBLE_FREE : MISUSE_INTERIOR;
        if (misuse->address < slot->block || misuse->address - slot->block >= slot->size) {
            misuse->kind = MISUSE_FOREIGN;
        }
    }
    guarded_end_look(locked);
}

static void examine(struct misuse misuse) {
    uintptr_t address = misuse.address;
    if (guarded_holds(address)) {
        examine_guarded(&misuse);
        misuse_found(&misuse);
        return;
    }
    if (HARDENED_BY(HARDENED_QUARANTINE) && quarantine_size(address)) {
        misuse.kind = MISUSE_DOUBLE_FREE;
        misuse_found(&misuse);
        return;
    }
    struct chunk *chunk = page_map_chunk(address);
    unsigned class_index = chunk ? page_map_class(address) : 0;
    if (class_index) {
        uint64_t scaled = block_scaled(address, class_index);
        misuse.block_size = size_class_usable(class_index);
        misuse.block = align_down(address, UNIT_SIZE) + block_index(scaled) * (uintptr_t)size_classes[class_index].size;
        bool tail = block_index(scaled) >= size_classes[class_index].blocks;
        misuse.kind = tail ? MISUSE_FOREIGN : block_begins(scaled, class_index) ? MISUSE_DOUBLE_FREE : MISUSE_INTERIOR;
    } else if (chunk) {
        unsigned slice = (unsigned)((address & (CHUNK_SIZE - 1)) >> SLICE_SHIFT);
        unsigned start = span_containing(chunk, slice);
        if (start == RUN_NONE) {
            misuse.kind = MISUSE_DOUBLE_FREE;
        } else {
            misuse.kind = MISUSE_INTERIOR;
            misuse.block = (uintptr_t)chunk->base + ((size_t)start << SLICE_SHIFT);
            misuse.block_size = (size_t)chunk_run_length(chunk, misuse.block) << SLICE_SHIFT;
        }
    } else {
        misuse.block = direct_containing(address);
        if (misuse.block) {
            misuse.kind = MISUSE_INTERIOR;
            misuse.block_size = direct_size(misuse.block);
        }
    }
    misuse_found(&misuse);
}

void misuse_examine(const char *call, uintptr_t address) {
    examine((struct misuse){.kind = MISUSE_FOREIGN, .call = call, .address = address});
}

void misuse_examine_sized(const char *call, uintptr_t address, size_t given_size) {
    examine((struct misuse){.kind = MISUSE_FOREIGN, .call = call, .address = address, .given_size = given_size, .has_given_size = true});
}
