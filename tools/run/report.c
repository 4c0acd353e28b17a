// collam-run: the counts the library left behind, the summary line, the file of figures.
#include "run.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct counts {
    bool found;
    uint64_t allocations, frees, live_blocks, live_bytes;
};

// %p in the pattern stands for the process id, as in the library.
static void expand(const char *pattern, pid_t process, char path[PATH_MAX]) {
    size_t used = 0;
    for (const char *c = pattern; *c != 0 && used + 24 < PATH_MAX; c++) {
        if (c[0] == '%' && c[1] == 'p') {
            used += (size_t)snprintf(path + used, PATH_MAX - used, "%ld", (long)process);
            c++;
        } else {
            path[used++] = *c;
        }
    }
    path[used] = 0;
}

static struct counts read_counts(const struct run_stats *stats, const struct run_result *result) {
    struct counts counts = {0};
    char path[PATH_MAX];
    struct stat about;
    expand(stats->pattern, result->child, path);
    FILE *file = stats->pattern[0] != 0 ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return counts;
    }
    if (fstat(fileno(file), &about) == 0 && about.st_mtime >= result->started_at) {
        const struct {
            const char *name;
            uint64_t *value;
        } wanted[] = {{"allocations", &counts.allocations},
                      {"frees", &counts.frees},
                      {"live_blocks", &counts.live_blocks},
                      {"live_bytes", &counts.live_bytes}};
        const size_t kinds = sizeof wanted / sizeof wanted[0];
        size_t seen = 0;
        char line[256];
        while (fgets(line, sizeof line, file) != NULL) {
            char *blank = strchr(line, ' ');
            for (size_t i = 0; blank != NULL && i < kinds; i++) {
                if (strncmp(line, wanted[i].name, (size_t)(blank - line)) == 0 && wanted[i].name[blank - line] == 0) {
                    *wanted[i].value = strtoull(blank + 1, NULL, 10);
                    seen++;
                }
            }
        }
        counts.found = seen == kinds;
    }
    fclose(file);
    return counts;
}

// Writes value with a comma between groups of three digits.
static const char *grouped(uint64_t value, char text[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *out++ = ',';
        }
        *out++ = digits[i];
    }
    *out = 0;
    return text;
}

static double seconds(const struct run_result *result) {
    return (double)(result->ended.tv_sec - result->started.tv_sec) + (double)(result->ended.tv_nsec - result->started.tv_nsec) * 1e-9;
}

static void print_summary(const struct run_options *options, const struct run_result *result, const struct counts *counts) {
    char line[512], a[32], f[32], l[32], b[32];
    int used = snprintf(line, sizeof line, "%s: %.3f s wall, %.1f MiB peak RSS", options->system ? "system malloc" : "collam",
                        seconds(result), (double)result->usage.ru_maxrss / 1024);
    size_t at = (size_t)used;
    if (counts->found) {
        snprintf(line + at, sizeof line - at, ", %s allocations, %s frees, %s blocks (%s bytes) live at exit",
                 grouped(counts->allocations, a), grouped(counts->frees, f), grouped(counts->live_blocks, l),
                 grouped(counts->live_bytes, b));
    } else if (!options->system && !options->uncounted) {
        const char *reason = WIFSIGNALED(result->status) ? "ended by a signal" : "ended without exit handlers, or static or set-user-id";
        snprintf(line + at, sizeof line - at, ", allocations not reported (%s)", reason);
    }
    fprintf(stderr, "%s\n", line);
}

static void write_figures(const char *path, const struct run_result *result, const struct counts *counts) {
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        fprintf(stderr, "collam-run: cannot write %s: %m\n", path);
        return;
    }
    const struct rusage *usage = &result->usage;
    fprintf(file, "wall_seconds %.6f\nuser_seconds %ld.%06ld\nsystem_seconds %ld.%06ld\npeak_rss_kib %ld\nminor_faults %ld\n",
            seconds(result), (long)usage->ru_utime.tv_sec, (long)usage->ru_utime.tv_usec, (long)usage->ru_stime.tv_sec,
            (long)usage->ru_stime.tv_usec, usage->ru_maxrss, usage->ru_minflt);
    if (counts->found) {
        fprintf(file, "allocations %" PRIu64 "\nfrees %" PRIu64 "\nlive_blocks %" PRIu64 "\nlive_bytes %" PRIu64 "\n", counts->allocations,
                counts->frees, counts->live_blocks, counts->live_bytes);
    }
    if (fclose(file) != 0) {
        fprintf(stderr, "collam-run: cannot write %s: %m\n", path);
    }
}

void run_report(const struct run_options *options, const struct run_stats *stats, const struct run_result *result) {
    struct counts counts = read_counts(stats, result);
    if (!options->quiet) {
        print_summary(options, result, &counts);
    }
    if (options->figures != NULL) {
        write_figures(options->figures, result, &counts);
    }
}

void run_cleanup(const struct run_stats *stats) {
    DIR *directory = stats->directory[0] != 0 ? opendir(stats->directory) : NULL;
    if (directory == NULL) {
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        unlinkat(dirfd(directory), entry->d_name, 0);
    }
    closedir(directory);
    rmdir(stats->directory);
}
