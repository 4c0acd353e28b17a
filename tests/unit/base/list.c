/*
 * Purpose: tests of base/list.h: random pushes and removals against an array.
 */
#include "base/list.h"
#include "unit.h"

enum { NODES = 24 };

struct thing {
    int number;
    struct list_node node;
};

/* The list holds exactly order[0..count), and the invariant of list.h holds. */
static void expect(const struct list *list, struct thing *const *order, unsigned count) {
    const struct list_node *node = list->first;
    struct list_node *const *back = &list->first;
    for (unsigned i = 0; i < count; i++) {
        assert_ptr_equal(node, &order[i]->node);
        assert_ptr_equal(node->back, back);
        assert_ptr_equal(*node->back, node);
        assert_true(list_contains(node));
        back = &node->next;
        node = node->next;
    }
    assert_null(node);
}

static void follows_a_model(void **state) {
    (void)state;
    struct list list = {NULL};
    struct thing things[NODES];
    struct thing *order[NODES];
    unsigned count = 0;
    uint64_t seed = 1;
    memset(things, 0, sizeof things);
    for (int step = 0; step < 20000; step++) {
        struct thing *thing = &things[unit_random(&seed) % NODES];
        if (list_contains(&thing->node)) {
            unsigned i = 0;
            while (order[i] != thing) {
                i++;
                assert_true(i < count);
            }
            memmove(&order[i], &order[i + 1], (count - i - 1) * sizeof *order);
            count--;
            list_remove(&thing->node);
            assert_null(thing->node.next);
            assert_null(thing->node.back);
        } else {
            memmove(&order[1], &order[0], count * sizeof *order);
            order[0] = thing;
            count++;
            list_push(&list, &thing->node);
        }
        expect(&list, order, count);
    }
}

static void entry_of_a_node(void **state) {
    (void)state;
    struct thing thing = {.number = 7};
    struct list list = {NULL};
    list_push(&list, &thing.node);
    assert_ptr_equal(LIST_ENTRY(list.first, struct thing, node), &thing);
    assert_int_equal(LIST_ENTRY(list.first, struct thing, node)->number, 7);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(follows_a_model),
    cmocka_unit_test(entry_of_a_node),
};
UNIT_MAIN(tests)
