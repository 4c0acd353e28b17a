/*
 * Purpose: what the files of the fake platform share.
 * Layer: platform. The lock is the fake's own; none of this may be used by anybody else.
 */
#ifndef COLLAM_PLATFORM_FAKE_INSIDE_H
#define COLLAM_PLATFORM_FAKE_INSIDE_H

#include "platform/fake/fake.h"

enum { SMALLEST_PAGE = 4096 };

void fake_take(void);
void fake_give(void);

/* Ends the process with a line that says which part of the contract was broken. */
void fake_demand(bool holds, const char *what);

/* Counts a call, lets the test's hook run, and tells whether to refuse. No lock is held. */
bool fake_refuse(enum fake_call call);

#endif
