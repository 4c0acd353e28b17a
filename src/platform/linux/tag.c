/*
 * Purpose: tag.h on Linux.
 * Layer: platform. State: whether the system has been asked.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "platform/tag.h"
#include "platform/platform.h"
#include "platform/syscall.h"

#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

_Atomic(bool) tags_on;

/* Newer than the headers of the systems we build on, and of one processor. */
enum { CAN_TAG = 1 << 18 /* HWCAP2_MTE */, PROTECTION = PROT_READ | PROT_WRITE | 0x20 /* PROT_MTE */ };
enum { MODE_SYNCHRONOUS = 1 << 1 /* PR_MTE_TCF_SYNC */, MODES = 3 << 1, RANDOM_TAGS_SHIFT = 3 /* PR_MTE_TAG_SHIFT */ };

/* Of AddressSanitizer's run-time library, which knows nothing of tags. */
void __asan_unpoison_memory_region(void const volatile *address, size_t size) __attribute__((weak));

/* The mode is the thread's that asks, and that of all threads and processes it starts: threads that were there before would hand the system
 * addresses it does not take. A mode that the program has chosen stays. */
static bool turn_on(void) {
    long mode = syscall6(SYS_prctl, PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0, 0);
    if (syscall_failed(mode) || !platform_single_threaded() || __asan_unpoison_memory_region) {
        return false;
    }
    if (mode & MODES && mode & (long)PR_TAGGED_ADDR_ENABLE) {
        return true;
    }
    mode &= ~(long)MODES;
    mode |= MODE_SYNCHRONOUS;
    mode |= (long)PR_TAGGED_ADDR_ENABLE;
    mode |= (long)0xffff << RANDOM_TAGS_SHIFT;
    return !syscall_failed(syscall6(SYS_prctl, PR_SET_TAGGED_ADDR_CTRL, mode, 0, 0, 0, 0));
}

void tags_ask(void *address, size_t size) {
    static _Atomic(bool) asked; /* relaxed: chunks are made under a lock */
    if (!load_relaxed(&asked)) {
        store_relaxed(&asked, true);
        store_relaxed(&tags_on, (getauxval(AT_HWCAP2) & CAN_TAG) != 0 && turn_on());
    }
    if (load_relaxed(&tags_on)) {
        /* Refused: memory that has no tags reads as tag 0 and keeps it, so that its blocks get pointers without one. */
        (void)syscall6(SYS_mprotect, (long)address, (long)size, PROTECTION, 0, 0, 0);
    }
}
