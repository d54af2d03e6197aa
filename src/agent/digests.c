#include "agent/digests.h"

#include <stdio.h>

void digests_init(struct digests *g)
{
    *g = (struct digests){0};
    deltas_init(&g->deltas);
}

void digests_fini(struct digests *g)
{
    deltas_fini(&g->deltas);
    VEC_FINI(&g->used);
}

void digests_forget(struct digests *g)
{
    deltas_forget(&g->deltas);
}

static uint64_t row_key(const struct digest_row *row)
{
    uint64_t key = hash_u64(hash_bytes(row->schema));
    key = hash_u64(key ^ hash_bytes(row->digest));
    return hash_u64(key ^ hash_bytes(row->first_seen));
}

/* false: this row shows that the table began anew. */
static bool row_read(struct digests *g, const struct digest_row *row)
{
    enum { COLUMNS = 4 };
    /* Microseconds of the total, not of the delta: so what is cut off now is counted next time. */
    const uint64_t values[COLUMNS] = {row->picoseconds / 1000000, row->executions, row->rows,
                                      row->errors};
    uint64_t deltas[COLUMNS];
    uint64_t key = row_key(row);
    for (int i = 0; i < COLUMNS; i++) {
        enum delta_result result =
            deltas_read(&g->deltas, hash_u64(key + (uint64_t)i), values[i], &deltas[i]);
        if (result == DELTA_RESET)
            return false;
        if (result == DELTA_NEW && g->deltas.primed)
            deltas[i] = values[i];
    }
    if ((deltas[0] | deltas[1] | deltas[2] | deltas[3]) == 0)
        return true;
    struct digest_use use = {.digest = row->digest,
                             .time_us = deltas[0],
                             .tput = deltas[1],
                             .rows = deltas[2],
                             .errors = deltas[3]};
    if (row->digest.n >= DIGEST_HEX)
        memcpy(use.hex, row->digest.p, DIGEST_HEX);
    else
        memset(use.hex, '0', DIGEST_HEX);
    (void)VEC_PUSH(&g->used, use); /* out of memory: this second lacks the statement */
    return true;
}

static int by_hex(const void *a, const void *b)
{
    return strcmp(((const struct digest_use *)a)->hex, ((const struct digest_use *)b)->hex);
}

/* Sums the schemas' rows of one digest, in place. */
static void used_merge(struct digests *g)
{
    if (g->used.n == 0)
        return;
    qsort(g->used.v, g->used.n, sizeof(g->used.v[0]), by_hex);
    uint32_t last = 0;
    for (uint32_t i = 1; i < g->used.n; i++) {
        struct digest_use *into = &g->used.v[last];
        const struct digest_use *from = &g->used.v[i];
        if (by_hex(into, from) != 0) {
            g->used.v[++last] = *from;
            continue;
        }
        into->time_us += from->time_us;
        into->tput += from->tput;
        into->rows += from->rows;
        into->errors += from->errors;
    }
    g->used.n = last + 1;
}

bool digests_read(struct digests *g, const struct digest_row *rows, uint32_t count,
                  struct sample *s)
{
    deltas_begin(&g->deltas);
    g->used.n = 0;
    bool measured = g->deltas.primed;
    for (uint32_t i = 0; i < count; i++)
        measured = row_read(g, &rows[i]) && measured;
    if (!measured || deltas_missing(&g->deltas) > 0) {
        g->used.n = 0;
        return false;
    }
    used_merge(g);
    for (uint32_t i = 0; i < g->used.n; i++) {
        const struct digest_use *use = &g->used.v[i];
        sample_delta(s, use->time_us, "host.queries.q.%s.time_us", use->hex);
        sample_delta(s, use->tput, "host.queries.q.%s.tput", use->hex);
        sample_delta(s, use->rows, "host.queries.q.%s.rows", use->hex);
        sample_delta(s, use->errors, "host.queries.q.%s.errors", use->hex);
    }
    return true;
}
