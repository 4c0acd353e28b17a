/*
 * Purpose: tests of platform/memory_limits.c: control groups of both versions as containers and machines show them, hostile and missing
 * files, what counts as room, resource limits.
 */
#include "platform/memory_limits.h"
#include "unit.h"

#include <stdio.h>

#define MIB ((size_t)1 << 20)
#define V2_MOUNT "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNTS                                                                                                                          \
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                                                                  \
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"                                                                 \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:7 - cgroup cgroup rw,memory\n"                                                  \
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
#define V1_UNLIMITED "9223372036854771712\n"

static void groups(const char *self, const char *mounts) {
    fake_set_file("/proc/self/cgroup", self);
    fake_set_file("/proc/self/mountinfo", mounts);
}

static struct memory_limits look(void) {
    struct memory_limits limits;
    memory_limits_look(&limits);
    assert_int_equal(fake_open_files(), 0);
    return limits;
}

static void assert_group(int version, const char *path, const char *mounted) {
    struct memory_group group;
    memory_group_find(&group);
    assert_int_equal(group.version, version);
    assert_string_equal(group.path, path);
    assert_int_equal(group.mounted, strlen(mounted));
    assert_memory_equal(group.path, mounted, strlen(mounted));
    assert_int_equal(fake_open_files(), 0);
}

static void nothing_to_read(void **state) {
    (void)state;
    struct memory_limits limits = look();
    assert_int_equal(limits.group.room, SIZE_MAX);
    assert_int_equal(limits.high.room, SIZE_MAX);
    assert_int_equal(limits.process.room, SIZE_MAX);
    assert_int_equal(limits.resident, SIZE_MAX);
    assert_string_equal(limits.group_at, "");
}

static void where_groups_are(void **state) {
    (void)state;
    /* A machine with version 2, and a process in a service. */
    groups("0::/system.slice/a.service\n", V2_MOUNT);
    assert_group(2, "/sys/fs/cgroup/system.slice/a.service", "/sys/fs/cgroup");
    /* A container with a name space of its own: its group looks like the root. */
    groups("0::/\n", V2_MOUNT);
    assert_group(2, "/sys/fs/cgroup", "/sys/fs/cgroup");
    /* Version 1 for memory, beside version 2 for nothing but names. */
    groups("9:name=systemd:/x\n4:memory:/docker/abc\n0::/else\n", V1_MOUNTS);
    assert_group(1, "/sys/fs/cgroup/memory/docker/abc", "/sys/fs/cgroup/memory");
    groups("0::/else\n4:cpu,memory:/abc\n", V1_MOUNTS);
    assert_group(1, "/sys/fs/cgroup/memory/abc", "/sys/fs/cgroup/memory");
    groups("0::/else\n4:memory,hugetlb:/abc\n", V1_MOUNTS);
    assert_group(1, "/sys/fs/cgroup/memory/abc", "/sys/fs/cgroup/memory");
    /* Both are mounted, and the process is in version 2 alone. */
    groups("0::/else\n", V1_MOUNTS);
    assert_group(2, "/sys/fs/cgroup/unified/else", "/sys/fs/cgroup/unified");
    /* A container that sees the machine's path, but only its own group mounted. */
    groups("4:memory:/docker/abc\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_group(1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory");
    groups("4:memory:/docker/abc/in\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_group(1, "/sys/fs/cgroup/memory/in", "/sys/fs/cgroup/memory");
    /* What is mounted is not above the process: only that much can be seen. */
    groups("4:memory:/docker/abcde\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_group(1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory");
    groups("0::/../../other\n", V2_MOUNT);
    assert_group(2, "/sys/fs/cgroup", "/sys/fs/cgroup");
    /* Mounted in an odd place, with a blank in its name. */
    groups("0::/x\n", "31 23 0:28 / /odd\\040place rw - cgroup2 none rw\n");
    assert_group(2, "/odd place/x", "/odd place");
    /* Another file system whose options name the controller, and a second mount of the hierarchy: the first of its type counts. */
    groups("4:memory:/x\n", "30 23 0:27 / /other rw - tmpfs tmpfs rw,memory\n"
                            "31 23 0:28 / /first rw - cgroup cgroup rw,memory\n"
                            "32 23 0:28 / /second rw - cgroup cgroup rw,memory\n"
                            "33 23 0:29 / /last rw - tmpfs tmpfs rw\n");
    assert_group(1, "/first/x", "/first");
    /* An escape that the end of the line cuts off. */
    groups("0::/x\n", "31 - cgroup2 / /odd\\04");
    assert_group(2, "/odd\\04/x", "/odd\\04");
    /* No list of mounts: the usual places. */
    groups("0::/x\n", NULL);
    assert_group(2, "/sys/fs/cgroup/x", "/sys/fs/cgroup");
    groups("3:memory:/x\n", NULL);
    assert_group(1, "/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory");
    /* No controller for memory at all. */
    groups("9:name=systemd:/x\n3:memoryless:/y\n", V1_MOUNTS);
    assert_group(0, "", "");
    groups("0::x\n", V2_MOUNT);
    assert_group(0, "", "");
    groups(NULL, V2_MOUNT);
    assert_group(0, "", "");
}

static void any_text_is_survived(void **state) {
    (void)state;
    static const char *const pieces[] = {":",       "/",  "0",  "\n",    " ", " - ", "memory", "cgroup2 ",
                                         "cgroup ", "..", "\\", "\\040", "x", "max", ",",      "9999999999999999999"};
    uint64_t seed = 11;
    for (int i = 0; i < 4000; i++) {
        static char text[2][4096];
        for (int file = 0; file < 2; file++) {
            text[file][0] = '\0';
            for (uint64_t n = unit_random(&seed) % 200; n > 0; n--) {
                strcat(text[file], pieces[unit_random(&seed) % COUNT(pieces)]);
            }
        }
        groups(text[0], text[1]);
        struct memory_group group;
        memory_group_find(&group);
        assert_true(strlen(group.path) < sizeof group.path);
        assert_true(group.mounted <= strlen(group.path));
        (void)look();
    }
}

enum { LONGEST = 1200 };

/* "/aaa", of so many characters. */
static const char *name_of(size_t length) {
    static char name[LONGEST];
    memset(name, 'a', length);
    name[0] = '/';
    name[length] = '\0';
    return name;
}

/* In a group whose path has so many characters below what is mounted. */
static void in_group_of(size_t length) {
    static char self[LONGEST + 8];
    snprintf(self, sizeof self, "0::%s\n", name_of(length));
    groups(self, V2_MOUNT);
}

static void long_paths_are_cut_to_what_is_mounted(void **state) {
    (void)state;
    char whole[LONGEST + 32];
    size_t room = GROUP_PATH_MAX - 1 - strlen("/sys/fs/cgroup");
    in_group_of(room);
    snprintf(whole, sizeof whole, "/sys/fs/cgroup%s", name_of(room));
    assert_group(2, whole, "/sys/fs/cgroup");
    in_group_of(room + 1); /* together too long */
    assert_group(2, "/sys/fs/cgroup", "/sys/fs/cgroup");
    in_group_of(GROUP_PATH_MAX - 1);
    assert_group(2, "/sys/fs/cgroup", "/sys/fs/cgroup");
    in_group_of(GROUP_PATH_MAX); /* alone too long */
    assert_group(0, "", "");
    in_group_of(1001);
    assert_group(0, "", "");
}

/* What does not fit is not mounted there for us: the usual place is tried. */
static void long_places_of_mounts_count_while_they_fit(void **state) {
    (void)state;
    static char mounts[LONGEST + 64];
    snprintf(mounts, sizeof mounts, "31 23 0:28 / %s rw - cgroup2 none rw\n", name_of(GROUP_PATH_MAX - 1));
    groups("0::/x\n", mounts);
    assert_group(2, name_of(GROUP_PATH_MAX - 1), name_of(GROUP_PATH_MAX - 1));
    snprintf(mounts, sizeof mounts, "31 23 0:28 / %s rw - cgroup2 none rw\n", name_of(GROUP_PATH_MAX));
    groups("0::/x\n", mounts);
    assert_group(2, "/sys/fs/cgroup/x", "/sys/fs/cgroup");
}

/* Or one file would be taken for another. */
static void no_file_is_read_whose_name_is_cut(void **state) {
    (void)state;
    char cut[LONGEST + 32];
    size_t group = GROUP_PATH_MAX - 1 - strlen("/sys/fs/cgroup") - strlen("/memory.");
    snprintf(cut, sizeof cut, "/sys/fs/cgroup%s/memory.", name_of(group));
    fake_set_file(cut, "5000\n");
    in_group_of(group);
    assert_int_equal(look().group.room, SIZE_MAX);
    fake_set_file("/sys/fs/cgroup/memory.max", "6000\n"); /* those above are looked at all the same */
    fake_set_file("/sys/fs/cgroup/memory.current", "1000\n");
    assert_int_equal(look().group.room, 5000);
}

static void read_in_any_pieces(void **state) {
    (void)state;
    groups("9:name=systemd:/x\n4:memory:/docker/abc\n0::/else\n", V1_MOUNTS);
    for (fake_settings.read_size = 1; fake_settings.read_size < 60; fake_settings.read_size++) {
        assert_group(1, "/sys/fs/cgroup/memory/docker/abc", "/sys/fs/cgroup/memory");
    }
}

static void version_2(void **state) {
    (void)state;
    groups("0::/pod/box\n", V2_MOUNT);
    fake_set_file("/sys/fs/cgroup/pod/box/memory.max", "268435456\n");
    fake_set_file("/sys/fs/cgroup/pod/box/memory.high", "max\n");
    fake_set_file("/sys/fs/cgroup/pod/box/memory.current", "104857600\n");
    struct memory_limits limits = look();
    assert_int_equal(limits.group.limit, 256 * MIB);
    assert_int_equal(limits.group.room, 156 * MIB);
    assert_string_equal(limits.group_at, "/sys/fs/cgroup/pod/box");
    assert_int_equal(limits.high.room, SIZE_MAX);
    /* memory.high, and nothing hard. */
    fake_set_file("/sys/fs/cgroup/pod/box/memory.max", "max\n");
    fake_set_file("/sys/fs/cgroup/pod/box/memory.high", "209715200\n");
    limits = look();
    assert_int_equal(limits.group.room, SIZE_MAX);
    assert_string_equal(limits.group_at, "");
    assert_int_equal(limits.high.limit, 200 * MIB);
    assert_int_equal(limits.high.room, 100 * MIB);
    /* Beyond it. */
    fake_set_file("/sys/fs/cgroup/pod/box/memory.current", "220000000\n");
    assert_int_equal(look().high.room, 0);
}

static void the_group_with_the_least_room_counts(void **state) {
    (void)state;
    groups("0::/pod/box\n", V2_MOUNT);
    fake_set_file("/sys/fs/cgroup/pod/box/memory.max", "268435456\n");
    fake_set_file("/sys/fs/cgroup/pod/box/memory.current", "104857600\n");
    fake_set_file("/sys/fs/cgroup/pod/memory.max", "1073741824\n");
    fake_set_file("/sys/fs/cgroup/pod/memory.current", "1020054732\n"); /* others use it up */
    struct memory_limits limits = look();
    assert_int_equal(limits.group.limit, 1024 * MIB);
    assert_int_equal(limits.group.room, 1073741824 - 1020054732);
    assert_string_equal(limits.group_at, "/sys/fs/cgroup/pod");
    fake_set_file("/sys/fs/cgroup/pod/memory.current", "220054732\n");
    assert_string_equal(look().group_at, "/sys/fs/cgroup/pod/box");
    fake_set_file("/sys/fs/cgroup/memory.max", "104857601\n"); /* the topmost that can be seen */
    fake_set_file("/sys/fs/cgroup/memory.current", "0\n");
    assert_string_equal(look().group_at, "/sys/fs/cgroup");
    fake_set_file("/sys/fs/cgroup/memory.max", "163577856\n"); /* as much room as the innermost has */
    assert_string_equal(look().group_at, "/sys/fs/cgroup/pod/box");
    /* memory.high of each as well. */
    fake_set_file("/sys/fs/cgroup/pod/box/memory.high", "209715200\n");
    fake_set_file("/sys/fs/cgroup/pod/memory.high", "1073741824\n");
    limits = look();
    assert_int_equal(limits.high.limit, 200 * MIB);
    assert_int_equal(limits.high.room, 100 * MIB);
}

static void version_1(void **state) {
    (void)state;
    groups("4:memory:/docker/abc\n", V1_MOUNTS);
    fake_set_file("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", V1_UNLIMITED);
    fake_set_file("/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "1000\n");
    assert_int_equal(look().group.room, SIZE_MAX);
    fake_set_file("/sys/fs/cgroup/memory/docker/abc/memory.high", "2000\n"); /* is of version 2 */
    assert_int_equal(look().high.room, SIZE_MAX);
    fake_set_file("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "536870912\n");
    fake_set_file("/sys/fs/cgroup/memory/docker/memory.usage_in_bytes", "419430400\n");
    struct memory_limits limits = look();
    assert_int_equal(limits.group.limit, 512 * MIB);
    assert_int_equal(limits.group.room, 112 * MIB);
    assert_int_equal(limits.high.room, SIZE_MAX);
}

static void what_the_kernel_can_take_back_is_room(void **state) {
    (void)state;
    groups("0::/\n", V2_MOUNT);
    fake_set_file("/sys/fs/cgroup/memory.max", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory.current", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory.stat",
                  "anon 50000000\nfile 40000000\nactive_anon 9\ninactive_file 30000000\nactive_file 10000000\n"
                  "shmem 5\nslab_reclaimable 2000000\nslab_unreclaimable 7\n");
    assert_int_equal(look().group.room, 42000000);
    fake_settings.free_swap = (size_t)1 << 30;
    assert_int_equal(look().group.room, 42000000 + ((size_t)1 << 30)); /* no bound for swap that could be seen */
    fake_set_file("/sys/fs/cgroup/memory.swap.max", "10000000\n");
    fake_set_file("/sys/fs/cgroup/memory.swap.current", "4000000\n");
    assert_int_equal(look().group.room, 48000000);
    fake_set_file("/sys/fs/cgroup/memory.swap.max", "0\n");
    assert_int_equal(look().group.room, 42000000);
    fake_set_file("/sys/fs/cgroup/memory.stat", "inactive_file max\nactive_file 10000000\n"); /* what is odd counts as nothing */
    assert_int_equal(look().group.room, 10000000);
    /* Not asked for while there is much room: more than a quarter. */
    fake_set_file("/sys/fs/cgroup/memory.current", "78643200\n");
    assert_int_equal(look().group.room, 25 * MIB + 10000000);
    fake_set_file("/sys/fs/cgroup/memory.current", "78643199\n");
    assert_int_equal(look().group.room, 25 * MIB + 1);
}

/* Near memory.high the kernel takes back what belongs to files; only near the hard limit does it swap rather than end the process. */
static void what_the_kernel_can_take_back_is_room_below_memory_high(void **state) {
    (void)state;
    groups("0::/\n", V2_MOUNT);
    fake_settings.free_swap = (size_t)1 << 30;
    fake_set_file("/sys/fs/cgroup/memory.high", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory.current", "78643200\n");
    fake_set_file("/sys/fs/cgroup/memory.stat", "inactive_file 3000\n");
    struct memory_limits limits = look();
    assert_int_equal(limits.high.room, 25 * MIB + 3000);
    assert_int_equal(limits.group.room, SIZE_MAX);
    fake_set_file("/sys/fs/cgroup/memory.max", "209715200\n");
    limits = look();
    assert_int_equal(limits.high.room, 25 * MIB + 3000);
    assert_int_equal(limits.group.room, 125 * MIB + 3000);
    fake_set_file("/sys/fs/cgroup/memory.current", "78643199\n");
    assert_int_equal(look().high.room, 25 * MIB + 1);
    fake_set_file("/sys/fs/cgroup/memory.high", "max\n");
    fake_set_file("/sys/fs/cgroup/memory.current", "209715200\n");
    limits = look();
    assert_int_equal(limits.high.room, SIZE_MAX);
    assert_int_equal(limits.group.room, ((size_t)1 << 30) + 3000);
}

static unsigned long opened_by_a_look(void) {
    unsigned long before = fake_calls(FAKE_OPEN_FILE);
    (void)look();
    return fake_calls(FAKE_OPEN_FILE) - before;
}

static void no_file_is_read_in_vain(void **state) {
    (void)state;
    groups("0::/\n", V2_MOUNT);
    unsigned long others = 2;                             /* of the process: its group and its size */
    assert_int_equal(opened_by_a_look(), others + 1 + 2); /* where groups are, the first time; and the two limits */
    assert_int_equal(opened_by_a_look(), others + 2);
    fake_set_file("/sys/fs/cgroup/memory.max", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory.current", "1000\n");
    assert_int_equal(opened_by_a_look(), others + 3);
    fake_set_file("/sys/fs/cgroup/memory.current", "104857600\n"); /* near it what can be taken back counts, and swap if there is any */
    assert_int_equal(opened_by_a_look(), others + 4);
    fake_settings.free_swap = 1000;
    assert_int_equal(opened_by_a_look(), others + 6);
}

static void what_version_1_can_take_back_is_room(void **state) {
    (void)state;
    groups("4:memory:/\n", V1_MOUNTS);
    fake_set_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory/memory.stat", "cache 1\ninactive_file 3\nactive_file 5\ntotal_cache 9\ntotal_inactive_file 1000\n"
                                                       "total_active_file 200\n");
    assert_int_equal(look().group.room, 1200);
    fake_settings.free_swap = 5000;
    fake_set_file("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "104857600\n");
    fake_set_file("/sys/fs/cgroup/memory/memory.memsw.usage_in_bytes", "104857600\n");
    assert_int_equal(look().group.room, 1200);
    fake_set_file("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", V1_UNLIMITED);
    assert_int_equal(look().group.room, 6200);
}

/* A file that is missing or odd never makes a limit. */
static void odd_files_limit_nothing(void **state) {
    (void)state;
    groups("0::/\n", V2_MOUNT);
    static const char *const odd[] = {"", "\n", "max", "maximum", "-5\n", " 5\n", "0x10\n", "99999999999999999999999\n"};
    fake_set_file("/sys/fs/cgroup/memory.current", "5000\n");
    for (size_t i = 0; i < COUNT(odd); i++) {
        fake_set_file("/sys/fs/cgroup/memory.max", odd[i]);
        assert_int_equal(look().group.room, odd[i][0] == '0' ? 0 : SIZE_MAX);
    }
    fake_set_file("/sys/fs/cgroup/memory.max", "7000"); /* a line without an end */
    assert_int_equal(look().group.room, 2000);
    fake_set_file("/sys/fs/cgroup/memory.max", "5000\n");
    fake_set_file("/sys/fs/cgroup/memory.current", NULL); /* what is used is not known */
    assert_int_equal(look().group.room, SIZE_MAX);
    fake_set_file("/sys/fs/cgroup/memory.current", "5000\n");
    assert_int_equal(look().group.room, 0);
    fake_fail_from(FAKE_OPEN_FILE, 1);
    assert_int_equal(look().group.room, SIZE_MAX);
    fake_fail_never();
    fake_fail_from(FAKE_READ, 1);
    assert_int_equal(look().group.room, SIZE_MAX);
    for (unsigned n = 1; n < 12; n++) { /* each call in turn */
        fake_fail_never();
        fake_fail_nth(n % 2 ? FAKE_READ : FAKE_OPEN_FILE, n);
        (void)look();
    }
}

static void the_list_of_mounts_is_read_once(void **state) {
    (void)state;
    groups("0::/one\n", "31 23 0:28 / /odd rw - cgroup2 none rw\n");
    fake_set_file("/odd/one/memory.max", "5000\n");
    fake_set_file("/odd/one/memory.current", "1000\n");
    assert_string_equal(look().group_at, "/odd/one");
    groups("0::/two\n", V2_MOUNT); /* the process moved; nobody looks where */
    fake_set_file("/odd/two/memory.max", "5000\n");
    fake_set_file("/odd/two/memory.current", "1000\n");
    assert_string_equal(look().group_at, "/odd/two");
    groups("4:memory:/three\n", V1_MOUNTS); /* the other version: found, but not kept */
    fake_set_file("/sys/fs/cgroup/memory/three/memory.limit_in_bytes", "5000\n");
    fake_set_file("/sys/fs/cgroup/memory/three/memory.usage_in_bytes", "1000\n");
    assert_string_equal(look().group_at, "/sys/fs/cgroup/memory/three");
}

static void the_mounts_of_version_1_are_read_once_too(void **state) {
    (void)state;
    groups("4:memory:/one\n", "35 31 0:32 / /odd ro - cgroup cgroup rw,memory\n");
    (void)look();
    groups("4:memory:/two\n", V1_MOUNTS);
    fake_set_file("/odd/two/memory.limit_in_bytes", "5000\n");
    fake_set_file("/odd/two/memory.usage_in_bytes", "1000\n");
    assert_string_equal(look().group_at, "/odd/two");
}

static void resource_limits(void **state) {
    (void)state;
    fake_set_file("/proc/self/statm", "1000 600 300 10 0 400 0\n");
    struct memory_limits limits = look();
    assert_int_equal(limits.resident, 300 * 4096);
    assert_int_equal(limits.process.room, SIZE_MAX);
    fake_settings.address_space_limit = 1500 * 4096;
    limits = look();
    assert_int_equal(limits.resident, 300 * 4096);
    assert_int_equal(limits.process.limit, 1500 * 4096);
    assert_int_equal(limits.process.room, 500 * 4096);
    fake_settings.data_limit = 500 * 4096;
    limits = look();
    assert_int_equal(limits.process.limit, 500 * 4096);
    assert_int_equal(limits.process.room, 100 * 4096);
    fake_settings.data_limit = 4096;
    assert_int_equal(look().process.room, 0);
    fake_set_file("/proc/self/statm", "1000 299 300 10 0 400 0\n"); /* read while it changed */
    assert_int_equal(look().resident, SIZE_MAX);
    fake_set_file("/proc/self/statm", "1000\n");
    assert_int_equal(look().resident, SIZE_MAX);
    fake_set_file("/proc/self/statm", "");
    limits = look();
    assert_int_equal(limits.resident, SIZE_MAX);
    assert_int_equal(limits.process.room, SIZE_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_to_read),
    cmocka_unit_test(where_groups_are),
    cmocka_unit_test(any_text_is_survived),
    cmocka_unit_test(long_paths_are_cut_to_what_is_mounted),
    cmocka_unit_test(long_places_of_mounts_count_while_they_fit),
    cmocka_unit_test(no_file_is_read_whose_name_is_cut),
    cmocka_unit_test(read_in_any_pieces),
    cmocka_unit_test(version_2),
    cmocka_unit_test(the_group_with_the_least_room_counts),
    cmocka_unit_test(version_1),
    cmocka_unit_test(what_the_kernel_can_take_back_is_room),
    cmocka_unit_test(what_the_kernel_can_take_back_is_room_below_memory_high),
    cmocka_unit_test(no_file_is_read_in_vain),
    cmocka_unit_test(what_version_1_can_take_back_is_room),
    cmocka_unit_test(odd_files_limit_nothing),
    cmocka_unit_test(the_list_of_mounts_is_read_once),
    cmocka_unit_test(the_mounts_of_version_1_are_read_once_too),
    cmocka_unit_test(resource_limits),
};
UNIT_MAIN(tests)
