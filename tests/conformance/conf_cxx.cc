/*
 * Purpose: every replaceable operator new and delete of C++17: blocks, alignment, sized forms, nothrow forms, the new_handler
 * (asked again and again until it helps, throws or is taken away), bad_alloc; thread_local objects and the standard library
 * on top. A plain program of checks, since exceptions and cmocka's longjmp do not mix.
 */
#include "../support/entry_points.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

static int failures;

#define CHECK(condition)                                                                                                                   \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                           \
            failures++;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

static const std::size_t sizes[] = {0, 1, 8, 16, 17, 100, 1024, 1025, 32768, 32769, 100000, 1048576, 1048577, 5000000};
static const std::size_t impossible[] = {static_cast<std::size_t>(PTRDIFF_MAX), static_cast<std::size_t>(PTRDIFF_MAX) + 1, SIZE_MAX - 4096,
                                         SIZE_MAX};

static void fill(void *block, std::size_t size) {
    CHECK(block != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 16 == 0);
    CHECK(malloc_usable_size(block) >= size);
    std::memset(block, 0x77, size);
}

static void plain_forms() {
    for (std::size_t known : sizes) {
        std::size_t size = opaque(known);
        void *block = ::operator new(size);
        fill(block, size);
        ::operator delete(block);
        block = ::operator new[](size);
        fill(block, size);
        ::operator delete[](block);
        block = ::operator new(size);
        fill(block, size);
        ::operator delete(block, size);
        block = ::operator new[](size);
        fill(block, size);
        ::operator delete[](block, size);
        block = ::operator new(size, std::nothrow);
        fill(block, size);
        ::operator delete(block, std::nothrow);
        block = ::operator new[](size, std::nothrow);
        fill(block, size);
        ::operator delete[](block, std::nothrow);
    }
    void *first = ::operator new(opaque(0)), *second = ::operator new(opaque(0));
    CHECK(first != second);
    ::operator delete(first, static_cast<std::size_t>(0));
    ::operator delete(second);
    errno = 4711;
    ::operator delete(opaque_pointer(nullptr));
    ::operator delete[](opaque_pointer(nullptr));
    ::operator delete(opaque_pointer(nullptr), static_cast<std::size_t>(8));
    ::operator delete(opaque_pointer(nullptr), std::align_val_t(64));
    ::operator delete(::operator new(opaque(100)));
    CHECK(errno == 4711);
}

static void aligned_forms() {
    for (std::size_t power = 1; power <= std::size_t{1} << 24; power *= 2) {
        std::align_val_t alignment{power};
        for (std::size_t known : sizes) {
            std::size_t size = opaque(known);
            void *block[8] = {::operator new(size, alignment),
                              ::operator new[](size, alignment),
                              ::operator new(size, alignment),
                              ::operator new[](size, alignment),
                              ::operator new(size, alignment, std::nothrow),
                              ::operator new[](size, alignment, std::nothrow),
                              nullptr,
                              nullptr};
            for (void *each : block)
                if (each) {
                    CHECK(reinterpret_cast<std::uintptr_t>(each) % power == 0);
                    std::memset(each, 0x33, size);
                }
            CHECK(block[0] && block[1] && block[2] && block[3] && block[4] && block[5]);
            ::operator delete(block[0], alignment);
            ::operator delete[](block[1], alignment);
            ::operator delete(block[2], size, alignment);
            ::operator delete[](block[3], size, alignment);
            ::operator delete(block[4], alignment, std::nothrow);
            ::operator delete[](block[5], alignment, std::nothrow);
        }
    }
}

template <typename Call> static bool throws_bad_alloc(Call call) {
    try {
        opaque_pointer(call());
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void failures_throw() {
    for (std::size_t known : impossible) {
        std::size_t size = opaque(known);
        std::align_val_t alignment{4096};
        CHECK(throws_bad_alloc([=] { return ::operator new(size); }));
        CHECK(throws_bad_alloc([=] { return ::operator new[](size); }));
        CHECK(::operator new(size, std::nothrow) == nullptr);
        CHECK(::operator new[](size, std::nothrow) == nullptr);
        if (size > SIZE_MAX - 4096 && !on_collam())
            continue; /* libstdc++ rounds these up to zero */
        CHECK(throws_bad_alloc([=] { return ::operator new(size, alignment); }));
        CHECK(throws_bad_alloc([=] { return ::operator new[](size, alignment); }));
        CHECK(::operator new(size, alignment, std::nothrow) == nullptr);
        CHECK(::operator new[](size, alignment, std::nothrow) == nullptr);
    }
}

static int handler_calls;

/* Helps the third time it is asked: by going away, so the next failure throws. */
static void patient_handler() {
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

struct gave_up : std::bad_alloc {};

static void throwing_handler() {
    if (++handler_calls == 2)
        throw gave_up();
}

static void second_handler() {
    handler_calls += 100;
    std::set_new_handler(nullptr);
}

static void first_handler() {
    handler_calls++;
    std::set_new_handler(second_handler);
}

static void handlers_are_asked() {
    std::size_t size = opaque(PTRDIFF_MAX);
    std::align_val_t alignment{256};

    for (int form = 0; form < 4; form++) {
        handler_calls = 0;
        std::set_new_handler(patient_handler);
        CHECK(throws_bad_alloc([=] {
            return form == 0   ? ::operator new(size)
                   : form == 1 ? ::operator new[](size)
                   : form == 2 ? ::operator new(size, alignment)
                               : ::operator new[](size, alignment);
        }));
        CHECK(handler_calls == 3);
    }
    for (int form = 0; form < 4; form++) {
        handler_calls = 0;
        std::set_new_handler(patient_handler);
        void *block = form == 0   ? ::operator new(size, std::nothrow)
                      : form == 1 ? ::operator new[](size, std::nothrow)
                      : form == 2 ? ::operator new(size, alignment, std::nothrow)
                                  : ::operator new[](size, alignment, std::nothrow);
        CHECK(block == nullptr);
        CHECK(handler_calls == 3);
    }
    /* what the handler throws comes through new as it is, and makes nothrow new return null */
    bool through = false;
    handler_calls = 0;
    std::set_new_handler(throwing_handler);
    try {
        ::operator delete(::operator new(size));
    } catch (const gave_up &) {
        through = true;
    }
    CHECK(through && handler_calls == 2);
    handler_calls = 0;
    CHECK(::operator new(size, std::nothrow) == nullptr);
    CHECK(handler_calls == 2);
    /* a handler may install another, which is asked next */
    handler_calls = 0;
    std::set_new_handler(first_handler);
    CHECK(throws_bad_alloc([=] { return ::operator new(size); }));
    CHECK(handler_calls == 101);
    std::set_new_handler(nullptr);
    CHECK(std::get_new_handler() == nullptr);
}

struct alignas(128) wide {
    char text[200];
    std::string name{"a name that is too long for the short string optimisation"};
};

struct at_thread_end {
    std::vector<std::string> words{"allocated", "by a thread", "and freed after its main function"};
    ~at_thread_end() {
        words.clear();
        for (int i = 0; i < 200; i++)
            words.emplace_back(static_cast<std::size_t>(i * 7), 'x');
    }
};

static void library_on_top() {
    for (int round = 0; round < 20; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back([] {
                thread_local at_thread_end local;
                local.words.push_back("used");
                std::map<int, std::unique_ptr<wide>> objects;
                for (int key = 0; key < 200; key++) {
                    auto made = std::make_unique<wide>();
                    CHECK(reinterpret_cast<std::uintptr_t>(made.get()) % 128 == 0);
                    objects[key * 37 % 101] = std::move(made);
                }
            });
        for (auto &thread : threads)
            thread.join();
    }
    try {
        std::vector<char> never(opaque(PTRDIFF_MAX) - 100);
        CHECK(never.size() == 0);
    } catch (const std::bad_alloc &) {
    }
    try {
        throw std::string(10000, 'e');
    } catch (const std::string &text) {
        CHECK(text.size() == 10000);
    }
}

int main() {
    plain_forms();
    aligned_forms();
    failures_throw();
    handlers_are_asked();
    library_on_top();
    std::printf("%d failures\n", failures);
    return failures != 0;
}
