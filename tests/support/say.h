/*
 * Purpose: formatted output that allocates nothing (dprintf does): it may stand between two calls of the allocator, and it
 * works when there is no memory.
 */
#ifndef COLLAM_TESTS_SAY_H
#define COLLAM_TESTS_SAY_H

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static inline void say(int file, const char *format, ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (length > (int)sizeof text - 1)
        length = (int)sizeof text - 1;
    if (length > 0 && write(file, text, (size_t)length) < 0)
        _exit(99);
}

#endif
