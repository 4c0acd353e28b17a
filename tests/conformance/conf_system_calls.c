/*
 * Purpose: collam makes no system call but those of src/platform/linux/system_calls.def. A child installs a seccomp filter made from the
 * list, which lets every call pass that comes from elsewhere, and traps each call from collam's code that is not listed; then it does real
 * work: on the library as it is, with guarded blocks of which one is accessed wrongly, and on the hardened library. That the filter sees
 * collam's calls at all is shown by taking one name at a time out of the list: the work must then be stopped. And each call but mmap may be
 * refused with an error instead, alone or together with all others: the work is done all the same. A program that confines itself by prctl
 * works under a filter of six calls.
 *   conf_system_calls [HARDENED_LIBRARY]
 */
#include "../support/say.h"
#include "collam/collam.h"
#include "conformance.h"

#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANY = -1, WORKED = 0, FAILED = 1, STOPPED = 3, NO_FILTER = 4, CODE_MAX = 200 };

struct row {
    const char *name;
    unsigned number;
    int argument;
    unsigned value;
};

static const struct row rows[] = {
#define SYSTEM_CALL(name, argument, value) {#name, SYS_##name, argument, value},
#include "platform/linux/system_calls.def"
#undef SYSTEM_CALL
};

/* --- the filter ------------------------------------------------------------------------------------------------------------ */

static uintptr_t code_from, code_to; /* collam's executable segment */

static int find_code(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    (void)data;
    if (!strstr(info->dlpi_name, "libcollam")) /* a preloaded one comes first */
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X)) {
            code_from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            code_to = code_from + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

static struct sock_filter code[CODE_MAX];
static unsigned short length;

static void emit(unsigned short what, unsigned char yes, unsigned char no, unsigned value) {
    code[length++] = (struct sock_filter){what, yes, no, value};
}

static void load(size_t offset) {
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)offset);
}

static void answer(unsigned what) {
    emit(BPF_RET | BPF_K, 0, 0, what);
}

static bool matches(const char *name, const char *wanted) {
    return wanted && (strcmp(wanted, "all but mmap") ? strcmp(name, wanted) == 0 : strcmp(name, "mmap") != 0);
}

static bool confined; /* the program has said by prctl that it confines itself: then the C library's malloc's calls do, and messages */

static bool listed(const struct row *row, const char *without) {
    static const char *const few[] = {"mmap", "munmap", "mremap", "futex", "rt_sigprocmask", "write"};
    bool found = !confined;
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        found |= strcmp(row->name, few[i]) == 0;
    return found && (!without || strcmp(row->name, without) != 0);
}

/* Everything from elsewhere passes; `without` is left out of the list, what is to be `refused` answers that it is not permitted. */
static bool install(const char *without, const char *refused) {
    load(offsetof(struct seccomp_data, instruction_pointer) + 4);
    emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (unsigned)(code_from >> 32));
    answer(SECCOMP_RET_ALLOW);
    load(offsetof(struct seccomp_data, instruction_pointer));
    emit(BPF_JMP | BPF_JGE | BPF_K, 1, 0, (unsigned)code_from);
    answer(SECCOMP_RET_ALLOW);
    emit(BPF_JMP | BPF_JGE | BPF_K, 0, 1, (unsigned)code_to);
    answer(SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!listed(&rows[i], without))
            continue;
        load(offsetof(struct seccomp_data, nr));
        if (rows[i].argument == ANY) {
            emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, rows[i].number);
        } else {
            emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, rows[i].number);
            load(offsetof(struct seccomp_data, args) + 8 * (size_t)rows[i].argument);
            emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, rows[i].value);
        }
        answer(matches(rows[i].name, refused) ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
    }
    answer(SECCOMP_RET_TRAP);
    struct sock_fprog program = {length, code};
    /* Past prctl, which collam would take for its cue to make hardly any call. */
    return syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static bool expected;    /* to be stopped: no message */
static bool cannot_trim; /* munmap is refused: a mapping can only be where the kernel puts it */

static void stopped(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    if (!expected)
        say(2, "collam made system call %d, which is not in the list\n", info->si_syscall);
    _exit(STOPPED);
}

/* --- the work -------------------------------------------------------------------------------------------------------------- */

#define REQUIRE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            say(2, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                         \
            _exit(FAILED);                                                                                                                 \
        }                                                                                                                                  \
    } while (0)

static void *blocks_of_all_sizes(void *seed) {
    enum { COUNT = 400 };
    char *block[COUNT] = {0};
    size_t state = (size_t)(uintptr_t)seed;
    for (int i = 0; i < 20000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t n = (state >> 33) % COUNT, size = (state >> 13) % (i % 50 ? 3000 : 400000);
        free(block[n]);
        REQUIRE((block[n] = malloc(opaque(size + 1))) != NULL);
        memset(block[n], 1, size < 5000 ? size + 1 : 5000);
    }
    for (int i = 0; i < COUNT; i++)
        free(block[i]);
    return NULL;
}

static void threads_contend(void) {
    pthread_t thread[6];
    for (size_t i = 0; i < 6; i++)
        REQUIRE(pthread_create(&thread[i], NULL, blocks_of_all_sizes, (void *)(i + 2)) == 0);
    for (size_t i = 0; i < 6; i++)
        pthread_join(thread[i], NULL);
}

static void large_blocks(void) {
    char *growing = malloc(opaque(2 << 20));
    for (size_t mib = 3; mib < 60; mib++) {
        growing = realloc(opaque_pointer(growing), mib << 20);
        REQUIRE(growing != NULL);
        growing[(mib << 20) - 1] = 1;
    }
    void *aligned = aligned_alloc(4 << 20, opaque(4096));
    REQUIRE(aligned != NULL || cannot_trim);
    free(aligned);
    void *zeroed = calloc(opaque(40), 1 << 20);
    REQUIRE(zeroed != NULL);
    free(zeroed);
    free(realloc(opaque_pointer(growing), 2 << 20));
    enum { COUNT = 600 };
    static void *block[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        REQUIRE((block[i] = malloc(opaque(100000))) != NULL);
        memset(block[i], 1, 100000);
    }
    for (size_t i = 0; i < COUNT; i++)
        free(block[i]);
    malloc_trim(0);
}

static void forks(void) {
    pid_t child = fork();
    if (child == 0) {
        blocks_of_all_sizes((void *)77);
        _exit(WORKED);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static void informs(void) {
    int null = open("/dev/null", O_WRONLY), saved = dup(2);
    REQUIRE(null >= 0 && dup2(null, 2) == 2);
    malloc_stats();
    collam_explain_to(null);
    free(opaque_pointer(&null)); /* misuse=warn: a message */
    dup2(saved, 2);
    close(null);
    close(saved);
    struct rlimit limit = {(rlim_t)1 << 40, RLIM_INFINITY};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    REQUIRE(collam_set_soft_limit((size_t)1 << 40));
    large_blocks(); /* limits are looked up again */
    errno = 0;
    REQUIRE(malloc(opaque((size_t)1 << 45)) == NULL && errno == ENOMEM);
    REQUIRE(collam_set_soft_limit(0));
}

/* With misuse=warn the wrong accesses are told, with the stacks of three calls and the names of files, and the work goes on. */
static void wrong_accesses(void) {
    int null = open("/dev/null", O_WRONLY), saved = dup(2);
    REQUIRE(null >= 0 && dup2(null, 2) == 2);
    for (int i = 0; i < 100; i++) {
        volatile char *block = malloc(opaque(4096));
        free((void *)(uintptr_t)block);
        *block = 1;
    }
    dup2(saved, 2);
    close(null);
    close(saved);
}

static bool guards(void) {
    return strstr(getenv("COLLAM_OPTIONS"), "guard_rate") != NULL;
}

/* In a process of its own, started afresh so that nothing is ready yet: work under the filter. */
static int work(const char *without, const char *refused) {
    expected = without != NULL;
    cannot_trim = matches("munmap", refused);
    struct sigaction action = {.sa_sigaction = stopped, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    dl_iterate_phdr(find_code, NULL);
    if (confined)
        REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (code_from == 0 || code_from >> 32 != code_to >> 32 || !install(without, refused))
        return NO_FILTER;
    blocks_of_all_sizes((void *)1);
    threads_contend();
    large_blocks();
    informs();
    forks();
    if (guards())
        wrong_accesses();
    exit(WORKED); /* the destructor writes the statistics */
}

static char directory[] = "/tmp/conf_system_calls.XXXXXX"; /* the first run makes a file there, later ones reuse it */

/* One way to run the work, and what it is sure to need there: each name that is missing is noticed. */
struct form {
    const char *name, *options;
    const char *library; /* NULL: the one the program is linked with */
    const char *needed[24];
};

#define ALWAYS_NEEDED                                                                                                                      \
    "mmap", "munmap", "mremap", "madvise", "openat", "read", "close", "write", "prlimit64", "rt_sigprocmask", "fstat", "geteuid",          \
        "ftruncate"

static struct form forms[] = {
    {"as it is", "huge_start=0", NULL, {ALWAYS_NEEDED, "pread64", "prctl"}},
    {"guarded", "guard_rate=3", NULL, {ALWAYS_NEEDED, "mprotect", "gettid", "process_vm_readv"}},
    {"hardened", "quiet=0", NULL, {ALWAYS_NEEDED, "mprotect", "getrandom"}},
};

static bool says(const char *path, const char *what) {
    char text[100] = "";
    int file = open(path, O_RDONLY);
    ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
    close(file);
    return got > 0 && strstr(text, what) != NULL;
}

/* Only where the system, and the process, has huge pages of the size that collam asks for does it look how long they take. */
static void need_clock_for_huge_pages(const char **needed, size_t capacity) {
    static const char enabled[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    size_t count = 0;
    while (needed[count])
        count++;
    if (count + 1 < capacity && says("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n") &&
        (says(enabled, "[always]") || says(enabled, "[madvise]")) && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0)
        needed[count] = "clock_gettime";
}

static int run(const char *own_path, const struct form *form, const char *mode, const char *name) {
    pid_t child = fork();
    if (child == 0) {
        char options[140];
        if (strcmp(mode, "confined") == 0) /* whose statistics have no file to go to */
            snprintf(options, sizeof options, "misuse=warn,%s", form->options);
        else
            snprintf(options, sizeof options, "stats=%s/statistics,misuse=warn,%s", directory, form->options);
        setenv("COLLAM_OPTIONS", options, 1);
        if (form->library)
            setenv("LD_PRELOAD", form->library, 1);
        execl(own_path, own_path, mode, name, (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return FAILED;
    return WEXITSTATUS(status);
}

/* What follows is the last column of the table in docs/SECURITY.md. */
static int refuse_each(const char *own_path, const struct form *form) {
    int wrong = 0;
    const char *before = "mmap"; /* without memory there is no work to be done */
    for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
        const char *name = i < sizeof rows / sizeof *rows ? rows[i].name : "all but mmap";
        if (strcmp(name, before) == 0 || (form->library && i < sizeof rows / sizeof *rows)) /* the hardened one: all together */
            continue;
        before = name;
        int result = run(own_path, form, "refuse", name);
        if (result != WORKED) {
            fprintf(stderr, "%s: with %s refused: status %d\n", form->name, name, result);
            wrong = 1;
        }
    }
    return wrong;
}

static void remove_directory(void) {
    char file[100];
    snprintf(file, sizeof file, "%s/statistics", directory);
    unlink(file);
    rmdir(directory);
}

int main(int count, char **argument) {
    if (count > 1 && strcmp(argument[1], "work") == 0)
        return work(count > 2 ? argument[2] : NULL, NULL);
    if (count > 1 && strcmp(argument[1], "confined") == 0) {
        confined = true;
        return work(NULL, NULL);
    }
    if (count > 2 && strcmp(argument[1], "refuse") == 0)
        return work(NULL, argument[2]);
    if (!mkdtemp(directory))
        return 1;
    need_clock_for_huge_pages(forms[0].needed, sizeof forms[0].needed / sizeof *forms[0].needed);
    size_t last = sizeof forms / sizeof *forms;
    forms[last - 1].library = count > 1 ? argument[1] : NULL;
    last -= count <= 1;
    int wrong = 0;
    for (size_t f = 0; f < last; f++) {
        int result = run(argument[0], &forms[f], "work", NULL);
        if (result == NO_FILTER) {
            printf("skipped: this kernel takes no seccomp filter\n");
            remove_directory();
            return 77;
        }
        if (result != WORKED) {
            fprintf(stderr, "%s: under the published list: status %d\n", forms[f].name, result);
            wrong = 1;
            continue;
        }
        for (const char *const *name = forms[f].needed; *name; name++)
            if (run(argument[0], &forms[f], "work", *name) != STOPPED) {
                fprintf(stderr, "%s: without %s the work was not stopped\n", forms[f].name, *name);
                wrong = 1;
            }
        /* systemd's @system-service has no mincore: under a filter it is not called */
        if (run(argument[0], &forms[f], "work", "mincore") != WORKED) {
            fprintf(stderr, "%s: without mincore the work was stopped\n", forms[f].name);
            wrong = 1;
        }
        wrong |= refuse_each(argument[0], &forms[f]);
    }
    if (run(argument[0], &forms[0], "confined", NULL) != WORKED) {
        fprintf(stderr, "a program that confines itself was stopped\n");
        wrong = 1;
    }
    remove_directory();
    return wrong;
}
