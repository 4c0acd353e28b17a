/*
 * Purpose: notices that a thread ends, so that its heap is given back.
 * Layer: api.
 */
#ifndef COLLAM_API_THREAD_H
#define COLLAM_API_THREAD_H

/* Called once at start. Threads that got a heap before keep it until the process ends. */
void thread_watch_ends(void);

#endif
