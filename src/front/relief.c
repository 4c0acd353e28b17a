/*
 * Purpose: see relief.h.
 * Layer: front. State: the callback, published whole; a hint; whether this thread is inside the callback.
 */
#include "front/relief.h"
#include "base/atomic.h"
#include "base/fmt.h"
#include "config/options.h"
#include "heap/bin.h"
#include "heap/large.h"
#include "heap/thread_heap.h"
#include "pages/limit.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "pages/purge.h"
#include "platform/platform.h"

#include <errno.h>

/* Others may take what was given back before the request is made again: so often it is tried. */
enum { ROUNDS_MAX = 6, STANDARD_ERROR = 2 };

struct registered {
    limit_callback callback;
    void *context;
};

/* Never freed, so that a thread that has just read it may still call it. NULL: none. */
static _Atomic(struct registered *) registered;

/* The callback may allocate; a limit it meets itself does not call it again. */
static __thread bool inside_callback __attribute__((tls_model("initial-exec")));

static __thread bool spared __attribute__((tls_model("initial-exec")));

void relief_spares(bool spares) {
    spared = spares;
}

bool relief_set_callback(limit_callback callback, void *context) {
    struct registered *entry = NULL;
    if (callback) {
        entry = meta_alloc(sizeof *entry, sizeof *entry);
        if (entry == NULL) {
            return false;
        }
        *entry = (struct registered){callback, context};
    }
    store_release(&registered, entry); /* pairs with the acquire in call_back: who sees the entry sees what is in it */
    return true;
}

static bool call_back(const struct limit_reached *reached, size_t wanted) {
    struct registered *entry = load_acquire(&registered); /* pairs with the release in relief_set_callback */
    if (entry == NULL || inside_callback) {
        return false;
    }
    int before = errno;
    inside_callback = true;
    entry->callback(reached->used, reached->limit, wanted, entry->context);
    inside_callback = false;
    errno = before;
    return true;
}

/* Bytes in use when memory ran out last and nothing could be reclaimed; a program that goes on asking need not wait for that again.
 * Relaxed: a hint. */
static _Atomic(size_t) nothing_to_reclaim_at;

/* What is cached by this thread, kept ready in bins or waits to be purged may be all that is missing. */
static bool reclaim(void) {
    bool flushed = heap_flush_all();
    flushed |= large_end_quarantine();
    size_t used = page_live_bytes();
    if (used == load_relaxed(&nothing_to_reclaim_at) && page_dirty_bytes() == 0 && !bin_keeps_slabs()) {
        return flushed;
    }
    heap_request_flush();
    (void)purge_budget_now(); /* what was taken before was not regretted because of what goes now */
    bin_trim();
    bool purged = heap_purge_idle();
    purged |= purge_down_to(0);
    store_relaxed(&nothing_to_reclaim_at, page_live_bytes());
    return purged || flushed;
}

static void end_if_chosen(const struct limit_reached *reached, size_t wanted) {
    if (option_get(OPTION_limit_policy) != LIMIT_ABORT || inside_callback || spared) {
        return;
    }
    char line[GROUP_PATH_MAX + 256];
    struct fmt out;
    fmt_start(&out, line, sizeof line);
    fmt_text(&out, "collam: out of memory: ");
    fmt_text(&out, reached->name);
    fmt_text(&out, " of ");
    fmt_number(&out, reached->limit);
    fmt_text(&out, " bytes (");
    fmt_text(&out, reached->where);
    fmt_text(&out, "), ");
    fmt_number(&out, reached->used);
    fmt_text(&out, " in use, ");
    fmt_number(&out, wanted);
    fmt_text(&out, " more asked for; ended as limit_policy=abort says\n");
    platform_write(STANDARD_ERROR, line, fmt_length(&out));
    platform_abort();
}

/* The request was refused by a limit, or there is little room left. */
static bool relieve_limit(struct relief *done, size_t bytes, enum limit_verdict verdict, struct limit_reached *reached) {
    if (!done->reclaimed) {
        done->reclaimed = true;
        verdict = reclaim() ? limit_look(bytes, reached) : verdict;
        if (verdict == LIMIT_ROOM) {
            return true;
        }
    }
    if (!done->called) {
        done->called = true;
        if (call_back(reached, bytes)) {
            (void)reclaim();
            verdict = limit_look(bytes, reached);
        }
    }
    if (verdict == LIMIT_FULL) {
        end_if_chosen(reached, bytes);
        return false;
    }
    return true;
}

/* What a new chunk may take for a moment: its place is looked for in a longer mapping, with a region of the page map beside the first. */
#define CHUNK_ROOM (2 * (size_t)CHUNK_SIZE + (size_t)REGION_BYTES + 4 * (size_t)UNIT_SIZE)

/* Whether the limit is why the system refused. The smallest block may need a chunk. */
static bool is_why(const struct limit_reached *reached, size_t bytes, enum limit_verdict verdict) {
    bool known = reached->limit != SIZE_MAX;
    return verdict == LIMIT_NEAR || (known && bytes <= UNIT_SIZE && reached->limit - reached->used < CHUNK_ROOM);
}

/* The system refused. A program that goes on asking shall not pay for a look each time, unless somebody wants to know. */
static bool relieve_refusal(struct relief *done, size_t bytes) {
    if (!done->reclaimed) {
        done->reclaimed = true;
        if (reclaim()) {
            return true;
        }
    }
    if (load_relaxed(&registered) == NULL && option_get(OPTION_limit_policy) != LIMIT_ABORT) {
        return false;
    }
    struct limit_reached reached;
    limit_suspect();
    enum limit_verdict verdict = limit_look(bytes, &reached);
    if (!done->called && (is_why(&reached, bytes, verdict) || bytes <= limit_footprint())) { /* more than the heap holds cannot be freed */
        done->called = true;
        if (call_back(&reached, bytes)) {
            (void)reclaim();
            return true;
        }
    }
    if (is_why(&reached, bytes, verdict)) {
        end_if_chosen(&reached, bytes);
    }
    return false;
}

static bool worth_another_try(struct relief *done, size_t bytes) {
    bool stopped = limit_stopped_me();
    bool admits = limit_admits(bytes);
    if (stopped && admits) {
        return true; /* another thread looked meanwhile; this goes on only as long as others get what they ask for */
    }
    if (done->rounds++ == ROUNDS_MAX) {
        return false;
    }
    if (admits) {
        return relieve_refusal(done, bytes);
    }
    struct limit_reached reached;
    enum limit_verdict verdict = limit_look(bytes, &reached);
    return verdict == LIMIT_ROOM || relieve_limit(done, bytes, verdict, &reached);
}

bool relief(struct relief *done, size_t bytes) {
    bool again = worth_another_try(done, bytes);
    if (!again) {
        limit_refused();
    }
    return again;
}
