/*
 * Purpose: prints a stack taken down by trace_take: the return addresses in it, with the file each lies in and where in that file.
 * Layer: guard. Allocates nothing and calls no libc function, so that it may run in a signal handler. One thread at a time (the caller
 * sees to that): the list of modules is static.
 */
#ifndef COLLAM_GUARD_TRACE_H
#define COLLAM_GUARD_TRACE_H

#include "heap/guarded.h"

/* Reads which files are mapped where, for the prints that follow. */
void trace_read_modules(void);

/* The file that is mapped at the address. False when there is none, or its path does not fit. */
bool trace_find_file(uintptr_t address, char *to, size_t size);

/* "  title by thread 123" and a line per frame, innermost first, to standard error. `code`: an exact address to begin with, or 0. */
void trace_print(const char *title, const struct trace *trace, uintptr_t code);

#endif
