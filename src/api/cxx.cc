/*
 * Purpose: every C++ operator new and delete ([new.delete] of C++20).
 * Layer: api. The library links no C++ runtime: what it needs of one is referred to weakly, and is there whenever somebody can be here.
 * When the runtime was loaded later than collam, it is looked up at the first failure.
 */
extern "C" {
#include "api/cxx_front.h"
}
#include <dlfcn.h>
#include <new>

#define WEAK __attribute__((weak))

extern "C" {
WEAK std::new_handler _ZSt15get_new_handlerv();
WEAK void _ZSt17__throw_bad_allocv();
/* What `throw std::bad_alloc()` is made of; written as such the compiler would put a copy of the type here, which needs the runtime. */
WEAK void *make_exception(std::size_t size) __asm__("__cxa_allocate_exception");
WEAK void raise_exception(void *object, const void *type, void (*destroy)(void *)) __asm__("__cxa_throw");
WEAK void destroy_bad_alloc(void *object) __asm__("_ZNSt9bad_allocD1Ev");
WEAK extern const void *const bad_alloc_type[] __asm__("_ZTISt9bad_alloc");
WEAK extern const void *const bad_alloc_table[] __asm__("_ZTVSt9bad_alloc");
WEAK extern const void *const exception_type[] __asm__("_ZTISt9exception");
WEAK extern const void *const derived_type_table[] __asm__("_ZTVN10__cxxabiv120__si_class_type_infoE");
}

/* The compiler refers to these itself. */
__asm__(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak _Unwind_Resume\n"
        ".weak __cxa_rethrow\n.weak _ZSt9terminatev\n.weak __cxa_call_terminate\n.weak __clang_call_terminate\n");

namespace {

/* A function of the C++ runtime, wherever it was loaded. Only reached when memory ran out. */
void *runtime_function(const char *name) {
    void *function = dlsym(RTLD_DEFAULT, name);
    if (function == nullptr) {
        void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_NOLOAD);
        function = library ? dlsym(library, name) : nullptr;
    }
    return function;
}

std::new_handler current_handler() {
    if (_ZSt15get_new_handlerv) {
        return _ZSt15get_new_handlerv();
    }
    using getter = std::new_handler (*)();
    auto get = reinterpret_cast<getter>(runtime_function("_ZSt15get_new_handlerv"));
    return get ? get() : nullptr;
}

enum { BEFORE_FUNCTIONS = 2 };

void throw_object(const void *const *functions, const void *type, void (*destroy)(void *)) {
    auto **object = static_cast<const void *const **>(make_exception(sizeof(std::bad_alloc)));
    *object = functions;
    raise_exception(object, type, destroy);
}

/* A weak name does not make a linker take anything out of a runtime that is an archive. Who names the exception to catch it has what this
 * takes. */
void throw_by_hand() {
    if (make_exception && raise_exception && destroy_bad_alloc && bad_alloc_type && bad_alloc_table) {
        throw_object(bad_alloc_table + BEFORE_FUNCTIONS, bad_alloc_type, destroy_bad_alloc);
    }
}

/* Who catches it as std::exception, or as whatever it is, may not have std::bad_alloc: then this stands for it. */
void destroy_stand_in(void *) {}
const char *what_stand_in(const void *) {
    return "std::bad_alloc";
}
const void *const stand_in_type[] = {derived_type_table + BEFORE_FUNCTIONS, "St9bad_alloc", exception_type};
const void *const stand_in_table[] = {nullptr, stand_in_type, reinterpret_cast<const void *>(destroy_stand_in),
                                      reinterpret_cast<const void *>(destroy_stand_in), reinterpret_cast<const void *>(what_stand_in)};

void throw_stand_in() {
    if (make_exception && raise_exception && exception_type && derived_type_table) {
        throw_object(stand_in_table + BEFORE_FUNCTIONS, stand_in_type, destroy_stand_in);
    }
}

[[noreturn]] void throw_bad_alloc() {
    if (_ZSt17__throw_bad_allocv) {
        _ZSt17__throw_bad_allocv();
    }
    throw_by_hand();
    using thrower = void (*)();
    auto raise = reinterpret_cast<thrower>(runtime_function("_ZSt17__throw_bad_allocv"));
    if (raise) {
        raise();
    }
    throw_stand_in();
    cxx_out_of_memory();
}

/* Asks the program's handler for memory until an attempt succeeds or there is no handler any more: then nullptr. */
__attribute__((noinline, cold)) void *retry(std::size_t align, std::size_t size) {
    for (;;) {
        std::new_handler handler = current_handler();
        if (handler == nullptr) {
            return nullptr;
        }
        handler();
        void *block = cxx_allocate_aligned(align, size);
        if (block) {
            return block;
        }
    }
}

__attribute__((cold)) void *retry_or_throw(std::size_t size, std::size_t align) {
    void *block = retry(align, size);
    if (block == nullptr) {
        throw_bad_alloc();
    }
    return block;
}

__attribute__((noinline, cold)) void *retry_quietly(std::size_t align, std::size_t size) noexcept {
    try {
        return retry(align, size);
    } catch (...) {
        return nullptr;
    }
}

inline void *allocate(std::size_t size) {
    return cxx_new(size, retry_or_throw);
}

inline void *allocate_quietly(std::size_t size) noexcept {
    void *block = cxx_allocate(size);
    return __builtin_expect(block != nullptr, 1) ? block : retry_quietly(1, size);
}

inline void *allocate_aligned(std::size_t size, std::align_val_t align) {
    return cxx_new_aligned(size, static_cast<std::size_t>(align), retry_or_throw);
}

inline void *allocate_aligned_quietly(std::size_t size, std::align_val_t align) noexcept {
    auto n = static_cast<std::size_t>(align);
    void *block = cxx_allocate_aligned(n, size);
    return __builtin_expect(block != nullptr, 1) ? block : retry_quietly(n, size);
}

} // namespace

/* Weak: a program linked with the archive may define its own, as the standard allows. Calls among them are then not bound here. */
#define EXPORTED __attribute__((visibility("default"), weak))

/*
 * The four basic forms. A program may replace just these ([replacement.functions]): every other form must then lead to its functions,
 * or a block of one kind meets the other kind's delete. Without a replacement the other forms take the short way, which also fails
 * without an exception and names the right operator in reports.
 */
EXPORTED void *operator new(std::size_t size) {
    return allocate(size);
}
EXPORTED void *operator new(std::size_t size, std::align_val_t align) {
    return allocate_aligned(size, align);
}
EXPORTED void operator delete(void *block) noexcept {
    cxx_free(block);
}
EXPORTED void operator delete(void *block, std::align_val_t) noexcept {
    cxx_free(block);
}

namespace {

using basic_new = void *(*)(std::size_t);
using aligned_new = void *(*)(std::size_t, std::align_val_t);
using basic_delete = void (*)(void *) noexcept;
using aligned_delete = void (*)(void *, std::align_val_t) noexcept;

/* The same functions under names that nobody can replace. */
extern "C" {
__attribute__((visibility("hidden"), alias("_Znwm"), malloc, alloc_size(1))) void *cxx_own_new(std::size_t size);
__attribute__((visibility("hidden"), alias("_ZnwmSt11align_val_t"), malloc, alloc_size(1))) void *
cxx_own_aligned_new(std::size_t size, std::align_val_t align);
__attribute__((visibility("hidden"), alias("_ZdlPv"))) void cxx_own_delete(void *block) noexcept;
__attribute__((visibility("hidden"), alias("_ZdlPvSt11align_val_t"))) void cxx_own_aligned_delete(void *block,
                                                                                                  std::align_val_t align) noexcept;
}

template <typename Function> inline bool replaced(Function now, Function own) {
    return __builtin_expect(now != own, 0);
}
inline bool new_replaced() {
    return replaced<basic_new>(&::operator new, cxx_own_new);
}
inline bool aligned_new_replaced() {
    return replaced<aligned_new>(&::operator new, cxx_own_aligned_new);
}
inline bool delete_replaced() {
    return replaced<basic_delete>(&::operator delete, cxx_own_delete);
}
inline bool aligned_delete_replaced() {
    return replaced<aligned_delete>(&::operator delete, cxx_own_aligned_delete);
}

__attribute__((noinline, cold)) void *replaced_new_quietly(std::size_t size) noexcept {
    try {
        return ::operator new(size);
    } catch (...) {
        return nullptr;
    }
}

__attribute__((noinline, cold)) void *replaced_new_quietly(std::size_t size, std::align_val_t align) noexcept {
    try {
        return ::operator new(size, align);
    } catch (...) {
        return nullptr;
    }
}

inline void *new_array(std::size_t size) {
    return new_replaced() ? ::operator new(size) : allocate(size);
}
inline void *new_array(std::size_t size, std::align_val_t align) {
    return aligned_new_replaced() ? ::operator new(size, align) : allocate_aligned(size, align);
}
inline void *new_quietly(std::size_t size) noexcept {
    return new_replaced() ? replaced_new_quietly(size) : allocate_quietly(size);
}
inline void *new_quietly(std::size_t size, std::align_val_t align) noexcept {
    return aligned_new_replaced() ? replaced_new_quietly(size, align) : allocate_aligned_quietly(size, align);
}
inline void delete_one(void *block) noexcept {
    delete_replaced() ? ::operator delete(block) : cxx_free(block);
}
inline void delete_one(void *block, std::align_val_t align) noexcept {
    aligned_delete_replaced() ? ::operator delete(block, align) : cxx_free(block);
}
inline void delete_one(void *block, std::size_t size) noexcept {
    delete_replaced() ? ::operator delete(block) : cxx_free_sized(block, size, 1);
}
inline void delete_one(void *block, std::size_t size, std::align_val_t align) noexcept {
    aligned_delete_replaced() ? ::operator delete(block, align) : cxx_free_sized(block, size, static_cast<std::size_t>(align));
}
inline void delete_array(void *block, std::size_t size) noexcept {
    delete_replaced() ? ::operator delete(block) : cxx_free_array_sized(block, size, 1);
}
inline void delete_array(void *block, std::size_t size, std::align_val_t align) noexcept {
    aligned_delete_replaced() ? ::operator delete(block, align) : cxx_free_array_sized(block, size, static_cast<std::size_t>(align));
}
inline void delete_array(void *block) noexcept {
    delete_replaced() ? ::operator delete(block) : cxx_free_array(block);
}
inline void delete_array(void *block, std::align_val_t align) noexcept {
    aligned_delete_replaced() ? ::operator delete(block, align) : cxx_free_array(block);
}

} // namespace

EXPORTED void *operator new[](std::size_t size) {
    return new_array(size);
}
EXPORTED void *operator new(std::size_t size, const std::nothrow_t &) noexcept {
    return new_quietly(size);
}
EXPORTED void *operator new[](std::size_t size, const std::nothrow_t &) noexcept {
    return new_quietly(size);
}
EXPORTED void *operator new[](std::size_t size, std::align_val_t align) {
    return new_array(size, align);
}
EXPORTED void *operator new(std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept {
    return new_quietly(size, align);
}
EXPORTED void *operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept {
    return new_quietly(size, align);
}

EXPORTED void operator delete[](void *block) noexcept {
    delete_array(block);
}
EXPORTED void operator delete(void *block, const std::nothrow_t &) noexcept {
    delete_one(block);
}
EXPORTED void operator delete[](void *block, const std::nothrow_t &) noexcept {
    delete_array(block);
}
EXPORTED void operator delete(void *block, std::size_t size) noexcept {
    delete_one(block, size);
}
EXPORTED void operator delete[](void *block, std::size_t size) noexcept {
    delete_array(block, size);
}
EXPORTED void operator delete[](void *block, std::align_val_t align) noexcept {
    delete_array(block, align);
}
EXPORTED void operator delete(void *block, std::size_t size, std::align_val_t align) noexcept {
    delete_one(block, size, align);
}
EXPORTED void operator delete[](void *block, std::size_t size, std::align_val_t align) noexcept {
    delete_array(block, size, align);
}
EXPORTED void operator delete(void *block, std::align_val_t align, const std::nothrow_t &) noexcept {
    delete_one(block, align);
}
EXPORTED void operator delete[](void *block, std::align_val_t align, const std::nothrow_t &) noexcept {
    delete_array(block, align);
}
