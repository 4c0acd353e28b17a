// Transparent huge pages as a row needs them. "never" is asked for the child alone; the other settings are the whole machine's:
// they are changed, and put back, only where COLLAM_BENCH_THP=1 says that the machine is the caller's.
#include "launch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char setting_path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
static char former[16];
static bool for_child_only;

static bool current_setting(char *name, size_t capacity) {
    char text[128];
    int fd = open(setting_path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    char *start = strchr(text, '['), *end = strchr(text, ']');
    if (start == NULL || end == NULL || (size_t)(end - start) > capacity)
        return false;
    *end = '\0';
    strcpy(name, start + 1);
    return true;
}

static bool put_setting(const char *name) {
    int fd = open(setting_path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name);
    if (fd >= 0)
        close(fd);
    return done;
}

bool launch_thp_set(const char *mode) {
    char now[16];
    if (!current_setting(now, sizeof now))
        return strcmp(mode, "never") == 0;
    if (strcmp(now, mode) == 0)
        return true;
    if (strcmp(mode, "never") == 0) {
        for_child_only = true;
        return true;
    }
    const char *allowed = getenv("COLLAM_BENCH_THP");
    if (allowed == NULL || strcmp(allowed, "1") != 0)
        return false;
    // nobody may end us between here and launch_thp_restore
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    if (!put_setting(mode))
        return false;
    strcpy(former, now);
    return true;
}

void launch_thp_enter(void) {
    if (for_child_only && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        _exit(126);
}

bool launch_thp_restore(void) {
    return former[0] == '\0' || put_setting(former);
}
