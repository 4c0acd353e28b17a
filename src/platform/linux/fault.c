/*
 * Purpose: see fault.h.
 * Layer: platform. Part of the fake one too: signals cannot be imitated. State: the handler and the action it stands before.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* registers in ucontext_t */
#endif
#include "platform/fault.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "platform/linux/files.h"
#include "platform/syscall.h"
#include "platform/tag.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>

enum { EVERY_PAGE = 4096, PARTS = 4, SIGNAL_SET_BYTES = 8, FIRST_STACK = 64 << 10 };

static fault_handler handler;
static struct sigaction before; /* written before the handler is in place */
static _Atomic(bool) used_up;   /* relaxed: the earlier action was for one signal only (SA_RESETHAND), which has come */

static long own_thread(void) {
    return syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static struct fault fault_of(const siginfo_t *info, const void *context) {
    struct fault fault = {.address = (uintptr_t)info->si_addr, .access = FAULT_UNKNOWN};
    const ucontext_t *registers = context;
#if defined(__x86_64__)
    fault.code = (uintptr_t)registers->uc_mcontext.gregs[REG_RIP];
    fault.stack = (uintptr_t)registers->uc_mcontext.gregs[REG_RSP];
    fault.access = registers->uc_mcontext.gregs[REG_ERR] & 2 ? FAULT_WRITE : FAULT_READ;
#else
    fault.code = (uintptr_t)registers->uc_mcontext.pc;
    fault.stack = (uintptr_t)registers->uc_mcontext.sp;
#endif
    return fault;
}

/* Death by the signal: an access that failed fails again once nobody catches it; a signal that was sent is sent again. */
static void die_of(int number, bool sent) {
    struct sigaction die = {0};
    die.sa_handler = SIG_DFL;
    (void)sigaction(number, &die, NULL);
    if (sent) {
        (void)syscall6(SYS_tgkill, syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0), own_thread(), number, 0, 0, 0);
    }
}

/* What the system would have done with the signal had the action from before still been in place. */
static void pass_on(int number, siginfo_t *info, void *context) {
    bool sent = info->si_code <= 0;
    bool one_time = ((unsigned)before.sa_flags & (unsigned)SA_RESETHAND) != 0;
    bool over = one_time && load_relaxed(&used_up);
    if (!(before.sa_flags & SA_SIGINFO) && before.sa_handler == SIG_IGN && !over) {
        if (!sent) { /* an access cannot be ignored */
            die_of(number, false);
        }
        return;
    }
    if (over || (!(before.sa_flags & SA_SIGINFO) && before.sa_handler == SIG_DFL)) {
        die_of(number, sent);
        return;
    }
    store_relaxed(&used_up, one_time);
    /* The signal itself is blocked now, as it would be. The mask goes back to what it was when our handler returns. */
    (void)syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&before.sa_mask, 0, SIGNAL_SET_BYTES, 0, 0);
    if (before.sa_flags & SA_NODEFER) {
        uint64_t itself = (uint64_t)1 << (number - 1);
        (void)syscall6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&itself, 0, SIGNAL_SET_BYTES, 0, 0);
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    } else {
        before.sa_handler(number);
    }
}

bool fault_hold_signals(uint64_t *before_now) {
    uint64_t all = UINT64_MAX;
    return !syscall_failed(syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)before_now, SIGNAL_SET_BYTES, 0, 0));
}

void fault_let_signals(uint64_t before_now) {
    (void)syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before_now, 0, SIGNAL_SET_BYTES, 0, 0);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    if (info->si_code > 0) {
        struct fault fault = fault_of(info, context);
        if (handler(&fault)) {
            return;
        }
    }
    pass_on(number, info, context);
}

bool fault_catch(fault_handler new_handler) {
    handler = new_handler;
    if (sigaction(SIGSEGV, NULL, &before) != 0) {
        return false;
    }
    struct sigaction action = {0};
    action.sa_sigaction = on_signal;
    bool has_function = (before.sa_flags & SA_SIGINFO) || (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN);
    /* On the stack on which the program wants its own handler to run; without one, on the signal stack if the thread has one, since
     * the other may be what overflowed. */
    int kept = has_function ? before.sa_flags & (SA_ONSTACK | SA_RESTART) : SA_ONSTACK;
    action.sa_flags = SA_SIGINFO | kept;
    return sigaction(SIGSEGV, &action, NULL) == 0;
}

size_t fault_read_memory(uintptr_t from, void *to, size_t size) {
    /* The system copies whole parts only, and a page is there or not: one part for each page. */
    struct iovec parts[PARTS];
    unsigned count = 0;
    size_t cut = 0;
    while (cut < size && count < PARTS) {
        size_t in_page = EVERY_PAGE - ((from + cut) & (EVERY_PAGE - 1));
        size_t part = in_page < size - cut ? in_page : size - cut;
        parts[count++] = (struct iovec){.iov_base = (void *)(from + cut), .iov_len = part};
        cut += part;
    }
    struct iovec whole = {.iov_base = to, .iov_len = cut};
    long result = syscall6(SYS_process_vm_readv, own_thread(), (long)&whole, 1, (long)parts, count, 0);
    return syscall_failed(result) ? 0 : (size_t)result;
}

/* The end of the stack that the system began the program on, if we run there, else 0. That stack has FIRST_STACK bytes at least, and
 * sixteen random ones near its end, of which the system says where they are. All that lies between our frame and them is there. */
static uintptr_t first_stack_end(uintptr_t own) {
    uintptr_t end = align_down(getauxval(AT_RANDOM), sizeof(uintptr_t));
    return end - own < FIRST_STACK ? end : 0;
}

/* Frames of others: sanitizers know of holes in them, and of other threads that write there meanwhile. */
__attribute__((no_sanitize_address, no_sanitize_thread)) static void copy_frames(uintptr_t from, uintptr_t end, uintptr_t *to) {
    for (; from < end; from += sizeof *to) {
        *to++ = *(const volatile uintptr_t *)from;
    }
}

size_t fault_read_stack(uintptr_t from, uintptr_t *to, size_t words) {
    uintptr_t own = (uintptr_t)__builtin_frame_address(0);
    uintptr_t sure = from; /* the memory is there up to here */
    uintptr_t end = from + words * sizeof *to;
    /* A stack whose address has a tag is a block, and may end in the middle of a page: what lies behind it has another. */
    if (from >= own && from % sizeof *to == 0 && tag_strip((const void *)own) == own) {
        uintptr_t first_end = first_stack_end(own);
        if (from < first_end) { /* above it there are no frames */
            sure = end = end < first_end ? end : first_end;
        } else if (align_down(from, EVERY_PAGE) == align_down(own, EVERY_PAGE)) {
            uintptr_t page_end = align_down(from, EVERY_PAGE) + EVERY_PAGE;
            sure = end < page_end ? end : page_end;
        }
    }
    copy_frames(from, sure, to);
    size_t copied = (sure - from) / sizeof *to;
    return copied + (sure < end ? fault_read_memory(sure, to + copied, end - sure) / sizeof *to : 0);
}

uintptr_t fault_program_code(void) {
    return getauxval(AT_ENTRY); /* the loader puts the program's there also when it was itself what the system started */
}

int fault_open_file(const char *path) {
    return syscall_open_file(path);
}

size_t fault_read_file(int descriptor, char *to, size_t size) {
    return syscall_read_file(descriptor, to, size);
}

void fault_close_file(int descriptor) {
    syscall_close_file(descriptor);
}
