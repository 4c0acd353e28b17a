/*
 * Purpose: see report.h.
 * Layer: guard. No state; called with no lock held.
 */
#include "guard/report.h"
#include "base/fmt.h"
#include "config/options.h"
#include "guard/wild.h"
#include "platform/platform.h"

enum { STANDARD_ERROR = 2 };

static void fmt_block(struct fmt *out, const struct misuse *misuse) {
    if (misuse->block_size) {
        fmt_text(out, "a ");
        fmt_number(out, misuse->block_size);
        fmt_text(out, "-byte block");
    } else {
        fmt_text(out, "a large block");
    }
}

static void fmt_misuse(struct fmt *out, const struct misuse *misuse) {
    fmt_text(out, "collam: ");
    fmt_text(out, misuse->call);
    fmt_char(out, '(');
    fmt_pointer(out, misuse->address);
    if (misuse->has_given_size) {
        fmt_text(out, ", ");
        fmt_number(out, misuse->given_size);
    }
    fmt_text(out, "): ");
    switch (misuse->kind) {
    case MISUSE_DOUBLE_FREE:
        fmt_text(out, "double free of ");
        fmt_block(out, misuse);
        break;
    case MISUSE_INTERIOR:
        fmt_text(out, "pointer into the middle of ");
        fmt_block(out, misuse);
        fmt_text(out, " at ");
        fmt_pointer(out, misuse->block);
        break;
    case MISUSE_FOREIGN:
        fmt_text(out, "not a block of collam (stack, static, foreign or already unmapped memory)");
        break;
    case MISUSE_WRONG_SIZE:
        fmt_text(out, "size does not match the block (");
        fmt_number(out, misuse->block_size);
        fmt_text(out, " bytes)");
        break;
    case MISUSE_WRONG_ALIGN:
        fmt_text(out, "alignment does not match the block (");
        fmt_number(out, misuse->block_size);
        fmt_text(out, " bytes)");
        break;
    case MISUSE_OVERRUN:
    case MISUSE_UNDERRUN:
        fmt_text(out, misuse->kind == MISUSE_OVERRUN ? "overflow, written at " : "underflow, written at ");
        fmt_pointer(out, misuse->where);
        fmt_text(out, misuse->kind == MISUSE_OVERRUN ? " behind " : " before ");
        fmt_block(out, misuse);
        break;
    case MISUSE_WRONG_TAG:
        fmt_text(out, "the memory tag is not that of ");
        fmt_block(out, misuse);
        fmt_text(out, " there: freed and handed out again since, or the tag was lost");
        break;
    case MISUSE_WRITTEN_FREED:
        fmt_text(out, "write after free, at ");
        fmt_pointer(out, misuse->where);
        fmt_text(out, " in ");
        fmt_block(out, misuse);
        break;
    }
}

void report_misuse(const struct misuse *misuse) {
    bool end = option_get(OPTION_misuse) == MISUSE_ABORT;
    if (!end && option_get(OPTION_quiet)) {
        return;
    }
    char line[320];
    struct fmt out;
    fmt_start(&out, line, sizeof line);
    fmt_misuse(&out, misuse);
    fmt_text(&out, end ? "\n" : "; ignored\n");
    platform_write(STANDARD_ERROR, line, fmt_length(&out));
    wild_print_history(misuse->address);
    if (end) {
        platform_abort();
    }
}

void report_line_and_end(const char *line, size_t length) {
    platform_write(STANDARD_ERROR, line, length);
    platform_abort();
}

void report_line(const char *line, size_t length) {
    if (!option_get(OPTION_quiet)) {
        platform_write(STANDARD_ERROR, line, length);
    }
}
