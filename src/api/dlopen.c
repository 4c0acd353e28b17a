/*
 * Purpose: a library that the program opens with RTLD_DEEPBIND allocates from collam too. With that flag the loader looks for its names in
 * the library's own dependencies first, so its malloc and free would be the C library's, and a block that it shares with the program would
 * reach the other allocator.
 * Layer: api. In the shared libraries only: an executable that defined dlopen could not be linked with a static C library.
 *
 * The flag is taken away, nothing else: decision 32 says what that costs.
 */
#include "api/libc.h"
#include "base/atomic.h"

#include <dlfcn.h>

typedef void *open_library(const char *name, int flags);

EXPORT void *dlopen(const char *name, int flags) {
    /* Relaxed: whoever looks finds the same. */
    static _Atomic(open_library *) next;
    open_library *open = load_relaxed(&next);
    if (open == NULL) {
        *(void **)&open = dlsym(RTLD_NEXT, "dlopen");
        if (open == NULL) {
            return NULL;
        }
        store_relaxed(&next, open);
    }
    if (flags & RTLD_DEEPBIND && libc_names_are_ours()) {
        flags &= ~RTLD_DEEPBIND;
    }
    /* A jump, not a call: the loader takes search path and namespace from the object that the return address lies in. */
    return open(name, flags);
}
