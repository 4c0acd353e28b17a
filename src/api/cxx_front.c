/*
 * Purpose: see cxx_front.h.
 * Layer: api. No state.
 */
#include "api/cxx_front.h"
#include "api/sized.h"
#include "front/aligned.h"
#include "front/fast.h"
#include "guard/report.h"

void *cxx_allocate(size_t size) {
    return fast_malloc(size);
}

void *cxx_allocate_aligned(size_t align, size_t size) {
    return front_aligned(align, size);
}

static NOINLINE void *slow_new(size_t size, cxx_failed *failed) {
    void *block = fast_malloc(size);
    return LIKELY(block != NULL) ? block : failed(size, 1);
}

void *cxx_new(size_t size, cxx_failed *failed) {
    void *block = !hardened && LIKELY(size <= SMALL_TABLE_MAX) ? fast_take(size_step(size)) : NULL;
    return LIKELY(block != NULL) ? block : slow_new(size, failed);
}

static NOINLINE void *slow_new_aligned(size_t size, size_t align, cxx_failed *failed) {
    void *block = front_aligned(align, size);
    return LIKELY(block != NULL) ? block : failed(size, align);
}

void *cxx_new_aligned(size_t size, size_t align, cxx_failed *failed) {
    void *block = fast_aligned(align, size, 1);
    return LIKELY(block != NULL) ? block : slow_new_aligned(size, align, failed);
}

void cxx_free(void *block) {
    fast_free(block, "operator delete");
}

void cxx_free_array(void *block) {
    fast_free(block, "operator delete[]");
}

void cxx_free_sized(void *block, size_t size, size_t align) {
    if (!HARDENED_BY(HARDENED_SIZED) || sized_matches_new(block, align, size, "operator delete")) {
        fast_free(block, "operator delete");
    }
}

void cxx_free_array_sized(void *block, size_t size, size_t align) {
    if (!HARDENED_BY(HARDENED_SIZED) || sized_matches_new(block, align, size, "operator delete[]")) {
        fast_free(block, "operator delete[]");
    }
}

COLD void cxx_out_of_memory(void) {
    static const char line[] = "collam: operator new: out of memory, and no C++ runtime to throw std::bad_alloc\n";
    report_line_and_end(line, sizeof line - 1);
    __builtin_unreachable();
}
