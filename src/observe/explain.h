/*
 * Purpose: what the settings of this process do and cost, in plain words, made from the tables.
 * Layer: observe. Allocates nothing, keeps nothing; may be called from any thread.
 */
#ifndef COLLAM_OBSERVE_EXPLAIN_H
#define COLLAM_OBSERVE_EXPLAIN_H

#include "base/compiler.h"

/* Calls write with the text, piece by piece, each one or more whole lines. */
void explain(void (*write)(const char *text, size_t length, void *context), void *context);

#endif
