/*
 * Purpose: tells the user, in one line on standard error, what was wrong, and ends the process if that was chosen.
 * Layer: guard.
 */
#ifndef COLLAM_GUARD_REPORT_H
#define COLLAM_GUARD_REPORT_H

#include "heap/misuse.h"

/* The handler of misuse_found: reports; with the option misuse=abort it does not return, else it is silent when the option quiet is set. */
void report_misuse(const struct misuse *misuse);
/* The handler of failed checks. */
void report_line_and_end(const char *line, size_t length);
/* One line of information, dropped when the option quiet is set. */
void report_line(const char *line, size_t length);

#endif
