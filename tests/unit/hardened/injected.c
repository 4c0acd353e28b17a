/*
 * Purpose: failure/injected.c over the core of the hardened build: fences, quarantine and delay meet refusals too.
 */
#include "../failure/injected.c" /* NOLINT(bugprone-suspicious-include): the same tests, compiled for another core */
