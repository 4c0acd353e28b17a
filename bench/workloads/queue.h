// A queue of one producer and one consumer; head and tail lie on lines of their own, so that the queue shares nothing falsely.
#pragma once

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

enum { QUEUE_SLOTS = 1024 };

struct queue {
    _Alignas(128) _Atomic uint64_t head; // written by the consumer
    _Alignas(128) _Atomic uint64_t tail; // written by the producer
    _Alignas(128) void *slots[QUEUE_SLOTS];
};

// Waits while the queue is full.
static inline void queue_push(struct queue *q, void *item) {
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    while (tail - atomic_load_explicit(&q->head, memory_order_acquire) == QUEUE_SLOTS)
        sched_yield();
    q->slots[tail % QUEUE_SLOTS] = item;
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
}

// Waits while the queue is empty.
static inline void *queue_pop(struct queue *q) {
    uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    while (atomic_load_explicit(&q->tail, memory_order_acquire) == head)
        sched_yield();
    void *item = q->slots[head % QUEUE_SLOTS];
    atomic_store_explicit(&q->head, head + 1, memory_order_release);
    return item;
}
