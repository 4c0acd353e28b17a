/*
 * Purpose: formatting that never allocates, for messages and reports.
 * Layer: base. The builder is owned by its caller; text beyond the buffer is dropped, the result is always terminated.
 */
#ifndef COLLAM_BASE_FMT_H
#define COLLAM_BASE_FMT_H

#include "base/compiler.h"

struct fmt {
    char *buffer;
    size_t capacity; /* bytes of buffer, terminator included */
    size_t length;   /* characters written so far, < capacity */
};

void fmt_start(struct fmt *out, char *buffer, size_t capacity);
void fmt_char(struct fmt *out, char c);
void fmt_text(struct fmt *out, const char *text);
/* At most `length` characters of text, stopping at a terminator; anything unprintable becomes '?'. */
void fmt_slice(struct fmt *out, const char *text, size_t length);
void fmt_number(struct fmt *out, uint64_t n);
void fmt_pointer(struct fmt *out, uintptr_t n);
ALWAYS_INLINE size_t fmt_length(const struct fmt *out) {
    return out->length;
}

#endif
