/*
 * Purpose: see counters.h.
 * Layer: pages.
 */
#include "pages/counters.h"

struct page_counters page_counters;
