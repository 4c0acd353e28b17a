// A program that does nothing, for the start-up rows. Without arguments it only exits. `report FD` writes the kernel's
// figures about this process to FD, using nothing but system calls and its stack. `use` allocates a hundred small blocks
// as the smallest real program would; `fill MIB` allocates and touches that much in 1 KiB blocks.
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t slurp(const char *path, char *buffer, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;
    while (fd >= 0 && length < capacity && (got = read(fd, buffer + length, capacity - length)) > 0)
        length += (size_t)got;
    close(fd);
    return length;
}

static int report(int fd) {
    char text[6144];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    // first the faults until here in binary, then the two files as they are: the driver picks the fields
    int64_t faults = usage.ru_minflt;
    size_t length = slurp("/proc/self/smaps_rollup", text, sizeof text / 2);
    length += slurp("/proc/self/status", text + length, sizeof text - length);
    return write(fd, &faults, sizeof faults) == sizeof faults && write(fd, text, length) == (ssize_t)length ? 0 : 1;
}

static void *volatile sink;

static int use(void) {
    void *blocks[100];
    for (unsigned i = 0; i < 100; i++) {
        sink = blocks[i] = malloc(16 + 16 * (i % 32));
        if (blocks[i] == NULL)
            return 1;
        *(volatile char *)blocks[i] = 1;
    }
    for (unsigned i = 0; i < 100; i++)
        free(blocks[i]);
    return 0;
}

static int fill(unsigned mib) {
    for (unsigned i = 0; i < mib * 1024; i++) {
        char *block = malloc(1024);
        if (block == NULL)
            return 1;
        sink = block;
        *(volatile char *)block = 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 1)
        return 0;
    if (strcmp(argv[1], "report") == 0 && argc == 3)
        return report(argv[2][0] - '0');
    if (strcmp(argv[1], "use") == 0)
        return use();
    if (strcmp(argv[1], "fill") == 0 && argc == 3)
        return fill((unsigned)strtoul(argv[2], NULL, 10));
    return 2;
}
