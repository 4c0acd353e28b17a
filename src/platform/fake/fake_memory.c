/*
 * Purpose: the part of the fake platform that deals with memory: mappings, what they cost, and who asked for what in vain.
 * Layer: platform. Owner: the fake's lock protects the mappings and the counts.
 *
 * One reservation of address space is cut into mappings, kept in a table sorted by address. What belongs to no mapping cannot be
 * touched. The reservation starts 16 MiB before a boundary of the page map's regions, so that ordinary tests cross it.
 *
 * Invariant: mappings do not overlap, are sorted, and lie in the reservation.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/bits.h"
#include "platform/fake/fake_inside.h"
#include "platform/syscall.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define RESERVATION ((size_t)64 << 30)
#define RESERVATION_AT (0x7e9000000000u - ((size_t)16 << 20))

enum { MAPPINGS_MAX = 8192 };

struct mapping {
    uintptr_t start;
    size_t size;
    size_t refused; /* bytes of it that somebody asked in vain to unmap */
    int huge;
};

static uintptr_t reservation;
static struct mapping mappings[MAPPINGS_MAX];
static unsigned mapping_count;
static size_t mapped_bytes;
static size_t purged_bytes;
static void (*after_unmap)(void);

/* --- mappings (under the lock) --------------------------------------------------------------------------------------- */

static void reserve(void) {
    if (reservation) {
        return;
    }
    const long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    long got = syscall6(SYS_mmap, (long)RESERVATION_AT, (long)RESERVATION, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (syscall_failed(got)) { /* taken, or beyond this processor's addresses: anywhere will do */
        got = syscall6(SYS_mmap, 0, (long)RESERVATION, PROT_NONE, flags, -1, 0);
    }
    fake_demand(!syscall_failed(got), "no address space for the reservation");
    reservation = align_up((size_t)got, (size_t)64 << 10);
}

/* The place in the table of the first mapping that ends beyond the address. */
static unsigned place_of(uintptr_t address) {
    unsigned low = 0;
    unsigned high = mapping_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (mappings[middle].start + mappings[middle].size <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The mapping that holds the whole range; NULL when none does. */
static struct mapping *holder(uintptr_t address, size_t size) {
    struct mapping *m = &mappings[place_of(address)];
    if (m == &mappings[mapping_count] || address < m->start || address + size > m->start + m->size) {
        return NULL;
    }
    return m;
}

static void insert(unsigned place, uintptr_t start, size_t size, size_t refused, int huge) {
    fake_demand(mapping_count < MAPPINGS_MAX, "too many mappings for its table");
    memmove(&mappings[place + 1], &mappings[place], (mapping_count - place) * sizeof *mappings);
    mappings[place] = (struct mapping){start, size, refused, huge};
    mapping_count++;
    mapped_bytes += size;
}

static void set_access(uintptr_t start, size_t size, bool usable) {
    /* Unusable ranges are mapped afresh, which drops their pages: the next who gets them reads zeros. */
    long result =
        usable ? syscall6(SYS_mprotect, (long)start, (long)size, PROT_READ | PROT_WRITE, 0, 0, 0)
               : syscall6(SYS_mmap, (long)start, (long)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    fake_demand(!syscall_failed(result), "the system refused to change the access of a range");
    if (usable) { /* what is resident is what was touched, however the system is set */
        (void)syscall6(SYS_madvise, (long)start, (long)size, MADV_NOHUGEPAGE, 0, 0, 0);
    }
}

/* The lowest free range; 0 when there is none. *place is where the table would hold it. */
static uintptr_t find_free(size_t size, size_t align, unsigned *place) {
    uintptr_t end = reservation + RESERVATION - ((size_t)64 << 10);
    uintptr_t from = reservation;
    for (unsigned i = 0; i <= mapping_count; i++) {
        uintptr_t limit = i < mapping_count ? mappings[i].start : end;
        uintptr_t start = align_up(from, align);
        if (start >= from && start <= limit && limit - start >= size) {
            *place = i;
            return start;
        }
        from = i < mapping_count ? mappings[i].start + mappings[i].size : end;
    }
    return 0;
}

/* As RLIMIT_AS would have it. */
static bool within_limit(size_t more) {
    return fake_settings.mapped_max == 0 || (mapped_bytes <= fake_settings.mapped_max && more <= fake_settings.mapped_max - mapped_bytes);
}

static void *map(size_t size, size_t align) {
    unsigned place;
    uintptr_t start = within_limit(size) ? find_free(size, align, &place) : 0;
    if (start) {
        set_access(start, size, true);
        insert(place, start, size, 0, 0);
    }
    return (void *)start;
}

static void unmap(uintptr_t start, size_t size) {
    struct mapping *m = holder(start, size);
    unsigned place = (unsigned)(m - mappings);
    struct mapping old = *m;
    size_t head = start - old.start;
    size_t tail = old.size - head - size;
    memmove(m, m + 1, (mapping_count - place - 1) * sizeof *mappings);
    mapping_count--;
    mapped_bytes -= old.size;
    if (tail) {
        insert(place, start + size, tail, 0, old.huge);
    }
    if (head) {
        insert(place, old.start, head, 0, old.huge);
    }
    set_access(start, size, false);
}

/* Bytes of the range that cost memory; with `copy_to` they are copied there. */
static size_t each_resident(uintptr_t start, size_t size, uintptr_t copy_to) {
    unsigned char present[1024] = {0};
    size_t sum = 0;
    for (size_t done = 0; done < size; done += sizeof present * SMALLEST_PAGE) {
        size_t part = size - done < sizeof present * SMALLEST_PAGE ? size - done : sizeof present * SMALLEST_PAGE;
        long result = syscall6(SYS_mincore, (long)(start + done), (long)part, (long)present, 0, 0, 0);
        fake_demand(!syscall_failed(result), "the system does not tell what is resident");
        for (size_t page = 0; page < part / SMALLEST_PAGE; page++) {
            size_t offset = done + page * SMALLEST_PAGE;
            if (present[page] & 1) {
                sum += SMALLEST_PAGE;
                if (copy_to) {
                    memcpy((void *)(copy_to + offset), (void *)(start + offset), SMALLEST_PAGE);
                }
            }
        }
    }
    return sum;
}

/* --- the contract ------------------------------------------------------------------------------------------------------ */

static void demand_range(uintptr_t address, size_t size, const char *what) {
    fake_demand(size != 0 && size % fake_settings.page_size == 0 && address % fake_settings.page_size == 0, what);
}

void *platform_map(size_t size, size_t align) {
    demand_range(0, size, "map: the size is no multiple of the page");
    fake_demand(is_power_of_two(align) && align >= fake_settings.page_size, "map: the alignment is no power of two, or below a page");
    if (fake_refuse(FAKE_MAP)) {
        return NULL;
    }
    fake_take();
    reserve();
    void *result = map(size, align);
    fake_give();
    return result;
}

/* Under the lock: the mapping that holds the first bytes of the range, and how many bytes it holds of it. A range may lie in several
 * mappings that touch. */
static struct mapping *next_piece(uintptr_t start, size_t size, size_t *piece, const char *what) {
    struct mapping *m = holder(start, 1);
    fake_demand(m != NULL, what);
    size_t left = m->start + m->size - start;
    *piece = size < left ? size : left;
    return m;
}

bool platform_unmap(void *address, size_t size) {
    demand_range((uintptr_t)address, size, "unmap: not whole pages");
    bool refused = fake_refuse(FAKE_UNMAP);
    fake_take();
    size_t piece;
    for (uintptr_t start = (uintptr_t)address; size; start += piece, size -= piece) {
        struct mapping *m = next_piece(start, size, &piece, "unmap: the range is not mapped");
        if (refused) {
            m->refused = piece;
        } else {
            unmap(start, piece);
        }
    }
    fake_give();
    void (*hook)(void) = after_unmap;
    after_unmap = NULL;
    if (hook) {
        hook();
    }
    return !refused;
}

bool platform_purge(void *address, size_t size) {
    uintptr_t start = (uintptr_t)address;
    demand_range(start, size, "purge: not whole pages");
    bool refused = fake_refuse(FAKE_PURGE);
    fake_take();
    size_t piece;
    for (size_t done = 0; done < size; done += piece) {
        (void)next_piece(start + done, size - done, &piece, "purge: the range is not mapped");
    }
    if (refused) { /* as a system may, it stops half-way */
        size = align_down(size / 2, fake_settings.page_size);
    } else {
        purged_bytes += size;
    }
    if (size) {
        (void)syscall6(SYS_madvise, (long)start, (long)size, MADV_DONTNEED, 0, 0, 0);
    }
    fake_give();
    return !refused;
}

bool platform_protect(void *address, size_t size, bool accessible) {
    uintptr_t start = (uintptr_t)address;
    demand_range(start, size, "protect: not whole pages");
    bool refused = fake_refuse(FAKE_PROTECT);
    fake_take();
    size_t piece;
    for (size_t done = 0; done < size; done += piece) {
        (void)next_piece(start + done, size - done, &piece, "protect: the range is not mapped");
    }
    if (!refused) {
        long protection = accessible ? PROT_READ | PROT_WRITE : PROT_NONE;
        (void)syscall6(SYS_mprotect, (long)start, (long)size, protection, 0, 0, 0);
    }
    fake_give();
    return !refused;
}

/* Under the lock: bytes behind the mapping become part of it, if they are free. */
static bool grow_in_place(struct mapping *m, size_t new_size) {
    uintptr_t limit = m + 1 < mappings + mapping_count ? m[1].start : reservation + RESERVATION - ((size_t)64 << 10);
    if (new_size > limit - m->start || !within_limit(new_size - m->size)) {
        return false;
    }
    set_access(m->start + m->size, new_size - m->size, true);
    mapped_bytes += new_size - m->size;
    m->size = new_size;
    return true;
}

void *platform_remap(void *address, size_t old_size, size_t new_size, bool may_move) {
    uintptr_t start = (uintptr_t)address;
    demand_range(start, old_size, "remap: not whole pages before");
    demand_range(0, new_size, "remap: not whole pages after");
    if (fake_refuse(FAKE_REMAP)) {
        return NULL;
    }
    fake_take();
    struct mapping *m = holder(start, old_size);
    fake_demand(m != NULL && m->start == start && m->size == old_size, "remap: the range is not one whole mapping");
    void *result = NULL;
    if (new_size <= old_size) {
        if (new_size < old_size) {
            unmap(start + new_size, old_size - new_size);
        }
        result = address;
    } else if (!(fake_settings.remap_moves && may_move) && grow_in_place(m, new_size)) {
        result = address;
    } else if (may_move) {
        int huge = m->huge;
        result = map(new_size, fake_settings.page_size);
        if (result) {
            holder((uintptr_t)result, new_size)->huge = huge;
            (void)each_resident(start, old_size, (uintptr_t)result);
            unmap(start, old_size);
        }
    }
    fake_give();
    return result;
}

bool platform_remap_onto(void *address, size_t old_size, void *target, size_t new_size) {
    uintptr_t start = (uintptr_t)address;
    uintptr_t to = (uintptr_t)target;
    demand_range(start, old_size, "remap_onto: not whole pages before");
    demand_range(to, new_size, "remap_onto: not whole pages after");
    bool refused = fake_refuse(FAKE_REMAP);
    fake_take();
    struct mapping *m = holder(start, old_size);
    fake_demand(m != NULL && m->start == start && m->size == old_size, "remap_onto: the range is not one whole mapping");
    fake_demand(holder(to, new_size) != NULL && new_size >= old_size, "remap_onto: the target is not mapped, or too small");
    fake_demand(each_resident(to, new_size, 0) == 0, "remap_onto: the target was touched");
    int huge = m->huge;
    unmap(to, new_size);
    if (!refused) {
        set_access(to, new_size, true);
        unsigned place = place_of(to);
        insert(place, to, new_size, 0, huge);
        (void)each_resident(start, old_size, to);
        unmap(start, old_size);
    }
    fake_give();
    return !refused;
}

/* Under the lock: as in the kernel, a part of a mapping that is advised otherwise becomes a mapping of its own. */
static void advise(struct mapping *m, uintptr_t start, size_t size, int huge) {
    if (m->huge == huge) {
        return;
    }
    struct mapping old = *m;
    unsigned place = (unsigned)(m - mappings);
    *m = (struct mapping){start, size, old.refused, huge};
    size_t head = start - old.start;
    size_t tail = old.size - head - size;
    mapped_bytes -= head + tail; /* which inserting adds again */
    if (tail) {
        insert(place + 1, start + size, tail, 0, old.huge);
    }
    if (head) {
        insert(place, old.start, head, 0, old.huge);
    }
}

void platform_huge_pages(void *address, size_t size, bool wanted) {
    demand_range((uintptr_t)address, size, "huge_pages: not whole pages");
    (void)fake_refuse(FAKE_HUGE_PAGES);
    fake_take();
    size_t piece;
    for (uintptr_t start = (uintptr_t)address; size; start += piece, size -= piece) {
        struct mapping *m = next_piece(start, size, &piece, "huge_pages: the range is not mapped");
        advise(m, start, piece, wanted ? 1 : -1);
    }
    fake_give();
}

void platform_break_huge_pages(void *address, size_t size) {
    demand_range((uintptr_t)address, size, "break_huge_pages: not whole pages");
    (void)fake_refuse(FAKE_BREAK_HUGE_PAGES);
    fake_take();
    fake_demand(holder((uintptr_t)address, 1) != NULL, "break_huge_pages: the range is not mapped");
    fake_give();
}

bool platform_huge_offered(size_t size) {
    return fake_settings.huge_offered && size == (size_t)fake_settings.page_size / 8 * fake_settings.page_size;
}

uint64_t platform_clock(void) {
    return fake_settings.clock;
}

uint64_t platform_thread_time(void) {
    fake_settings.clock += fake_settings.clock_step;
    return fake_settings.clock;
}

size_t platform_resident(const void *address, size_t size) {
    demand_range((uintptr_t)address, size, "resident: not whole pages");
    fake_demand(size <= PLATFORM_RESIDENT_MAX, "resident: too much at once");
    if (fake_refuse(FAKE_RESIDENT)) {
        return 0;
    }
    if (reservation == 0 || (uintptr_t)address - reservation >= RESERVATION) {
        return size; /* the program's own memory, which it has written to */
    }
    fake_take();
    fake_demand(holder((uintptr_t)address, 1) != NULL, "resident: the range is not mapped");
    size_t sum = each_resident((uintptr_t)address, size, 0);
    fake_give();
    return sum;
}

/* --- account ------------------------------------------------------------------------------------------------------------- */

void fake_after_unmap(void (*hook)(void)) {
    after_unmap = hook;
}

size_t fake_mapped_bytes(void) {
    return mapped_bytes;
}

unsigned fake_mapping_count(void) {
    return mapping_count;
}

size_t fake_refused_bytes(void) {
    size_t sum = 0;
    for (unsigned i = 0; i < mapping_count; i++) {
        sum += mappings[i].refused;
    }
    return sum;
}

size_t fake_purged_bytes(void) {
    return purged_bytes;
}

bool fake_is_mapped(const void *address, size_t size) {
    return holder((uintptr_t)address, size) != NULL;
}

int fake_huge_pages_at(const void *address) {
    struct mapping *m = holder((uintptr_t)address, 1);
    fake_demand(m != NULL, "fake_huge_pages_at: nothing is mapped there");
    return m->huge;
}

size_t fake_resident_bytes(void) {
    size_t sum = 0;
    for (unsigned i = 0; i < mapping_count; i++) {
        sum += each_resident(mappings[i].start, mappings[i].size, 0);
    }
    return sum;
}
