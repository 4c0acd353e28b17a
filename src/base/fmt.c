/*
 * Purpose: see fmt.h.
 * Layer: base. Pure functions on the caller's buffer.
 */
#include "base/fmt.h"

void fmt_start(struct fmt *out, char *buffer, size_t capacity) {
    out->buffer = buffer;
    out->capacity = capacity;
    out->length = 0;
    buffer[0] = '\0';
}

void fmt_char(struct fmt *out, char c) {
    if (out->length + 1 < out->capacity) {
        out->buffer[out->length++] = c;
        out->buffer[out->length] = '\0';
    }
}

void fmt_text(struct fmt *out, const char *text) {
    for (; *text; text++) {
        fmt_char(out, *text);
    }
}

void fmt_slice(struct fmt *out, const char *text, size_t length) {
    for (size_t i = 0; i < length && text[i]; i++) {
        fmt_char(out, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
}

static void fmt_digits(struct fmt *out, uint64_t n, unsigned base) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    while (count) {
        fmt_char(out, digits[--count]);
    }
}

void fmt_number(struct fmt *out, uint64_t n) {
    fmt_digits(out, n, 10);
}

void fmt_pointer(struct fmt *out, uintptr_t n) {
    fmt_text(out, "0x");
    fmt_digits(out, n, 16);
}
