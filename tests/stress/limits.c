/*
 * Purpose: limits of real containers and of the process: a control group of version 2 or 1 is made where the machine allows (mostly that
 * means root), and a child process lives in it. Under another allocator the child would be killed; here it must get NULL, or survive.
 */
#include "collam/collam.h"
#include "stress.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MIB ((size_t)1 << 20)

/* --- a control group -------------------------------------------------------------------------------------------------------- */

static char group[200];

static bool put(const char *directory, const char *file, const char *text) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    bool done = descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    if (descriptor >= 0)
        close(descriptor);
    return done;
}

static bool make_group(size_t limit) {
    static const struct {
        const char *root, *limit, *swap;
    } versions[] = {{"/sys/fs/cgroup", "memory.max", "memory.swap.max"},
                    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}};
    char number[32];
    snprintf(number, sizeof number, "%zu", limit);
    for (size_t i = 0; i < 2; i++) {
        if (i == 0)
            put(versions[i].root, "cgroup.subtree_control", "+memory");
        snprintf(group, sizeof group, "%s/collam-test-%d", versions[i].root, (int)getpid());
        if (mkdir(group, 0755))
            continue;
        if (put(group, versions[i].limit, number)) {
            put(group, versions[i].swap, i ? number : "0");
            return true;
        }
        rmdir(group);
    }
    return false;
}

static void remove_group(void) {
    for (int tries = 0; tries < 100 && rmdir(group); tries++)
        usleep(10000); /* the dead may keep it busy for a moment */
}

struct child {
    int (*body)(void *);
    void *argument;
};

static int enter_and_run(void *argument) {
    struct child *child = argument;
    return put(group, "cgroup.procs", "0") ? child->body(child->argument) : SKIPPED;
}

/* Runs body in a container of `limit` bytes; SKIPPED with a reason where there can be none. */
static int in_container(size_t limit, int (*body)(void *), void *argument) {
    if (!make_group(limit)) {
        printf("skipped: this machine lets us make no memory cgroup (neither version; it mostly takes root)\n");
        return SKIPPED;
    }
    int status = in_child(enter_and_run, &(struct child){body, argument});
    remove_group();
    REQUIRE(WIFEXITED(status), "the process in a container of %zu MiB ended with status %#x", limit / MIB, status);
    if (WEXITSTATUS(status) == SKIPPED)
        printf("skipped: a cgroup could be made, but not entered\n");
    return WEXITSTATUS(status);
}

/* --- what happens there ------------------------------------------------------------------------------------------------------ */

enum { MOST_BLOCKS = 1 << 20 };
static void **block;
static size_t blocks;

static size_t fill(size_t size) {
    errno = 0;
    while (blocks < MOST_BLOCKS && (block[blocks] = malloc(size)) != NULL)
        memset(block[blocks++], 1, size);
    REQUIRE(blocks < MOST_BLOCKS && errno == ENOMEM, "%zu blocks of %zu, errno %d", blocks, size, errno);
    return blocks * size;
}

static void release(void) {
    while (blocks)
        free(block[--blocks]);
}

static int ask_for_too_much(void *argument) {
    size_t limit = *(size_t *)argument;
    block = calloc(MOST_BLOCKS, sizeof *block);
    static const size_t sizes[] = {1000, 5000, 40000, 900000, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t got = fill(sizes[i]);
        printf("blocks of %zu bytes: %zu MiB of %zu MiB\n", sizes[i], got / MIB, limit / MIB);
        REQUIRE(got >= limit - limit / 5, "only %zu MiB of %zu MiB in blocks of %zu", got / MIB, limit / MIB, sizes[i]);
        release();
    }
    fflush(stdout);
    use_every_kind(1);
    return 0;
}

static void *hungry(void *argument) {
    size_t seed = (size_t)(uintptr_t)argument;
    for (int i = 0; i < 40; i++) {
        char *mine[300];
        size_t count = 0, size;
        while (count < 300) {
            size = 1000 + next_number(&seed) % 200000;
            if ((mine[count] = malloc(size)) == NULL)
                break;
            memset(mine[count++], 1, size);
        }
        while (count)
            free(mine[--count]);
    }
    return NULL;
}

static int threads_ask_for_too_much(void *argument) {
    (void)argument;
    pthread_t thread[8];
    for (size_t i = 0; i < 8; i++)
        thread[i] = start(hungry, (void *)(i + 1));
    for (size_t i = 0; i < 8; i++)
        join(thread[i]);
    return 0;
}

static int be_one_of_several(void *argument) {
    for (int i = 0; i < (long_form ? 20 : 2); i++)
        hungry((void *)((size_t)(uintptr_t)argument * 100 + (size_t)i));
    return 0;
}

/* Each could use it up alone. */
static int processes_ask_for_too_much(void *argument) {
    (void)argument;
    pid_t child[4];
    for (size_t i = 0; i < 4; i++) {
        child[i] = fork();
        REQUIRE(child[i] >= 0, "fork: errno %d", errno);
        if (child[i] == 0)
            _exit(be_one_of_several((void *)(i + 1)));
    }
    int wrong = 0, status;
    for (size_t i = 0; i < 4; i++)
        if (waitpid(child[i], &status, 0) != child[i] || status != 0) {
            say(2, "process %zu ended with status %#x\n", i, status);
            wrong = 1;
        }
    return wrong;
}

/* `live` bytes stay, while a tenth of them comes and goes in ever other sizes. */
static int live_close_to_the_limit(void *argument) {
    size_t live = *(size_t *)argument, count = live / 1024;
    char **kept = malloc(count * sizeof *kept);
    for (size_t i = 0; i < count; i++) {
        REQUIRE((kept[i] = malloc(1024)) != NULL, "NULL with %zu MiB live", i / 1024);
        memset(kept[i], 1, 1024);
    }
    size_t seed = 1;
    for (size_t size = 512; size <= 2 * MIB; size *= 2)
        for (int round = 0; round < 4; round++) {
            size_t passing = live / 10 / size;
            char **gone = malloc(passing * sizeof *gone + 1);
            for (size_t i = 0; i < passing; i++) {
                REQUIRE((gone[i] = malloc(size)) != NULL, "NULL for %zu bytes", size);
                memset(gone[i], 1, size);
            }
            for (size_t i = 0; i < passing; i++)
                free(gone[i]);
            free(gone);
            for (size_t i = 0; i < count / 50; i++) { /* a few of those that stay are replaced */
                size_t n = next_number(&seed) % count;
                free(kept[n]);
                REQUIRE((kept[n] = malloc(1000)) != NULL, "NULL for 1000 bytes");
                memset(kept[n], 1, 1000);
            }
        }
    return 0;
}

static _Atomic(unsigned) callbacks;
static void *cache;

static void drop_the_cache(size_t used, size_t limit, size_t wanted, void *context) {
    (void)used;
    (void)limit;
    (void)wanted;
    (void)context;
    callbacks++;
    free(cache);
    cache = NULL;
}

static int use_a_cache(void *argument) {
    size_t limit = *(size_t *)argument;
    cache = malloc(limit / 2);
    memset(cache, 1, limit / 2);
    REQUIRE(collam_set_limit_callback(drop_the_cache, NULL), "the callback was not taken");
    for (size_t got = 0; got < limit / 4 * 3; got += 100000) {
        char *more = malloc(100000);
        REQUIRE(more, "NULL after %zu MiB, %u callbacks", got / MIB, callbacks);
        memset(more, 1, 100000);
    }
    REQUIRE(callbacks && !cache, "the callback was not called");
    return 0;
}

/* Pages of files are counted too, but the kernel takes them back: they must not make requests fail. */
static int read_a_file_first(void *argument) {
    size_t limit = *(size_t *)argument;
    static char bytes[1 << 16];
    char name[] = "/var/tmp/collam-test-XXXXXX"; /* no tmpfs, where pages cannot be taken back */
    int file = mkstemp(name);
    if (file < 0)
        return SKIPPED;
    unlink(name);
    for (size_t written = 0; written < limit; written += sizeof bytes)
        if (write(file, bytes, sizeof bytes) != sizeof bytes)
            return SKIPPED;
    fsync(file);
    for (int pass = 0; pass < 2; pass++)
        for (off_t at = 0; pread(file, bytes, sizeof bytes, at) > 0;)
            at += (off_t)sizeof bytes;
    for (size_t got = 0; got < limit / 4 * 3; got += 100000) {
        char *more = malloc(100000);
        REQUIRE(more, "NULL after %zu MiB, though pages of files could go", got / MIB);
        memset(more, 1, 100000);
    }
    return 0;
}

/* --- the cases ---------------------------------------------------------------------------------------------------------------- */

int stress_container_full(void) {
    size_t limit = 128 * MIB;
    int result = in_container(limit, ask_for_too_much, &limit);
    return result ? result : in_container(limit, threads_ask_for_too_much, NULL);
}

int stress_container_shared(void) {
    return in_container(96 * MIB, processes_ask_for_too_much, NULL);
}

int stress_container_live(void) {
    size_t limit = 512 * MIB, live = 400 * MIB;
    return in_container(limit, live_close_to_the_limit, &live);
}

int stress_container_callback(void) {
    size_t limit = 128 * MIB;
    return in_container(limit, use_a_cache, &limit);
}

int stress_container_files(void) {
    size_t limit = 128 * MIB;
    int result = in_container(limit, read_a_file_first, &limit);
    if (result == SKIPPED)
        printf("skipped: or /var/tmp takes no file of %zu MiB\n", limit / MIB);
    return result;
}

static int meet_a_resource_limit(void *argument) {
    rlim_t limit = ((rlim_t)mapped_kib() << 10) + 128 * MIB;
    REQUIRE(setrlimit(*(int *)argument ? RLIMIT_AS : RLIMIT_DATA, &(struct rlimit){limit, limit}) == 0, "setrlimit: errno %d", errno);
    block = calloc(MOST_BLOCKS, sizeof *block);
    cache = malloc(32 * MIB);
    REQUIRE(cache && collam_set_limit_callback(drop_the_cache, NULL), "no memory at first");
    size_t got = fill(100000);
    REQUIRE(callbacks && !cache, "the callback was not called");
    REQUIRE(got > 90 * MIB, "only %zu MiB, though the cache was dropped", got / MIB);
    return 0;
}

int stress_resource_limit_callback(void) {
    for (int address_space = 0; address_space < 2; address_space++) {
        int status = in_child(meet_a_resource_limit, &address_space);
        REQUIRE(status == 0, "status %#x", status);
    }
    return 0;
}

/* --- files of version 2, where the machine's own groups are of version 1 ------------------------------------------------------------ */

static char own_directory[] = "/var/tmp/collam-test-XXXXXX", forged[200];

static void forge(const char *file, const char *text) {
    char path[300];
    snprintf(path, sizeof path, "%s/box/%s", forged, file);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    REQUIRE(descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text), "%s: errno %d", path, errno);
    close(descriptor);
}

/* Where the first mount of version 2 is, in a name space of our own: one is made if there is none. */
static bool find_or_mount_version_2(void) {
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char line[1000];
    while (mounts && fgets(line, sizeof line, mounts))
        if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %199s", forged) == 1)
            break;
    if (mounts)
        fclose(mounts);
    if (*forged)
        return true;
    strcpy(forged, own_directory);
    return mount("none", forged, "cgroup2", 0, NULL) == 0;
}

/* A process whose group is /box of version 2, in files of ours. */
static bool enter_a_forged_group(void) {
    char path[300];
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || !find_or_mount_version_2() ||
        mount("none", forged, "tmpfs", 0, NULL))
        return false;
    snprintf(path, sizeof path, "%s/box", forged);
    REQUIRE(mkdir(path, 0755) == 0, "%s: errno %d", path, errno);
    forge("self", "0::/box\n");
    snprintf(path, sizeof path, "%s/box/self", forged);
    return mount(path, "/proc/self/cgroup", NULL, MS_BIND, NULL) == 0;
}

/* 100 MiB more than what is there now must be handed out. */
static void not_refused(const char *when) {
    for (size_t got = 0; got < 100 * MIB; got += 100000)
        REQUIRE((block[blocks++] = malloc(100000)) != NULL, "%s: NULL after %zu MiB", when, got / MIB);
    release();
}

static int read_version_2(void *argument) {
    (void)argument;
    if (!enter_a_forged_group())
        return SKIPPED;
    block = calloc(MOST_BLOCKS, sizeof *block);
    forge("memory.max", "67108864\n");
    forge("memory.high", "max\n");
    forge("memory.current", "66900000\n"); /* others took nearly all */
    size_t got = fill(100000);
    REQUIRE(got < 32 * MIB, "%zu MiB, though the group was full", got / MIB);
    forge("memory.stat", "anon 1\nfile 41943040\ninactive_file 20971520\nactive_file 20971520\n");
    REQUIRE(malloc(100000), "NULL, though pages of files could go");
    forge("memory.stat", "anon 1\n");
    got = fill(100000);
    REQUIRE(got < 72 * MIB, "%zu MiB, though the group was full again", got / MIB);
    release();
    /* beyond memory.high the kernel slows down and nobody refuses, but the program is told */
    forge("memory.max", "max\n");
    forge("memory.high", "67108864\n");
    cache = malloc(1000);
    REQUIRE(collam_set_limit_callback(drop_the_cache, NULL), "the callback was not taken");
    not_refused("beyond memory.high");
    REQUIRE(callbacks && !cache, "the callback was not called near memory.high");
    forge("memory.high", "max\n");
    not_refused("without a limit");
    return 0;
}

int stress_container_second_version(void) {
    REQUIRE(mkdtemp(own_directory), "%s: errno %d", own_directory, errno);
    int status = in_child(read_version_2, NULL);
    rmdir(own_directory);
    REQUIRE(WIFEXITED(status), "status %#x", status);
    if (WEXITSTATUS(status) == SKIPPED)
        printf("skipped: this machine lets us make no name space for mounts (it takes root)\n");
    return WEXITSTATUS(status);
}

/* --- the soft limit --------------------------------------------------------------------------------------------------------------- */

/* Runs the case fill-until-null under some options; what it says goes to descriptor 3. */
static int fill_under(void *options) {
    if (dup2(3, 2) != 2)
        return 127;
    setenv("COLLAM_OPTIONS", options, 1);
    execl(own_path, own_path, "fill-until-null", (char *)NULL);
    return 127;
}

int stress_fill_until_null(void) {
    block = calloc(MOST_BLOCKS, sizeof *block);
    return block && fill(100000) >= 20 * MIB ? 0 : 1;
}

static int limited_by_call(void *argument) {
    (void)argument;
    block = calloc(MOST_BLOCKS, sizeof *block);
    REQUIRE(collam_set_soft_limit(40 * MIB), "the limit was not taken");
    size_t got = fill(100000);
    REQUIRE(got > 24 * MIB && got <= 40 * MIB, "%zu MiB under a limit of 40", got / MIB);
    REQUIRE(collam_set_soft_limit(80 * MIB), "the limit was not raised");
    got = fill(100000);
    REQUIRE(got > 60 * MIB && got <= 80 * MIB, "%zu MiB under a limit of 80", got / MIB);
    REQUIRE(collam_set_soft_limit(0), "the limit was not taken away");
    release();
    not_refused("without a limit");
    return 0;
}

int stress_soft_limit(void) {
    char null[] = "soft_limit=32m", end[] = "soft_limit=32m,limit_policy=abort", name[] = "/tmp/collam-test-XXXXXX", said[300];
    int file = mkstemp(name);
    REQUIRE(file >= 0 && unlink(name) == 0 && (file == 3 || dup2(file, 3) == 3), "no file for what is said: errno %d", errno);
    int status = in_child(fill_under, null);
    REQUIRE(status == 0, "status %#x", status);
    REQUIRE(lseek(3, 0, SEEK_END) == 0, "a limit that gives NULL said something");
    status = in_child(fill_under, end);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", status);
    ssize_t length = pread(3, said, sizeof said - 1, 0);
    REQUIRE(length > 0, "nothing was said");
    said[length] = 0;
    REQUIRE(strncmp(said, "collam: out of memory: soft limit of 33554432 bytes (option soft_limit), ", 73) == 0, "said: %s", said);
    REQUIRE(strchr(said, '\n') == said + length - 1, "more than one line: %s", said);
    status = in_child(limited_by_call, NULL);
    REQUIRE(status == 0, "by call: status %#x", status);
    return 0;
}
