/*
 * Purpose: how much memory this process holds, asked of the kernel without allocating anything.
 */
#ifndef COLLAM_TESTS_PROCESS_MEMORY_H
#define COLLAM_TESTS_PROCESS_MEMORY_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number after `name` in a small text file of /proc, or -1. */
static inline long proc_number(const char *path, const char *name) {
    int saved = errno;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    long number = -1;
    if (file >= 0) {
        char text[8192];
        size_t length = 0;
        ssize_t got;
        while (length < sizeof text - 1 && (got = read(file, text + length, sizeof text - 1 - length)) > 0)
            length += (size_t)got;
        close(file);
        text[length] = 0;
        const char *found = *name ? strstr(text, name) : text;
        if (found)
            number = strtol(found + strlen(name), NULL, 10);
    }
    errno = saved;
    return number;
}

/* smaps_rollup counts pages one by one: VmRSS of status may lag by some hundred pages on a machine of many CPUs. */
static inline long resident_kib(void) {
    return proc_number("/proc/self/smaps_rollup", "\nRss:");
}

static inline long mapped_kib(void) {
    return proc_number("/proc/self/status", "\nVmSize:");
}

/* Lines of /proc/self/maps, which is what vm.max_map_count limits. */
static inline long mapping_count(void) {
    int saved = errno;
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    long lines = -1;
    if (file >= 0) {
        char text[4096];
        ssize_t got;
        lines = 0;
        while ((got = read(file, text, sizeof text)) > 0)
            for (ssize_t i = 0; i < got; i++)
                lines += text[i] == '\n';
        close(file);
    }
    errno = saved;
    return lines;
}

#endif
