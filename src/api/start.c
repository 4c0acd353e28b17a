/*
 * Purpose: start and exit of the process.
 * Layer: api. Allocation works before any of this has run; start only adds options, messages, fork and thread-exit handling.
 */
#include "api/environment.h"
#include "api/fork.h"
#include "api/thread.h"
#include "base/check.h"
#include "base/fmt.h"
#include "config/options.h"
#include "front/checker.h"
#include "front/sampled.h"
#include "front/slow.h"
#include "guard/report.h"
#include "guard/wild.h"
#include "heap/thread_heap.h"
#include "observe/stats.h"
#include "pages/limit.h"
#include "platform/platform.h"

/* What could not be obeyed was said before the process started again. */
static void say_nothing(const char *line, size_t length) {
    (void)line;
    (void)length;
}

__attribute__((constructor(101))) static void start(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    check_set_handler(report_line_and_end);
    misuse_set_handler(report_misuse);
    if (!platform_secure_start()) {
        const char *text = environment_find(environment, "COLLAM_OPTIONS");
        if (text) {
            (void)options_parse(text, environment_find(environment, ENVIRONMENT_STARTED) ? say_nothing : report_line);
            limit_options_changed();
        }
    }
    thread_watch_ends();
    fork_watch();
    bool checked = checker_start(option_get(OPTION_asan) != 0);
    size_t guard_rate = option_get(OPTION_guard_rate);
    if (guard_rate) {
        sampled_start(guard_rate);
        heap_count_calls();
        wild_watch();
    }
    store_relaxed(&front_special, checked || guard_rate);
    if (checked || option_get(OPTION_stats) || option_get(OPTION_perturb)) {
        (void)heap_of_thread();
        heap_watch();
    }
}

__attribute__((destructor(101))) static void finish(void) {
    const char *path = option_path(OPTION_stats);
    if (*path && !stats_write_file(path)) {
        char line[OPTION_PATH_MAX + 128];
        struct fmt out;
        fmt_start(&out, line, sizeof line);
        fmt_text(&out, "collam: cannot write statistics to '");
        fmt_slice(&out, path, OPTION_PATH_MAX);
        fmt_text(&out, "'; it must be a plain file of yours, in a directory that is there\n");
        report_line(line, fmt_length(&out));
    }
}
