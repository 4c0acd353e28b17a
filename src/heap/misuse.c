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
#include "pages/fence.h"
#include "pages/page_map.h"
#include "pages/span.h"
#include "slab/slab.h"

static misuse_handler handler;

void misuse_set_handler(misuse_handler new_handler) {
    handler = new_handler;
}

void misuse_found(const struct misuse *misuse) {
    CHECK(handler != NULL && "misuse of the heap before start");
    handler(misuse);
}

/* An address in no slab and no chunk: in a span, in a direct block, or foreign. */
static void examine_large(struct misuse *misuse) {
    uintptr_t start = 0;
    size_t size = 0;
    switch (span_containing(misuse->address, &start, &size)) {
    case SPAN_FREE:
        misuse->kind = MISUSE_DOUBLE_FREE;
        return;
    case SPAN_IN_USE:
        misuse->kind = MISUSE_INTERIOR;
        misuse->block = start;
        misuse->block_size = size - fence_within(size);
        return;
    case SPAN_NONE:
        break;
    }
    misuse->block = direct_containing(misuse->address);
    if (misuse->block) {
        misuse->kind = MISUSE_INTERIOR;
        size = direct_size(misuse->block);
        misuse->block_size = size - fence_within(size);
    }
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
        misuse.block = align_down(address, UNIT_SIZE) + class_places[class_index].start +
                       block_index(scaled) * (uintptr_t)size_classes[class_index].size;
        bool tail = block_index(scaled) >= size_classes[class_index].blocks;
        misuse.kind = tail ? MISUSE_FOREIGN : block_begins(scaled, class_index) ? MISUSE_DOUBLE_FREE : MISUSE_INTERIOR;
    } else if (chunk) {
        misuse.kind = MISUSE_DOUBLE_FREE; /* a unit that was a slab */
    } else {
        examine_large(&misuse);
    }
    misuse_found(&misuse);
}

void misuse_examine(const char *call, uintptr_t address) {
    examine((struct misuse){.kind = MISUSE_FOREIGN, .call = call, .address = address});
}

void misuse_examine_sized(const char *call, uintptr_t address, size_t given_size) {
    examine((struct misuse){.kind = MISUSE_FOREIGN, .call = call, .address = address, .given_size = given_size, .has_given_size = true});
}
