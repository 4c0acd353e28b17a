/*
 * Purpose: calls that come late: destructors of thread keys that were made before and after the allocator's own start and run
 * several rounds, frees of a thread's blocks after it has gone, atexit handlers, destructors of libraries.
 */
#include "conformance.h"
#include <pthread.h>
#include <unistd.h>

enum { KEYS = 6, ROUNDS = 3, THREADS = 300 };

static pthread_key_t early_key[KEYS], late_key[KEYS];
static _Atomic int destructions;

struct luggage {
    pthread_key_t key;
    int round;
    unsigned char *block[20];
    size_t size[20];
};

static void work(struct luggage *luggage) {
    for (size_t i = 0; i < 20; i++) {
        size_t where;
        if (luggage->block[i] && !pattern_holds(luggage->block[i], luggage->size[i], luggage->size[i], i, &where))
            abort();
        luggage->size[i] = (luggage->size[i] * 5 / 2 + i * 11 + 1) % 60000;
        luggage->block[i] = realloc(luggage->block[i], opaque(luggage->size[i] + 1));
        if (!luggage->block[i])
            abort();
        pattern_fill(luggage->block[i], luggage->size[i], i);
    }
    free(memalign(256, 1000));
    free(calloc(100, 100));
}

static void destroy(void *value) {
    struct luggage *luggage = value;
    work(luggage);
    destructions++;
    if (++luggage->round < ROUNDS) {
        pthread_setspecific(luggage->key, luggage); /* asks for another round */
        return;
    }
    for (size_t i = 0; i < 20; i++)
        free(luggage->block[i]);
    free(luggage);
}

static void give_luggage(pthread_key_t key) {
    struct luggage *luggage = calloc(1, sizeof *luggage);
    if (!luggage)
        abort();
    luggage->key = key;
    work(luggage);
    pthread_setspecific(key, luggage);
}

/* Before any allocation of this program, and of an allocator that starts with the first one. */
__attribute__((constructor(101))) static void make_early_keys(void) {
    for (int i = 0; i < KEYS; i++)
        if (pthread_key_create(&early_key[i], destroy))
            _exit(3);
}

static void *live_and_die(void *argument) {
    (void)argument;
    for (int i = 0; i < KEYS; i++) {
        give_luggage(early_key[i]);
        give_luggage(late_key[i]);
    }
    return NULL;
}

static void *only_destructors_allocate(void *argument) {
    pthread_setspecific(early_key[0], argument);
    return NULL;
}

static void key_destructors_run_several_rounds(void **state) {
    (void)state;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(pthread_key_create(&late_key[i], destroy), 0);
    destructions = 0;
    long resident = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, live_and_die, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (i == THREADS / 3)
            resident = resident_kib();
    }
    assert_int_equal(destructions, THREADS * KEYS * 2 * ROUNDS);
    /* 200 more threads leave nothing behind */
    if (!burdened && resident_kib() - resident > 2048)
        fail_msg("grew from %ld to %ld KiB", resident, resident_kib());
}

static void a_thread_that_first_allocates_in_a_destructor(void **state) {
    (void)state;
    long resident = 0;
    for (int i = 0; i < (burdened ? 600 : 2000); i++) {
        struct luggage *luggage = calloc(1, sizeof *luggage);
        assert_non_null(luggage);
        luggage->key = early_key[0];
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, only_destructors_allocate, luggage), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (i == 500)
            resident = resident_kib();
    }
    if (!burdened && resident_kib() - resident > 2048)
        fail_msg("grew from %ld to %ld KiB", resident, resident_kib());
}

static void *leave_blocks(void *argument) {
    void **block = argument;
    for (size_t i = 0; i < 1000; i++) {
        block[i] = malloc(opaque(i * 97 % 70000 + 1));
        if (!block[i])
            abort();
        pattern_fill(block[i], i * 97 % 70000 + 1, i);
    }
    return NULL;
}

static void blocks_outlive_their_thread(void **state) {
    (void)state;
    static void *block[1000];
    for (int round = 0; round < 10; round++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, leave_blocks, block), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t i = 0; i < 1000; i++) {
            size_t where, size = i * 97 % 70000 + 1;
            assert_true(pattern_holds(block[i], size, size, i, &where));
            if (i % 3 == 0)
                assert_non_null(block[i] = realloc(block[i], size * 2));
            free(block[i]);
        }
    }
}

static unsigned char *until_exit;

/* These run after main; the exit status tells whether they came through. */
static void at_exit(void) {
    size_t where;
    if (!until_exit || !pattern_holds(until_exit, 5000, 5000, 77, &where))
        _exit(4);
    until_exit = realloc(until_exit, 500000);
    if (!until_exit)
        _exit(5);
    free(until_exit);
    until_exit = malloc(opaque(30));
}

__attribute__((destructor(101))) static void last_of_all(void) {
    free(until_exit);
    for (size_t i = 0; i < 100; i++)
        free(calloc(i, opaque(i * i)));
}

static void nothing(void) {
    free(malloc(opaque(100)));
}

static void handlers_at_exit_are_set(void **state) {
    (void)state;
    until_exit = malloc(5000);
    assert_non_null(until_exit);
    pattern_fill(until_exit, 5000, 77);
    for (int i = 0; i < 100; i++) /* more than fit in libc's static table, so atexit itself allocates */
        assert_int_equal(atexit(i == 50 ? at_exit : nothing), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_destructors_run_several_rounds),
        cmocka_unit_test(a_thread_that_first_allocates_in_a_destructor),
        cmocka_unit_test(blocks_outlive_their_thread),
        cmocka_unit_test(handlers_at_exit_are_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
