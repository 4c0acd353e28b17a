// The launcher's counting of system calls: the child is traced from its exec to its end.
#include "launch.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

long launch_count_syscalls(const struct launch *l) {
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        if (l->preload != NULL)
            setenv("LD_PRELOAD", l->preload, 1);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
            _exit(126);
        execvp(l->command[0], l->command);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) // the stop at exec
        return -1;
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    long stops = 0, signal_to_pass = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, child, 0, signal_to_pass) != 0 || waitpid(child, &status, 0) != child)
            return -1;
        if (WIFEXITED(status))
            break;
        if (WIFSIGNALED(status))
            return -1;
        signal_to_pass = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            stops++; // one on entry, one on return
        else
            signal_to_pass = WSTOPSIG(status);
    }
    return (stops + 1) / 2; // exit_group does not return
}
