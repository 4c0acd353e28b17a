// collam-run: the command line, and the environment in which the program finds collam.
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: collam-run [--quiet] [--system | --uncounted] [--hardened] [--figures FILE] [--] PROGRAM [ARGS...]\n"
                            "Runs PROGRAM with collam as its malloc and says at the end, in one line on standard error, how it went.\n"
                            "  --quiet         no summary\n"
                            "  --system        leave the program its own malloc; time and memory are measured all the same\n"
                            "  --uncounted     on collam, but do not count its calls: for measuring time\n"
                            "  --hardened      on the build of collam that looks for misuse everywhere: slower\n"
                            "  --figures FILE  also write the figures to FILE, one \"name value\" a line\n"
                            "The exit status is the program's, 128 + N when signal N ended it, 126 or 127 when it could not be started.\n";

bool run_options_parse(int count, char **words, struct run_options *options) {
    int i = 1;
    for (; i < count && strncmp(words[i], "--", 2) == 0; i++) {
        if (strcmp(words[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(words[i], "--quiet") == 0) {
            options->quiet = true;
        } else if (strcmp(words[i], "--system") == 0) {
            options->system = true;
        } else if (strcmp(words[i], "--uncounted") == 0) {
            options->uncounted = true;
        } else if (strcmp(words[i], "--hardened") == 0) {
            options->hardened = true;
        } else if (strcmp(words[i], "--figures") == 0 && i + 1 < count) {
            options->figures = words[++i];
        } else if (strcmp(words[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        } else if (strcmp(words[i], "--version") == 0) {
            puts("collam-run " COLLAM_RUN_VERSION);
            exit(0);
        } else {
            fprintf(stderr, "collam-run: unknown or incomplete option %s\n%s", words[i], usage);
            return false;
        }
    }
    if (i >= count) {
        fputs(usage, stderr);
        return false;
    }
    options->program = words + i;
    return true;
}

// The library stands beside the launcher in a build directory, and in ../<libdir> where it was installed.
static bool find_library(char path[PATH_MAX], const char *name) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        return false;
    }
    self[length] = 0;
    *strrchr(self, '/') = 0;
    bool full = COLLAM_RUN_LIBDIR[0] == '/'; // a directory of its own, wherever this program is
    const char *const places[][2] = {{self, ""}, {full ? "" : self, full ? COLLAM_RUN_LIBDIR : "/../" COLLAM_RUN_LIBDIR}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int written = snprintf(path, PATH_MAX, "%s%s/%s", places[i][0], places[i][1], name);
        if (written > 0 && written < PATH_MAX && access(path, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

// Makes name = first + separator + second; the one that is missing or empty is left out with the separator.
static bool set_joined(const char *name, const char *first, char separator, const char *second) {
    char *joined = NULL;
    bool both = first != NULL && *first != 0 && second != NULL && *second != 0;
    if (both ? asprintf(&joined, "%s%c%s", first, separator, second) < 0
             : asprintf(&joined, "%s", first != NULL && *first != 0 ? first : second) < 0) {
        return false;
    }
    bool done = setenv(name, joined, 1) == 0;
    free(joined);
    return done;
}

// A directory of our own; TMPDIR is passed over when its name would not survive inside an option.
static bool make_directory(char path[PATH_MAX]) {
    const char *base = getenv("TMPDIR");
    if (base == NULL || *base != '/' || strpbrk(base, ",%") != NULL || strlen(base) > PATH_MAX - 64) {
        base = "/tmp";
    }
    snprintf(path, PATH_MAX, "%s/collam-run-XXXXXX", base);
    return mkdtemp(path) != NULL;
}

bool run_environment(const struct run_options *options, struct run_stats *stats) {
    stats->directory[0] = stats->pattern[0] = 0;
    if (options->system) {
        return true;
    }
    char library[PATH_MAX];
    const char *name = options->hardened ? COLLAM_RUN_HARDENED : COLLAM_RUN_LIBRARY;
    if (!find_library(library, name)) {
        fprintf(stderr, "collam-run: cannot find %s beside this program or in its library directory\n", name);
        return false;
    }
    if (strpbrk(library, " :") != NULL) {
        // The dynamic linker has no way to quote these in LD_PRELOAD.
        fprintf(stderr, "collam-run: the path %s contains a blank or a colon, which LD_PRELOAD cannot carry\n", library);
        return false;
    }
    const char *given = getenv("COLLAM_OPTIONS");
    const char *own = given != NULL ? strstr(given, "stats=") : NULL;
    if (options->uncounted) {
        return set_joined("LD_PRELOAD", library, ':', getenv("LD_PRELOAD"));
    }
    if (own != NULL && (own == given || own[-1] == ',')) {
        // The file that was asked for stays where it was asked for; we only read it.
        own += strlen("stats=");
        snprintf(stats->pattern, sizeof stats->pattern, "%.*s", (int)strcspn(own, ","), own);
    } else {
        char option[PATH_MAX + 8];
        if (!make_directory(stats->directory)) {
            fprintf(stderr, "collam-run: cannot make a temporary directory: %s\n", strerror(errno));
            return false;
        }
        // One file a process: a program that starts others hands its environment to them.
        snprintf(option, sizeof option, "stats=%.*s/%%p", PATH_MAX - 16, stats->directory);
        snprintf(stats->pattern, sizeof stats->pattern, "%.*s/%%p", PATH_MAX - 16, stats->directory);
        if (!set_joined("COLLAM_OPTIONS", given, ',', option)) {
            return false;
        }
    }
    return set_joined("LD_PRELOAD", library, ':', getenv("LD_PRELOAD"));
}
