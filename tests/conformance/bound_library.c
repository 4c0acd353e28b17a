/*
 * Purpose: a C library for conf_exports.c to open with RTLD_DEEPBIND.
 */
#include <stdlib.h>

void *dlopened_malloc(size_t size);
void dlopened_free(void *block);

void *dlopened_malloc(size_t size) {
    return malloc(size);
}

void dlopened_free(void *block) {
    free(block);
}
