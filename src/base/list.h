/*
 * Purpose: an intrusive doubly linked list with a head that may be all zeros.
 * Layer: base. Protected by whatever protects the head.
 *
 * Invariant: for every node n on the list, *n->back == n and (n->next == NULL or n->next->back == &n->next).
 */
#ifndef COLLAM_BASE_LIST_H
#define COLLAM_BASE_LIST_H

#include "base/compiler.h"

struct list_node {
    struct list_node *next;
    struct list_node **back; /* the pointer that points to this node; NULL while on no list */
};

struct list {
    struct list_node *first;
};

ALWAYS_INLINE bool list_contains(const struct list_node *node) {
    return node->back != NULL;
}

ALWAYS_INLINE void list_push(struct list *list, struct list_node *node) {
    node->next = list->first;
    if (node->next) {
        node->next->back = &node->next;
    }
    node->back = &list->first;
    list->first = node;
}

ALWAYS_INLINE void list_remove(struct list_node *node) {
    *node->back = node->next;
    if (node->next) {
        node->next->back = node->back;
    }
    node->next = NULL;
    node->back = NULL;
}

#define LIST_ENTRY(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

#endif
