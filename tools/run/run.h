// collam-run: what its three files share. options.c reads the command line and makes the child's environment, run.c starts the
// program and waits for it, report.c says how it went.
#ifndef COLLAM_RUN_H
#define COLLAM_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

struct run_options {
    bool quiet;
    bool system;         // measure the program on its own malloc instead
    bool uncounted;      // on collam, but without its count of calls, which costs time
    bool hardened;       // on the hardened build
    const char *figures; // file to which the figures go as "name value" lines, or NULL
    char **program;      // the program and its arguments, ended by NULL
};

// Where the counts of the program will be found.
struct run_stats {
    char directory[PATH_MAX]; // made by us, to be removed; empty when the caller of collam-run named a file of his own
    char pattern[PATH_MAX];   // the file, with %p for the process id
};

struct run_result {
    pid_t child;
    int status; // as wait4 gave it
    struct rusage usage;
    struct timespec started, ended; // monotonic
    time_t started_at;              // a file of counts older than this is not ours
};

// Returns false, with a message printed, when the command line makes no sense; does not return for --help and --version.
bool run_options_parse(int count, char **words, struct run_options *options);

// Sets LD_PRELOAD and COLLAM_OPTIONS for the program to come. Returns false, with a message printed, when it cannot.
bool run_environment(const struct run_options *options, struct run_stats *stats);

// Prints the summary, writes the figures, removes what run_environment made.
void run_report(const struct run_options *options, const struct run_stats *stats, const struct run_result *result);
void run_cleanup(const struct run_stats *stats);

#endif
