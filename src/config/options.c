/*
 * Purpose: see options.h.
 * Layer: config. Two tables, made from options.def and presets.def.
 */
#include "config/options.h"
#include "base/fmt.h"

enum option_kind { FLAG, SIZE, NUMBER, CHOICE, PATH };

struct option {
    const char *name;
    enum option_kind kind;
    size_t minimum;
    size_t maximum;
    size_t initial;
    const char *words;
    const char *sentence;
};

static const char preset_words[] =
#define PRESET(name, sentence, ...) "|" #name
#include "config/presets.def"
#undef PRESET
    ;
#define PRESET_WORDS (preset_words + 1)

static const struct option table[OPTION_COUNT] = {
#define OPTION(name, kind, initial, minimum, maximum, words, sentence) {#name, kind, minimum, maximum, initial, words, sentence},
#include "config/options.def"
#undef OPTION
};

/* The columns of presets.def. */
static const enum option_id preset_options[] = {OPTION_dirty_min,  OPTION_dirty_shift,    OPTION_swing_max,
                                                OPTION_huge_start, OPTION_magazine_bytes, OPTION_shards};
enum { PRESET_OPTIONS = sizeof preset_options / sizeof *preset_options };

static const struct {
    const char *sentence;
    size_t values[PRESET_OPTIONS];
} presets[PRESET_COUNT] = {
#define PRESET(name, sentence, ...) {sentence, {__VA_ARGS__}},
#include "config/presets.def"
#undef PRESET
};

/* Relaxed: each alone, as the values. */
static _Atomic(bool) was_set[OPTION_COUNT];

_Atomic(size_t) option_values[OPTION_COUNT] = {
#define OPTION(name, kind, initial, minimum, maximum, words, sentence) (initial),
#include "config/options.def"
#undef OPTION
};

/* One path is enough while one option takes one; the assertion below notices a second. */
static SPARSE char path_text[OPTION_PATH_MAX];

#define OPTION(name, kind, initial, minimum, maximum, words, sentence) +((kind) == PATH)
_Static_assert(0
#include "config/options.def"
                   == 1,
               "path_text holds the text of one option");
#undef OPTION

static void choose_preset(size_t preset) {
    for (unsigned i = 0; i < PRESET_OPTIONS; i++) {
        enum option_id id = preset_options[i];
        if (!load_relaxed(&was_set[id])) {
            store_relaxed(&option_values[id], presets[preset].values[i]);
        }
    }
}

bool option_set(enum option_id id, size_t value) {
    if (value < table[id].minimum || value > table[id].maximum) {
        return false;
    }
    store_relaxed(&was_set[id], true);
    store_relaxed(&option_values[id], value);
    if (id == OPTION_preset) {
        choose_preset(value);
    }
    return true;
}

bool option_was_set(enum option_id id) {
    return load_relaxed(&was_set[id]);
}

const char *preset_sentence(enum preset preset) {
    return presets[preset].sentence;
}

const char *option_path(enum option_id id) {
    return option_get(id) ? path_text : "";
}

const char *option_name(enum option_id id) {
    return table[id].name;
}

const char *option_sentence(enum option_id id) {
    return table[id].sentence;
}

static size_t length_of(const char *text) {
    size_t n = 0;
    while (text[n]) {
        n++;
    }
    return n;
}

static bool same(const char *text, size_t length, const char *word, size_t word_length) {
    if (length != word_length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] != word[i]) {
            return false;
        }
    }
    return true;
}

static bool parse_number(const char *text, size_t length, bool suffixes, size_t *value) {
    size_t n = 0;
    size_t i = 0;
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (size_t)(text[i] - '0'), &n)) {
            return false;
        }
    }
    if (i == 0) {
        return false;
    }
    if (suffixes && i + 1 == length) {
        char c = text[i];
        size_t unit = c == 'k' || c == 'K' ? 1024 : c == 'm' || c == 'M' ? 1u << 20 : c == 'g' || c == 'G' ? 1u << 30 : 0;
        if (unit == 0 || __builtin_mul_overflow(n, unit, &n)) {
            return false;
        }
        i++;
    }
    *value = n;
    return i == length;
}

static bool parse_choice(const char *words, const char *text, size_t length, size_t *value) {
    size_t index = 0;
    while (*words) {
        size_t n = 0;
        while (words[n] && words[n] != '|') {
            n++;
        }
        if (same(text, length, words, n)) {
            *value = index;
            return true;
        }
        index++;
        words += n + (words[n] == '|');
    }
    return false;
}

static bool parse_value(enum option_id id, const char *text, size_t length) {
    size_t value;
    switch (table[id].kind) {
    case FLAG:
    case NUMBER:
        return parse_number(text, length, false, &value) && option_set(id, value);
    case SIZE:
        return parse_number(text, length, true, &value) && option_set(id, value);
    case CHOICE:
        return parse_choice(table[id].words, text, length, &value) && option_set(id, value);
    case PATH:
        if (length == 0 || length >= sizeof path_text) {
            return false;
        }
        for (size_t i = 0; i < length; i++) {
            path_text[i] = text[i];
        }
        path_text[length] = '\0';
        store_relaxed(&was_set[id], true);
        store_relaxed(&option_values[id], 1);
        return true;
    }
    return false;
}

void option_write_bounds(struct fmt *out, enum option_id id) {
    const struct option *option = &table[id];
    switch (option->kind) {
    case CHOICE:
        fmt_text(out, "one of ");
        fmt_text(out, option->words);
        return;
    case PATH:
        fmt_text(out, "a path shorter than ");
        fmt_number(out, OPTION_PATH_MAX);
        fmt_text(out, " characters");
        return;
    case SIZE:
    case NUMBER:
    case FLAG:
        fmt_text(out, option->kind == SIZE ? "bytes (k, m, g allowed) from " : "a number from ");
        fmt_number(out, option->minimum);
        fmt_text(out, " to ");
        fmt_number(out, option->maximum);
        return;
    }
}

/* The n-th of words separated by |. */
static void write_word(struct fmt *out, const char *words, size_t n) {
    for (; *words && n; words++) {
        n -= *words == '|';
    }
    for (; *words && *words != '|'; words++) {
        fmt_char(out, *words);
    }
}

static void write_value(struct fmt *out, const struct option *option, size_t value) {
    if (option->kind == CHOICE) {
        write_word(out, option->words, value);
        return;
    }
    unsigned shift = 0;
    while (option->kind == SIZE && shift < 30 && value && (value & 1023) == 0) {
        value >>= 10;
        shift += 10;
    }
    fmt_number(out, value);
    if (shift) {
        fmt_char(out, "kmg"[shift / 10 - 1]);
    }
}

void option_write_value(struct fmt *out, enum option_id id) {
    if (table[id].kind == PATH) {
        const char *path = option_path(id);
        fmt_slice(out, *path ? path : "none", OPTION_PATH_MAX);
        return;
    }
    write_value(out, &table[id], option_get(id));
}

void option_write_default(struct fmt *out, enum option_id id) {
    if (table[id].kind == PATH) {
        fmt_text(out, "none");
        return;
    }
    write_value(out, &table[id], table[id].initial);
}

static void complain_about(options_complaint complain, const char *text, size_t length, const char *why, const struct option *option) {
    char line[400];
    struct fmt out;
    fmt_start(&out, line, sizeof line - 1);
    fmt_text(&out, "collam: option '");
    fmt_slice(&out, text, length < 64 ? length : 64);
    fmt_text(&out, length < 64 ? "' " : "...' ");
    fmt_text(&out, why);
    if (option) {
        fmt_char(&out, ' ');
        option_write_bounds(&out, (enum option_id)(option - table));
        fmt_text(&out, "; its default is kept");
    }
    line[out.length] = '\n';
    complain(line, out.length + 1);
}

static bool parse_part(const char *text, size_t length, options_complaint complain) {
    size_t name_length = 0;
    while (name_length < length && text[name_length] != '=') {
        name_length++;
    }
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (!same(text, name_length, table[id].name, length_of(table[id].name))) {
            continue;
        }
        if (name_length < length && parse_value((enum option_id)id, text + name_length + 1, length - name_length - 1)) {
            return true;
        }
        complain_about(complain, text, length, "needs", &table[id]);
        return false;
    }
    complain_about(complain, text, length, "is not known and is ignored", NULL);
    return false;
}

bool options_parse(const char *text, options_complaint complain) {
    bool obeyed = true;
    while (*text) {
        size_t length = 0;
        while (text[length] && text[length] != ',') {
            length++;
        }
        if (length) {
            obeyed &= parse_part(text, length, complain);
        }
        text += length + (text[length] == ',');
    }
    return obeyed;
}
