/*
 * Purpose: invariants. CHECK is evaluated in every build, ASSERT in debug builds only (it always compiles).
 * Layer: base. A failed check formats one line and hands it to the handler that a higher layer installed; without one it traps.
 */
#ifndef COLLAM_BASE_CHECK_H
#define COLLAM_BASE_CHECK_H

#include "base/compiler.h"

typedef void (*check_handler)(const char *line, size_t length);

/* Installs what is called with the finished line before the process ends. Called once at start, before threads. */
void check_set_handler(check_handler handler);

_Noreturn COLD void check_failed(const char *expression, const char *file, unsigned line);

#define CHECK(e) ((void)(LIKELY(e) || (check_failed(#e, __FILE_NAME__, __LINE__), 0)))
#define ASSERT(e) ((void)(!debug_checks || LIKELY(e) || (check_failed(#e, __FILE_NAME__, __LINE__), 0)))

#endif
