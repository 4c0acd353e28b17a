/*
 * Purpose: opening, reading and closing a file, for linux.c, and for fault.c, which reads the system's own files in tests over the fake
 * platform too. Layer: platform. No state.
 */
#ifndef COLLAM_PLATFORM_LINUX_FILES_H
#define COLLAM_PLATFORM_LINUX_FILES_H

#include "platform/syscall.h"

#include <fcntl.h>
#include <sys/syscall.h>

ALWAYS_INLINE int syscall_open_file(const char *path) {
    long result = syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    return syscall_failed(result) ? -1 : (int)result;
}
ALWAYS_INLINE size_t syscall_read_file(int descriptor, char *to, size_t size) {
    long result;
    do {
        result = syscall6(SYS_read, descriptor, (long)to, (long)size, 0, 0, 0);
    } while (result == -4 /* EINTR */);
    return syscall_failed(result) ? 0 : (size_t)result;
}
ALWAYS_INLINE void syscall_close_file(int descriptor) {
    (void)syscall6(SYS_close, descriptor, 0, 0, 0, 0, 0);
}

#endif
