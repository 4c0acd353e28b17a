/*
 * Purpose: libFuzzer harness for the option parser. Whatever the text: every option stays inside its bounds, the result says
 * whether there were complaints, each complaint is one printable line, and the same text gives the same options again.
 */
#include "config/options.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 2000 };
static size_t complaints;

#define REQUIRE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static void complain(const char *line, size_t length) {
    complaints++;
    REQUIRE(length > 1 && line[length - 1] == '\n');
    for (size_t i = 0; i + 1 < length; i++)
        REQUIRE(line[i] != '\n' && line[i] != '\0');
}

/* The bounds of each option; a PATH has none, its value is not a number. */
static const struct {
    size_t minimum, maximum;
} bounds[OPTION_COUNT] = {
#define OPTION(name, kind, initial, minimum, maximum, words, sentence) {minimum, maximum},
#include "config/options.def"
#undef OPTION
};

static void check_bounds(void) {
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        if (bounds[id].minimum != bounds[id].maximum)
            REQUIRE(option_get(id) >= bounds[id].minimum && option_get(id) <= bounds[id].maximum);
    REQUIRE(strlen(option_path(OPTION_stats)) < OPTION_PATH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[LONGEST + 1], copy[LONGEST + 1], path[OPTION_PATH_MAX];
    size_t first[OPTION_COUNT];
    if (size > LONGEST)
        size = LONGEST;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    memcpy(copy, text, sizeof copy < size + 1 ? sizeof copy : size + 1);
    complaints = 0;
    bool obeyed = options_parse(text, complain);
    REQUIRE(obeyed == (complaints == 0));
    REQUIRE(strcmp(text, copy) == 0);
    check_bounds();
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        first[id] = option_get(id);
    strcpy(path, option_path(OPTION_stats));
    size_t said = complaints;
    complaints = 0;
    REQUIRE(options_parse(text, complain) == obeyed && complaints == said);
    for (enum option_id id = 0; id < OPTION_COUNT; id++)
        REQUIRE(option_get(id) == first[id]);
    REQUIRE(strcmp(path, option_path(OPTION_stats)) == 0);
    /* Or the fuzzer would write its statistics there when it ends. */
    REQUIRE(options_parse("stats=/dev/null", complain));
    return 0;
}
