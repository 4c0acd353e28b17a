/*
 * Purpose: see again.h.
 * Layer: api.
 *
 * What the hardened build adds begins with the first page it maps, so it cannot be switched on in a process that has allocated: the process
 * begins anew instead, with the same arguments, descriptors and number. A variable with that number keeps it from doing so twice.
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
#define STARTED "COLLAM_STARTED_AGAIN"

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

static void complain(const char *why, const char *what) {
    char line[AGAIN_PATH_MAX + 256];
    struct fmt out;
    fmt_start(&out, line, sizeof line - 1);
    fmt_text(&out, "collam: option 'hardened=1' has no effect: ");
    fmt_text(&out, why);
    fmt_text(&out, what);
    line[out.length] = '\n';
    report_line(line, out.length + 1);
}

static bool is_readable(const char *path) {
    int file = platform_open_file(path);
    if (file >= 0) {
        platform_close(file);
    }
    return file >= 0;
}

/* name=number or name=text, in memory of its own. */
static char *variable(char **room, const char *name, const char *text, size_t number) {
    struct fmt out;
    char *start = *room;
    fmt_start(&out, start, SIZE_MAX / 2);
    fmt_text(&out, name);
    fmt_char(&out, '=');
    if (text) {
        fmt_text(&out, text);
    } else {
        fmt_number(&out, number);
    }
    *room = start + fmt_length(&out) + 1;
    return start;
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
    *next++ = variable(&room, PRELOAD, preload, 0);
    *next++ = variable(&room, STARTED, NULL, platform_process_id());
    *next = NULL;
    return made;
}

/* The variable holds this process's number: it has been started again. */
static bool was_started_again(char **environment) {
    const char *text = environment_find(environment, STARTED);
    size_t number = 0;
    for (; text && *text >= '0' && *text <= '9'; text++) {
        number = 10 * number + (size_t)(*text - '0');
    }
    return text && *text == '\0' && number == platform_process_id();
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
    if (own == NULL || program == NULL) {
        complain("/proc/self/maps does not tell where " OWN_NAME " is; start the program with LD_PRELOAD=" HARDENED_NAME, "");
    } else if (!again_library(library, sizeof library, own)) {
        complain("collam is linked into the program, or lies where LD_PRELOAD cannot name it: ", own);
    } else if (was_started_again(environment)) {
        complain("the system did not load ", library);
    } else if (!is_readable(library)) {
        complain("there is no ", library);
    } else if (!platform_has_loader()) {
        complain("the program was started by the dynamic loader's own name; preload ", library);
    } else if (preload_names(environment, "/vgpreload_")) {
        complain("the program would leave valgrind; preload ", library);
    } else {
        size_t bytes = 0;
        char **changed = environment_for(environment, library, &bytes);
        if (changed) {
            platform_run(program, argv, changed);
            (void)platform_unmap(changed, bytes);
        }
        complain("the system does not let it start again: ", program);
    }
}

static void again_hardened(char **argv, char **environment) {
    if (libc_names_are_ours()) {
        trace_read_modules();
        again_with(trace_file_of((uintptr_t)again_with), trace_file_of(platform_program_entry()), argv, environment);
    } else if (!preload_names(environment, HARDENED_NAME)) { /* else that stands before this one, as it should */
        complain("the program does not allocate from this library; start it with LD_PRELOAD=" HARDENED_NAME, "");
    }
}

/* After start, which reads the options. */
__attribute__((constructor(102))) static void start_hardened(int argc, char **argv, char **environment) {
    static const char compiled_in[] =
        "collam: option 'hardened=0' has no effect: this library has the checks compiled in; use " OWN_NAME "\n";
    (void)argc;
    bool wanted = option_get(OPTION_hardened) != 0;
    if (hardened && !wanted) {
        report_line(compiled_in, sizeof compiled_in - 1);
    } else if (wanted && !hardened) {
        again_hardened(argv, environment);
    }
    (void)option_set(OPTION_hardened, hardened);
}
