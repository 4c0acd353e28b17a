/*
 * Purpose: a C++ library for conf_exports.c to dlopen into a C program: libstdc++ arrives with it, after the allocator.
 */
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <string>

extern "C" {

void *dlopened_make(std::size_t size) {
    return ::operator new(size);
}

void dlopened_drop(void *block) {
    ::operator delete(block);
}

std::size_t dlopened_work(std::size_t count) {
    std::map<std::string, std::string> words;
    for (std::size_t i = 0; i < count; i++)
        words[std::to_string(i) + " is a key"] = std::string(i, 'v');
    return words.size();
}

int dlopened_new_throws() {
    volatile std::size_t size = PTRDIFF_MAX;
    try {
        ::operator delete(::operator new(size));
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
}
