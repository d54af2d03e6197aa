#ifndef PORT_GUARD_H
#define PORT_GUARD_H

#include "base/clock.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one read may use, and what it has used so far. The loop writes `cancelled` and reads the
 * counters (REQUESTS); the worker that runs the read does the rest. Caller-owned.
 *
 * A guard with a parent is that of one of several connections of a read: it has the parent's end,
 * budget and memory, but its own connection and counters. */
struct read_guard {
    struct read_guard *parent; /* NULL: none */
    _Atomic bool cancelled;
    int64_t deadline_mono_ms;
    size_t memory_bytes_max;
    _Atomic size_t memory_bytes;
    _Atomic uint64_t rows;           /* rows read from storage */
    _Atomic uint64_t bytes;          /* their bodies' bytes */
    _Atomic uint64_t connection;     /* the database's id of the connection in use, 0: none */
    _Atomic(const char *) statement; /* a literal: what runs there */
};

static inline int read_guard_check(struct read_guard *g)
{
    if (atomic_load_explicit(&g->cancelled, memory_order_relaxed) ||
        (g->parent != NULL && atomic_load_explicit(&g->parent->cancelled, memory_order_relaxed)))
        return LT_ECANCELLED;
    return clock_mono_ms() >= g->deadline_mono_ms ? LT_ETIMEOUT : 0;
}

/* Before taking n more bytes: LT_ELIMIT, and nothing is charged, where the budget would be passed.
 */
static inline int read_guard_charge(struct read_guard *g, size_t n)
{
    if (g->parent != NULL)
        g = g->parent;
    size_t now = atomic_fetch_add_explicit(&g->memory_bytes, n, memory_order_relaxed);
    if (now + n <= g->memory_bytes_max)
        return 0;
    atomic_fetch_sub_explicit(&g->memory_bytes, n, memory_order_relaxed);
    return LT_ELIMIT;
}

static inline void read_guard_release(struct read_guard *g, size_t n)
{
    if (g->parent != NULL)
        g = g->parent;
    atomic_fetch_sub_explicit(&g->memory_bytes, n, memory_order_relaxed);
}

#endif
