/*
 * Purpose: how much more memory the system lets this process have: its control group (version 1 or 2) and its resource limits.
 * Layer: platform. Each look reads the limits again, since they change and processes move; where the groups are mounted is read once.
 * Allocates nothing.
 *
 * A group's limit holds for all processes in it and below it, so each group from the process's own up to the root of what is mounted
 * may be the one with the least room. Room is what the kernel would still give before it ends a process: it reclaims cached files and
 * swaps first, so both count as room (they are looked up only when a quarter of the limit or less is left).
 */
#ifndef COLLAM_PLATFORM_MEMORY_LIMITS_H
#define COLLAM_PLATFORM_MEMORY_LIMITS_H

#include "base/compiler.h"

enum { GROUP_PATH_MAX = 512 };

/* A limit and the bytes left until it; both SIZE_MAX: none. */
struct memory_limit {
    size_t limit;
    size_t room;
};

struct memory_limits {
    struct memory_limit group;     /* the hard limit with the least room: beyond it the kernel ends a process */
    struct memory_limit high;      /* the limit beyond which the kernel slows the group down (version 2) */
    struct memory_limit process;   /* RLIMIT_AS or RLIMIT_DATA, whichever has less room: beyond it the kernel refuses */
    size_t resident;               /* private bytes of this process that are backed by memory; SIZE_MAX: not known */
    char group_at[GROUP_PATH_MAX]; /* the directory of `group`, "" without one */
};

/* Where the process's group is, from /proc/self/cgroup and /proc/self/mountinfo: a version (0: no memory controller), a directory, and how
 * much of its path is the place where it is mounted. */
struct memory_group {
    int version;
    size_t mounted; /* characters of path */
    char path[GROUP_PATH_MAX];
};
void memory_group_find(struct memory_group *group);

void memory_limits_look(struct memory_limits *limits);

#endif
