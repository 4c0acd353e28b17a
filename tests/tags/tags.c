/*
 * Purpose: memory tags (AArch64, hardened library): what the processor catches at once, and that correct programs notice nothing.
 *   tags [tags|no_tags]     exits 0 when what was expected happened. Without a word, what the processor has decides.
 * The misuse is done by a child; its SIGSEGV must carry SEGV_MTESERR, a tag that does not fit.
 */
#include "../support/say.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SEGV_MTESERR
#define SEGV_MTESERR 9
#endif
enum { TAG_FAULT = 40, OTHER_FAULT = 41, SIZE = 100 };

static unsigned tag_of(const void *pointer) {
    return (unsigned)((uintptr_t)pointer >> 56);
}

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    _exit(info->si_code == SEGV_MTESERR ? TAG_FAULT : OTHER_FAULT);
}

/* How the child that runs it ends: an exit status, or 128 and the signal. */
static int end_of(void (*body)(void)) {
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        body();
        _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) {
        return -1;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static volatile char sink;

static void read_after_free(void) {
    char *block = malloc(SIZE);
    free(block);
    sink = block[8];
}
static void write_after_free_by_another_thread(void) {
    static char *block;
    block = malloc(SIZE);
    pthread_t thread;
    pthread_create(&thread, NULL, (void *(*)(void *))(void (*)(void))free, block);
    pthread_join(thread, NULL);
    ((volatile char *)block)[0] = 1;
}
static void write_behind(void) {
    char *block = malloc(SIZE);
    ((volatile char *)block)[malloc_usable_size(block) + 8] = 1;
}
static void write_before(void) {
    char *block[64];
    for (int i = 0; i < 64; i++) {
        block[i] = malloc(SIZE);
    }
    for (int i = 0; i < 64; i++) {
        if (((uintptr_t)block[i] & 0xffff) != 0) { /* before what may be the first block of a slab lies another slab, or a fence */
            ((volatile char *)block[i])[-1] = 1;
        }
    }
}
static void read_without_tag(void) {
    char *block = malloc(SIZE);
    sink = *(volatile char *)((uintptr_t)block & UINT64_MAX >> 8);
}
static void read_after_realloc(void) {
    char *block = malloc(SIZE);
    char *moved = realloc(block, (size_t)100 * SIZE);
    sink = moved[0];
    sink = block[0];
}
static void free_twice(void) {
    char *block = malloc(SIZE);
    free(block);
    free(block);
}
static void free_without_tag(void) {
    free((void *)((uintptr_t)malloc(SIZE) & UINT64_MAX >> 8));
}
static void realloc_freed(void) {
    char *block = malloc(SIZE);
    free(block);
    sink = *(char *)realloc(block, 10);
}

static int failures;
static void expect(const char *what, int is, int expected) {
    if (is != expected) {
        say(2, "tags: %s: ended with %d, expected %d\n", what, is, expected);
        failures++;
    }
}

static void *work(void *seed) {
    enum { LIVE = 500 };
    static __thread unsigned char *block[LIVE];
    static __thread size_t size[LIVE];
    unsigned state = (unsigned)(uintptr_t)seed;
    for (int i = 0; i < 40000; i++) {
        state = state * 1103515245 + 12345;
        unsigned k = state >> 8 & 255;
        size_t wanted = state >> 16 & (state & 64 ? 0xfff : 0xff);
        for (size_t n = 0; block[k] && n < size[k]; n += 16) {
            if (block[k][n] != (unsigned char)k) {
                say(2, "tags: a block has lost its contents\n");
                _exit(1);
            }
        }
        if (state & 32 && block[k]) {
            block[k] = realloc(block[k], wanted + 1);
        } else {
            free(block[k]);
            block[k] = state & 16 ? calloc(1, wanted + 1) : aligned_alloc((size_t)16 << (state & 7), wanted + 1);
        }
        size[k] = wanted + 1;
        memset(block[k], (int)k, size[k]);
    }
    return NULL;
}

static void many_operations(void) {
    pthread_t thread[3];
    for (uintptr_t i = 0; i < 3; i++) {
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
    }
    malloc_trim(0);
    work((void *)9);
}

/* Neighbours never share a tag, so that no overrun from one into the next goes unseen. */
static void neighbours_differ(void) {
    enum { BLOCKS = 4000 };
    static unsigned char *block[BLOCKS];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            block[i] = malloc(40);
            if (tag_of(block[i]) == 0 || tag_of(block[i]) > 15) {
                _exit(2);
            }
        }
        for (int i = 0; i < BLOCKS; i++) {
            for (int k = i > 50 ? i - 50 : 0; k < i; k++) {
                uintptr_t a = (uintptr_t)block[i] << 8;
                uintptr_t b = (uintptr_t)block[k] << 8;
                if ((a - b == 48 << 8 || b - a == 48 << 8) && tag_of(block[i]) == tag_of(block[k]) && (a ^ b) >> 24 == 0) {
                    _exit(3);
                }
            }
        }
        for (int i = 0; i < BLOCKS; i++) {
            free(block[i]);
        }
    }
}

int main(int argc, char **argv) {
    bool on = argc > 1 ? strcmp(argv[1], "tags") == 0 : (getauxval(AT_HWCAP2) & 1 << 18 /* HWCAP2_MTE */) != 0;
    void *large = malloc(1 << 20);
    expect("a large block's tag", (int)tag_of(large), 0);
    free(large);
    expect("a small block has a tag", tag_of(malloc(SIZE)) != 0, on);
    expect("many operations", end_of(many_operations), 0);
    if (on) {
        expect("neighbours", end_of(neighbours_differ), 0);
        expect("read after free", end_of(read_after_free), TAG_FAULT);
        expect("write after free by another thread", end_of(write_after_free_by_another_thread), TAG_FAULT);
        expect("write behind", end_of(write_behind), TAG_FAULT);
        expect("write before", end_of(write_before), TAG_FAULT);
        expect("read without the tag", end_of(read_without_tag), TAG_FAULT);
        expect("read after realloc", end_of(read_after_realloc), TAG_FAULT);
        expect("free without the tag", end_of(free_without_tag), 128 + SIGABRT);
    }
    expect("free twice", end_of(free_twice), 128 + SIGABRT);
    expect("realloc of a freed block", end_of(realloc_freed), 128 + SIGABRT);
    return failures != 0;
}
