/*
 * Purpose: what span.c and span_back.c share.
 * Layer: pages. Nobody else may use it.
 */
#ifndef COLLAM_PAGES_SPAN_INSIDE_H
#define COLLAM_PAGES_SPAN_INSIDE_H

#include "base/compiler.h"
#include "platform/lock.h"

extern struct lock span_lock HIDDEN;

/* Under the lock: huge pages have been asked for somewhere. */
extern bool span_windows_made HIDDEN;

/* Under the lock: when it was last asked to take pages back, the system refused. What is dirty then stays so however much it is. */
extern bool span_purge_refused HIDDEN;

/* Under the lock: cached spans become dirty ones, which others may join. False when there were none. */
bool span_empty_cache(void);

#endif
