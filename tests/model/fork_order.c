/*
 * Fork while threads hold a library's mutex and wait in malloc: the case -DOURS_FIRST of fork.pml on the real thing. The allocator,
 * preloaded or linked in any way, must take its locks after the library's handler took the mutex, whichever would be initialised first.
 * Ends with 0 after FORKS forks; a deadlock ends by the alarm.
 */
#include "fork_order.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, BLOCKS = 40, SIZE = 8192, FORKS = 200, SECONDS = 60 };

static atomic_bool over;

static void *work(void *unused) {
    void *blocks[BLOCKS];
    while (!atomic_load(&over)) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = fork_order_allocate(SIZE);
        }
        for (int i = 0; i < BLOCKS; i++) {
            free(blocks[i]);
        }
    }
    return unused;
}

int main(void) {
    pthread_t threads[THREADS];
    alarm(SECONDS);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, NULL) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            free(fork_order_allocate(SIZE));
            _exit(0);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            return 1;
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
