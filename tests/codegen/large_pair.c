/*
 * Takes and gives back one large block again and again, of which it touches the first byte: see large_pair.py.
 */
#include <stdlib.h>

int main(int argc, char **argv) {
    long pairs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    for (long i = 0; i < pairs; i++) {
        volatile char *block = malloc(70000);
        if (block == NULL) {
            return 1;
        }
        block[0] = 1;
        free((void *)block);
    }
    return 0;
}
