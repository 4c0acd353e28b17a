/*
 * Purpose: see wild.h.
 * Layer: guard. State: a flag that one thread at a time reports. Runs in signal handlers: allocates nothing, waits for nobody for long.
 */
#include "guard/wild.h"
#include "base/fmt.h"
#include "config/options.h"
#include "guard/trace.h"
#include "platform/fault.h"
#include "platform/platform.h"

enum { STANDARD_ERROR = 2, PATIENCE = 1000000 };

/* Acquire and release pair with each other: the static buffers of trace.c pass from one reporter to the next. */
static _Atomic(uint32_t) reporting;
static SPARSE struct trace access_trace;

/* Other reporters wait, but not for ever: the one who reports may have been ended by the program's handler. */
static bool begin_report(void) {
    for (int i = 0; i < PATIENCE; i++) {
        uint32_t expected = 0;
        if (cas_acquire(&reporting, &expected, 1)) {
            return true;
        }
        platform_pause();
    }
    return false;
}

static void print_history(const struct guarded_slot *slot) {
    trace_print("allocated", &slot->allocated, 0);
    if (slot->state == GUARDED_FREED) {
        trace_print("freed", &slot->freed, 0);
    }
}

static void fmt_place(struct fmt *out, const struct guarded_slot *slot, uintptr_t address) {
    if (address < slot->block) {
        fmt_number(out, slot->block - address);
        fmt_text(out, " bytes before");
    } else if (address - slot->block < slot->size) {
        fmt_text(out, "byte ");
        fmt_number(out, address - slot->block);
        fmt_text(out, " of");
    } else {
        fmt_number(out, address - slot->block - slot->size);
        fmt_text(out, " bytes behind");
    }
}

static const char *kind_of(const struct guarded_slot *slot, uintptr_t address) {
    return slot->state == GUARDED_FREED ? "use after free" : address < slot->block ? "underflow" : "overflow";
}

static void print_access(const struct fault *fault, const struct guarded_slot *slot, bool goes_on) {
    static const char *const words[] = {[FAULT_UNKNOWN] = "access", [FAULT_READ] = "read", [FAULT_WRITE] = "write"};
    char line[240];
    struct fmt out;
    fmt_start(&out, line, sizeof line);
    fmt_text(&out, "collam: ");
    fmt_text(&out, words[fault->access]);
    fmt_char(&out, '(');
    fmt_pointer(&out, fault->address);
    fmt_text(&out, "): ");
    fmt_text(&out, kind_of(slot, fault->address));
    fmt_text(&out, ", ");
    fmt_place(&out, slot, fault->address);
    fmt_text(&out, slot->state == GUARDED_FREED ? " a freed " : " a ");
    fmt_number(&out, slot->size);
    fmt_text(&out, "-byte block at ");
    fmt_pointer(&out, slot->block);
    fmt_text(&out, goes_on ? "; ignored\n" : "\n");
    platform_write(STANDARD_ERROR, line, fmt_length(&out));
}

static void report_access(const struct fault *fault, const struct guarded_slot *slot, bool goes_on) {
    print_access(fault, slot, goes_on);
    trace_read_modules();
    trace_take(&access_trace, fault->stack);
    trace_print("accessed", &access_trace, fault->code);
    print_history(slot);
}

static bool on_fault(const struct fault *fault) {
    if (!guarded_holds(fault->address) || !begin_report()) {
        return false;
    }
    bool goes_on = false;
    bool locked;
    const struct guarded_slot *slot = guarded_look(fault->address, &locked);
    if (slot) {
        goes_on = option_get(OPTION_misuse) == MISUSE_WARN && guarded_open(fault->address);
        if (!goes_on || !option_get(OPTION_quiet)) { /* what ends the program is told */
            report_access(fault, slot, goes_on);
        }
    }
    guarded_end_look(locked);
    store_release(&reporting, 0);
    return goes_on;
}

void wild_watch(void) {
    (void)fault_catch(on_fault); /* refused: the program dies of the access as it would have, without a report */
}

void wild_print_history(uintptr_t address) {
    if (!guarded_holds(address) || !begin_report()) {
        return;
    }
    bool locked;
    const struct guarded_slot *slot = guarded_look(address, &locked);
    if (slot) {
        trace_read_modules();
        print_history(slot);
    }
    guarded_end_look(locked);
    store_release(&reporting, 0);
}
