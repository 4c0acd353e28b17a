// collam-bench-launch [options] -- COMMAND...: runs one program and prints what it cost, as key=value lines.
//
// Why a program of its own: the kernel's peak RSS of a process starts from that of the one that forked it, so a child of
// a Python interpreter could never show less than the interpreter. This launcher is small. It also ends a run that takes
// too long, samples RSS over time, and counts instructions where the machine allows it.
//
//   --preload LIB     LD_PRELOAD for the command        --timeout-ms N   kill its process group after N ms
//   --output FILE     its standard output               --sample-ms N    print RSS every N ms as series.rss
//   --result FILE     where the figures go (else: standard error)
//   --memory-limit N  run in a cgroup with this limit   --syscalls       only count its system calls
//   --thp MODE        with transparent huge pages set to always, madvise or never
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void usage(void) {
    fputs("usage: collam-bench-launch [--preload LIB] [--output FILE] [--result FILE] [--timeout-ms N] [--sample-ms N]\n"
          "                           [--memory-limit BYTES] [--thp MODE] [--syscalls] -- COMMAND...\n",
          stderr);
    exit(2);
}

static struct launch parse(int argc, char **argv) {
    struct launch l = {0};
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--syscalls") == 0) {
            l.count_syscalls = true;
            continue;
        }
        if (i + 1 >= argc)
            usage();
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--preload") == 0)
            l.preload = value;
        else if (strcmp(argv[i], "--output") == 0)
            l.output = value;
        else if (strcmp(argv[i], "--result") == 0)
            l.result = value;
        else if (strcmp(argv[i], "--timeout-ms") == 0)
            l.timeout_ms = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--sample-ms") == 0)
            l.sample_ms = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--memory-limit") == 0)
            l.memory_limit = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--thp") == 0)
            l.thp = value;
        else
            usage();
        i++;
    }
    if (i + 1 >= argc)
        usage();
    l.command = argv + i + 1;
    return l;
}

// user-space instructions of the child and all it starts; -1 where the machine or its owner forbids counting
static int open_counter(pid_t child) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_HARDWARE,
                                         .size = sizeof attributes,
                                         .config = PERF_COUNT_HW_INSTRUCTIONS,
                                         .disabled = 1,
                                         .inherit = 1,
                                         .exclude_kernel = 1,
                                         .exclude_hv = 1,
                                         .enable_on_exec = 1};
    return (int)syscall(SYS_perf_event_open, &attributes, child, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static _Noreturn void child_main(const struct launch *l, int ready) {
    char go;
    sigset_t none;
    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (read(ready, &go, 1) != 1) // until the parent has attached its counter
        _exit(126);
    if (l->memory_limit != 0)
        launch_cgroup_enter();
    launch_thp_enter();
    if (l->output != NULL) {
        int fd = open(l->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
            _exit(126);
    }
    if (l->preload != NULL)
        setenv("LD_PRELOAD", l->preload, 1);
    execvp(l->command[0], l->command);
    fprintf(stderr, "collam-bench-launch: %s: %s\n", l->command[0], strerror(errno));
    _exit(127);
}

static uint64_t resident_kib(pid_t pid) {
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    unsigned long size, resident;
    if (length <= 0)
        return 0;
    text[length] = '\0';
    return sscanf(text, "%lu %lu", &size, &resident) == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024 : 0;
}

enum { MAX_SAMPLES = 4096 };
static struct { uint32_t ms, kib; } samples[MAX_SAMPLES];
static unsigned sample_count;

// Waits for the child, sampling and watching the clock. Returns its wait status; *timed_out says whether it was killed.
static int watch(const struct launch *l, pid_t child, struct rusage *usage, uint64_t start, bool *timed_out) {
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    for (;;) {
        int status;
        pid_t done = wait4(child, &status, WNOHANG, usage);
        if (done == child)
            return status;
        uint64_t elapsed_ms = (now_ns() - start) / 1000000;
        if (l->timeout_ms != 0 && elapsed_ms >= l->timeout_ms) {
            // gently first: a script stops the server it started
            if (!*timed_out)
                kill(-child, SIGTERM);
            if (elapsed_ms >= l->timeout_ms + 3000u)
                kill(-child, SIGKILL);
            *timed_out = true;
        }
        if (l->sample_ms != 0 && sample_count < MAX_SAMPLES) {
            samples[sample_count].ms = (uint32_t)elapsed_ms;
            samples[sample_count].kib = (uint32_t)resident_kib(child);
            sample_count++;
        }
        long pause_ms = l->sample_ms != 0 ? (long)l->sample_ms : 200;
        if (l->timeout_ms != 0 && elapsed_ms < l->timeout_ms && (long)(l->timeout_ms - elapsed_ms) < pause_ms)
            pause_ms = (long)(l->timeout_ms - elapsed_ms);
        struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
        sigtimedwait(&chld, NULL, &pause); // a child that ends wakes us at once
    }
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void print_result(FILE *out, int status, const struct rusage *usage, uint64_t wall_ns, bool timed_out, int counter) {
    fprintf(out, "wall_s=%.6f\nuser_s=%.6f\nsys_s=%.6f\n", (double)wall_ns * 1e-9, seconds(usage->ru_utime), seconds(usage->ru_stime));
    fprintf(out, "peak_rss_kib=%ld\nfaults=%ld\nmajor_faults=%ld\n", usage->ru_maxrss, usage->ru_minflt, usage->ru_majflt);
    fprintf(out, "switches=%ld\n", usage->ru_nvcsw + usage->ru_nivcsw);
    uint64_t instructions;
    if (counter >= 0 && read(counter, &instructions, sizeof instructions) == sizeof instructions)
        fprintf(out, "instructions=%llu\n", (unsigned long long)instructions);
    fprintf(out, "exit=%d\nsignal=%d\ntimed_out=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0, timed_out);
    for (unsigned i = 0; i < sample_count; i++)
        fprintf(out, "%s%u:%u", i == 0 ? "series.rss=" : ",", samples[i].ms, samples[i].kib);
    if (sample_count != 0)
        fputc('\n', out);
}

int main(int argc, char **argv) {
    struct launch l = parse(argc, argv);
    FILE *out = l.result != NULL ? fopen(l.result, "we") : stderr;
    if (out == NULL) {
        perror(l.result);
        return 2;
    }
    if (l.count_syscalls) {
        long count = launch_count_syscalls(&l);
        fprintf(out, "syscalls=%ld\n", count);
        return count < 0 || fclose(out) != 0;
    }
    if (l.memory_limit != 0 && !launch_cgroup_create(l.memory_limit)) {
        fputs("no_cgroup=1\n", out);
        return fclose(out) != 0;
    }
    if (l.thp != NULL && !launch_thp_set(l.thp)) {
        fputs("no_thp=1\n", out);
        return fclose(out) != 0;
    }
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
        return 2;
    pid_t child = fork();
    if (child < 0)
        return 2;
    if (child == 0)
        child_main(&l, ready[0]);
    int counter = open_counter(child);
    struct rusage usage;
    bool timed_out = false;
    uint64_t start = now_ns();
    if (write(ready[1], "", 1) != 1)
        return 2;
    int status = watch(&l, child, &usage, start, &timed_out);
    uint64_t wall_ns = now_ns() - start;
    kill(-child, SIGKILL); // whatever the program left behind in its group
    if (!launch_thp_restore())
        fputs("collam-bench-launch: the setting of transparent huge pages could not be put back\n", stderr);
    print_result(out, status, &usage, wall_ns, timed_out, counter);
    if (l.memory_limit != 0)
        launch_cgroup_remove();
    return fclose(out) != 0;
}
