/*
 * Purpose: what the allocator tells about itself: mallopt, mallinfo, mallinfo2, malloc_info, malloc_stats, malloc_trim. Every
 * figure is compared with bytes this program knows to be live, or with what the kernel says.
 * With the argument "xml" it prints malloc_info alone, which check_malloc_info.py then parses.
 */
#include "conformance.h"
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
enum { SMALL_COUNT = 200000, SMALL_SIZE = 256, LARGE_COUNT = 100, LARGE_SIZE = 196000, DIRECT_COUNT = 3, DIRECT_SIZE = 40 << 20 };
static const size_t small_bytes = (size_t)SMALL_COUNT * SMALL_SIZE;
static const size_t large_bytes = (size_t)LARGE_COUNT * LARGE_SIZE;
static const size_t direct_bytes = (size_t)DIRECT_COUNT * DIRECT_SIZE;

static void *held[SMALL_COUNT];

static size_t in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void hold(size_t count, size_t size) {
    for (size_t i = 0; i < count; i++)
        assert_non_null(held[i] = malloc(opaque(size)));
}

static void release(size_t count) {
    for (size_t i = 0; i < count; i++)
        free(held[i]);
}

static void assert_near(size_t got, size_t known, const char *what) {
    if (got < known - known / 16 || got > known + known / 8 + MIB)
        fail_msg("%s: %zu where %zu are live", what, got, known);
}

static void mallinfo2_counts_small_blocks(void **state) {
    (void)state;
    size_t before = in_use();
    hold(SMALL_COUNT, SMALL_SIZE);
    assert_near(in_use() - before, small_bytes, "after malloc");
    struct mallinfo2 info = mallinfo2();
    assert_true(info.arena + info.hblkhd >= small_bytes);
    for (size_t i = 0; i < SMALL_COUNT; i += 2)
        free(held[i]);
    assert_near(in_use() - before, small_bytes / 2, "after freeing every second block");
    for (size_t i = 1; i < SMALL_COUNT; i += 2)
        free(held[i]);
    size_t after = in_use();
    if (after > before + MIB)
        fail_msg("%zu in use before, %zu after everything was freed", before, after);
}

static void mallinfo2_counts_large_and_direct_blocks(void **state) {
    (void)state;
    size_t before = in_use();
    hold(LARGE_COUNT, LARGE_SIZE);
    assert_near(in_use() - before, large_bytes, "large");
    release(LARGE_COUNT);
    size_t mapped_before = mallinfo2().hblkhd, number_before = mallinfo2().hblks;
    before = in_use();
    hold(DIRECT_COUNT, DIRECT_SIZE);
    assert_near(in_use() - before, direct_bytes, "direct");
    if (on_collam()) {
        assert_near(mallinfo2().hblkhd - mapped_before, direct_bytes, "hblkhd");
        assert_int_equal(mallinfo2().hblks - number_before, DIRECT_COUNT);
    }
    release(DIRECT_COUNT);
    assert_true(in_use() < before + MIB);
}

static void mallinfo_is_mallinfo2_in_ints(void **state) {
    (void)state;
    hold(LARGE_COUNT, LARGE_SIZE);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo narrow = mallinfo();
#pragma GCC diagnostic pop
    struct mallinfo2 wide = mallinfo2();
    assert_near((size_t)narrow.uordblks + (size_t)narrow.hblkhd, wide.uordblks + wide.hblkhd, "mallinfo");
    release(LARGE_COUNT);
}

static void free_bytes_and_used_bytes_make_the_arena(void **state) {
    (void)state;
    hold(SMALL_COUNT, SMALL_SIZE);
    for (size_t i = 0; i < SMALL_COUNT; i += 2)
        free(held[i]);
    struct mallinfo2 info = mallinfo2();
    assert_true(info.uordblks <= info.arena);
    assert_true(info.fordblks <= info.arena);
    assert_near(info.uordblks + info.fordblks, info.arena, "uordblks + fordblks");
    for (size_t i = 1; i < SMALL_COUNT; i += 2)
        free(held[i]);
}

/* Runs `print` with its stream or standard error in a file; returns the text. */
static const char *captured(void (*print)(FILE *)) {
    static char text[1 << 20];
    char name[] = "/tmp/conf_info.XXXXXX";
    int file = mkstemp(name), saved = dup(2);
    assert_true(file >= 0 && saved >= 0);
    unlink(name);
    fflush(stderr);
    dup2(file, 2);
    print(stderr);
    fflush(stderr);
    dup2(saved, 2);
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    close(file);
    close(saved);
    assert_true(got >= 0);
    text[got] = 0;
    return text;
}

static void print_stats(FILE *stream) {
    (void)stream;
    malloc_stats();
}

static void print_info(FILE *stream) {
    assert_int_equal(malloc_info(0, stream), 0);
}

static size_t last_number_after(const char *text, const char *label) {
    size_t number = 0;
    bool seen = false;
    for (const char *at = text; (at = strstr(at, label)) != NULL; at++) {
        const char *digits = at + strlen(label);
        digits += strspn(digits, " =");
        number = strtoull(digits, NULL, 10);
        seen = true;
    }
    if (!seen)
        fail_msg("\"%s\" is not in:\n%s", label, text);
    return number;
}

static void malloc_stats_prints_what_is_in_use(void **state) {
    (void)state;
    const char *in_use_label = on_collam() ? "live_bytes" : "in use bytes", *system_label = on_collam() ? "mapped_bytes" : "system bytes";
    size_t before = last_number_after(captured(print_stats), in_use_label);
    hold(SMALL_COUNT, SMALL_SIZE);
    const char *text = captured(print_stats);
    size_t used = last_number_after(text, in_use_label), system_bytes = last_number_after(text, system_label);
    assert_near(used - before, small_bytes, "bytes in use");
    assert_true(system_bytes >= used);
    release(SMALL_COUNT);
}

static void malloc_info_takes_no_option(void **state) {
    (void)state;
    /* glibc returns EINVAL, its manual says -1 with errno EINVAL */
    static const int refused[] = {1, -1, INT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        int result = malloc_info(refused[i], stderr);
        assert_true(result == EINVAL || (result == -1 && errno == EINVAL));
    }
    const char *text = captured(print_info);
    assert_int_equal(strncmp(text, "<malloc version=\"1\">", 20), 0);
    assert_non_null(strstr(text, "</malloc>"));
}

static void malloc_trim_tells_the_truth(void **state) {
    (void)state;
    hold(SMALL_COUNT, SMALL_SIZE);
    for (size_t i = 0; i < SMALL_COUNT; i++)
        memset(held[i], 1, SMALL_SIZE);
    for (size_t i = 0; i < SMALL_COUNT; i++)
        if (i % 2048)
            free(held[i]);
    for (int round = 0; round < 3; round++) {
        long before = resident_kib();
        int result = malloc_trim(0);
        long given = before - resident_kib();
        if (given > 64 && result != 1)
            fail_msg("%ld KiB went back, malloc_trim returned %d", given, result);
        if (on_collam() && given < -64 && result != 0)
            fail_msg("%ld KiB went back, malloc_trim returned %d", given, result);
        assert_true(result == 0 || result == 1);
        if (on_collam() && round == 2)
            assert_int_equal(result, 0); /* nothing was freed since the last two calls */
    }
    for (size_t i = 0; i < SMALL_COUNT; i += 2048)
        free(held[i]);
    long before = resident_kib();
    malloc_trim(0);
    if (resident_kib() > before + 64)
        fail_msg("malloc_trim took memory: %ld KiB before, %ld after", before, resident_kib());
}

/* Threads that go on allocating put back what they cached once somebody has trimmed; those that sleep keep it until they wake. */
enum { SLEEPERS = 4, EACH = 3000, OTHERS = 40 /* more than are ever guarded at once, which come from elsewhere */ };
static pthread_barrier_t all;

static void *cache_and_wait(void *argument) {
    static __thread void *mine[EACH];
    (void)argument;
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < EACH; i++)
            mine[i] = malloc(opaque(16 + i * 37 % 1000));
        for (size_t i = 0; i < EACH; i++)
            free(mine[i]);
    }
    pthread_barrier_wait(&all); /* asleep */
    pthread_barrier_wait(&all); /* somebody has trimmed */
    void *other[OTHERS];
    for (size_t i = 0; i < OTHERS; i++)
        other[i] = malloc(opaque(5000)); /* there is none of this size: the thread looks further, and obeys */
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all);
    for (size_t i = 0; i < OTHERS; i++)
        free(other[i]);
    return NULL;
}

static void malloc_trim_asks_other_threads(void **state) {
    (void)state;
    if (!on_collam())
        skip();
    pthread_t thread[SLEEPERS];
    pthread_barrier_init(&all, NULL, SLEEPERS + 1);
    for (size_t i = 0; i < SLEEPERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, cache_and_wait, NULL), 0);
    pthread_barrier_wait(&all);
    size_t asleep = mallinfo2().fsmblks;
    malloc_trim(0);
    if (mallinfo2().fsmblks + 65536 < asleep)
        fail_msg("%zu cached before, %zu after: who took them from a thread that sleeps?", asleep, mallinfo2().fsmblks);
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all);
    size_t awake = mallinfo2().fsmblks;
    if (awake > asleep / 4)
        fail_msg("%zu cached while the threads slept, %zu after they were asked and went on", asleep, awake);
    malloc_trim(0);
    assert_int_equal(malloc_trim(0), 0); /* nothing is left that could go back */
    pthread_barrier_wait(&all);
    for (size_t i = 0; i < SLEEPERS; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&all);
}

static void what_is_trimmed_can_be_used_again(void **state) {
    (void)state;
    for (int round = 0; round < 4; round++) {
        hold(20000, 1000);
        for (size_t i = 0; i < 20000; i++)
            pattern_fill(held[i], 1000, i);
        for (size_t i = 0; i < 20000; i += 2) {
            free(held[i]);
            held[i] = NULL;
        }
        malloc_trim(0);
        for (size_t i = 1; i < 20000; i += 2) {
            size_t where;
            assert_true(pattern_holds(held[i], 1000, 1000, i, &where));
        }
        for (size_t i = 0; i < 20000; i += 2) {
            assert_non_null(held[i] = calloc(1, opaque(1000)));
            for (size_t at = 0; at < 1000; at++)
                assert_int_equal(((unsigned char *)held[i])[at], 0);
        }
        release(20000);
    }
}

static void mallopt_answers(void **state) {
    (void)state;
    /* what has a meaning here is taken: 1 */
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    assert_int_equal(mallopt(M_ARENA_MAX, 2), 1);
    assert_int_equal(mallopt(M_PERTURB, 0), 1);
    if (on_collam()) {
        /* what no C library knows is refused: 0 */
        assert_int_equal(mallopt(4711, 1), 0);
        assert_int_equal(mallopt(-4711, 1), 0);
        assert_int_equal(mallopt(INT32_MIN, 1), 0);
    }
    void *block = malloc(opaque(100));
    assert_non_null(block);
    free(block);
}

static void perturb_fills_what_malloc_gives(void **state) {
    (void)state;
    /* glibc leaves its per-thread cache out */
    if (!on_collam() || mallopt(M_PERTURB, 0x5a) != 1)
        skip();
    for (size_t i = 0; i < boundary_count(); i += 2) {
        unsigned char *block = malloc(opaque(boundary(i)));
        assert_non_null(block);
        for (size_t at = 0; at < boundary(i); at++)
            assert_int_equal(block[at], 0xff & ~0x5a);
        free(block);
        block = calloc(1, opaque(boundary(i)));
        assert_non_null(block);
        for (size_t at = 0; at < boundary(i); at++)
            assert_int_equal(block[at], 0);
        free(block);
    }
    assert_int_equal(mallopt(M_PERTURB, 0), 1);
}

int main(int count, char **argument) {
    if (count > 1 && strcmp(argument[1], "xml") == 0) {
        hold(SMALL_COUNT, SMALL_SIZE);
        void *large = malloc(LARGE_SIZE), *direct = malloc(DIRECT_SIZE);
        int result = large && direct ? malloc_info(0, stdout) : 1;
        return result;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mallinfo2_counts_small_blocks),      cmocka_unit_test(mallinfo2_counts_large_and_direct_blocks),
        cmocka_unit_test(mallinfo_is_mallinfo2_in_ints),      cmocka_unit_test(free_bytes_and_used_bytes_make_the_arena),
        cmocka_unit_test(malloc_stats_prints_what_is_in_use), cmocka_unit_test(malloc_info_takes_no_option),
        cmocka_unit_test(malloc_trim_tells_the_truth),        cmocka_unit_test(malloc_trim_asks_other_threads),
        cmocka_unit_test(what_is_trimmed_can_be_used_again),  cmocka_unit_test(mallopt_answers),
        cmocka_unit_test(perturb_fills_what_malloc_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
