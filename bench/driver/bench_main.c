// collam-bench WORKLOAD [key=value]...: runs one workload on whatever malloc is preloaded and prints its figures as
// key=value lines. `collam-bench --list` names the workloads.
#include "bench.h"

#include <stdio.h>

#define WORKLOAD(name) void workload_##name(void);
#include "workloads.def"
#undef WORKLOAD

static const struct {
    const char *name;
    void (*run)(void);
} workloads[] = {
#define WORKLOAD(name) {#name, workload_##name},
#include "workloads.def"
#undef WORKLOAD
};

enum { MAX_ARGS = 32 };
static struct {
    const char *text;
    bool used;
} args[MAX_ARGS];
static unsigned arg_count;

const char *arg_text(const char *key, const char *fallback) {
    size_t length = strlen(key);
    for (unsigned i = 0; i < arg_count; i++) {
        if (strncmp(args[i].text, key, length) == 0 && args[i].text[length] == '=') {
            args[i].used = true;
            return args[i].text + length + 1;
        }
    }
    return fallback;
}

uint64_t arg_u64(const char *key, uint64_t fallback) {
    const char *text = arg_text(key, NULL);
    if (text == NULL)
        return fallback;
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    const char *suffixes = "kmg";
    const char *suffix = *end != '\0' ? strchr(suffixes, *end) : NULL;
    if (suffix != NULL) {
        value <<= 10 * (suffix - suffixes + 1);
        end++;
    }
    if (end == text || *end != '\0')
        bench_fail("an argument is not a number");
    return value;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
            puts(workloads[i].name);
        return 0;
    }
    if (argc < 2 || argc - 2 > MAX_ARGS) {
        fputs("usage: collam-bench WORKLOAD [key=value]... | --list\n", stderr);
        return 2;
    }
    // a buffer of our own: stdio would take one from the allocator under test
    static char output[1 << 17];
    setvbuf(stdout, output, _IOFBF, sizeof output);
    for (int i = 2; i < argc; i++)
        args[arg_count++].text = argv[i];
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i].name, argv[1]) != 0)
            continue;
        workloads[i].run();
        for (unsigned k = 0; k < arg_count; k++) {
            if (!args[k].used) {
                fprintf(stderr, "collam-bench: %s does not know the argument %s\n", argv[1], args[k].text);
                return 2;
            }
        }
        return fflush(stdout) == 0 ? 0 : 1;
    }
    fprintf(stderr, "collam-bench: no workload named %s\n", argv[1]);
    return 2;
}
