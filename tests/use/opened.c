// Opens the library named on the command line while the program keeps its own malloc, and uses it by its own names.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **words) {
    void *library = count == 2 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library == NULL) {
        fprintf(stderr, "dlopen: %s\n", count == 2 ? dlerror() : "no library named");
        return 1;
    }
    void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "collam_malloc");
    void (*release)(void *) = (void (*)(void *))dlsym(library, "collam_free");
    void *blocks[2000];
    for (size_t i = 0; i < 2000; i++) {
        blocks[i] = allocate(1 + i * 37 % 5000);
        if (blocks[i] == NULL) {
            return 1;
        }
        memset(blocks[i], (int)i, 1 + i * 37 % 5000);
    }
    for (size_t i = 0; i < 2000; i++) {
        if (*(unsigned char *)blocks[i] != (unsigned char)i) {
            return 1;
        }
        release(blocks[i]);
    }
    dlclose(library);
    puts("worked: opened");
    return 0;
}
