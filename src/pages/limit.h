/*
 * Purpose: how far the heap may grow: the soft limit the user set, and the limits of the container and the process.
 * Layer: pages. State: a few words, all relaxed and each alone. Never locks; limit_look reads files and is called with no lock held.
 *
 *   0 ............ footprint ............ ceiling ....... full_at
 *                  what the heap holds    growth beyond   where the nearest limit would be reached
 *                  now                    asks again      if nobody else took memory meanwhile
 *
 * Whoever makes the heap grow asks limit_admits first, which compares two numbers. When the ceiling is reached the request fails as if
 * the system had refused it; the front then calls limit_look with no lock held, which finds out how things are, moves the ceiling, and
 * says what is to be done. docs/decisions/0012-limits.md says what counts, and why.
 */
#ifndef COLLAM_PAGES_LIMIT_H
#define COLLAM_PAGES_LIMIT_H

#include "pages/counters.h"
#include "platform/memory_limits.h"

enum limit_verdict {
    LIMIT_ROOM, /* go on */
    LIMIT_NEAR, /* there is room, but less than a sixteenth of the limit: give back what can be given */
    LIMIT_FULL, /* the request would go beyond a limit */
};

/* The limit that a verdict is about. */
struct limit_reached {
    const char *name; /* "soft limit", "container limit", "process limit" */
    size_t limit;
    size_t used; /* bytes that count against it */
    char where[GROUP_PATH_MAX];
};

extern _Atomic(size_t) limit_ceiling HIDDEN;

/* Relaxed: a hint for the budget of dirty pages. SIZE_MAX: no limit is known. */
extern _Atomic(size_t) limit_full_at HIDDEN;

/* Bytes that blocks, free dirty pages and metadata may be backed by. */
ALWAYS_INLINE size_t limit_footprint(void) {
    return page_live_bytes() + page_dirty_bytes() + load_relaxed(&page_counters.meta_bytes);
}

/* True when the heap may grow by so much without asking. Any lock may be held. Relaxed: threads that grow at once may overrun the ceiling
 * by what each of them asks for. */
ALWAYS_INLINE bool limit_admits(size_t bytes) {
    size_t ceiling = load_relaxed(&limit_ceiling);
    size_t footprint = limit_footprint();
    return LIKELY(footprint < ceiling && bytes <= ceiling - footprint);
}

/* True while the heap has less than a quarter of what the nearest limit lets it have: so long it may be generous with what counts against
 * limits, be it only address space, or requests would fail that could be served. */
ALWAYS_INLINE bool limit_is_far(void) {
    return limit_footprint() <= load_relaxed(&limit_full_at) / 4;
}

/* The same as limit_admits for whoever fails if it may not; limit_stopped_me then tells so. */
extern __thread bool limit_stopped HIDDEN __attribute__((tls_model("initial-exec")));
ALWAYS_INLINE bool limit_lets_grow(size_t bytes) {
    if (LIKELY(limit_admits(bytes))) {
        return true;
    }
    limit_stopped = true;
    return false;
}

/* True, once, when it was a limit that let the thread's request fail: the system may have memory, and by now another thread may have moved
 * the ceiling. */
ALWAYS_INLINE bool limit_stopped_me(void) {
    bool stopped = limit_stopped;
    limit_stopped = false;
    return stopped;
}

/* Looks at all limits for a request of so many bytes. *reached becomes the nearest one. */
enum limit_verdict limit_look(size_t bytes, struct limit_reached *reached);

/* The same for a caller that can do nothing about a limit but fail: false for LIMIT_FULL. */
bool limit_allows(size_t bytes);

/* The system refused, so it may limit this process: the next look asks it, however small the heap is. */
void limit_suspect(void);

/* To be called when a request that was looked at has failed after all, or its size would count as if it were in use. */
void limit_refused(void);

/* The part of a budget for dirty pages that the nearest limit leaves room for: 0 near it. */
size_t limit_budget_near(size_t budget);
ALWAYS_INLINE size_t limit_budget(size_t budget) {
    return LIKELY(load_relaxed(&limit_full_at) == SIZE_MAX) ? budget : limit_budget_near(budget);
}

/* True when so much may become resident at a touch, without anybody asking: none of a limit's reserve, nor more than the heap may grow
 * before the next look, since who shares a container does not know what the others took meanwhile. */
bool limit_lets_soil(size_t bytes);

/* To be called when an option about limits has changed. */
void limit_options_changed(void);

#endif
