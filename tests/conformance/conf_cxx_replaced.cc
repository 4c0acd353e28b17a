/*
 * Purpose: a program that replaces only the basic forms of operator new and delete ([replacement.functions] of C++17), here with a
 * header before each block: all other forms must lead to them.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsized-deallocation" /* that is what is tested */
#endif

static int failures;
static long live;

static void check(bool holds, const char *what) {
    if (!holds) {
        failures++;
        std::printf("failed: %s\n", what);
    }
}

enum : std::size_t { HEADER = 256 };

static void *make(std::size_t align, std::size_t size) {
    void *block = size > PTRDIFF_MAX ? nullptr : std::aligned_alloc(align, (size + HEADER + align - 1) / align * align);
    if (block == nullptr)
        throw std::bad_alloc();
    std::strcpy(static_cast<char *>(block), align > 16 ? "aligned" : "basic");
    live++;
    return static_cast<char *>(block) + HEADER;
}

static void end(void *block, const char *kind) {
    if (block == nullptr)
        return;
    char *start = static_cast<char *>(block) - HEADER;
    if (std::strcmp(start, kind) != 0) {
        std::printf("failed: a block that the program's operator new did not make\n");
        std::fflush(stdout);
        std::_Exit(1);
    }
    live--;
    std::free(start);
}

void *operator new(std::size_t size) {
    return make(16, size);
}
void operator delete(void *block) noexcept {
    end(block, "basic");
}
void *operator new(std::size_t size, std::align_val_t align) {
    return make(static_cast<std::size_t>(align), size);
}
void operator delete(void *block, std::align_val_t) noexcept {
    end(block, "aligned");
}

static void *volatile hidden;
static void *opaque_block(void *block) {
    hidden = block;
    return hidden;
}

int main() {
    std::align_val_t wide{64};
    volatile std::size_t huge = SIZE_MAX / 2 + 1;
    for (std::size_t size : {1u, 100u, 5000u, 100000u, 3000000u}) {
        ::operator delete(opaque_block(::operator new(size)), size);
        ::operator delete(opaque_block(::operator new(size, std::nothrow)));
        ::operator delete(opaque_block(::operator new(size)), std::nothrow);
        ::operator delete[](opaque_block(::operator new[](size)));
        ::operator delete[](opaque_block(::operator new[](size)), size);
        ::operator delete[](opaque_block(::operator new[](size, std::nothrow)), std::nothrow);
        ::operator delete(opaque_block(::operator new(size, wide)), size, wide);
        ::operator delete(opaque_block(::operator new(size, wide, std::nothrow)), wide);
        ::operator delete(opaque_block(::operator new(size, wide)), wide, std::nothrow);
        ::operator delete[](opaque_block(::operator new[](size, wide)), wide);
        ::operator delete[](opaque_block(::operator new[](size, wide)), size, wide);
        ::operator delete[](opaque_block(::operator new[](size, wide, std::nothrow)), wide, std::nothrow);
        check(live == 0, "as many blocks deleted as made");
    }
    check(::operator new(huge, std::nothrow) == nullptr, "nothrow new catches what the program's new throws");
    check(::operator new[](huge, wide, std::nothrow) == nullptr, "nothrow aligned new[] likewise");
    return failures != 0;
}
