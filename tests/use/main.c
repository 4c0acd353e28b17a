// A program that knows nothing of collam but for its name in the build: strings, a sorted array, threads. Prints one line that depends on
// all of its work.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { words = 2000, threads = 4 };

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void *work(void *result) {
    char **list = malloc(words * sizeof *list);
    size_t total = 0;
    for (size_t i = 0; list != NULL && i < words; i++) {
        char text[64];
        snprintf(text, sizeof text, "%zu word %zu", i * 7919 % 2003, i);
        list[i] = strdup(text);
    }
    if (list != NULL) {
        qsort(list, words, sizeof *list, by_text);
        for (size_t i = 0; i < words; i++) {
            total = total * 31 + strlen(list[i]) + (size_t)list[i][0];
            free(list[i]);
        }
    }
    free(list);
    *(size_t *)result = total;
    return NULL;
}

int main(void) {
    pthread_t thread[threads];
    size_t result[threads];
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&thread[i], NULL, work, &result[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        if (result[i] != result[0]) {
            return 1;
        }
    }
    printf("worked: %zu\n", result[0]);
    return 0;
}
