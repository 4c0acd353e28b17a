/*
 * Purpose: see limit.h.
 * Layer: pages. State: two thresholds in bytes of footprint. Threads that look at the same time may overwrite each other's: both have
 * just been told the truth, and the next to reach the ceiling looks again.
 */
#include "pages/limit.h"
#include "base/fmt.h"
#include "config/options.h"

enum { NEAR_SHIFT = 4, MARGIN_SHIFT = 6 };

/* Heaps below this size are not worth reading files for, and no container is smaller in earnest. */
#define FIRST_LOOK ((size_t)16 << 20)
/* The ceiling rises by at least so much, or a program near a limit would do nothing but look. */
#define STEP_MIN ((size_t)1 << 20)
/* Without a limit it rises by at least so much. */
#define FREE_STEP ((size_t)64 << 20)
/* Memory that is kept between the heap and a limit beyond which the kernel kills: what other threads and processes take meanwhile. */
#define MARGIN_MAX ((size_t)8 << 20)

_Atomic(size_t) limit_ceiling = FIRST_LOOK;

/* Relaxed: a hint for the budget of dirty pages. SIZE_MAX: no limit is known. */
static _Atomic(size_t) full_at = SIZE_MAX;
static _Atomic(size_t) reserve; /* a sixteenth of that limit */

void limit_options_changed(void) {
    store_relaxed(&limit_ceiling, 0);
}

size_t limit_budget(size_t budget) {
    size_t full = load_relaxed(&full_at);
    if (LIKELY(full == SIZE_MAX)) {
        return budget;
    }
    size_t taken = load_relaxed(&page_counters.used_bytes) + load_relaxed(&page_counters.direct_bytes) +
                   load_relaxed(&page_counters.meta_bytes) + load_relaxed(&reserve);
    size_t room = full > taken ? full - taken : 0;
    return budget < room ? budget : room;
}

/* What is known about the nearest limit while looking. */
struct nearest {
    size_t room;
    size_t limit;
    const char *name;
    const char *where;
};

static void consider(struct nearest *nearest, size_t room, size_t limit, const char *name, const char *where) {
    if (room < nearest->room) {
        *nearest = (struct nearest){room, limit, name, where};
    }
}

static size_t less(size_t n, size_t by) {
    return n > by ? n - by : 0;
}

static size_t sum(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static void tell(const struct nearest *nearest, struct limit_reached *reached) {
    reached->name = nearest->name;
    reached->limit = nearest->limit;
    reached->used = nearest->limit == SIZE_MAX ? limit_footprint() : less(nearest->limit, nearest->room);
    struct fmt out;
    fmt_start(&out, reached->where, sizeof reached->where);
    fmt_text(&out, nearest->where);
}

/* Sets the thresholds. `untouched` bytes of the heap may still come to be backed without anybody asking. Not more than `hard_room`
 * is admitted without another look, and never more than `most` in all. */
static void set_ceiling(size_t footprint, size_t bytes, const struct nearest *nearest, size_t untouched, size_t hard_room, size_t most) {
    size_t room = less(nearest->room, bytes);
    size_t step;
    if (nearest->room == SIZE_MAX) {
        step = footprint > FREE_STEP ? footprint : FREE_STEP;
    } else {
        step = less(room, untouched) / 2;
        step = step > room / 16 ? step : room / 16;
        step = step > STEP_MIN ? step : STEP_MIN;
        step = step < hard_room ? step : hard_room;
    }
    size_t ceiling = sum(sum(footprint, bytes), step);
    store_relaxed(&limit_ceiling, ceiling < most ? ceiling : most);
    store_relaxed(&full_at, sum(footprint, nearest->room));
    store_relaxed(&reserve, nearest->limit >> NEAR_SHIFT);
}

static void refuse(size_t ceiling, size_t limit) {
    store_relaxed(&limit_ceiling, ceiling);
    store_relaxed(&full_at, ceiling);
    store_relaxed(&reserve, limit >> NEAR_SHIFT);
}

/* The container's limit kills, so a margin before it belongs to nobody; a request counts as much as is likely to be touched at once. */
static bool container_refuses(const struct memory_limits *limits, size_t bytes, size_t *room) {
    size_t margin = limits->group.limit >> MARGIN_SHIFT;
    *room = limits->group.room == SIZE_MAX ? SIZE_MAX : less(limits->group.room, margin < MARGIN_MAX ? margin : MARGIN_MAX);
    return (bytes < LARGE_MAX ? bytes : LARGE_MAX) > *room;
}

enum limit_verdict limit_look(size_t bytes, struct limit_reached *reached) {
    size_t footprint = limit_footprint();
    size_t wanted = sum(footprint, bytes);
    size_t soft = option_get(OPTION_soft_limit) ? option_get(OPTION_soft_limit) : SIZE_MAX;
    struct nearest nearest = {SIZE_MAX, SIZE_MAX, "no limit", "the system has no more memory"};
    consider(&nearest, soft == SIZE_MAX ? SIZE_MAX : less(soft, footprint), soft, "soft limit", "option soft_limit");
    if (wanted > soft) {
        refuse(soft, soft); /* less than this request may still fit */
        tell(&nearest, reached);
        return LIMIT_FULL;
    }
    size_t untouched = 0;
    size_t next_look = SIZE_MAX;
    size_t group_room = SIZE_MAX;
    struct memory_limits limits;
    if (!option_get(OPTION_system_limits)) {
        /* Only the soft limit counts. */
    } else if (wanted < FIRST_LOOK) {
        next_look = FIRST_LOOK;
    } else {
        memory_limits_look(&limits);
        bool refused = container_refuses(&limits, bytes, &group_room);
        consider(&nearest, group_room, limits.group.limit, "container limit", limits.group_at);
        if (refused) {
            refuse(footprint, limits.group.limit);
            tell(&nearest, reached);
            return LIMIT_FULL;
        }
        consider(&nearest, limits.high.room, limits.high.limit, "container limit", "memory.high");
        consider(&nearest, limits.process.room, limits.process.limit, "process limit", "RLIMIT_AS or RLIMIT_DATA");
        untouched = less(footprint, limits.resident);
    }
    set_ceiling(footprint, bytes, &nearest, untouched, less(group_room, bytes), soft < next_look ? soft : next_look);
    tell(&nearest, reached);
    return less(nearest.room, bytes) < nearest.limit >> NEAR_SHIFT ? LIMIT_NEAR : LIMIT_ROOM;
}

bool limit_allows(size_t bytes) {
    if (LIKELY(limit_admits(bytes))) {
        return true;
    }
    struct limit_reached reached;
    return limit_look(bytes, &reached) != LIMIT_FULL;
}
