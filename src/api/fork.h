/*
 * Purpose: a fork must leave the child a consistent heap.
 * Layer: api.
 */
#ifndef COLLAM_API_FORK_H
#define COLLAM_API_FORK_H

/* Registers the handlers that hold every lock over a fork, once however often it is called. The earlier, the better: handlers run before
 * a fork in reverse order of registration, and ours must run last (docs/CONCURRENCY.md). */
void fork_watch(void);

#endif
