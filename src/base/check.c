/*
 * Purpose: the end of a process whose invariants do not hold.
 * Layer: base. One handler, written once before threads exist.
 */
#include "base/check.h"
#include "base/fmt.h"

static check_handler handler_at_failure;

void check_set_handler(check_handler handler) {
    handler_at_failure = handler;
}

void check_failed(const char *expression, const char *file, unsigned line) {
    char text[256];
    struct fmt out;
    fmt_start(&out, text, sizeof text);
    fmt_text(&out, "collam: internal check failed: ");
    fmt_text(&out, expression);
    fmt_text(&out, " (");
    fmt_text(&out, file);
    fmt_text(&out, ":");
    fmt_number(&out, line);
    fmt_text(&out, ")\n");
    if (handler_at_failure) {
        handler_at_failure(text, fmt_length(&out));
    }
    __builtin_trap();
}
