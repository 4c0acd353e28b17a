/*
 * Purpose: option hardened=1: the program is started again, on libcollam-hardened.so.
 * Layer: api. No state. Called once, by a constructor that runs before all but collam's own, and before any thread.
 */
#ifndef COLLAM_API_AGAIN_H
#define COLLAM_API_AGAIN_H

#include "base/compiler.h"

enum { AGAIN_PATH_MAX = 1024 };

/* The library beside this one: "libcollam.so" in the last part of the path becomes "libcollam-hardened.so", what follows it stays. False
 * when the path has no such part or cannot stand in LD_PRELOAD. */
bool again_library(char *to, size_t size, const char *own);
/* What LD_PRELOAD is to be: the library, and what was there without any collam. False when it does not fit. */
bool again_preload(char *to, size_t size, const char *library, const char *before);

/* True in a process that was started again. Gives it back its name, which exec changes for scripts, and takes away the variable that tells.
 */
bool again_arrived(char **environment);

/* Executes the program again with the hardened library preloaded: `own` is this library's file, `program` the program's (NULL: the
 * system does not tell).
 * Returns when that is not possible, after one line that says why. */
void again_with(const char *own, const char *program, char **argv, char **environment);

#endif
