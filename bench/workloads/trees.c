// trees: binary trees are built and dropped while a large one stays.
// In real life: a compiler's syntax trees, a JSON document, an ordered map: many small nodes of one size, walked and freed
// by pointers, so that how densely and in which order nodes were laid out is paid for in cache misses.
#include "../driver/bench.h"

struct node {
    struct node *left, *right;
    uint64_t value[3];
};

static struct node *grow(unsigned depth) {
    struct node *n = must_malloc(sizeof *n);
    n->value[0] = depth;
    n->left = depth > 0 ? grow(depth - 1) : NULL;
    n->right = depth > 0 ? grow(depth - 1) : NULL;
    return n;
}

static uint64_t count(const struct node *n) {
    return n == NULL ? 0 : 1 + count(n->left) + count(n->right);
}

static void fell(struct node *n) {
    if (n != NULL) {
        fell(n->left);
        fell(n->right);
        free(n);
    }
}

void workload_trees(void) {
    unsigned depth = (unsigned)arg_u64("depth", 18);
    unsigned small = (unsigned)arg_u64("small", 10);
    uint64_t rounds = arg_u64("rounds", 500);
    uint64_t nodes = 0;
    bench_begin();
    struct node *big = grow(depth);
    for (uint64_t i = 0; i < rounds; i++) {
        struct node *tree = grow(small);
        nodes += count(tree);
        fell(tree);
    }
    nodes += count(big);
    fell(big);
    bench_end(nodes);
    if (nodes != (2u << depth) - 1 + rounds * ((2u << small) - 1))
        bench_fail("a tree lost nodes");
}
