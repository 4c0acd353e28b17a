/*
 * Purpose: see explain.h.
 * Layer: observe. No state.
 */
#include "observe/explain.h"
#include "base/fmt.h"
#include "collam/collam.h"
#include "config/options.h"
#include "heap/shard.h"
#include "pages/counters.h"
#include "pages/limit.h"
#include "pages/purge.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define VERSION TEXT(COLLAM_VERSION_MAJOR) "." TEXT(COLLAM_VERSION_MINOR) "." TEXT(COLLAM_VERSION_PATCH)

struct page {
    void (*write)(const char *text, size_t length, void *context);
    void *context;
    struct fmt out;
    char line[1536];
};

static void begin(struct page *page) {
    fmt_start(&page->out, page->line, sizeof page->line - 1); /* the end of the line always fits */
}

static void end(struct page *page) {
    page->line[fmt_length(&page->out)] = '\n';
    page->write(page->line, fmt_length(&page->out) + 1, page->context);
}

static void write_bytes(struct fmt *out, size_t bytes) {
    size_t mib = (bytes + ((size_t)1 << 19)) >> 20;
    if (bytes >= (size_t)10 << 20) {
        fmt_number(out, mib);
        fmt_text(out, " MiB");
    } else {
        fmt_number(out, (bytes + 512) >> 10);
        fmt_text(out, " KiB");
    }
}

static void sentence(struct page *page, const char *before, size_t bytes, const char *after) {
    begin(page);
    fmt_text(&page->out, before);
    write_bytes(&page->out, bytes);
    fmt_text(&page->out, after);
    end(page);
}

static void explain_option(struct page *page, enum option_id id) {
    struct fmt *out = &page->out;
    begin(page);
    fmt_text(out, "  ");
    fmt_text(out, option_name(id));
    fmt_text(out, " = ");
    option_write_value(out, id);
    fmt_text(out, option_was_set(id) ? " (set; default " : " (not set; default ");
    option_write_default(out, id);
    fmt_text(out, "; ");
    option_write_bounds(out, id);
    fmt_text(out, "): ");
    fmt_text(out, option_sentence(id));
    end(page);
}

static void explain_limits(struct page *page) {
    struct limit_reached nearest;
    enum limit_verdict verdict = limit_look(0, &nearest);
    if (nearest.limit == SIZE_MAX) {
        begin(page);
        fmt_text(&page->out, option_get(OPTION_system_limits) ? "No limit is known, or the heap is too small (16 MiB) to look for one."
                                                              : "No limit is set, and those of the system are not heeded.");
        end(page);
        return;
    }
    begin(page);
    fmt_text(&page->out, "The nearest limit is the ");
    fmt_text(&page->out, nearest.name);
    fmt_text(&page->out, " of ");
    write_bytes(&page->out, nearest.limit);
    fmt_text(&page->out, " (");
    fmt_text(&page->out, nearest.where);
    fmt_text(&page->out, "): ");
    write_bytes(&page->out, nearest.used);
    fmt_text(&page->out, verdict == LIMIT_ROOM ? " of it are in use." : " of it are in use, so all free memory goes back at once.");
    end(page);
    begin(page);
    fmt_text(&page->out, option_get(OPTION_limit_policy) == LIMIT_ABORT ? "Beyond it the program ends with a message."
                                                                        : "Beyond it requests get NULL with ENOMEM.");
    end(page);
}

static void explain_now(struct page *page) {
    sentence(page, "Free pages kept ready now: ", page_dirty_bytes(), ".");
    sentence(page, "At most ", purge_budget(),
             " of free pages are kept ready at this size of the heap; what is beyond goes back within the call that frees it.");
    sentence(page, "A thread that rests keeps up to ", option_get(OPTION_magazine_bytes),
             " of free blocks, half of it where eight or more allocate, and a few of each size it has used.");
    begin(page);
    fmt_text(&page->out, "Partly used slabs are in ");
    fmt_number(&page->out, shard_count());
    fmt_text(&page->out, shard_count() == 1 ? " set: least memory, threads wait for each other."
                                            : " sets: threads on different processors seldom wait for each other.");
    end(page);
    begin(page);
    fmt_text(&page->out, HUGE_IS_NEVER(option_get(OPTION_huge_start))
                             ? "Huge pages are never asked for: none can make the process larger than what it uses."
                             : "Huge pages are asked for where memory gets filled, from huge_start on: fewer page faults; free pages "
                               "beside may be backed too.");
    end(page);
    begin(page);
    fmt_text(&page->out,
             hardened ? "This is the hardened build: blocks are cleared, end in a secret word, wait before they are used again."
                      : "This is the default build: hardened=1 in COLLAM_OPTIONS chooses the one with more checks, which is slower.");
    end(page);
    begin(page);
    fmt_text(&page->out, option_get(OPTION_misuse) == MISUSE_ABORT ? "A pointer that is no block ends the program with a message."
                                                                   : "A pointer that is no block is reported and left alone.");
    end(page);
    explain_limits(page);
}

void explain(void (*write)(const char *text, size_t length, void *context), void *context) {
    struct page page = {.write = write, .context = context};
    enum preset preset = (enum preset)option_get(OPTION_preset);
    begin(&page);
    fmt_text(&page.out, "collam " VERSION ", preset ");
    option_write_value(&page.out, OPTION_preset);
    fmt_text(&page.out, ": ");
    fmt_text(&page.out, preset_sentence(preset));
    fmt_text(&page.out, ".");
    end(&page);
    explain_now(&page);
    begin(&page);
    fmt_text(&page.out, "Options (COLLAM_OPTIONS=\"name=value,name=value\"):");
    end(&page);
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        explain_option(&page, (enum option_id)id);
    }
}
