/*
 * Purpose: to learn that the program confines itself. A seccomp filter may end the process for any call that it does not expect, and
 * whether there is one cannot be asked without a call; but before it, unless the program runs as root, comes PR_SET_NO_NEW_PRIVS, which
 * libseccomp sets if it is not told otherwise.
 * Layer: api. In the shared libraries only, as dlopen.c.
 */
#include "api/libc.h"
#include "base/atomic.h"
#include "platform/platform.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/prctl.h>

typedef int control_process(int option, unsigned long second, unsigned long third, unsigned long fourth, unsigned long fifth);

/* The C library declares it with variable arguments; those are passed as these are. */
EXPORT int prctl(int option, unsigned long second, unsigned long third, unsigned long fourth, unsigned long fifth);
EXPORT int prctl(int option, unsigned long second, unsigned long third, unsigned long fourth, unsigned long fifth) {
    /* Relaxed: whoever looks finds the same. */
    static _Atomic(control_process *) next;
    control_process *control = load_relaxed(&next);
    if (control == NULL) {
        *(void **)&control = dlsym(RTLD_NEXT, "prctl");
        if (control == NULL) {
            errno = ENOSYS;
            return -1;
        }
        store_relaxed(&next, control);
    }
    if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP) {
        platform_confine(); /* before: between the filter and a later note another thread could make a call */
    }
    return control(option, second, third, fourth, fifth);
}
