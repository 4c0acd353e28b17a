// What the launcher's parts share: the command line, decoded.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct launch {
    char *const *command;
    const char *preload;   // LD_PRELOAD of the child, or NULL
    const char *output;    // where the child's stdout goes, or NULL
    const char *result;    // where the figures go, or NULL for stderr
    unsigned timeout_ms;   // 0: none
    unsigned sample_ms;    // 0: do not sample RSS
    uint64_t memory_limit; // bytes of a cgroup's limit, 0: none
    const char *thp;       // transparent huge pages: always, madvise, never; NULL: as they are
    bool count_syscalls;   // trace the child and count its system calls instead of timing it
};

// Runs the command under ptrace and returns the number of system calls made after its exec, or -1.
long launch_count_syscalls(const struct launch *l);

// A fresh memory cgroup (version 2 or 1) with the given limit; returns false where the machine does not let us.
bool launch_cgroup_create(uint64_t limit);
void launch_cgroup_enter(void); // by the child, before exec
void launch_cgroup_remove(void);

// Transparent huge pages as asked; returns false where the machine does not let us, or its owner did not.
bool launch_thp_set(const char *mode);
void launch_thp_enter(void); // by the child, before exec
bool launch_thp_restore(void);
