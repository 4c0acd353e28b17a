/*
 * Purpose: see again.h.
 * Layer: api.
 *
 * What the hardened build adds begins with the first page it maps, so it cannot be switched on in a process that has allocated: the process
 * begins anew instead, with the same arguments, descriptors and number. A variable with that number keeps it from doing so twice; the
 * process that has begun anew takes it away, so that one which comes after it under the same number (exec) may do the same.
 */
#include "api/again.h"
#include "api/environment.h"
#include "api/libc.h"
#include "base/bits.h"
#include "base/fmt.h"
#include "config/options.h"
#include "guard/report.h"
#include "guard/trace.h"
#include "platform/platform.h"

#define OWN_NAME "libcollam.so"
#define HARDENED_NAME "libcollam-hardened.so"
#define PRELOAD "LD_PRELOAD"
#define STARTED ENVIRONMENT_STARTED
#define SELF "/proc/self/exe" /* for a program whose file has no name any more */

static size_t length_of(const char *text) {
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}

/* Where the last part of the path begins. */
static size_t last_part(const char *path, size_t length) {
    while (length && path[length - 1] != '/') {
        length--;
    }
    return length;
}

static bool begins_with(const char *text, size_t length, const char *word) {
    for (size_t i = 0; word[i]; i++) {
        if (i == length || text[i] != word[i]) {
            return false;
        }
    }
    return true;
}

static bool separates(char c) {
    return c == ':' || c == ' ';
}

/* As it is: a path may hold any bytes. */
static void write_raw(struct fmt *out, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        fmt_char(out, text[i]);
    }
}

/* A text of this length and its end fit. */
static bool fits(const struct fmt *out, size_t size) {
    return fmt_length(out) + 1 < size;
}

bool again_library(char *to, size_t size, const char *own) {
    size_t length = length_of(own);
    size_t name = last_part(own, length);
    if (own[0] != '/' || !begins_with(own + name, length - name, OWN_NAME)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (separates(own[i])) {
            return false;
        }
    }
    struct fmt out;
    fmt_start(&out, to, size);
    write_raw(&out, own, name);
    fmt_text(&out, HARDENED_NAME);
    fmt_text(&out, own + name + sizeof OWN_NAME - 1);
    return fits(&out, size);
}

bool again_preload(char *to, size_t size, const char *library, const char *before) {
    struct fmt out;
    fmt_start(&out, to, size);
    fmt_text(&out, library);
    while (*before) {
        size_t length = 0;
        while (before[length] && !separates(before[length])) {
            length++;
        }
        size_t name = last_part(before, length);
        if (length && !begins_with(before + name, length - name, OWN_NAME) && !begins_with(before + name, length - name, HARDENED_NAME)) {
            fmt_char(&out, ':');
            write_raw(&out, before, length);
        }
        before += length + separates(before[length]);
    }
    return fits(&out, size);
}

static void complain(const char *why, const char *what, unsigned error) {
    char line[AGAIN_PATH_MAX + 256];
    struct fmt out;
    fmt_start(&out, line, sizeof line - 1);
    fmt_text(&out, "collam: option 'hardened=1' has no effect: ");
    fmt_text(&out, why);
    fmt_text(&out, what);
    if (error) {
        fmt_text(&out, " (error ");
        fmt_number(&out, error);
        fmt_char(&out, ')');
    }
    line[out.length] = '\n';
    report_line(line, out.length + 1);
}

/* How a file of the loader begins; false when it cannot be read. */
enum { HEAD_BYTES = 20 };
static bool read_head(const char *path, char *head) {
    int file = platform_open_file(path);
    if (file < 0) {
        return false;
    }
    for (size_t got = 0, more = 1; more && got < HEAD_BYTES; got += more) {
        more = platform_read(file, head + got, HEAD_BYTES - got);
    }
    platform_close(file);
    return true;
}

/* The same format, word size, byte order and processor: the loader leaves out others, and the program would be on no collam at all. */
static bool suits(const char *library, const char *own) {
    char head[HEAD_BYTES] = {0}, ours[HEAD_BYTES] = {0};
    if (!read_head(library, head) || !read_head(own, ours)) {
        return false;
    }
    for (unsigned i = 0; i < HEAD_BYTES; i++) {
        if ((i < 6 || i >= 18) && head[i] != ours[i]) {
            return false;
        }
    }
    return true;
}

/* Cuts "libcollam-hardened.so.0.1.0" to "libcollam-hardened.so.0" where that is there: a name that outlives the next update, since children
 * inherit it. */
static void prefer_short_name(char *library) {
    char head[HEAD_BYTES];
    size_t end = last_part(library, length_of(library)) + sizeof HARDENED_NAME - 1;
    end += library[end] == '.';
    while (library[end] >= '0' && library[end] <= '9') {
        end++;
    }
    char rest = library[end];
    library[end] = '\0';
    if (rest && !read_head(library, head)) {
        library[end] = rest;
    }
}

/* name=text, in memory of its own. */
static char *variable(char **room, const char *name, const char *text) {
    char *start = *room;
    struct fmt out;
    fmt_start(&out, start, SIZE_MAX / 2);
    fmt_text(&out, name);
    fmt_char(&out, '=');
    write_raw(&out, text, length_of(text));
    *room = start + fmt_length(&out) + 1;
    return start;
}

/* number:name, of this process. */
static void write_mark(char *to, size_t size) {
    char name[PLATFORM_NAME_BYTES];
    struct fmt out;
    platform_get_name(name);
    fmt_start(&out, to, size);
    fmt_number(&out, platform_process_id());
    fmt_char(&out, ':');
    write_raw(&out, name, length_of(name));
}

/* A new array: the variables that stay, and two of ours. */
static char **environment_for(char **environment, const char *library, size_t *bytes) {
    const char *before = environment_find(environment, PRELOAD);
    before = before ? before : "";
    size_t count = 0;
    while (environment[count]) {
        count++;
    }
    size_t text = length_of(library) + length_of(before) + 3;
    *bytes = align_up((count + 3) * sizeof *environment + 2 * text + 128, platform_page_size());
    char **made = platform_map(*bytes, platform_page_size());
    if (made == NULL) {
        return NULL;
    }
    char *room = (char *)(made + count + 3);
    char *preload = room;
    (void)again_preload(preload, text, library, before); /* it fits: what was there and the library */
    room += text;
    char **next = made;
    for (size_t i = 0; i < count; i++) {
        if (!environment_is(environment[i], PRELOAD) && !environment_is(environment[i], STARTED)) {
            *next++ = environment[i];
        }
    }
    char mark[48];
    write_mark(mark, sizeof mark);
    *next++ = variable(&room, PRELOAD, preload);
    *next++ = variable(&room, STARTED, mark);
    *next = NULL;
    return made;
}

bool again_arrived(char **environment) {
    const char *text = environment_find(environment, STARTED);
    size_t number = 0;
    for (; text && *text >= '0' && *text <= '9'; text++) {
        number = 10 * number + (size_t)(*text - '0');
    }
    bool arrived = text && *text == ':' && number == platform_process_id();
    if (arrived) {
        platform_set_name(text + 1);
    }
    environment_remove(environment, STARTED);
    return arrived;
}

static bool has_lost_its_name(const char *path) {
    static const char end[] = " (deleted)";
    size_t length = length_of(path), tail = sizeof end - 1;
    return length > tail && begins_with(path + length - tail, tail, end);
}

static void run_again(const char *program, const char *library, char **argv, char **environment) {
    size_t bytes = 0;
    unsigned error = 0;
    char **changed = environment_for(environment, library, &bytes);
    if (program == NULL || has_lost_its_name(program)) {
        program = SELF;
    }
    if (changed) {
        error = platform_run(program, argv, changed);
        (void)platform_unmap(changed, bytes);
    }
    complain("the system does not let it start again: ", program, error);
}

static bool preload_names(char **environment, const char *name) {
    const char *preload = environment_find(environment, PRELOAD);
    for (; preload && *preload; preload++) {
        if (begins_with(preload, length_of(preload), name)) {
            return true;
        }
    }
    return false;
}

void again_with(const char *own, const char *program, char **argv, char **environment) {
    char library[AGAIN_PATH_MAX];
    bool arrived = again_arrived(environment);
    bool named = own && again_library(library, sizeof library, own);
    if (named) {
        prefer_short_name(library);
    }
    if (own == NULL) {
        complain("/proc/self/maps does not tell where " OWN_NAME " is; start the program with LD_PRELOAD=" HARDENED_NAME, "", 0);
    } else if (!named) {
        complain("collam is linked into the program, or lies where LD_PRELOAD cannot name it: ", own, 0);
    } else if (arrived) {
        complain("the system did not load ", library, 0);
    } else if (!suits(library, own)) {
        complain("there is no library for this processor at ", library, 0);
    } else if (!platform_has_loader()) {
        complain("the program was started by the dynamic loader's own name; preload ", library, 0);
    } else if (preload_names(environment, "/vgpreload_")) {
        complain("the program would leave valgrind; preload ", library, 0);
    } else {
        run_again(program, library, argv, environment);
    }
}

static void again_hardened(char **argv, char **environment) {
    char own[AGAIN_PATH_MAX];
    char program[AGAIN_PATH_MAX];
    uintptr_t here = (uintptr_t)again_with;
    if (libc_names_are_ours() && platform_loaded_first(here)) {
        bool found = trace_find_file(here, own, sizeof own);
        bool told = platform_program_path(program, sizeof program);
        again_with(found ? own : NULL, told ? program : NULL, argv, environment);
    } else if (!preload_names(environment, HARDENED_NAME)) { /* else that stands before this one, as it should */
        complain("the program does not allocate from this library; start it with LD_PRELOAD=" HARDENED_NAME, "", 0);
    }
}

/* After start, which reads the options. What the option says from now on is what is, and nobody has set that. */
__attribute__((constructor(102))) static void start_hardened(int argc, char **argv, char **environment) {
    static const char compiled_in[] =
        "collam: option 'hardened=0' has no effect: this library has the checks compiled in; use " OWN_NAME "\n";
    (void)argc;
    bool wanted = option_get(OPTION_hardened) != 0;
    if (hardened && !platform_secure_start()) {
        (void)again_arrived(environment);
    }
    if (hardened && !wanted) {
        report_line(compiled_in, sizeof compiled_in - 1);
    } else if (wanted && !hardened) {
        again_hardened(argv, environment);
    }
    store_relaxed(&option_values[OPTION_hardened], hardened);
}
