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
    /* A container that sees the machine's path, but only its own group mounted. */
    groups("4:memory:/docker/abc\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_group(1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory");
    groups("4:memory:/docker/abc/in\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_group(1, "/sys/fs/cgroup/memory/in", "/sys/fs/cgroup/memory");
    /* What is mounted is not above the process: only that much can be seen. */
    groups("4:memory:/docker/abcd\n", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    assert_group(1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory");
    groups("0::/../../other\n", V2_MOUNT);
    assert_group(2, "/sys/fs/cgroup", "/sys/fs/cgroup");
    /* Mounted in an odd place, with a blank in its name. */
    groups("0::/x\n", "31 23 0:28 / /odd\\040place rw - cgroup2 none rw\n");
    assert_group(2, "/odd place/x", "/odd place");
    /* No list of mounts: the usual places. */
    groups("0::/x\n", NULL);
    assert_group(2, "/sys/fs/cgroup/x", "/sys/fs/cgroup");
    groups("3:memory:/x\n", NULL);
    assert_group(1, "/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory");
    /* No controller for memory at all. */
    groups("9:name=systemd:/x\n3:memoryless:/y\n", V1_MOUNTS);
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

static void long_paths_are_cut_to_what_is_mounted(void **state) {
    (void)state;
    static char self[2048] = "0::/";
    memset(self + 4, 'a', 500);
    strcpy(self + 504, "\n");
    groups(self, V2_MOUNT);
    assert_group(2, "/sys/fs/cgroup", "/sys/fs/cgroup"); /* together too long */
    memset(self + 4, 'a', 1000);
    strcpy(self + 1004, "\n");
    assert_group(0, "", "");
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
}

static void version_1(void **state) {
    (void)state;
    groups("4:memory:/docker/abc\n", V1_MOUNTS);
    fake_set_file("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", V1_UNLIMITED);
    fake_set_file("/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "1000\n");
    assert_int_equal(look().group.room, SIZE_MAX);
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
    /* Not asked for while there is much room. */
    fake_set_file("/sys/fs/cgroup/memory.current", "10485760\n");
    assert_int_equal(look().group.room, 90 * MIB);
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
    cmocka_unit_test(read_in_any_pieces),
    cmocka_unit_test(version_2),
    cmocka_unit_test(the_group_with_the_least_room_counts),
    cmocka_unit_test(version_1),
    cmocka_unit_test(what_the_kernel_can_take_back_is_room),
    cmocka_unit_test(what_version_1_can_take_back_is_room),
    cmocka_unit_test(odd_files_limit_nothing),
    cmocka_unit_test(the_list_of_mounts_is_read_once),
    cmocka_unit_test(resource_limits),
};
UNIT_MAIN(tests)
