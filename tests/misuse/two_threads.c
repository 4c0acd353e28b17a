/*
 * Purpose: blocks freed by one thread and again by another, which has a heap of its own. The first thread lives on unless said otherwise;
 * when the second free has passed, both threads take blocks of the size, to see whether both get this one.
 */
#include "misuse.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { MOST = 5200 };

enum then { LIVES_ON, TRIMS, ENDS, TAKES_IT_AGAIN };

/* What the first thread does. */
struct first {
    size_t size;
    unsigned before, after; /* others of the size that it frees before and after the block */
    enum then then;
    void *block;
    void *taken[MOST];
    pthread_t thread;
};

static struct first first;
static pthread_barrier_t barrier;

static bool finds_it(void **taken, size_t count, size_t size) {
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        taken[i] = malloc(opaque(size));
        found |= taken[i] == first.block;
    }
    return found;
}

static void drop_others(void **other, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        drop(other[i]);
}

static bool first_has_it;

static void *free_first(void *unused) {
    static void *before[MOST], *after[MOST];
    get(first.size); /* stays, and so does the thread's heap */
    for (unsigned i = 0; i < first.before; i++)
        before[i] = get(first.size);
    for (unsigned i = 0; i < first.after; i++)
        after[i] = get(first.size);
    drop_others(before, first.before);
    drop(first.block);
    drop_others(after, first.after);
    if (first.then == TRIMS)
        malloc_trim(0);
    if (first.then == TAKES_IT_AGAIN)
        (void)finds_it(first.taken, 1, first.size);
    if (first.then == ENDS)
        return unused;
    pthread_barrier_wait(&barrier); /* main frees it now */
    pthread_barrier_wait(&barrier);
    if (first.then != TAKES_IT_AGAIN)
        first_has_it = finds_it(first.taken, first.before + first.after + 2, first.size);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

static void announce(const char *build, struct call call, size_t usable) {
    say(1, "%s: collam: %s(%p", build, call.name, call.pointer);
    if (call.second != NO_SECOND)
        say(1, ", %zu", call.second);
    say(1, "): double free of a %zu-byte block\n", usable);
}

static void expect_in_all(struct call call, size_t usable) {
    expect_double_free(call, usable);
    announce("guarded", call, usable);
    announce("hardened", call, usable);
}

/* `block` is of the size, and was just taken by main. */
static void let_first_free(void *block, size_t size, unsigned before, unsigned after, enum then then) {
    get(size); /* its neighbour stays */
    first.block = block;
    first.size = size;
    first.before = before;
    first.after = after;
    first.then = then;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&first.thread, NULL, free_first, NULL) || (then == ENDS && pthread_join(first.thread, NULL)))
        _exit(3);
    if (then != ENDS)
        pthread_barrier_wait(&barrier);
}

/* Both threads go on. */
static void look_who_has_it(void) {
    static void *taken[MOST];
    if (first.then == ENDS)
        return;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    if (first_has_it && finds_it(taken, first.before + first.after + 2, first.size)) {
        say(1, "handed-twice\n");
        _exit(0);
    }
}

static void free_again(void *block, size_t size, unsigned before, unsigned after, enum then then) {
    size_t usable = malloc_usable_size(block);
    let_first_free(block, size, before, after, then);
    expect_in_all(CALL("free", block), usable);
    drop(block);
    look_who_has_it();
}

void fault_other_thread_at_once(void) {
    free_again(get(64), 64, 0, 0, LIVES_ON);
}

void fault_other_thread_20_later(void) {
    free_again(get(64), 64, 0, 20, LIVES_ON);
}

void fault_other_thread_126_later(void) {
    free_again(get(64), 64, 0, 126, LIVES_ON);
}

void fault_other_thread_5000_later(void) {
    free_again(get(64), 64, 0, 5000, LIVES_ON);
}

void fault_other_thread_20_before(void) {
    free_again(get(64), 64, 20, 0, LIVES_ON);
}

void fault_other_thread_after_trim(void) {
    free_again(get(64), 64, 0, 20, TRIMS);
}

void fault_other_thread_after_end(void) {
    free_again(get(64), 64, 0, 20, ENDS);
}

void fault_other_thread_16(void) {
    free_again(get(16), 16, 0, 0, LIVES_ON);
}

void fault_other_thread_1024(void) {
    free_again(get(1024), 1024, 0, 0, LIVES_ON);
}

void fault_other_thread_1500(void) {
    free_again(get(1500), 1500, 0, 0, LIVES_ON);
}

void fault_other_thread_1500_3_later(void) {
    free_again(get(1500), 1500, 0, 3, LIVES_ON);
}

void fault_other_thread_1500_5000_later(void) {
    free_again(get(1500), 1500, 0, 5000, LIVES_ON);
}

void fault_other_thread_5000_bytes(void) {
    free_again(get(5000), 5000, 0, 0, LIVES_ON);
}

void fault_other_thread_32768(void) {
    free_again(get(32768), 32768, 0, 0, LIVES_ON);
}

void fault_other_thread_aligned(void) {
    free_again(memalign(64, opaque(100)), 128, 0, 0, LIVES_ON);
}

void fault_other_thread_aligned_page(void) {
    free_again(memalign(4096, opaque(4096)), 4096, 0, 0, LIVES_ON);
}

void fault_other_thread_calloc(void) {
    free_again(calloc(1, opaque(64)), 64, 0, 0, LIVES_ON);
}

void fault_other_thread_calloc_2000(void) {
    free_again(calloc(2, opaque(1000)), 2000, 0, 0, LIVES_ON);
}

void fault_other_thread_large(void) {
    void *block = get(200000);
    let_first_free(block, 200000, 0, 0, LIVES_ON);
    expect_double_free_of_pages(CALL("free", block));
    drop(block);
}

/* Legal but for main's free, which takes the block from the first thread. */
void fault_other_thread_has_it_again(void) {
    free_again(get(64), 64, 0, 0, TAKES_IT_AGAIN);
}

/* --- the second call is another one ------------------------------------------------------------------------------------------ */

static void realloc_again(size_t size) {
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    let_first_free(block, size, 0, 0, LIVES_ON);
    expect_in_all(CALL_WITH("realloc", block, 4 * size), usable);
    (void)opaque_pointer(realloc(opaque_pointer(block), opaque(4 * size)));
    look_who_has_it();
}

void fault_other_thread_realloc(void) {
    realloc_again(64);
}

void fault_other_thread_realloc_2000(void) {
    realloc_again(2000);
}

static void delete_again(size_t size) {
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    let_first_free(block, size, 0, 0, LIVES_ON);
    expect_double_free(CALL("operator delete", block), usable);
    announce("guarded", CALL("operator delete", block), usable);
    announce("hardened", CALL_WITH("operator delete", block, size), usable); /* compares it */
    _ZdlPvm(opaque_pointer(block), opaque(size));
    look_who_has_it();
}

void fault_other_thread_delete(void) {
    delete_again(64);
}

void fault_other_thread_delete_2000(void) {
    delete_again(2000);
}

static void free_sized_again(size_t size) {
    if (!free_sized)
        absent();
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    let_first_free(block, size, 0, 0, LIVES_ON);
    expect_in_all(CALL_WITH("free_sized", block, size), usable);
    free_sized(opaque_pointer(block), opaque(size));
    look_who_has_it();
}

void fault_other_thread_free_sized(void) {
    free_sized_again(64);
}

void fault_other_thread_free_sized_2000(void) {
    free_sized_again(2000);
}

static void ask_usable(size_t size) {
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    let_first_free(block, size, 0, 0, LIVES_ON);
    expect_in_all(CALL("malloc_usable_size", block), usable);
    (void)opaque(malloc_usable_size(opaque_pointer(block)));
}

void fault_other_thread_usable(void) {
    ask_usable(64);
}

void fault_other_thread_usable_2000(void) {
    ask_usable(2000);
}

/* --- both at once, both flushed ---------------------------------------------------------------------------------------------- */

static void *free_at_once(void *block) {
    get(first.size);
    pthread_barrier_wait(&barrier);
    drop(block);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

static void both_free(size_t size) {
    get(size);
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    get(size);
    first.size = size;
    pthread_barrier_init(&barrier, NULL, 2);
    expect_in_all(CALL("free", block), usable);
    if (pthread_create(&first.thread, NULL, free_at_once, block))
        _exit(3);
    pthread_barrier_wait(&barrier);
    drop(block);
    pthread_barrier_wait(&barrier);
}

void fault_other_thread_same_moment(void) {
    both_free(64);
}

void fault_other_thread_same_moment_2000(void) {
    both_free(2000);
}

/* The copy that comes back to the slab second is found there. */
void fault_other_thread_both_trim(void) {
    void *block = get(64);
    size_t usable = malloc_usable_size(block);
    let_first_free(block, 64, 0, 0, TRIMS);
    expect_in_all(CALL("free", block), usable);
    drop(block);
    malloc_trim(0);
}

/* --- fork -------------------------------------------------------------------------------------------------------------------- */

static int status_of(pid_t child) {
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

/* No fault: each process has a block of its own. */
void fault_fork_each_frees(void) {
    void *small = get(64), *medium = get(2000), *large = get(200000);
    pid_t child = fork();
    drop(small);
    drop(medium);
    drop(large);
    if (child == 0)
        _exit(0);
    if (status_of(child) != 0)
        _exit(3);
}

/* The child takes the parent's place: whatever ends it, ends the program alike. */
static void go_on_in_child(void) {
    pid_t child = fork();
    int status = 0;
    if (child == 0)
        return;
    if (child < 0 || waitpid(child, &status, 0) != child)
        _exit(3);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* What the other thread's magazine holds is lost to the child, so nobody there can be given the block but who frees it. */
static void free_in_child_again(size_t size) {
    void *block = get(size);
    size_t usable = malloc_usable_size(block);
    let_first_free(block, size, 0, 0, LIVES_ON);
    go_on_in_child();
    expect_in_all(CALL("free", block), usable);
    drop(block);
}

void fault_fork_other_thread_freed(void) {
    free_in_child_again(64);
}

void fault_fork_other_thread_freed_2000(void) {
    free_in_child_again(2000);
}
