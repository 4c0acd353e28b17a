/*
 * Purpose: see options.h.
 * Layer: config. One table, made from options.def.
 */
#include "config/options.h"
#include "base/fmt.h"

enum option_kind { FLAG, SIZE, NUMBER, CHOICE, PATH };

struct option {
    const char *name;
    enum option_kind kind;
    size_t minimum;
    size_t maximum;
    const char *words;
    const char *sentence;
};

static const struct option table[OPTION_COUNT] = {
#define OPTION(name, kind, initial, minimum, maximum, words, sentence) {#name, kind, minimum, maximum, words, sentence},
#include "config/options.def"
#undef OPTION
};

_Atomic(size_t) option_values[OPTION_COUNT] = {
#define OPTION(name, kind, initial, minimum, maximum, words, sentence) (initial),
#include "config/options.def"
#undef OPTION
};

/* One path is enough while one option takes one; the assertion below notices a second. */
static char path_text[OPTION_PATH_MAX];

#define OPTION(name, kind, initial, minimum, maximum, words, sentence) +((kind) == PATH)
_Static_assert(0
#include "config/options.def"
                   == 1,
               "path_text holds the text of one option");
#undef OPTION

bool option_set(enum option_id id, size_t value) {
    if (value < table[id].minimum || value > table[id].maximum) {
        return false;
    }
    store_relaxed(&option_values[id], value);
    return true;
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
        store_relaxed(&option_values[id], 1);
        return true;
    }
    return false;
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
        if (option->kind == CHOICE) {
            fmt_text(&out, " one of ");
            fmt_text(&out, option->words);
        } else if (option->kind == PATH) {
            fmt_text(&out, " a path shorter than ");
            fmt_number(&out, OPTION_PATH_MAX);
            fmt_text(&out, " characters");
        } else {
            fmt_text(&out, option->kind == SIZE ? " bytes (k, m, g allowed) from " : " a number from ");
            fmt_number(&out, option->minimum);
            fmt_text(&out, " to ");
            fmt_number(&out, option->maximum);
        }
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
