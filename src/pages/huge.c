/*
 * Purpose: see huge.h.
 * Layer: pages.
 */
#include "pages/huge.h"
#include "base/atomic.h"
#include "config/geometry.h"
#include "config/options.h"
#include "pages/limit.h"
#include "platform/platform.h"

enum offer { NOT_ASKED, NONE, OFFERED };

static _Atomic(uint8_t) offer; /* relaxed: whoever asks finds out the same */

static COLD uint8_t ask(void) {
    uint8_t found = platform_huge_offered(HUGE_WINDOW) ? OFFERED : NONE;
    store_relaxed(&offer, found);
    return found;
}

/*
 * The ledger. A slow page has to be paid for before anybody tries again: by time that passes, of which it may have taken no more than a
 * share, or by what quick ones gain meanwhile. Quick are those that this process gave back a moment ago, so as many may be had on credit.
 * Each slow one that is met before quick ones have made up for those before it doubles the time: a heap that turns over a few chunks would
 * else lose its share of the time for as long as it runs.
 *
 * All relaxed: a thread that sees it late tries once more, or once less.
 */
#define SLOW ((uint64_t)500000) /* ordinary pages for a window take a tenth to two thirds of a millisecond */
#define PRICE_MAX (2 * SLOW)
#define WARM ((uint64_t)1000000000)     /* since memory was given back last: later the host may have taken it */
#define DEBT_MAX ((uint64_t)1000000000) /* beyond it there is no credit: what it gave was slow several times */
enum {
    SLOW_SHARE = 50, /* of the time that passes may be lost by trying */
    BACKED = 256,    /* windows that are known to be backed by a huge page */
    PRICED = 16,     /* pages that are touched to learn what ordinary ones take */
    IN_VAIN_MAX = 6, /* so often the time is doubled at most */
};

static _Atomic(uint64_t) paid_at;               /* until then only those on credit are tried; 0: none was slow lately */
static _Atomic(uint64_t) price;                 /* of ordinary pages for a window, when one was slow last */
static _Atomic(uint64_t) lost;                  /* by slow ones, beyond that price, and not gained since */
static _Atomic(unsigned) in_vain;               /* slow ones since nothing was lost */
static _Atomic(size_t) credit;                  /* bytes given back in huge pages and not taken again, since one was slow */
static _Atomic(uint64_t) given_at;              /* the last of them */
static SPARSE _Atomic(uint32_t) backed[BACKED]; /* numbers of windows, each at its place: a later one of the same place drives it out */

static uint32_t number_of(const char *window) {
    return (uint32_t)((uintptr_t)window / HUGE_WINDOW);
}

/* How much of the memory is known as backed. */
static size_t known(const char *start, size_t size, bool forget) {
    uint32_t first = number_of(start);
    uint32_t windows = number_of(start + size - 1) - first + 1;
    size_t bytes = 0;
    for (size_t i = 0; i < BACKED; i++) {
        uint32_t number = load_relaxed(&backed[i]);
        if (number && number - first < windows) {
            bytes += HUGE_WINDOW;
            if (forget) {
                store_relaxed(&backed[i], 0);
            }
        }
    }
    return bytes;
}

void huge_broken(const char *start, size_t size) {
    (void)known(start, size, true);
}

void huge_given(const char *start, size_t size) {
    size_t bytes = known(start, size, true);
    if (bytes && load_relaxed(&paid_at)) { /* else no credit is needed */
        store_relaxed(&given_at, platform_clock());
        fetch_add_relaxed(&credit, bytes);
    }
}

/* The wait for the slow ones met last, as a power of two. */
static unsigned times_doubled(void) {
    unsigned slow = load_relaxed(&in_vain);
    return slow == 0 ? 0 : slow > IN_VAIN_MAX ? IN_VAIN_MAX : slow - 1;
}

static bool may_try(size_t bytes) {
    uint64_t paid = load_relaxed(&paid_at);
    if (LIKELY(paid == 0)) {
        return true;
    }
    uint64_t now = platform_clock();
    if (now >= paid) {
        store_relaxed(&paid_at, 0);
        return true;
    }
    return bytes <= load_relaxed(&credit) && now - load_relaxed(&given_at) < WARM && (paid - now) >> times_doubled() < DEBT_MAX;
}

static void note_quick(uint64_t taken) {
    unsigned doubled = times_doubled();
    uint64_t ordinary = load_relaxed(&price);
    uint64_t gained = ordinary > taken ? ordinary - taken : 0;
    uint64_t owed = load_relaxed(&lost);
    if (owed > gained) {
        store_relaxed(&lost, owed - gained);
    } else if (owed || load_relaxed(&in_vain)) {
        store_relaxed(&lost, 0);
        store_relaxed(&in_vain, 0);
    }
    uint64_t paid = load_relaxed(&paid_at);
    if (LIKELY(paid == 0)) {
        return;
    }
    gained = SLOW_SHARE * gained << doubled;
    store_relaxed(&paid_at, paid > gained ? paid - gained : 0);
    size_t left = load_relaxed(&credit);
    store_relaxed(&credit, left > HUGE_WINDOW ? left - HUGE_WINDOW : 0);
}

/* What the ordinary pages take that a huge one replaces, judged by a few; 0 when there are none to be had. */
static uint64_t price_now(void) {
    size_t page = platform_page_size();
    char *start = platform_map(PRICED * page, page);
    if (start == NULL) {
        return 0;
    }
    platform_huge_pages(start, PRICED * page, false);
    uint64_t before = platform_thread_time();
    for (size_t i = 0; i < PRICED; i++) {
        *(volatile char *)(start + i * page) = 0;
    }
    uint64_t taken = (platform_thread_time() - before) / PRICED * (HUGE_WINDOW / page);
    (void)platform_unmap(start, PRICED * page);
    return taken < PRICE_MAX ? taken : PRICE_MAX;
}

/* Of slow ones that several threads met at the same moment the first counts as a try in vain; what was had on credit is none. */
static void note_lost(uint64_t taken, uint64_t ordinary, bool is_try) {
    if (taken <= ordinary) {
        return;
    }
    uint64_t most = (IN_VAIN_MAX + 1) * (taken - ordinary);
    uint64_t owed = load_relaxed(&lost) + taken - ordinary;
    store_relaxed(&lost, owed < most ? owed : most);
    if (is_try) {
        store_relaxed(&in_vain, load_relaxed(&in_vain) + 1);
    }
}

static void note_slow(uint64_t taken) {
    uint64_t ordinary = price_now();
    store_relaxed(&credit, 0);
    store_relaxed(&price, ordinary);
    uint64_t now = platform_clock();
    uint64_t paid = load_relaxed(&paid_at);
    note_lost(taken, ordinary, paid == 0);
    store_relaxed(&paid_at, (paid > now ? paid : now) + (SLOW_SHARE * taken << times_doubled()));
}

/* Where the memory has to be searched for, or the host of a virtual machine has to find it first, a huge page takes milliseconds. */
static bool is_slow(char *at) {
    /* The thread's own time: another that ran meanwhile would look like a slow page. */
    uint64_t before = platform_thread_time();
    *(volatile char *)at = 0;
    uint64_t taken = platform_thread_time() - before;
    store_relaxed(&backed[number_of(at) % BACKED], number_of(at));
    if (taken < SLOW) {
        note_quick(taken);
        return false;
    }
    note_slow(taken);
    return true;
}

bool huge_touch(char *start, size_t size) {
    for (size_t done = 0; done < size; done += HUGE_WINDOW) {
        if (is_slow(start + done)) {
            done += HUGE_WINDOW;
            if (done < size) {
                platform_huge_pages(start + done, size - done, false);
            }
            return false;
        }
    }
    return true;
}

bool huge_wanted(size_t heap, size_t bytes) {
    if (heap < option_get(OPTION_huge_start)) {
        return false;
    }
    uint8_t offered = load_relaxed(&offer);
    offered = LIKELY(offered != NOT_ASKED) ? offered : ask();
    return offered == OFFERED && may_try(bytes) && limit_lets_soil(bytes);
}

bool huge_possible(void) {
    return !HUGE_IS_NEVER(option_get(OPTION_huge_start)) && load_relaxed(&offer) != NONE;
}

bool huge_soon(const char *start, size_t size) {
    uint64_t paid = load_relaxed(&paid_at);
    return huge_possible() && (paid == 0 || known(start, size, false) || platform_clock() >= paid);
}
