/*
 * Purpose: libFuzzer harness for the heap: bytes are read as a sequence of operations on collam_*, with the contents of every
 * block verified, and the allocator's own count of live blocks and bytes compared with this program's at the end.
 * An operation is four bytes: what to do, which of 64 slots, and two for the size; the size is shifted by bits of the first.
 */
#include "../support/pattern.h"
#include <collam/collam.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 64, LARGEST = 4 << 20, OPERATION_BYTES = 4 };

struct slot {
    unsigned char *memory;
    size_t size, alignment;
    uint64_t key;
};

static struct slot slots[SLOTS];
static uint64_t keys;

#define REQUIRE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static void check(const struct slot *slot) {
    size_t where;
    REQUIRE(pattern_holds(slot->memory, slot->size, slot->size, slot->key, &where));
}

static void accept(struct slot *slot, unsigned char *memory, size_t size, size_t alignment) {
    REQUIRE(memory);
    REQUIRE((uintptr_t)memory % (alignment > 16 ? alignment : 16) == 0);
    REQUIRE(collam_usable_size(memory) >= size);
    *slot = (struct slot){memory, size, alignment, ++keys};
    pattern_fill(memory, size, slot->key);
}

static void release(struct slot *slot, unsigned how) {
    check(slot);
    errno = 4711;
    if (how % 3 == 0)
        collam_free(slot->memory);
    else if (slot->alignment || how % 3 == 1)
        collam_free_aligned_sized(slot->memory, slot->alignment ? slot->alignment : 16, slot->size);
    else
        collam_free_sized(slot->memory, slot->size);
    REQUIRE(errno == 4711);
    slot->memory = NULL;
}

static void resize(struct slot *slot, size_t size) {
    struct slot old = *slot;
    size_t kept = size < old.size ? size : old.size, where;
    check(slot);
    if (size == 0) {
        REQUIRE(collam_realloc(old.memory, 0) == NULL);
        slot->memory = NULL;
        return;
    }
    unsigned char *memory = collam_realloc(old.memory, size);
    REQUIRE(memory && pattern_holds(memory, kept, old.size, old.key, &where));
    accept(slot, memory, size, 0);
}

static void allocate(struct slot *slot, unsigned how, size_t size) {
    unsigned char *memory;
    size_t alignment = 0;
    if (how < 4) {
        memory = collam_malloc(size);
    } else if (how < 6) {
        memory = collam_calloc(size, 1);
        for (size_t at = 0; memory && at<size; at += size> PATTERN_WHOLE ? 64 : 1)
            REQUIRE(memory[at] == 0);
    } else if (how < 7) {
        memory = collam_realloc(NULL, size);
    } else {
        alignment = (size_t)1 << (size % 23);
        size = size >> 4;
        memory = collam_aligned_alloc(alignment, size);
    }
    accept(slot, memory, size, alignment);
}

static void absurd(struct slot *slot, size_t size) {
    errno = 0;
    REQUIRE(collam_malloc(SIZE_MAX - size) == NULL && errno == ENOMEM);
    REQUIRE(collam_calloc(SIZE_MAX / 2, size + 3) == NULL && errno == ENOMEM);
    errno = 0;
    REQUIRE(collam_aligned_alloc(size | 3, size) == NULL && errno == EINVAL);
    if (slot->memory) {
        errno = 0;
        REQUIRE(collam_realloc(slot->memory, SIZE_MAX - size) == NULL && errno == ENOMEM);
        check(slot);
    }
}

struct program {
    const uint8_t *data;
    size_t size;
};

static void *run(void *argument) {
    struct program *program = argument;
    for (; program->size >= OPERATION_BYTES; program->data += OPERATION_BYTES, program->size -= OPERATION_BYTES) {
        const uint8_t *operation = program->data;
        struct slot *slot = &slots[operation[1] % SLOTS];
        unsigned magnitude = operation[0] >> 3 & 7; /* mostly small */
        size_t size = ((size_t)operation[2] | (size_t)operation[3] << 8) << (magnitude * magnitude / 8);
        unsigned how = operation[1] >> 6 | (operation[0] >> 3 & 4);
        if (size > LARGEST)
            size = LARGEST;
        switch (operation[0] % 8) {
        case 0:
        case 1:
        case 2:
            if (!slot->memory)
                allocate(slot, how | (operation[0] % 8 == 2 ? 4 : 0), size);
            else
                release(slot, how);
            break;
        case 3:
        case 4:
            if (slot->memory)
                resize(slot, size);
            break;
        case 5: /* all slots of one parity: slabs and chunks become empty */
            for (size_t i = operation[1] % 2; i < SLOTS; i += 2)
                if (slots[i].memory)
                    release(&slots[i], how);
            break;
        case 6:
            if (how == 0)
                collam_trim(size);
            else
                absurd(slot, size);
            break;
        default: /* the rest is done by another thread, while this one waits and keeps its magazines */
            if (how == 1) {
                pthread_t thread;
                struct program rest = {operation + OPERATION_BYTES, program->size - OPERATION_BYTES};
                if (pthread_create(&thread, NULL, run, &rest) == 0) {
                    pthread_join(thread, NULL);
                    return NULL;
                }
            } else if (slot->memory) {
                check(slot);
            }
            break;
        }
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct collam_stats before, during, after;
    size_t live = 0, bytes = 0;
    if (size > 4096)
        size = 4096;
    collam_get_stats(&before, sizeof before);
    run(&(struct program){data, size});
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].memory) {
            live++;
            bytes += collam_usable_size(slots[i].memory);
        }
    collam_get_stats(&during, sizeof during);
    REQUIRE(during.live_blocks - before.live_blocks == live);
    REQUIRE(during.live_bytes - before.live_bytes == bytes);
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].memory)
            release(&slots[i], (unsigned)i);
    collam_get_stats(&after, sizeof after);
    REQUIRE(after.live_blocks == before.live_blocks && after.live_bytes == before.live_bytes);
    return 0;
}
