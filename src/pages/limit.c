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
__thread bool limit_stopped __attribute__((tls_model("initial-exec")));

_Atomic(size_t) limit_full_at = SIZE_MAX;
static _Atomic(size_t) reserve; /* a sixteenth of that limit */

/*
 * A ceiling of F + step says: from here the heap may grow by step. When the heap shrinks first, what grows instead may be touched more
 * densely than what went, so the ceiling follows it down; but not below the footprint at which even a heap that is touched everywhere keeps
 * within the container (SIZE_MAX: there is none).
 */
static _Atomic(size_t) last_step;
static _Atomic(bool) limited; /* the system is known to limit this process: then even a small heap may be too large */
static _Atomic(size_t) safe_ceiling = SIZE_MAX;

void limit_options_changed(void) {
    store_relaxed(&limit_ceiling, 0);
}

static size_t less(size_t n, size_t by) {
    return n > by ? n - by : 0;
}

static size_t sum(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static void follow_down(void) {
    size_t lowest = sum(limit_footprint(), load_relaxed(&last_step));
    size_t safe = load_relaxed(&safe_ceiling);
    lowest = lowest > safe ? lowest : safe;
    if (load_relaxed(&limit_ceiling) > lowest) {
        store_relaxed(&limit_ceiling, lowest); /* a ceiling set meanwhile may be lost: the next to reach this one looks again */
    }
}

void limit_refused(void) {
    size_t lowest = sum(limit_footprint(), load_relaxed(&last_step));
    if (load_relaxed(&limit_ceiling) > lowest) {
        store_relaxed(&limit_ceiling, lowest);
    }
}

size_t limit_budget_near(size_t budget) {
    size_t full = load_relaxed(&limit_full_at);
    follow_down();
    size_t taken = page_live_bytes() + load_relaxed(&page_counters.meta_bytes) + load_relaxed(&reserve);
    size_t room = full > taken ? full - taken : 0;
    return budget < room ? budget : room;
}

bool limit_lets_soil(size_t bytes) {
    return load_relaxed(&limit_full_at) == SIZE_MAX || (limit_budget(bytes) >= bytes && load_relaxed(&last_step) >= bytes);
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

static void tell(const struct nearest *nearest, struct limit_reached *reached) {
    reached->name = nearest->name;
    reached->limit = nearest->limit;
    reached->used = nearest->limit == SIZE_MAX ? limit_footprint() : less(nearest->limit, nearest->room);
    struct fmt out;
    fmt_start(&out, reached->where, sizeof reached->where);
    fmt_text(&out, nearest->where);
}

/* What is known of the container. */
struct container {
    size_t room; /* less a margin that belongs to nobody, since beyond it the kernel kills; SIZE_MAX: none */
    size_t limit;
    size_t margin;
    size_t used;
    size_t own;       /* what this process has; the rest is other processes' */
    size_t untouched; /* how much of the heap may come to be backed without anybody asking */
};

static bool mostly_own(const struct container *container) {
    return container->own >= container->used - container->used / 4;
}

static void set_thresholds(size_t ceiling, size_t step, const struct nearest *nearest, size_t footprint,
                           const struct container *container) {
    store_relaxed(&limit_ceiling, ceiling);
    store_relaxed(&last_step, step);
    size_t safe = container->room == SIZE_MAX ? SIZE_MAX : less(sum(footprint, container->room), container->untouched);
    store_relaxed(&safe_ceiling, mostly_own(container) ? safe : 0);
    store_relaxed(&limit_full_at, sum(footprint, nearest->room));
    store_relaxed(&reserve, nearest->limit >> NEAR_SHIFT);
}

/*
 * By how much the heap may grow beyond the request at hand without another look. A process that shares its container may use its step after
 * the others have taken all the room there was, so all these steps together must fit in the margin: each gets a part of it as large as its
 * part of what is used.
 */
static size_t step_for(size_t footprint, size_t bytes, const struct nearest *nearest, const struct container *container) {
    if (nearest->room == SIZE_MAX) {
        return footprint > FREE_STEP ? footprint : FREE_STEP;
    }
    size_t room = less(nearest->room, bytes);
    size_t step = less(room, container->untouched) / 2;
    step = step > room / 16 ? step : room / 16;
    step = step > STEP_MIN ? step : STEP_MIN;
    if (!mostly_own(container)) {
        step = step < container->margin ? step : container->margin;
        step = (size_t)((double)step * ((double)container->own / (double)container->used));
        step = step > UNIT_SIZE ? step : UNIT_SIZE;
    }
    size_t hard = less(container->room, bytes);
    return step < hard ? step : hard;
}

/* Of a request, what is likely to be touched before the next look. */
static size_t at_once(size_t bytes) {
    return bytes < LARGE_MAX ? bytes : LARGE_MAX;
}

/* Looks at all limits of the system. The container's room is that at the moment of `footprint`: what other threads gave back while it was
 * looked for may be taken again by any of them. */
static void look_at_system(struct memory_limits *limits, size_t footprint, struct container *container) {
    size_t purged = load_relaxed(&page_counters.purged_bytes);
    memory_limits_look(limits);
    size_t given_back = load_relaxed(&page_counters.purged_bytes) - purged + less(footprint, limit_footprint());
    size_t margin = limits->group.limit >> MARGIN_SHIFT;
    container->margin = margin < MARGIN_MAX ? margin : MARGIN_MAX;
    margin = sum(container->margin, given_back);
    container->limit = limits->group.limit;
    container->room = limits->group.room == SIZE_MAX ? SIZE_MAX : less(limits->group.room, margin);
    container->used = less(limits->group.limit, limits->group.room);
    container->own = limits->resident;
    container->untouched = less(footprint, limits->resident);
}

enum limit_verdict limit_look(size_t bytes, struct limit_reached *reached) {
    size_t footprint = limit_footprint();
    size_t wanted = sum(footprint, bytes);
    size_t soft = option_get(OPTION_soft_limit) ? option_get(OPTION_soft_limit) : SIZE_MAX;
    struct container container = {.room = SIZE_MAX, .limit = SIZE_MAX};
    struct nearest nearest = {SIZE_MAX, SIZE_MAX, "no limit", "the system has no more memory"};
    consider(&nearest, soft == SIZE_MAX ? SIZE_MAX : less(soft, footprint), soft, "soft limit", "option soft_limit");
    size_t most = soft;
    struct memory_limits limits;
    if (wanted > soft) {
        set_thresholds(soft, 0, &nearest, footprint, &container); /* less than this request may still fit */
        tell(&nearest, reached);
        return LIMIT_FULL;
    }
    if (!option_get(OPTION_system_limits)) {
        /* Only the soft limit counts. */
    } else if (wanted < FIRST_LOOK && !load_relaxed(&limited)) {
        most = soft < FIRST_LOOK ? soft : FIRST_LOOK;
    } else {
        look_at_system(&limits, footprint, &container);
        store_relaxed(&limited, limits.group.room != SIZE_MAX || limits.high.room != SIZE_MAX || limits.process.room != SIZE_MAX);
        consider(&nearest, container.room, container.limit, "container limit", limits.group_at);
        if (at_once(bytes) > container.room) {
            set_thresholds(footprint, 0, &nearest, footprint, &container);
            tell(&nearest, reached);
            return LIMIT_FULL;
        }
        consider(&nearest, limits.high.room, limits.high.limit, "container limit", "memory.high");
        consider(&nearest, limits.process.room, limits.process.limit, "process limit", "RLIMIT_AS or RLIMIT_DATA");
    }
    size_t step = step_for(footprint, bytes, &nearest, &container);
    size_t ceiling = sum(sum(footprint, bytes), step);
    set_thresholds(ceiling < most ? ceiling : most, step, &nearest, footprint, &container);
    tell(&nearest, reached);
    return less(nearest.room, bytes) < nearest.limit >> NEAR_SHIFT ? LIMIT_NEAR : LIMIT_ROOM;
}

void limit_suspect(void) {
    store_relaxed(&limited, true);
}

bool limit_allows(size_t bytes) {
    if (LIKELY(limit_admits(bytes))) {
        return true;
    }
    struct limit_reached reached;
    return limit_look(bytes, &reached) != LIMIT_FULL;
}
