/* Purpose: what the library of the test fork_order gives the program. */
#ifndef COLLAM_TESTS_MODEL_FORK_ORDER_H
#define COLLAM_TESTS_MODEL_FORK_ORDER_H

#include <stddef.h>

/* malloc while a mutex is held that the library's own fork handlers take. */
void *fork_order_allocate(size_t size);

#endif
