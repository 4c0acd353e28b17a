/*
 * A program with an allocator of its own, as browsers have: it defines the names that the C library's manual asks of a replacement,
 * and dies when a block that is not its own comes back to it. Prints how many blocks it gave.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Alignas(16) char heap[1 << 22];
static size_t top;
static int given;

int use(void);

static void check(const void *p, const char *call) {
    if ((const char *)p >= heap && (const char *)p < heap + sizeof heap)
        return;
    static const char text[] = ": a block of another allocator\n";
    (void)!write(2, call, strlen(call));
    (void)!write(2, text, sizeof text - 1);
    _exit(3);
}

void *memalign(size_t alignment, size_t n) {
    size_t at = (top + 16 + alignment - 1) & ~(alignment - 1);
    if (n > sizeof heap || at + n > sizeof heap)
        return NULL;
    top = at + n;
    memcpy(heap + at - sizeof n, &n, sizeof n);
    given++;
    return heap + at;
}

void *malloc(size_t n) {
    return memalign(16, n);
}

void free(void *p) {
    if (p)
        check(p, "free");
}

void *calloc(size_t a, size_t b) {
    void *p = malloc(a * b);
    return p ? memset(p, 0, a * b) : NULL;
}

size_t malloc_usable_size(void *p) {
    size_t n;
    check(p, "malloc_usable_size");
    memcpy(&n, (char *)p - sizeof n, sizeof n);
    return n;
}

void *realloc(void *p, size_t n) {
    void *q = malloc(n);
    if (p && q) {
        size_t old = malloc_usable_size(p);
        memcpy(q, p, old < n ? old : n);
    }
    return q;
}

void *aligned_alloc(size_t alignment, size_t n) {
    return memalign(alignment, n);
}

int main(void) {
    int status = use();
    printf("%d blocks\n", given);
    return status;
}
