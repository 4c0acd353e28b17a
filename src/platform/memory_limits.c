/*
 * Purpose: see memory_limits.h.
 * Layer: platform. Reads /proc and the control group files line by line into a buffer on the stack. State: where the groups are mounted,
 * written once.
 */
#include "platform/memory_limits.h"
#include "base/atomic.h"
#include "base/fmt.h"
#include "platform/platform.h"

enum { LINE_MAX_KEPT = 640, NUMBER_MAX = 32, NAME_MAX_KEPT = 40 };

/* --- lines and words ------------------------------------------------------------------------------------------------------ */

struct reader {
    int descriptor;
    size_t from;
    size_t until;
    char buffer[256];
};

static bool reader_open(struct reader *reader, const char *path) {
    reader->descriptor = platform_open_file(path);
    reader->from = 0;
    reader->until = 0;
    return reader->descriptor >= 0;
}

/* The next line without its end, cut to what fits; false at the end of the file. */
static bool reader_line(struct reader *reader, char *line, size_t capacity) {
    size_t length = 0;
    for (;;) {
        if (reader->from == reader->until) {
            reader->from = 0;
            reader->until = platform_read(reader->descriptor, reader->buffer, sizeof reader->buffer);
            if (reader->until == 0) {
                line[length] = '\0';
                return length != 0;
            }
        }
        char c = reader->buffer[reader->from++];
        if (c == '\n') {
            line[length] = '\0';
            return true;
        }
        if (length + 1 < capacity) {
            line[length++] = c;
        }
    }
}

static size_t length_of(const char *text) {
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}

static bool starts_with(const char *text, const char *start) {
    while (*start && *text == *start) {
        text++;
        start++;
    }
    return *start == '\0';
}

/* True when the word stands in the list, which ends at `end` or a terminator and is separated by commas. */
static bool lists_word(const char *list, char end, const char *word) {
    size_t length = length_of(word);
    for (;;) {
        if (starts_with(list, word) && (list[length] == ',' || list[length] == end || list[length] == '\0')) {
            return true;
        }
        while (*list && *list != ',' && *list != end) {
            list++;
        }
        if (*list != ',') {
            return false;
        }
        list++;
    }
}

/* What follows the n-th separator; the empty end of the text when there are not so many. */
static const char *after(const char *text, char separator, unsigned n) {
    while (n && *text) {
        n -= *text == separator;
        text++;
    }
    return text;
}

/* The number at the text; SIZE_MAX for anything else ("max"), and for what no machine has. */
static size_t number_at(const char *text) {
    size_t n = 0;
    if (*text < '0' || *text > '9') {
        return SIZE_MAX;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (size_t)(*text - '0'), &n)) {
            return SIZE_MAX;
        }
    }
    return n > SIZE_MAX / 4 ? SIZE_MAX : n; /* version 1 writes "no limit" as the largest whole page */
}

/* --- the group's directory -------------------------------------------------------------------------------------------------- */

/* The path of the process within the hierarchy that has the memory controller; returns the version, 0: none. */
static int find_path(char *path, size_t capacity) {
    struct reader reader;
    char line[LINE_MAX_KEPT];
    int version = 0;
    if (!reader_open(&reader, "/proc/self/cgroup")) {
        return 0;
    }
    while (version != 1 && reader_line(&reader, line, sizeof line)) {
        const char *controllers = after(line, ':', 1);
        int found = controllers[0] == ':' ? 2 : lists_word(controllers, ':', "memory") ? 1 : 0;
        const char *at = after(controllers, ':', 1);
        if (found && *at == '/' && length_of(at) < capacity) {
            struct fmt out;
            fmt_start(&out, path, capacity);
            fmt_text(&out, at);
            version = found;
        }
    }
    platform_close(reader.descriptor);
    return version;
}

/* One field of a mountinfo line, up to the next blank, with its \ooo escapes undone. False when it does not fit. */
static bool copy_field(const char *field, char *text, size_t capacity) {
    size_t length = 0;
    while (*field && *field != ' ') {
        char c = *field++;
        if (c == '\\' && field[0] && field[1] && field[2]) {
            c = (char)((field[0] - '0') * 64 + (field[1] - '0') * 8 + (field[2] - '0'));
            field += 3;
        }
        if (length + 1 >= capacity) {
            return false;
        }
        text[length++] = c;
    }
    text[length] = '\0';
    return true;
}

/* "id parent device ROOT MOUNTPOINT options [tags...] - TYPE source SUPEROPTIONS" */
static bool is_memory_mount(const char *line, int version) {
    const char *type = line;
    while (*type && !starts_with(type, " - ")) {
        type++;
    }
    if (*type == '\0') {
        return false;
    }
    type += 3;
    if (version == 2) {
        return starts_with(type, "cgroup2 ");
    }
    return starts_with(type, "cgroup ") && lists_word(after(type, ' ', 2), ' ', "memory");
}

/* Where a hierarchy is mounted, and which of its directories stands there. */
struct mount {
    char root[GROUP_PATH_MAX];
    char mounted[GROUP_PATH_MAX];
};

static void find_mount(int version, struct mount *mount) {
    struct reader reader;
    char line[LINE_MAX_KEPT];
    bool found = false;
    if (reader_open(&reader, "/proc/self/mountinfo")) {
        while (!found && reader_line(&reader, line, sizeof line)) {
            found = is_memory_mount(line, version) && copy_field(after(line, ' ', 3), mount->root, sizeof mount->root) &&
                    copy_field(after(line, ' ', 4), mount->mounted, sizeof mount->mounted);
        }
        platform_close(reader.descriptor);
    }
    if (!found) { /* the usual places */
        struct fmt out;
        fmt_start(&out, mount->root, sizeof mount->root);
        fmt_char(&out, '/');
        fmt_start(&out, mount->mounted, sizeof mount->mounted);
        fmt_text(&out, version == 2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    }
}

static void find_group(int version, const char *path, const struct mount *mount, struct memory_group *group) {
    struct fmt out;
    fmt_start(&out, group->path, sizeof group->path);
    fmt_text(&out, mount->mounted);
    group->version = version;
    group->mounted = length_of(group->path);
    size_t hidden = length_of(mount->root) == 1 ? 0 : length_of(mount->root); /* the part of the path that is above what is mounted */
    bool below = starts_with(path, mount->root) && path[hidden] == '/' && !starts_with(path, "/..");
    const char *rest = below ? path + hidden : "";
    if (rest[0] && rest[1] && group->mounted + length_of(rest) < sizeof group->path) {
        fmt_text(&out, rest);
    }
}

static void no_group(struct memory_group *group) {
    group->version = 0;
    group->mounted = 0;
    group->path[0] = '\0';
}

void memory_group_find(struct memory_group *group) {
    char path[GROUP_PATH_MAX];
    struct mount mount;
    int version = find_path(path, sizeof path);
    no_group(group);
    if (version) {
        find_mount(version, &mount);
        find_group(version, path, &mount, group);
    }
}

/* The list of mounts may be long (a machine with many containers), and where groups are does not change: it is read once. Whoever comes
 * while it is being written reads for himself. */
enum { UNKNOWN = 0, BEING_WRITTEN = -1 };
static SPARSE struct mount known_mount;
static _Atomic(int) known_version;

static void find_group_again(struct memory_group *group) {
    char path[GROUP_PATH_MAX];
    int version = find_path(path, sizeof path);
    no_group(group);
    if (version == 0) {
        return;
    }
    int known = load_acquire(&known_version); /* pairs with the release below: who sees a version sees the mount */
    if (known == UNKNOWN && cas_relaxed(&known_version, &known, BEING_WRITTEN)) {
        find_mount(version, &known_mount);
        store_release(&known_version, version); /* pairs with the acquire above */
        known = version;
    }
    if (known == version) {
        find_group(version, path, &known_mount, group);
    } else {
        memory_group_find(group);
    }
}

/* --- one group ---------------------------------------------------------------------------------------------------------------- */

/* Opens a file of the directory. The path has room for its name, which is put behind it for a moment: stacks may be small. */
static bool open_in(struct reader *reader, struct memory_group *group, const char *name) {
    size_t length = length_of(group->path);
    struct fmt out = {group->path, sizeof group->path, length};
    fmt_char(&out, '/');
    fmt_text(&out, name);
    bool whole = fmt_length(&out) + 1 < sizeof group->path;
    bool opened = whole && reader_open(reader, group->path);
    group->path[length] = '\0';
    return opened;
}

/* The number a file holds; SIZE_MAX: none, "max", or no such file. */
static size_t number_in(struct memory_group *group, const char *name) {
    struct reader reader;
    char line[NUMBER_MAX];
    if (!open_in(&reader, group, name)) {
        return SIZE_MAX;
    }
    (void)reader_line(&reader, line, sizeof line); /* of an empty file, an empty line */
    platform_close(reader.descriptor);
    return number_at(line);
}

/* Bytes of the group that the kernel takes back before it ends a process: pages of files, and caches of its own. */
static size_t reclaimable_in(struct memory_group *group) {
    static const char *const counted[2][3] = {{"total_inactive_file ", "total_active_file ", NULL},
                                              {"inactive_file ", "active_file ", "slab_reclaimable "}};
    struct reader reader;
    char line[2 * NAME_MAX_KEPT];
    size_t sum = 0;
    if (!open_in(&reader, group, "memory.stat")) {
        return 0;
    }
    while (reader_line(&reader, line, sizeof line)) {
        for (unsigned i = 0; i < 3; i++) {
            const char *name = counted[group->version - 1][i];
            if (name && starts_with(line, name)) {
                size_t n = number_at(line + length_of(name));
                sum += n == SIZE_MAX ? 0 : n;
            }
        }
    }
    platform_close(reader.descriptor);
    return sum;
}

static size_t room_between(size_t used, size_t limit) {
    return limit == SIZE_MAX || used == SIZE_MAX ? SIZE_MAX : limit > used ? limit - used : 0;
}

/* What may still be swapped out of the group. */
static size_t swap_room(struct memory_group *group) {
    size_t free = platform_free_swap();
    if (free == 0) {
        return 0;
    }
    size_t room = group->version == 2
                      ? room_between(number_in(group, "memory.swap.current"), number_in(group, "memory.swap.max"))
                      : room_between(number_in(group, "memory.memsw.usage_in_bytes"), number_in(group, "memory.memsw.limit_in_bytes"));
    return room < free ? room : free;
}

static void look_at_group(struct memory_limits *limits, struct memory_group *group) {
    int version = group->version;
    size_t hard = number_in(group, version == 2 ? "memory.max" : "memory.limit_in_bytes");
    size_t high = version == 2 ? number_in(group, "memory.high") : SIZE_MAX;
    if (hard == SIZE_MAX && high == SIZE_MAX) {
        return;
    }
    size_t used = number_in(group, version == 2 ? "memory.current" : "memory.usage_in_bytes");
    size_t room = room_between(used, hard);
    size_t high_room = room_between(used, high);
    if (room <= hard / 4 || high_room <= high / 4) {
        size_t more = reclaimable_in(group);
        room = room == SIZE_MAX ? room : room + more + (room <= hard / 4 ? swap_room(group) : 0);
        high_room = high_room == SIZE_MAX ? high_room : high_room + more;
    }
    if (room < limits->group.room) {
        limits->group = (struct memory_limit){hard, room};
        struct fmt out;
        fmt_start(&out, limits->group_at, sizeof limits->group_at);
        fmt_text(&out, group->path);
    }
    if (high_room < limits->high.room) {
        limits->high = (struct memory_limit){high, high_room};
    }
}

static void look_at_groups(struct memory_limits *limits) {
    struct memory_group group;
    find_group_again(&group);
    if (group.version == 0) {
        return;
    }
    for (size_t length = length_of(group.path);;) {
        look_at_group(limits, &group);
        if (length <= group.mounted) {
            return;
        }
        while (length > group.mounted && group.path[--length] != '/') {
        }
        group.path[length] = '\0';
    }
}

/* --- the process ---------------------------------------------------------------------------------------------------------------- */

/* /proc/self/statm, in pages: size resident shared text library data dirty */
static void look_at_process(struct memory_limits *limits) {
    struct reader reader;
    char line[128];
    size_t page = platform_page_size();
    size_t address_space = platform_address_space_limit();
    size_t data = platform_data_limit();
    if (!reader_open(&reader, "/proc/self/statm")) {
        return;
    }
    if (reader_line(&reader, line, sizeof line)) {
        size_t resident = number_at(after(line, ' ', 1));
        size_t shared = number_at(after(line, ' ', 2));
        limits->resident = resident == SIZE_MAX || shared > resident ? SIZE_MAX : (resident - shared) * page;
        struct memory_limit by_size = {address_space, room_between(number_at(line) * page, address_space)};
        struct memory_limit by_data = {data, room_between(number_at(after(line, ' ', 5)) * page, data)};
        limits->process = by_data.room < by_size.room ? by_data : by_size;
    }
    platform_close(reader.descriptor);
}

void memory_limits_look(struct memory_limits *limits) {
    const struct memory_limit none = {SIZE_MAX, SIZE_MAX};
    limits->group = none;
    limits->high = none;
    limits->process = none;
    limits->resident = SIZE_MAX;
    limits->group_at[0] = '\0';
    /* First what is resident, then what the group uses: what is touched in between makes the room smaller, not the part that is resident
     * larger. */
    look_at_process(limits);
    look_at_groups(limits);
}
