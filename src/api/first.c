/*
 * Purpose: the fork handlers of an executable that is linked with the archive are registered before those of its libraries.
 * Layer: api. In libcollam.a only: a linker accepts .preinit_array in executables alone, and takes no account of it in others.
 */
#include "api/fork.h"

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = fork_watch;
