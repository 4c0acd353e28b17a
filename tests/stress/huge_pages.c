/*
 * Purpose: resident memory is not inflated by transparent huge pages, whatever the system's setting is: a dense heap, a sparse one, an
 * emptied one, and large blocks of which one page is used cost what they cost without huge pages, or no more than a bounded amount where
 * the program filled such blocks until then.
 */
#include "stress.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MIB ((size_t)1 << 20)

static const char setting_path[] = "/sys/kernel/mm/transparent_hugepage/enabled";

static size_t anonymous(void) {
    return (size_t)proc_number("/proc/self/smaps_rollup", "\nAnonymous:") << 10;
}

static size_t huge(void) {
    return (size_t)proc_number("/proc/self/smaps_rollup", "\nAnonHugePages:") << 10;
}

struct measured {
    size_t anonymous, huge;
};

static void require_at_most(const char *what, struct measured before, size_t limit) {
    size_t grown = anonymous() - before.anonymous;
    REQUIRE((ptrdiff_t)grown <= (ptrdiff_t)limit, "%s: %zu KiB more than before, %zu of them huge; %zu expected", what, grown >> 10,
            (huge() - before.huge) >> 10, limit >> 10);
}

static int no_huge_page_costs_memory(void *argument) {
    (void)argument;
    end_when_stuck(20); /* before the parent's, which has to put the setting back */
    enum { BLOCKS = 200000, HEADS = 200, STRETCH = 16384 };
    /* the list of blocks must not be a huge page itself */
    size_t list = BLOCKS * sizeof(char *);
    char **block = mmap(NULL, list, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(block != MAP_FAILED, "mmap: errno %d", errno);
    madvise(block, list, MADV_NOHUGEPAGE);
    memset(block, 0, list);
    struct measured before = {anonymous(), huge()};
    size_t live = 0, seed = 5;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 64 + next_number(&seed) % 193;
        REQUIRE((block[i] = malloc(size)) != NULL, "block %zu", i);
        memset(block[i], 1, size);
        live += size;
    }
    require_at_most("dense", before, live + live / 10 + 2 * MIB);
    for (size_t i = 0; i < BLOCKS; i++) /* an eighth stays, in stretches of 2.5 MiB */
        if (i / STRETCH % 8)
            free(block[i]);
    require_at_most("sparse", before, live / 6 + 8 * MIB);
    for (size_t i = 0; i < BLOCKS; i++)
        if (i / STRETCH % 8 == 0)
            free(block[i]);
    malloc_trim(0);
    require_at_most("empty", before, 4 * MIB);
    static const size_t sizes[] = {40000, 256 << 10, 3 << 20};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t i = 0; i < HEADS; i++) {
            REQUIRE((block[i] = malloc(sizes[s])) != NULL, "block %zu of %zu", i, sizes[s]);
            block[i][0] = 1;
        }
        require_at_most("heads", before, 4 * MIB + HEADS * (size_t)getpagesize());
        for (size_t i = 0; i < HEADS; i++)
            free(block[i]);
    }
    /* mappings of their own, which grow without being filled */
    enum { TABLES = 4, TOUCHED = 100 };
    for (size_t i = 0; i < TABLES; i++)
        REQUIRE((block[i] = i % 2 ? malloc(40 * MIB) : calloc(1, 40 * MIB)) != NULL, "table %zu", i);
    for (size_t size = 40 * MIB; size <= 160 * MIB; size *= 2) {
        for (size_t i = 0; i < TABLES; i++) {
            REQUIRE((block[i] = realloc(block[i], size)) != NULL, "table %zu of %zu MiB", i, size / MIB);
            for (size_t place = 0; place < TOUCHED; place++)
                block[i][size / TOUCHED * place] = 1;
        }
    }
    require_at_most("tables", before, 4 * MIB + (size_t)TABLES * 3 * TOUCHED * (size_t)getpagesize());
    for (size_t i = 0; i < TABLES; i++)
        free(block[i]);
    /* who filled his blocks for long is trusted a little longer */
    enum { FILLED = 48, ROUNDS = 8 };
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < FILLED; i++) {
            REQUIRE((block[i] = malloc(MIB)) != NULL, "block %zu", i);
            memset(block[i], 1, MIB);
        }
        if (round == ROUNDS - 1) {
            printf("filled: %zu MiB of %d are in huge pages\n", (huge() - before.huge) >> 20, FILLED);
            fflush(stdout);
        }
        for (size_t i = 0; i < FILLED; i++)
            free(block[i]);
    }
    require_at_most("filled and freed", before, 9 * MIB);
    for (size_t i = 0; i < HEADS; i++) {
        REQUIRE((block[i] = malloc(3 * MIB)) != NULL, "block %zu", i);
        block[i][0] = 1;
    }
    require_at_most("heads of who filled", before, 9 * MIB + 16 * MIB + HEADS * (size_t)getpagesize());
    for (size_t i = 0; i < HEADS; i++)
        free(block[i]);
    malloc_trim(0);
    require_at_most("empty again", before, 4 * MIB);
    return 0;
}

static bool read_setting(char *name, size_t capacity) {
    char text[100] = "";
    int file = open(setting_path, O_RDONLY);
    ssize_t got = file >= 0 ? read(file, text, sizeof text - 1) : -1;
    close(file);
    char *from = strchr(text, '['), *to = strchr(text, ']');
    if (got <= 0 || !from || !to || (size_t)(to - from) > capacity)
        return false;
    *to = 0;
    strcpy(name, from + 1);
    return true;
}

static bool write_setting(const char *name) {
    int file = open(setting_path, O_WRONLY);
    bool written = file >= 0 && write(file, name, strlen(name)) == (ssize_t)strlen(name);
    close(file);
    return written;
}

/* The setting is the whole machine's, so it is changed only where the caller said that the machine is his. */
int stress_huge_pages(void) {
    static const char *const settings[] = {"always", "madvise", "never"};
    char now[20];
    const char *allowed = getenv("COLLAM_TEST_THP");
    bool known = read_setting(now, sizeof now), all = known && allowed && strcmp(allowed, "1") == 0;
    printf("transparent huge pages: %s%s\n", known ? now : "not in this kernel",
           all ? "" : "; COLLAM_TEST_THP=1 allows to try the other settings for a second each");
    int status = in_child(no_huge_page_costs_memory, NULL);
    REQUIRE(status == 0, "status %#x", status);
    for (size_t i = 0; all && i < sizeof settings / sizeof *settings; i++) {
        if (!write_setting(settings[i])) {
            printf("%s cannot be written\n", setting_path);
            break;
        }
        status = in_child(no_huge_page_costs_memory, NULL);
        REQUIRE(write_setting(now), "the setting could not be put back to %s", now);
        REQUIRE(status == 0, "%s: status %#x", settings[i], status);
        printf("%s: not inflated\n", settings[i]);
    }
    return 0;
}
