/*
 * Purpose: reports accesses that met a guard page (heap/guarded.h): what was wrong, which block, who allocated and who freed it.
 * Layer: guard.
 */
#ifndef COLLAM_GUARD_WILD_H
#define COLLAM_GUARD_WILD_H

#include "heap/guarded.h"

/* From now on such accesses are reported; afterwards the program's own handler runs, or the program dies of the signal. With misuse=warn
 * the page is opened instead and the program goes on. */
void wild_watch(void);

/* Prints who allocated and who freed the guarded block nearest to the address, if there is one. For reports of other kinds. */
void wild_print_history(uintptr_t address);

#endif
