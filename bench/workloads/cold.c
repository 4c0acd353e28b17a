// cold: processes that start, allocate a hundred small blocks, and end.
// In real life: shell scripts, compilers called by make, git's helpers: most processes live for milliseconds, and what an
// allocator does before main and at exit is all they see of it.
//
// promise_start: one such process that does nothing at all: its anonymous memory, and page faults, system calls and
// virtual size beyond those of preloading an empty library; and whether it works under a limited address space.
#include "../driver/bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MIB = 256 };

static char sibling_path[4096];

// a program or library that lies beside this one
static char *sibling(const char *name) {
    ssize_t length = readlink("/proc/self/exe", sibling_path, sizeof sibling_path - 64);
    if (length <= 0)
        bench_fail("/proc/self/exe cannot be read");
    sibling_path[length] = '\0';
    char *slash = strrchr(sibling_path, '/');
    snprintf(slash + 1, 64, "%s", name);
    return sibling_path;
}

static pid_t spawn(char *const *command, char *const *environment, int fd_to_keep) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    if (fd_to_keep >= 0)
        posix_spawn_file_actions_adddup2(&actions, fd_to_keep, 3);
    if (posix_spawn(&pid, command[0], &actions, NULL, command, environment) != 0)
        bench_fail("a helper program cannot be started");
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static int wait_status(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid)
        bench_fail("waitpid failed");
    return status;
}

void workload_cold(void) {
    uint64_t starts = arg_u64("starts", 300);
    char use[] = "use";
    char *command[] = {sibling("collam-bench-noop"), use, NULL};
    bench_begin();
    for (uint64_t i = 0; i < starts; i++) {
        if (wait_status(spawn(command, environ, -1)) != 0)
            bench_fail("the started program failed");
    }
    bench_end(starts);
}

struct start_figures {
    uint64_t anonymous_kib, virtual_kib, faults, syscalls;
};

static uint64_t field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    if (at == NULL)
        bench_fail("the report of the started program lacks a field");
    return strtoull(at + strlen(name), NULL, 10);
}

// The environment of this process with LD_PRELOAD replaced (or dropped when library is NULL).
static char **environment_with(const char *library) {
    static char setting[4224];
    static char *copy[512];
    unsigned count = 0;
    for (char **e = environ; *e != NULL && count < 510; e++) {
        if (strncmp(*e, "LD_PRELOAD=", 11) != 0)
            copy[count++] = *e;
    }
    if (library != NULL) {
        snprintf(setting, sizeof setting, "LD_PRELOAD=%s", library);
        copy[count++] = setting;
    }
    copy[count] = NULL;
    return copy;
}

static uint64_t count_syscalls(const char *library) {
    char noop[4096], result[] = "/tmp/collam-bench-XXXXXX", text[64] = {0};
    char syscalls[] = "--syscalls", preload[] = "--preload", to[] = "--result", end[] = "--";
    int fd = mkstemp(result);
    snprintf(noop, sizeof noop, "%s", sibling("collam-bench-noop"));
    char *library_copy = library != NULL ? strdup(library) : NULL;
    char *command[] = {sibling("collam-bench-launch"), syscalls, to, result, preload, library_copy, end, noop, NULL};
    char *command_plain[] = {command[0], syscalls, to, result, end, noop, NULL};
    int status = wait_status(spawn(library != NULL ? command : command_plain, environment_with(NULL), -1));
    if (status != 0 || read(fd, text, sizeof text - 1) <= 0)
        bench_fail("system calls cannot be counted");
    close(fd);
    unlink(result);
    free(library_copy);
    return field(text, "syscalls=");
}

static struct start_figures measure_start(const char *library) {
    char report[] = "report", three[] = "3", text[8192];
    char *command[] = {sibling("collam-bench-noop"), report, three, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_fail("pipe failed");
    pid_t pid = spawn(command, environment_with(library), ends[1]);
    close(ends[1]);
    int64_t faults;
    if (read(ends[0], &faults, sizeof faults) != sizeof faults)
        bench_fail("the started program said nothing");
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    if (wait_status(pid) != 0)
        bench_fail("the started program failed");
    return (struct start_figures){field(text, "Anonymous:"), field(text, "VmSize:"), (uint64_t)faults, count_syscalls(library)};
}

static bool works_under_limit(const char *library) {
    struct rlimit old, limited;
    char fill[] = "fill", mib[] = "16";
    char *command[] = {sibling("collam-bench-noop"), fill, mib, NULL};
    getrlimit(RLIMIT_AS, &old);
    limited = old;
    limited.rlim_cur = (rlim_t)LIMIT_MIB << 20;
    char **environment = environment_with(library);
    // fork, not a spawn with attributes: those cannot set a limit, and the limit must not touch this process
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        setrlimit(RLIMIT_AS, &limited);
        execve(command[0], command, environment);
        _exit(127);
    }
    return wait_status(pid) == 0;
}

static void difference(const char *key, uint64_t value, uint64_t base) {
    bench_figure(key, (double)value - (double)base);
}

void workload_promise_start(void) {
    char empty[4096];
    const char *library = getenv("LD_PRELOAD");
    snprintf(empty, sizeof empty, "%s", sibling("libcollam-bench-empty.so"));
    struct start_figures base = measure_start(empty);
    struct start_figures mine = measure_start(library);
    bench_figure("start_anonymous_kib", (double)mine.anonymous_kib);
    bench_figure("start_virtual_mib", (double)mine.virtual_kib / 1024);
    difference("start_extra_anonymous_kib", mine.anonymous_kib, base.anonymous_kib);
    difference("start_extra_faults", mine.faults, base.faults);
    difference("start_extra_syscalls", mine.syscalls, base.syscalls);
    bench_text("works_under_limit", works_under_limit(library) ? "yes" : "no");
}
