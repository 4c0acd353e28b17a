/*
 * Purpose: every name that hands out or takes a block comes from one and the same object, so that no block of one allocator
 * reaches the free of another; and the names collam alone has are there.
 */
#include "conformance.h"
#include <dlfcn.h>

static const char *const names[] = {"malloc", "calloc", "realloc", "free", "cfree", "aligned_alloc", "posix_memalign", "memalign", "valloc",
                                    "pvalloc", "reallocarray", "free_sized", "free_aligned_sized", "malloc_usable_size", "malloc_trim",
                                    "mallopt", "mallinfo", "mallinfo2", "malloc_info", "malloc_stats", "__libc_malloc", "__libc_calloc",
                                    "__libc_realloc", "__libc_free", "__libc_memalign", "__libc_valloc", "__libc_pvalloc",
                                    /* operator new, new[], their nothrow, aligned, and aligned nothrow forms */
                                    "_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "_ZnwmSt11align_val_t",
                                    "_ZnamSt11align_val_t", "_ZnwmSt11align_val_tRKSt9nothrow_t", "_ZnamSt11align_val_tRKSt9nothrow_t",
                                    /* operator delete, delete[]: plain, sized, nothrow, aligned, sized aligned, aligned nothrow */
                                    "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm", "_ZdlPvRKSt9nothrow_t", "_ZdaPvRKSt9nothrow_t",
                                    "_ZdlPvSt11align_val_t", "_ZdaPvSt11align_val_t", "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t",
                                    "_ZdlPvSt11align_val_tRKSt9nothrow_t", "_ZdaPvSt11align_val_tRKSt9nothrow_t"};

static void every_name_is_of_one_object(void **state) {
    (void)state;
    if (!on_collam())
        skip();
    Dl_info home, info;
    void *symbol = dlsym(RTLD_DEFAULT, "malloc");
    assert_non_null(symbol);
    assert_true(dladdr(symbol, &home));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        symbol = dlsym(RTLD_DEFAULT, names[i]);
        if (!symbol)
            fail_msg("%s is missing", names[i]);
        assert_true(dladdr(symbol, &info));
        if (info.dli_fbase != home.dli_fbase)
            fail_msg("%s comes from %s, malloc from %s", names[i], info.dli_fname, home.dli_fname);
    }
}

/* A library that C++ code, not this C program, brought in allocates and frees through the same names. */
static void a_cxx_library_opened_late_uses_it(void **state) {
    const char *path = *state;
    if (!path)
        skip();
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(library, "dlopened_make");
    void (*drop)(void *) = (void (*)(void *))dlsym(library, "dlopened_drop");
    size_t (*work)(size_t) = (size_t(*)(size_t))dlsym(library, "dlopened_work");
    int (*fails)(void) = (int (*)(void))dlsym(library, "dlopened_new_throws");
    assert_true(make && drop && work && fails);
    for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
        void *block = make(size);
        assert_non_null(block);
        assert_true(malloc_usable_size(block) >= size);
        free(block); /* new and malloc are one allocator, so this is caught nowhere and corrupts nothing */
        block = malloc(opaque(size));
        assert_non_null(block);
        drop(block);
    }
    assert_int_equal(work(1000), 1000);
    assert_int_equal(fails(), 1);
    assert_int_equal(dlclose(library), 0);
}

/* RTLD_DEEPBIND puts the C library before whoever replaces it; php opens its extensions so. */
static void a_library_bound_to_its_own_names_uses_it(void **state) {
    const char *path = *state;
    if (!path || !on_collam())
        skip();
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (!library)
        fail_msg("%s", dlerror());
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(library, "dlopened_malloc");
    void (*drop)(void *) = (void (*)(void *))dlsym(library, "dlopened_free");
    assert_true(make && drop);
    for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
        void *block = make(size);
        assert_non_null(block);
        free(block);
        block = malloc(opaque(size));
        assert_non_null(block);
        drop(block);
    }
    assert_int_equal(dlclose(library), 0);
}

/* Ours is between the program and the loader, which must see no other caller: the name is found by the search path of this program. */
static void a_name_is_sought_where_the_program_says(void **state) {
    const char *path = *state;
    if (!path) {
        skip();
        return; /* for the analyzer, which does not know that skip() and fail() do not come back */
    }
    const char *name = strrchr(path, '/');
    void *library = dlopen(name ? name + 1 : path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fail_msg("%s", dlerror());
        return;
    }
    assert_int_equal(dlclose(library), 0);
}

int main(int count, char **argument) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_of_one_object),
        cmocka_unit_test_prestate(a_cxx_library_opened_late_uses_it, count > 1 ? argument[1] : NULL),
        cmocka_unit_test_prestate(a_library_bound_to_its_own_names_uses_it, count > 2 ? argument[2] : NULL),
        cmocka_unit_test_prestate(a_name_is_sought_where_the_program_says, count > 2 ? argument[2] : NULL),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
