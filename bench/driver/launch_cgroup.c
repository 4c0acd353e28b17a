// The launcher's memory-limited cgroup: version 2 where it is mounted and writable, else version 1. Containers and
// unprivileged users often may not create one; the row is then reported as not measured.
#include "launch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[128];

static bool put(const char *base, const char *file, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", base, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

bool launch_cgroup_create(uint64_t limit) {
    static const struct {
        const char *root, *limit_file, *swap_file;
    } versions[] = {{"/sys/fs/cgroup", "memory.max", "memory.swap.max"},
                    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}};
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)limit);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 0) // the controller must be handed down to children; already so is fine
            put(versions[i].root, "cgroup.subtree_control", "+memory");
        snprintf(directory, sizeof directory, "%s/collam-bench-%d", versions[i].root, (int)getpid());
        if (mkdir(directory, 0755) != 0)
            continue;
        if (put(directory, versions[i].limit_file, number)) {
            put(directory, versions[i].swap_file, i == 0 ? "0" : number); // absent without swap accounting
            return true;
        }
        rmdir(directory);
    }
    directory[0] = '\0';
    return false;
}

void launch_cgroup_enter(void) {
    if (!put(directory, "cgroup.procs", "0"))
        _exit(126);
}

void launch_cgroup_remove(void) {
    // a dead process may keep the directory busy for a moment
    for (int tries = 0; tries < 100 && rmdir(directory) != 0; tries++)
        usleep(10000);
}
