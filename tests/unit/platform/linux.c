/*
 * Purpose: tests of platform/linux/linux.c, the contract of platform.h asked of the kernel itself. Linked with the core over the real
 * platform, so without what unit.h gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* An emulator of another processor answers madvise for addresses that are not mapped, and does not pass limits on. */
#ifdef COLLAM_TESTS_EMULATED
enum { EMULATED = 1 };
#else
enum { EMULATED = 0 };
#endif

enum { MIB = 1 << 20 };

static bool all_zero(const char *memory, size_t size) {
    return memory[0] == 0 && memcmp(memory, memory + 1, size - 1) == 0;
}

static void maps_zeroed_aligned_memory(void **state) {
    (void)state;
    assert_int_equal(platform_page_size(), sysconf(_SC_PAGESIZE));
    for (size_t align = platform_page_size(); align <= (size_t)256 * MIB; align *= 4) {
        char *first = platform_map(MIB, align);
        char *second = platform_map(MIB, align);
        assert_true(first && second);
        assert_int_equal((uintptr_t)first % align, 0);
        assert_int_equal((uintptr_t)second % align, 0);
        assert_true(all_zero(first, MIB));
        assert_true(platform_unmap(first, MIB));
        assert_true(platform_unmap(second, MIB));
    }
}

/* What was mapped around an aligned range to find it is gone again: the address just behind can be had. */
static void leaves_nothing_else_mapped(void **state) {
    (void)state;
    if (EMULATED) {
        skip();
    }
    size_t page = platform_page_size();
    char *memory = platform_map(MIB, 64 * MIB);
    assert_non_null(memory);
    assert_false(platform_purge(memory - page, page));
    assert_false(platform_purge(memory + MIB, page));
    assert_true(platform_unmap(memory, MIB));
    assert_false(platform_purge(memory, MIB));
}

static void refuses_what_cannot_be(void **state) {
    (void)state;
    errno = 4711;
    assert_null(platform_map((size_t)1 << 60, platform_page_size()));
    assert_null(platform_map(MIB, (size_t)1 << 62));
    assert_false(platform_unmap((void *)(platform_page_size() + 1), platform_page_size()));
#ifndef __SANITIZE_THREAD__ /* which has libc's functions called instead */
    assert_int_equal(errno, 4711);
#endif
}

static void purged_pages_read_as_zeros(void **state) {
    (void)state;
    size_t page = platform_page_size();
    char *memory = platform_map(4 * page, page);
    assert_non_null(memory);
    platform_huge_pages(memory, 4 * page, false);
    platform_huge_pages(memory, 4 * page, true);
    platform_break_huge_pages(memory + page, page);
    memset(memory, 7, 4 * page);
    assert_true(platform_purge(memory + page, 2 * page));
    assert_int_equal(memory[page - 1], 7);
    assert_int_equal(memory[3 * page], 7);
    assert_true(all_zero(memory + page, 2 * page));
    assert_true(platform_unmap(memory, 4 * page));
}

static void what_is_backed_is_told(void **state) {
    (void)state;
    size_t page = platform_page_size();
    char *memory = platform_map(PLATFORM_RESIDENT_MAX, page);
    assert_non_null(memory);
    platform_huge_pages(memory, PLATFORM_RESIDENT_MAX, false);
    assert_int_equal(platform_resident(memory, PLATFORM_RESIDENT_MAX), 0);
    memset(memory, 7, PLATFORM_RESIDENT_MAX);
    assert_int_equal(platform_resident(memory, PLATFORM_RESIDENT_MAX), PLATFORM_RESIDENT_MAX);
    assert_true(platform_purge(memory + page, 2 * page));
    assert_int_equal(platform_resident(memory, 4 * page), 2 * page);
    assert_true(platform_unmap(memory, PLATFORM_RESIDENT_MAX));
    assert_int_equal(platform_resident(memory, page), 0);
}

/* A filter that lets all pass but this call, which it refuses; NONE: all. */
enum { NONE = 0xffff };
static bool filter_calls(unsigned refused) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Runs in a child, since a filter stays. */
static int resident_under_a_filter(void) {
    size_t page = platform_page_size();
    char *memory = platform_map(PLATFORM_RESIDENT_MAX, page);
    if (memory == NULL || !filter_calls(NONE)) {
        return 1;
    }
    platform_huge_pages(memory, PLATFORM_RESIDENT_MAX, false);
    if (platform_resident(memory, PLATFORM_RESIDENT_MAX) != 0) {
        return 2;
    }
    memset(memory + page, 1, 2 * page);
    memset(memory + PLATFORM_RESIDENT_MAX - page, 1, page);
    if (platform_resident(memory, PLATFORM_RESIDENT_MAX) != 3 * page || platform_resident(memory + 2 * page, 2 * page) != page) {
        return 3;
    }
    memset(memory, 1, PLATFORM_RESIDENT_MAX);
    if (platform_resident(memory, PLATFORM_RESIDENT_MAX) != PLATFORM_RESIDENT_MAX) {
        return 4;
    }
    if (platform_resident((void *)((uintptr_t)1 << 56), page) != 0) { /* nowhere */
        return 5;
    }
    return 0;
}

static int resident_without_files(void) {
    size_t page = platform_page_size();
    char *memory = platform_map(page, page);
    if (memory == NULL || !filter_calls(SYS_openat)) {
        return 1;
    }
    *memory = 1;
    return platform_resident(memory, page) == 0 ? 0 : 2;
}

static void require_in_child(int (*body)(void)) {
    pid_t child = fork();
    if (child == 0) {
        exit(body());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void under_a_filter_the_map_of_pages_tells(void **state) {
    (void)state;
    if (EMULATED) {
        skip();
    }
    require_in_child(resident_under_a_filter);
    require_in_child(resident_without_files);
}

/* The kernel reads for us, or says that it may not: no signal is caught. */
static bool readable(int pipe_end, const void *address) {
    return write(pipe_end, address, 1) == 1;
}

/* What platform_confine() leaves; a filter would only hide which call was made. */
static int confined_calls(void) {
    size_t page = platform_page_size();
    char *memory = platform_map(4 * page, page);
    platform_confine();
    if (memory == NULL || platform_open_file("/proc/self/status") >= 0 || platform_clock() != 0 || platform_huge_offered(2 * (size_t)MIB)) {
        return 1;
    }
    memset(memory, 1, 4 * page);
    if (platform_resident(memory, 4 * page) != 0) { /* not told */
        return 2;
    }
    if (platform_purge(memory + page, 2 * page)) { /* refused, and nothing lost */
        return 3;
    }
    memory[page] = 1;
    if (platform_data_limit() != SIZE_MAX || platform_address_space_limit() != SIZE_MAX || platform_free_swap() != 0 ||
        platform_cpu_count() == 0) {
        return 5;
    }
    unsigned cpu = 1, node = 1;
    platform_where(&cpu, &node);
    return cpu != 0 || node != 0 || !platform_unmap(memory, 4 * page) ? 6 : 0;
}

static void who_confines_itself_gets_few_calls(void **state) {
    (void)state;
    require_in_child(confined_calls);
}

static void pages_become_inaccessible_and_accessible_again(void **state) {
    (void)state;
    size_t page = platform_page_size();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    char *memory = platform_map(3 * page, page);
    assert_non_null(memory);
    memset(memory, 7, 3 * page);
    assert_true(platform_protect(memory + page, page, false));
    assert_true(readable(ends[1], memory + page - 1) && readable(ends[1], memory + 2 * page));
    assert_false(readable(ends[1], memory + page) || readable(ends[1], memory + 2 * page - 1));
    assert_true(platform_protect(memory + page, page, true));
    assert_int_equal(memory[page], 7);
    memory[page] = 8;
    assert_true(platform_unmap(memory, 3 * page));
    assert_false(platform_protect(memory, page, true)); /* nothing is mapped there */
    close(ends[0]);
    close(ends[1]);
}

static int random_without_the_call(void) {
    return filter_calls(SYS_getrandom) && platform_random() != 0 ? 0 : 1;
}

static void random_bits_differ(void **state) {
    (void)state;
    uint64_t ever = 0;
    uint64_t always = UINT64_MAX;
    for (int i = 0; i < 64; i++) {
        uint64_t bits = platform_random();
        assert_true(bits != platform_random());
        ever |= bits;
        always &= bits;
    }
    assert_true(ever == UINT64_MAX && always == 0);
    if (!EMULATED) {
        require_in_child(random_without_the_call);
    }
}

static void mappings_grow_shrink_and_move(void **state) {
    (void)state;
    size_t page = platform_page_size();
    char *memory = platform_map(8 * page, page);
    assert_non_null(memory);
    memset(memory, 7, 8 * page);
    assert_true(platform_unmap(memory + 4 * page, page)); /* room for nothing behind the first half */
    char *blocker = memory + 5 * page;
    assert_null(platform_remap(memory, 4 * page, 16 * page, false));
    char *moved = platform_remap(memory, 4 * page, 16 * page, true);
    assert_non_null(moved);
    assert_int_equal(moved[4 * page - 1], 7);
    assert_true(all_zero(moved + 4 * page, 12 * page));
    assert_ptr_equal(platform_remap(moved, 16 * page, page, false), moved);
    assert_true(platform_unmap(moved, page));
    assert_true(platform_unmap(blocker, 3 * page));
}

static void a_mapping_moves_onto_another(void **state) {
    (void)state;
    size_t page = platform_page_size();
    char *memory = platform_map(4 * page, page);
    char *target = platform_map(16 * page, 16 * page);
    assert_true(memory && target);
    memset(memory, 7, 4 * page);
    assert_true(platform_remap_onto(memory, 4 * page, target, 16 * page));
    assert_int_equal(target[0], 7);
    assert_int_equal(target[4 * page - 1], 7);
    assert_true(all_zero(target + 4 * page, 12 * page));
    assert_int_equal(platform_resident(memory, page), 0); /* gone from there */
    assert_true(platform_unmap(target + 8 * page, page));
    char *other = platform_map(32 * page, page);
    assert_non_null(other);
    assert_false(platform_remap_onto(target, 16 * page, other, 32 * page)); /* not one mapping: as it was */
    assert_int_equal(target[4 * page - 1], 7);
    assert_true(platform_unmap(target, 16 * page));
}

static _Atomic(uint32_t) word;

static void *wake_later(void *context) {
    usleep(50000);
    store_relaxed(&word, 1);
    platform_wake_one(&word);
    return context;
}

static void waits_until_woken(void **state) {
    (void)state;
    pthread_t thread;
    platform_wait(&word, 1); /* another value: comes back at once */
    assert_int_equal(pthread_create(&thread, NULL, wake_later, NULL), 0);
    while (load_relaxed(&word) == 0) {
        platform_wait(&word, 0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(platform_single_threaded());
    platform_pause();
}

static void *tell_id(void *id) {
    *(uint32_t *)id = platform_thread_id();
    return NULL;
}

static void knows_processors_threads_and_itself(void **state) {
    (void)state;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(platform_cpu_count(), CPU_COUNT(&set));
    unsigned cpu = CPU_SETSIZE;
    unsigned node = CPU_SETSIZE;
    platform_where(&cpu, &node);
    assert_true(cpu < CPU_SETSIZE && node < CPU_SETSIZE);
    assert_int_equal(platform_process_id(), getpid());
    assert_int_equal(platform_thread_id(), syscall(SYS_gettid));
    uint32_t other = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, tell_id, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(other != 0 && other != platform_thread_id());
    assert_false(platform_secure_start());
    assert_int_equal(platform_has_loader(), getauxval(AT_BASE) != 0);
}

static void runs_another_program_or_returns(void **state) {
    (void)state;
    char *argv[] = {"sh", "-c", "exit $with", NULL};
    char *environment[] = {"with=17", NULL};
    assert_int_equal(platform_run("/nowhere/at/all", argv, environment), ENOENT);
    pid_t child = fork();
    if (child == 0) {
        (void)platform_run("/bin/sh", argv, environment);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 17);
}

static void files_are_the_owners_alone_and_no_links(void **state) {
    (void)state;
    char directory[] = "/tmp/collam-unit-XXXXXX", path[64], link[64], text[16] = "";
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(link, sizeof link, "%s/link", directory);
    mode_t mask = umask(0);
    int file = platform_create_file(path);
    umask(mask);
    assert_true(file >= 0);
    platform_write(file, "too long", 8);
    platform_close(file);
    assert_int_equal(close(file), -1); /* it is closed */
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true((file = platform_create_file(path)) >= 0); /* begins anew */
    platform_write(file, "short", 5);
    platform_close(file);
    assert_true((file = open(path, O_RDONLY)) >= 0);
    assert_int_equal(read(file, text, sizeof text), 5);
    assert_string_equal(text, "short");
    close(file);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(platform_create_file(link), -1);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rename(path, link), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK); /* so that it can be opened for writing */
    assert_int_equal(platform_create_file(path), -1);
    close(reader);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(platform_create_file("/nowhere/at/all"), -1);
    assert_int_equal(rmdir(directory), 0);
}

static void reads_what_the_c_library_reads(void **state) {
    (void)state;
    char mine[4096];
    char theirs[4096];
    errno = 4711;
    assert_int_equal(platform_open_file("/nowhere/at/all"), -1);
    int file = platform_open_file("/proc/self/mountinfo");
    assert_true(file >= 0);
    assert_true(fcntl(file, F_GETFD) & FD_CLOEXEC);
    size_t got = 0;
    size_t more;
    while ((more = platform_read(file, mine + got, sizeof mine - got > 100 ? 100 : sizeof mine - got)) != 0) {
        got += more;
    }
    platform_close(file);
    assert_int_equal(platform_read(file, mine, 1), 0); /* it is closed: an error reads as the end */
    assert_int_equal(errno, 4711);
    assert_true((file = open("/proc/self/mountinfo", O_RDONLY)) >= 0);
    size_t known = 0;
    ssize_t n;
    while (known < sizeof theirs && (n = read(file, theirs + known, sizeof theirs - known)) > 0) {
        known += (size_t)n;
    }
    close(file);
    assert_int_equal(got, known);
    assert_memory_equal(mine, theirs, got);
}

static void tells_the_limits_of_the_process(void **state) {
    (void)state;
    if (EMULATED) {
        skip();
    }
    static const rlim_t values[] = {(rlim_t)1 << 47, RLIM_INFINITY}; /* beyond what a process can have: sanitizers need much */
    struct rlimit before[2];
    assert_int_equal(getrlimit(RLIMIT_AS, &before[0]), 0);
    assert_int_equal(getrlimit(RLIMIT_DATA, &before[1]), 0);
    for (int i = 0; i < 2; i++) {
        rlim_t address_space = before[0].rlim_max < values[i] ? before[0].rlim_max : values[i];
        rlim_t data = before[1].rlim_max < values[1 - i] ? before[1].rlim_max : values[1 - i];
        assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){address_space, before[0].rlim_max}), 0);
        assert_int_equal(setrlimit(RLIMIT_DATA, &(struct rlimit){data, before[1].rlim_max}), 0);
        assert_int_equal(platform_address_space_limit(), address_space == RLIM_INFINITY ? SIZE_MAX : address_space);
        assert_int_equal(platform_data_limit(), data == RLIM_INFINITY ? SIZE_MAX : data);
    }
    assert_int_equal(setrlimit(RLIMIT_AS, &before[0]), 0);
    assert_int_equal(setrlimit(RLIMIT_DATA, &before[1]), 0);
}

static void tells_swap_and_nodes(void **state) {
    (void)state;
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    assert_true(platform_free_swap() <= (size_t)info.totalswap * info.mem_unit);
    assert_in_range(platform_node_count(), 1, 4096);
    unsigned cpu;
    unsigned node;
    platform_where(&cpu, &node);
    assert_true(node < 4096);
}

static int ends[2];
static volatile sig_atomic_t alarms;

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

static void *read_late(void *context) {
    size_t *got = context;
    char text[4096];
    ssize_t part;
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    for (int i = 0; i < 100; i++) { /* meanwhile the pipe is full, and its writer is interrupted */
        usleep(1000);
    }
    while ((part = read(ends[0], text, sizeof text)) > 0) {
        *got += (size_t)part;
    }
    return NULL;
}

/* A pipe takes a part, a signal interrupts the wait for room: all of it arrives nevertheless. */
static void writes_all_of_it(void **state) {
    (void)state;
    enum { SIZE = MIB };
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'x', SIZE);
    assert_int_equal(pipe(ends), 0);
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    size_t got = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_late, &got), 0);
    setitimer(ITIMER_REAL, &often, NULL);
    platform_write(ends[1], text, SIZE);
    while (alarms < 3) {
        usleep(1000);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    platform_close(ends[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(got, SIZE);
    close(ends[0]);
    platform_write(-1, text, SIZE); /* gives up where nothing can be written */
    free(text);
}

static void ends_as_abort_does(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        platform_abort();
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void knows_its_program(void **state) {
    (void)state;
    char path[1024], expected[1024] = {0};
    assert_true(readlink("/proc/self/exe", expected, sizeof expected - 1) > 0);
    assert_true(platform_program_path(path, sizeof path));
    assert_string_equal(path, expected);
    assert_true(platform_program_path(path, strlen(expected) + 1));
    assert_false(platform_program_path(path, strlen(expected)));
    char name[PLATFORM_NAME_BYTES], other[PLATFORM_NAME_BYTES];
    platform_get_name(name);
    platform_set_name("a name");
    platform_get_name(other);
    assert_string_equal(other, "a name");
    platform_set_name(name);
    int on_stack;
    assert_true(platform_loaded_first((uintptr_t)knows_its_program));
    assert_false(platform_loaded_first((uintptr_t)&on_stack));
    char *const none[] = {NULL};
    assert_int_equal(platform_run("/nowhere/at/all", none, none), ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_zeroed_aligned_memory),
        cmocka_unit_test(leaves_nothing_else_mapped),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(purged_pages_read_as_zeros),
        cmocka_unit_test(what_is_backed_is_told),
        cmocka_unit_test(under_a_filter_the_map_of_pages_tells),
        cmocka_unit_test(who_confines_itself_gets_few_calls),
        cmocka_unit_test(pages_become_inaccessible_and_accessible_again),
        cmocka_unit_test(random_bits_differ),
        cmocka_unit_test(mappings_grow_shrink_and_move),
        cmocka_unit_test(a_mapping_moves_onto_another),
        cmocka_unit_test(waits_until_woken),
        cmocka_unit_test(knows_processors_threads_and_itself),
        cmocka_unit_test(runs_another_program_or_returns),
        cmocka_unit_test(files_are_the_owners_alone_and_no_links),
        cmocka_unit_test(reads_what_the_c_library_reads),
        cmocka_unit_test(tells_the_limits_of_the_process),
        cmocka_unit_test(tells_swap_and_nodes),
        cmocka_unit_test(writes_all_of_it),
        cmocka_unit_test(ends_as_abort_does),
        cmocka_unit_test(knows_its_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
