/*
 * Purpose: see trace.h.
 * Layer: guard. State: the modules read last.
 *
 * A word of the stack counts as a return address when it points into code of some file, behind an instruction that calls. What an
 * earlier, deeper call left behind looks the same: the lines are where the call may have come from, and the true ones are among them.
 * Words that lead into collam itself are left out where collam is a library of its own.
 */
#include "guard/trace.h"
#include "base/fmt.h"
#include "platform/fault.h"
#include "platform/platform.h"

enum { MODULES_MAX = 96, PATHS_BYTES = 8192, FRAMES_MAX = 24, READ_BYTES = 2048, LINE_MAX_BYTES = 600, STANDARD_ERROR = 2 };

/* One executable range of a file. */
struct module {
    uintptr_t begin;
    uintptr_t end;
    uintptr_t base; /* where the file's first mapping begins */
    const char *path;
};

static SPARSE struct module modules[MODULES_MAX];
static unsigned module_count;
static SPARSE char paths[PATHS_BYTES];
static size_t paths_used;

/* The state of reading /proc/self/maps line by line. */
struct maps {
    char line[LINE_MAX_BYTES];
    size_t length;
    uintptr_t base; /* of the file named last */
    char last[LINE_MAX_BYTES];
};

static uintptr_t parse_hex(const char **text) {
    uintptr_t value = 0;
    for (;; ++*text) {
        char c = **text;
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
        if (digit == 16) {
            return value;
        }
        value = value << 4 | digit;
    }
}

static bool equal(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static const char *keep_path(const char *path) {
    if (module_count && equal(modules[module_count - 1].path, path)) {
        return modules[module_count - 1].path;
    }
    char *kept = paths + paths_used;
    size_t room = PATHS_BYTES - paths_used;
    struct fmt out;
    fmt_start(&out, kept, room);
    fmt_text(&out, path);
    if (fmt_length(&out) + 1 >= room) {
        return "?"; /* there may be no room for all of it */
    }
    paths_used += fmt_length(&out) + 1;
    return kept;
}

/* begin-end rwxp offset device inode   path */
static void read_line(struct maps *maps) {
    const char *at = maps->line;
    uintptr_t begin = parse_hex(&at);
    if (*at++ != '-') {
        return;
    }
    uintptr_t end = parse_hex(&at);
    bool executable = at[0] == ' ' && at[1] == 'r' && at[2] && at[3] == 'x';
    while (*at && *at != '/' && *at != '[') {
        at++;
    }
    if (*at == '\0') {
        return; /* no name: code made at run time, which is not looked into */
    }
    if (!equal(at, maps->last)) {
        maps->base = begin;
        struct fmt out;
        fmt_start(&out, maps->last, sizeof maps->last);
        fmt_text(&out, at);
    }
    if (executable && module_count < MODULES_MAX) {
        const char *path = keep_path(at);
        modules[module_count++] = (struct module){.begin = begin, .end = end, .base = maps->base, .path = path};
    }
}

/* Calls `line` for each line; a line that is too long is cut. Nothing is called when the system does not show its list. */
static void read_maps(struct maps *maps, void (*line)(struct maps *maps)) {
    static SPARSE char buffer[READ_BYTES];
    maps->length = 0;
    int descriptor = fault_open_file("/proc/self/maps");
    if (descriptor < 0) {
        return;
    }
    size_t got;
    while ((got = fault_read_file(descriptor, buffer, sizeof buffer)) > 0) {
        for (size_t i = 0; i < got; i++) {
            if (buffer[i] != '\n') {
                maps->line[maps->length] = buffer[i];
                maps->length += maps->length + 1 < sizeof maps->line;
                continue;
            }
            maps->line[maps->length] = '\0';
            line(maps);
            maps->length = 0;
        }
    }
    fault_close_file(descriptor);
}

static SPARSE struct maps maps_of_process;

void trace_read_modules(void) {
    module_count = 0;
    paths_used = 0;
    maps_of_process.last[0] = '\0';
    read_maps(&maps_of_process, read_line);
}

/* Looks for the line of maps->base and leaves its path in `last`. */
static void find_line(struct maps *maps) {
    const char *at = maps->line;
    uintptr_t begin = parse_hex(&at);
    bool within = *at++ == '-' && maps->base >= begin && maps->base < parse_hex(&at);
    if (within && maps->length + 1 < sizeof maps->line) {
        while (*at && *at != '/') {
            at++;
        }
        size_t i = 0;
        do {
            maps->last[i] = at[i];
        } while (at[i++]);
    }
}

bool trace_find_file(uintptr_t address, char *to, size_t size) {
    struct maps *maps = &maps_of_process;
    maps->base = address;
    maps->last[0] = '\0';
    read_maps(maps, find_line);
    for (size_t i = 0; i < size; i++) {
        to[i] = maps->last[i];
        if (to[i] == '\0') {
            return i != 0;
        }
    }
    return false;
}

static const struct module *module_of(uintptr_t address) {
    for (unsigned i = 0; i < module_count; i++) {
        if (address >= modules[i].begin && address < modules[i].end) {
            return &modules[i];
        }
    }
    return NULL;
}

/* Code before the address; where the system does not read for us, straight from the mapping it was just told to be in. */
static bool read_code(const struct module *module, uintptr_t address, void *code, size_t size) {
    if (fault_read_memory(address - size, code, size) == size) {
        return true;
    }
    if (address - module->begin < size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)code)[i] = ((const volatile unsigned char *)(address - size))[i];
    }
    return true;
}

/* True when the instruction before the address is a call. */
static bool follows_call(const struct module *module, uintptr_t address) {
#if defined(__x86_64__)
    unsigned char code[7];
    if (!read_code(module, address, code, sizeof code)) {
        return false;
    }
    /* call to a relative address, or (ff /2) through a register or memory: 2, 3, 4, 6 or 7 bytes long */
    return code[2] == 0xe8 || (code[5] == 0xff && (code[6] & 0x38) == 0x10) || (code[4] == 0xff && (code[5] & 0x38) == 0x10) ||
           (code[3] == 0xff && (code[4] & 0x38) == 0x10) || (code[1] == 0xff && (code[2] & 0x38) == 0x10) ||
           (code[0] == 0xff && (code[1] & 0x38) == 0x10);
#else
    uint32_t code;
    if (address % sizeof code || !read_code(module, address, &code, sizeof code)) {
        return false;
    }
    return (code & 0xfc000000) == 0x94000000 || (code & 0xfffffc1f) == 0xd63f0000;
#endif
}

static void print_frame(uintptr_t address, const struct module *module) {
    char line[LINE_MAX_BYTES];
    struct fmt out;
    fmt_start(&out, line, sizeof line);
    fmt_text(&out, "    ");
    fmt_pointer(&out, address);
    if (module) {
        fmt_char(&out, ' ');
        fmt_text(&out, module->path);
        fmt_char(&out, '+');
        fmt_pointer(&out, address - module->base);
    }
    fmt_char(&out, '\n');
    platform_write(STANDARD_ERROR, line, fmt_length(&out));
}

void trace_print(const char *title, const struct trace *trace, uintptr_t code) {
    char line[80];
    struct fmt out;
    fmt_start(&out, line, sizeof line);
    fmt_text(&out, "  ");
    fmt_text(&out, title);
    fmt_text(&out, " by thread ");
    fmt_number(&out, trace->thread);
    fmt_text(&out, ", called perhaps from\n");
    platform_write(STANDARD_ERROR, line, fmt_length(&out));
    if (code) {
        print_frame(code, module_of(code));
    }
    const struct module *own = module_of((uintptr_t)trace_print);
    bool own_library = own != NULL && own != module_of(fault_program_code()); /* collam may be linked into the program */
    unsigned frames = 0;
    for (uint32_t i = 0; i < trace->count && frames < FRAMES_MAX; i++) {
        uintptr_t address = trace->words[i];
        const struct module *module = module_of(address);
        if (module && !(own_library && module == own) && follows_call(module, address)) {
            print_frame(address, module);
            frames++;
        }
    }
}
