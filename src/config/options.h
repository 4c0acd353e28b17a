/*
 * Purpose: what the user may choose, its defaults and its parser; all from options.def.
 * Layer: config. Values are written at start (one thread), by mallopt and by collam_set_*; they are read relaxed anywhere, each alone.
 */
#ifndef COLLAM_CONFIG_OPTIONS_H
#define COLLAM_CONFIG_OPTIONS_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "config/geometry.h"

enum preset {
#define PRESET(name, sentence, ...) PRESET_##name,
#include "config/presets.def"
#undef PRESET
    PRESET_COUNT
};

enum option_id {
#define OPTION(name, kind, initial, minimum, maximum, words, sentence) OPTION_##name,
#include "config/options.def"
#undef OPTION
    OPTION_COUNT
};

enum { OPTION_PATH_MAX = 512, MISUSE_ABORT = 0, MISUSE_WARN = 1, LIMIT_NULL = 0, LIMIT_ABORT = 1 };

extern _Atomic(size_t) option_values[OPTION_COUNT] HIDDEN;

/* Relaxed: an option is a single word and nothing else is published through it. */
ALWAYS_INLINE size_t option_get(enum option_id id) {
    return load_relaxed(&option_values[id]);
}
/* False when the value lies outside the bounds of the option: it is then unchanged. An option that was set keeps its value whatever preset
 * is chosen, before or after; setting OPTION_preset gives all others the preset's values. */
bool option_set(enum option_id id, size_t value);
/* True when the option was set by itself. */
bool option_was_set(enum option_id id);
/* The text of a PATH option, "" when not set. Valid once start is over. */
const char *option_path(enum option_id id);
const char *option_name(enum option_id id);
const char *option_sentence(enum option_id id);
const char *preset_sentence(enum preset preset);
/* The value in words that the parser would take, and what it may be ("a number from 0 to 64"). */
struct fmt;
void option_write_value(struct fmt *out, enum option_id id);
void option_write_default(struct fmt *out, enum option_id id);
void option_write_bounds(struct fmt *out, enum option_id id);

/* Called for each part that could not be obeyed, with one finished line (newline included). */
typedef void (*options_complaint)(const char *line, size_t length);

/* Parses "name=value,name=value". Parts that are unknown, malformed or out of bounds are reported and leave the option as it was.
 * Returns true when everything was obeyed. */
bool options_parse(const char *text, options_complaint complain);

#endif
