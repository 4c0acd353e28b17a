/* A library that uses the malloc it is given, and the one function that the C library builds on the program's own realloc. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int use(void);

int use(void) {
    char *text = malloc(10);
    strcpy(text, "text");
    text = reallocarray(text, 100, 8);
    if (!text || strcmp(text, "text") != 0)
        return 1;
    free(text);
    text = reallocarray(NULL, 10, 10);
    if (!text)
        return 2;
    free(text);
    text = strdup("copied");
    free(text);
    char *line = NULL;
    size_t size = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    int lines = 0;
    while (f && getline(&line, &size, f) > 0)
        lines++;
    free(line);
    if (f)
        fclose(f);
    return lines > 5 ? 0 : 3;
}
