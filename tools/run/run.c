// collam-run: starts a program with collam as its malloc, passes signals on to it, waits for it, ends as it ended.
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,  SIGUSR1, SIGUSR2, SIGALRM,
                                SIGCONT, SIGTSTP, SIGPIPE, SIGWINCH, SIGURG,  SIGIO};

// What the terminal sends goes to the whole process group, so the program has it already.
static void forward(int number, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    if (info->si_code != SI_KERNEL && child > 0) {
        kill(child, number);
    }
    errno = saved;
}

// Signals that were ignored when we were started (nohup) stay ignored, for us and for the program.
static void catch_signals(void) {
    for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++) {
        struct sigaction action = {.sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART}, before;
        if (sigaction(forwarded[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(forwarded[i], &action, NULL);
        }
    }
}

static void block_signals(sigset_t *before) {
    sigset_t all;
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof forwarded / sizeof forwarded[0]; i++) {
        sigaddset(&all, forwarded[i]);
    }
    sigprocmask(SIG_BLOCK, &all, before);
}

// Returns 0 when the program runs, else the errno of execvp.
static int start(char **program) {
    int failure[2], error = 0;
    if (pipe2(failure, O_CLOEXEC) != 0) {
        return errno;
    }
    sigset_t before;
    block_signals(&before); // a signal that comes before the handlers are there is delivered after
    child = fork();
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(program[0], program);
        error = errno;
        (void)!write(failure[1], &error, sizeof error);
        _exit(127);
    }
    if (child < 0) {
        error = errno;
    }
    catch_signals();
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(failure[1]);
    ssize_t got;
    int reported;
    do {
        got = read(failure[0], &reported, sizeof reported);
    } while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof reported) {
        error = reported;
        waitpid(child, NULL, 0);
    }
    close(failure[0]);
    return error;
}

// Waits for the end. When the program is stopped we stop too, so that the shell that started us sees its job stop and can continue it.
static void wait_for_end(struct run_result *result) {
    for (;;) {
        pid_t got = wait4(result->child, &result->status, WUNTRACED, &result->usage);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 || !WIFSTOPPED(result->status)) {
            return;
        }
        raise(SIGSTOP);
        kill(result->child, SIGCONT);
    }
}

int main(int count, char **words) {
    struct run_options options = {0};
    struct run_stats stats;
    struct run_result result = {0};
    if (!run_options_parse(count, words, &options)) {
        return 2;
    }
    if (!run_environment(&options, &stats)) {
        run_cleanup(&stats);
        return 126;
    }
    result.started_at = time(NULL);
    clock_gettime(CLOCK_MONOTONIC, &result.started);
    int error = start(options.program);
    if (error != 0) {
        fprintf(stderr, "collam-run: cannot start %s: %s\n", options.program[0], strerror(error));
        run_cleanup(&stats);
        return error == ENOENT ? 127 : 126;
    }
    result.child = child;
    wait_for_end(&result);
    clock_gettime(CLOCK_MONOTONIC, &result.ended);
    run_report(&options, &stats, &result);
    run_cleanup(&stats);
    return WIFSIGNALED(result.status) ? 128 + WTERMSIG(result.status) : WEXITSTATUS(result.status);
}
