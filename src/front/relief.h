/*
 * Purpose: what is done when a request for memory failed, because the system refused or a limit is reached: give back what can be given,
 * call the program's callback, and in the end let the request fail or end the program, as option limit_policy says.
 * Layer: front. Called with no lock held.
 */
#ifndef COLLAM_FRONT_RELIEF_H
#define COLLAM_FRONT_RELIEF_H

#include "base/compiler.h"

/* What was tried already for one request; all zeros at first. */
struct relief {
    unsigned rounds;
    bool reclaimed;
    bool called;
};

/* A request of so many bytes failed. True: it is worth another try. False: it fails for good. errno is kept. */
COLD bool relief(struct relief *done, size_t bytes);

/* Until it is told otherwise, a limit that this thread meets does not end the program: it asks for more than it was asked for, and will ask
 * again for less. */
void relief_spares(bool spares);

/* The program's callback; see collam_set_limit_callback. False when there is no memory to keep it. */
typedef void (*limit_callback)(size_t used, size_t limit, size_t wanted, void *context);
bool relief_set_callback(limit_callback callback, void *context);

#endif
