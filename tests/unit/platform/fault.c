/*
 * Purpose: tests of platform/fault.c: what the handler is told, and that what it leaves goes on as if it were not there.
 */
#include "platform/fault.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static char *hole;
static volatile struct fault seen;
static volatile int handled;
static bool take_it;

static bool handler(const struct fault *fault) {
    seen = *fault;
    handled++;
    if (take_it) {
        (void)mprotect(hole, 4096, PROT_READ | PROT_WRITE);
    }
    return take_it;
}

static void make_hole(void) {
    hole = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(hole != MAP_FAILED);
}

static void the_handler_sees_the_access_and_may_mend_it(void **state) {
    (void)state;
    make_hole();
    take_it = true;
    assert_true(fault_catch(handler));
    *(volatile char *)(hole + 100) = 5;
    assert_int_equal(hole[100], 5);
    assert_int_equal(handled, 1);
    assert_int_equal(seen.address, (uintptr_t)hole + 100);
    assert_true(seen.stack != 0 && seen.code != 0);
#if defined(__x86_64__)
    assert_int_equal(seen.access, FAULT_WRITE);
    (void)mprotect(hole, 4096, PROT_NONE);
    assert_int_equal(*(volatile char *)(hole + 100), 5);
    assert_int_equal(seen.access, FAULT_READ);
#endif
}

/* --- what was there before ------------------------------------------------------------------------------------------------ */

static sigjmp_buf back;
static volatile int calls_of_own;
static sigset_t mask_in_own;
static const siginfo_t *info_of_own;

static void own_with_info(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    calls_of_own++;
    info_of_own = info;
    assert_ptr_equal(info->si_addr, hole);
    sigprocmask(SIG_BLOCK, NULL, &mask_in_own);
    siglongjmp(back, 1);
}

static void own_plain(int number) {
    assert_int_equal(number, SIGSEGV);
    calls_of_own++;
    siglongjmp(back, 1);
}

static void set_before(void (*plain)(int), void (*with_info)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {0};
    if (with_info) {
        action.sa_sigaction = with_info;
        action.sa_flags = SA_SIGINFO | flags;
    } else {
        action.sa_handler = plain;
        action.sa_flags = flags;
    }
    sigaddset(&action.sa_mask, SIGUSR1);
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

static void touch_hole(void) {
    if (sigsetjmp(back, 1) == 0) {
        *(volatile char *)hole = 1;
        assert_true(false);
    }
}

static void the_programs_handler_comes_next(void **state) {
    (void)state;
    make_hole();
    set_before(NULL, own_with_info, 0);
    assert_true(fault_catch(handler));
    touch_hole();
    touch_hole();
    assert_int_equal(handled, 2);
    assert_int_equal(calls_of_own, 2);
    assert_true(sigismember(&mask_in_own, SIGUSR1) && sigismember(&mask_in_own, SIGSEGV));
    set_before(own_plain, NULL, 0);
    assert_true(fault_catch(handler));
    touch_hole();
    assert_int_equal(calls_of_own, 3);
}

static void its_flags_are_kept(void **state) {
    (void)state;
    make_hole();
    set_before(NULL, own_with_info, SA_NODEFER | SA_RESTART);
    assert_true(fault_catch(handler));
    touch_hole();
    assert_true(sigismember(&mask_in_own, SIGUSR1) && !sigismember(&mask_in_own, SIGSEGV));
    struct sigaction now;
    assert_int_equal(sigaction(SIGSEGV, NULL, &now), 0);
    assert_true((now.sa_flags & SA_RESTART) && !(now.sa_flags & SA_ONSTACK));
}

/* Run as children: they die. */
static void child_default(void **state) {
    (void)state;
    make_hole();
    signal(SIGSEGV, SIG_DFL);
    assert_true(fault_catch(handler));
    *(volatile char *)hole = 1;
}

static void child_ignored(void **state) {
    (void)state;
    make_hole();
    signal(SIGSEGV, SIG_IGN);
    assert_true(fault_catch(handler));
    raise(SIGSEGV); /* this can be ignored, the access cannot */
    assert_int_equal(handled, 0);
    *(volatile char *)hole = 1;
}

static void child_sent(void **state) {
    (void)state;
    signal(SIGSEGV, SIG_DFL);
    assert_true(fault_catch(handler));
    raise(SIGSEGV);
    usleep(1000);
    _exit(9);
}

static void child_one_time(void **state) {
    (void)state;
    make_hole();
    set_before(own_plain, NULL, (int)SA_RESETHAND);
    assert_true(fault_catch(handler));
    touch_hole();
    if (calls_of_own == 1) {
        *(volatile char *)hole = 1;
    }
    _exit(9);
}

static void death_is_the_signals(void **state) {
    (void)state;
    static const char *const children[] = {"child_default", "child_ignored", "child_sent", "child_one_time"};
    char *environment[] = {(char *)"UNIT_CHILD=1", NULL};
    for (size_t i = 0; i < COUNT(children); i++) {
        char text[1000];
        assert_int_equal(unit_run_self(children[i], environment, text, sizeof text), 128 + SIGSEGV);
    }
}

/* --- memory and files -------------------------------------------------------------------------------------------------------- */

static void memory_is_read_as_far_as_it_goes(void **state) {
    (void)state;
    make_hole();
    (void)mprotect(hole, 4096, PROT_READ | PROT_WRITE);
    memset(hole, 3, 4096);
    char copy[9000];
    if (fault_read_memory((uintptr_t)hole, copy, 1) == 0) {
        return; /* an emulator that has not got the call */
    }
    assert_int_equal(fault_read_memory((uintptr_t)hole + 96, copy, 9000), 4000);
    assert_true(unit_all(copy, 4000, 3));
    assert_int_equal(fault_read_memory((uintptr_t)hole + 4096, copy, 10), 0);
    assert_int_equal(fault_read_memory(0x10, copy, 10), 0);
    assert_int_equal(fault_read_memory(UINTPTR_MAX - 3, copy, 10), 0);
}

enum { WORDS = 240, FIRST_STACK = 64 << 10, STACK = 1 << 20 /* sanitizers want so much */ };
static uintptr_t words[WORDS];

/* Calls itself so that the frame that is read from lies at least `depth` bytes below. */
__attribute__((noinline)) static size_t read_deep(size_t depth, uintptr_t *first) {
    volatile uintptr_t frame[64];
    for (size_t i = 0; i < COUNT(frame); i++) {
        frame[i] = 0x5eed0000 + i;
    }
    if (depth > sizeof frame) {
        size_t got = read_deep(depth - sizeof frame, first);
        frame[0] = 0; /* the frame is needed until here */
        return got;
    }
    *first = (uintptr_t)frame;
    size_t got = fault_read_stack((uintptr_t)frame, words, WORDS);
    for (size_t i = 0; i < COUNT(frame) && i < got; i++) {
        assert_int_equal(words[i], frame[i]);
    }
    return got;
}

static void the_stack_is_read_from_a_frame_upwards(void **state) {
    (void)state;
    uintptr_t first;
    for (size_t depth = 0; depth < 300 * 1024; depth += depth / 4 + 512) {
        size_t got = read_deep(depth, &first);
        /* Where the system is asked in vain, as under an emulator, only what is sure to be there is read: up to the end of the page, and
         * nothing of a page that is not the reader's own. The depths near 0 are near the end of the stack. */
        bool asked_in_vain = fault_read_memory(first, words, sizeof words) == 0;
        assert_true(got == WORDS || asked_in_vain || depth < sizeof words);
        assert_true(got >= 64 || (asked_in_vain && getauxval(AT_RANDOM) - first >= FIRST_STACK / 2));
    }
}

/* A frame near the end of the first stack: no word of the environment is taken for one. */
static void the_first_stack_ends_where_frames_do(void **state) {
    (void)state;
    uintptr_t end = getauxval(AT_RANDOM) & ~(uintptr_t)7;
    uintptr_t here = (uintptr_t)&end;
    if (end - here > FIRST_STACK / 2) {
        return; /* called from deep within, or from another stack */
    }
    assert_int_equal(fault_read_stack(end - 80, words, WORDS), 10);
    assert_int_equal(words[9], *(uintptr_t *)(end - 8));
}

struct reader {
    char *stack_end;
    size_t below; /* where to read from */
    size_t got;
};

static void *read_own_stack(void *context) {
    struct reader *reader = context;
    uintptr_t first;
    reader->got = reader->below ? fault_read_stack((uintptr_t)reader->stack_end - reader->below, words, WORDS) : read_deep(8192, &first);
    return NULL;
}

/* Any other stack may end anywhere, with a hole behind it. */
static void other_stacks_are_read_up_to_their_end(void **state) {
    (void)state;
    char *stack = mmap(NULL, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(stack != MAP_FAILED && mprotect(stack + STACK, 4096, PROT_NONE) == 0);
    pthread_attr_t attributes;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK), 0);
    for (size_t below = 0; below <= 2048; below += 64) {
        struct reader reader = {.stack_end = stack + STACK, .below = below};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, &attributes, read_own_stack, &reader), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        size_t words_there = below && below / 8 < WORDS ? below / 8 : WORDS;
        bool asked_in_vain = fault_read_memory((uintptr_t)stack, words, 1) == 0;
        assert_true(reader.got == words_there || asked_in_vain);
    }
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
}

static void what_is_no_stack_is_read_without_a_fault(void **state) {
    (void)state;
    make_hole();
    uintptr_t here = (uintptr_t)&state;
    assert_int_equal(fault_read_stack((uintptr_t)hole, words, WORDS), 0);
    assert_int_equal(fault_read_stack(0, words, WORDS), 0);
    assert_int_equal(fault_read_stack(UINTPTR_MAX - 7, words, WORDS), 0);
    assert_int_equal(fault_read_stack(UINTPTR_MAX, words, WORDS), 0);
    assert_true(fault_read_stack(here + 1, words, WORDS) <= WORDS); /* the address of no frame */
}

static void files_are_read(void **state) {
    (void)state;
    char text[64] = "";
    assert_int_equal(fault_open_file("/nowhere/at/all"), -1);
    int descriptor = fault_open_file("/proc/self/comm");
    assert_true(descriptor >= 0);
    size_t got = fault_read_file(descriptor, text, sizeof text);
    assert_true(got > 1 && text[got - 1] == '\n');
    assert_int_equal(fault_read_file(descriptor, text, sizeof text), 0);
    fault_close_file(descriptor);
    assert_int_equal(fault_read_file(descriptor, text, sizeof text), 0);
}

static const struct CMUnitTest all[] = {
    cmocka_unit_test(the_handler_sees_the_access_and_may_mend_it),
    cmocka_unit_test(the_programs_handler_comes_next),
    cmocka_unit_test(its_flags_are_kept),
    cmocka_unit_test(death_is_the_signals),
    cmocka_unit_test(memory_is_read_as_far_as_it_goes),
    cmocka_unit_test(the_stack_is_read_from_a_frame_upwards),
    cmocka_unit_test(the_first_stack_ends_where_frames_do),
    cmocka_unit_test(other_stacks_are_read_up_to_their_end),
    cmocka_unit_test(what_is_no_stack_is_read_without_a_fault),
    cmocka_unit_test(files_are_read),
    cmocka_unit_test(child_default),
    cmocka_unit_test(child_ignored),
    cmocka_unit_test(child_sent),
    cmocka_unit_test(child_one_time),
};

/* The children are found by name when run as such, and are no tests by themselves. */
int main(int argc, char **argv) {
    return unit_main(argc, argv, all, argc > 1 ? COUNT(all) : COUNT(all) - 4);
}
