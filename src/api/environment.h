/*
 * Purpose: looks into an array of variables, "name=text", as a process is given one.
 * Layer: api. Inline; no state. getenv is not for an allocator: the program's own may be linked in its place.
 */
#ifndef COLLAM_API_ENVIRONMENT_H
#define COLLAM_API_ENVIRONMENT_H

#include "base/compiler.h"

ALWAYS_INLINE bool environment_is(const char *entry, const char *name) {
    size_t i = 0;
    while (name[i] && entry[i] == name[i]) {
        i++;
    }
    return name[i] == '\0' && entry[i] == '=';
}

/* There while a process is started again: its number and its name (again.c). */
#define ENVIRONMENT_STARTED "COLLAM_STARTED_AGAIN"

/* The text of the variable; NULL when there is none. */
static inline const char *environment_find(char **environment, const char *name) {
    for (; environment && *environment; environment++) {
        if (environment_is(*environment, name)) {
            const char *text = *environment;
            while (*text != '=') {
                text++;
            }
            return text + 1;
        }
    }
    return NULL;
}

/* The array closes up, as after unsetenv. */
static inline void environment_remove(char **environment, const char *name) {
    char **kept = environment;
    for (; environment && *environment; environment++) {
        if (!environment_is(*environment, name)) {
            *kept++ = *environment;
        }
    }
    if (environment) {
        *kept = NULL;
    }
}

#endif
