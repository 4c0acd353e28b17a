/*
 * Purpose: commits one fault, chosen by name, and says before what collam must answer. When the fault passes, the program goes
 * on as a program would: it allocates and frees more of the same sizes, looks whether a block is given twice, ends a thread,
 * and says so. run.py reads all that.
 *   misuse --list | misuse NAME
 */
#include "misuse.h"
#include <pthread.h>

struct fault {
    const char *name, *collam, *guarded, *hardened, *glibc, *wrong;
    void (*commit)(void);
};

static const struct fault faults[] = {
#define FAULT(name, collam, guarded, hardened, glibc, wrong) {#name, #collam, #guarded, #hardened, #glibc, wrong, fault_##name},
#include "misuse.def"
#undef FAULT
};

enum { WATCHED = 8, MORE = 4000 };
static size_t watched[WATCHED];
static size_t watched_count;
static uintptr_t more[MORE];

static void say_call(struct call call) {
    say(1, "expect: collam: %s(%p", call.name, call.pointer);
    if (call.second != NO_SECOND)
        say(1, ", %zu", call.second);
}

void expect_double_free(struct call call, size_t size) {
    say_call(call);
    say(1, "): double free of a %zu-byte block\n", size);
}

void expect_double_free_of_pages(struct call call) {
    say_call(call);
    say(1, "): double free of a large block\n");
}

void expect_interior(struct call call, const void *block, size_t size) {
    say_call(call);
    say(1, "): pointer into the middle of a %zu-byte block at %p\n", size, block);
}

void expect_no_block(struct call call) {
    say_call(call);
    say(1, "): not a block of collam (stack, static, foreign or already unmapped memory)\n");
}

void expect_wrong_size(struct call call, size_t size) {
    say_call(call);
    say(1, "): size does not match the block (%zu bytes)\n", size);
}

void expect_wrong_alignment(struct call call, size_t size) {
    say_call(call);
    say(1, "): alignment does not match the block (%zu bytes)\n", size);
}

_Noreturn void absent(void) {
    say(1, "absent\n");
    _exit(77);
}

void watch(size_t size) {
    for (size_t i = 0; i < watched_count; i++)
        if (watched[i] == size)
            return;
    if (watched_count < WATCHED)
        watched[watched_count++] = size;
}

void *get(size_t size) {
    watch(size);
    void *block = malloc(opaque(size));
    if (!block) {
        say(2, "misuse: no memory for %zu bytes\n", size);
        _exit(3);
    }
    memset(block, 0x11, size);
    return opaque_pointer(block);
}

void drop(void *pointer) {
    free(opaque_pointer(pointer));
}

struct errand {
    void (*function)(void *);
    void *argument;
};

static void *thread_main(void *argument) {
    struct errand *errand = argument;
    errand->function(errand->argument);
    return NULL;
}

void run_in_thread(void (*function)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, &(struct errand){function, argument}) || pthread_join(thread, NULL))
        _exit(3);
}

static int by_address(const void *left, const void *right) {
    const uintptr_t *first = left, *second = right;
    return *first < *second ? -1 : *first > *second;
}

/* An insertion of the sorted kind would be quadratic; libc's qsort allocates. This is a heap sort. */
static void sort(uintptr_t *value, size_t count) {
    for (size_t i = 1; i < count; i++)
        for (size_t at = i; at && by_address(&value[(at - 1) / 2], &value[at]) < 0; at = (at - 1) / 2) {
            uintptr_t swap = value[at];
            value[at] = value[(at - 1) / 2];
            value[(at - 1) / 2] = swap;
        }
    for (size_t end = count; end-- > 1;) {
        uintptr_t top = value[0];
        value[0] = value[end];
        value[end] = top;
        for (size_t at = 0, child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && value[child] < value[child + 1])
                child++;
            if (value[at] >= value[child])
                break;
            uintptr_t swap = value[at];
            value[at] = value[child];
            value[child] = swap;
        }
    }
}

static void allocate_more(size_t size) {
    size_t count = size > 1u << 20 ? 4 : size > 10000 ? 100 : MORE;
    for (size_t i = 0; i < count; i++)
        more[i] = (uintptr_t)malloc(opaque(size));
    sort(more, count);
    for (size_t i = 1; i < count; i++)
        if (more[i] - more[i - 1] < (size ? size : 1) && more[i - 1]) {
            say(1, "handed-twice\n");
            _exit(0);
        }
    for (size_t i = 0; i < count; i++)
        free((void *)more[i]);
}

static void use_thread(void *argument) {
    (void)argument;
    for (size_t i = 0; i < watched_count; i++)
        free(malloc(opaque(watched[i])));
}

int main(int count, char **argument) {
    if (count == 2 && strcmp(argument[1], "--list") == 0) {
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
            printf("%s\t%s\t%s\t%s\t%s\t%s\n", faults[i].name, faults[i].collam, faults[i].guarded, faults[i].hardened, faults[i].glibc,
                   faults[i].wrong);
        return 0;
    }
    for (size_t i = 0; count == 2 && i < sizeof faults / sizeof *faults; i++) {
        if (strcmp(argument[1], faults[i].name))
            continue;
        faults[i].commit();
        say(1, "passed\n");
        for (size_t n = 0; n < watched_count; n++)
            allocate_more(watched[n]);
        run_in_thread(use_thread, NULL);
        say(1, "survived\n");
        return 0;
    }
    fprintf(stderr, "usage: misuse --list | misuse NAME\n");
    return 2;
}
