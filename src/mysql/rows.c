#include "mysql/rows.h"

#include "vector/beats.h"

enum {
    /* About 140 KB of sparse integers (tests/vector/bench_arrival.c): what a row costs by itself
       no longer shows, and a reader's buffer stays small. */
    ROW_POINTS_MAX = 32768,
};

const struct row_layout row_layouts[SCHEMA_KINDS] = {
    [SCHEMA_ARRIVAL] = {" VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                        11,
                        {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED,
                         BULK_UNSIGNED, BULK_UNSIGNED, BULK_SIGNED, BULK_SIGNED, BULK_DOUBLE,
                         BULK_BYTES}},
    [SCHEMA_HEARTBEAT] = {" VALUES (?,?,?,?,?,?)",
                          6,
                          {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED,
                           BULK_UNSIGNED, BULK_BYTES}},
    [SCHEMA_OBSERVATION] = {" VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                            13,
                            {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED,
                             BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED,
                             BULK_SIGNED, BULK_SIGNED, BULK_BYTES, BULK_BYTES, BULK_BYTES}},
    [SCHEMA_RANK] = {" VALUES (?,?,?,?,?,?)",
                     6,
                     {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED,
                      BULK_BYTES}},
    [SCHEMA_TOTAL] = {" VALUES (?,?,?,?,?,?,?,?)",
                      8,
                      {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_SIGNED, BULK_UNSIGNED,
                       BULK_DOUBLE, BULK_DOUBLE, BULK_DOUBLE}},
    [SCHEMA_BEATS] = {" VALUES (?,?,?,?)",
                      4,
                      {BULK_UNSIGNED, BULK_UNSIGNED, BULK_SIGNED, BULK_BYTES}},
};

int row_put_arrival(struct mysql_session *s, struct bulk *bulk, const struct block *block,
                    uint32_t *at_inout, uint32_t seq, struct buffer *body)
{
    uint32_t at = *at_inout;
    uint32_t left = block->count - at;
    struct arrival_points points = {
        .count = left < ROW_POINTS_MAX ? left : ROW_POINTS_MAX,
        .items = block->items + at,
        .times_ms = block->times_ms + at,
        .values = block->values + at,
        .policies = block->policies != NULL ? block->policies + at : NULL,
    };
    buffer_reset(body, SIZE_MAX);
    int err = arrival_encode(s->arrival, &points, body);
    if (err != 0)
        return err;
    int64_t min_ms = points.times_ms[0];
    int64_t max_ms = min_ms;
    double total = 0;
    for (uint32_t i = 0; i < points.count; i++) {
        min_ms = points.times_ms[i] < min_ms ? points.times_ms[i] : min_ms;
        max_ms = points.times_ms[i] > max_ms ? points.times_ms[i] : max_ms;
        total += points.values[i];
    }
    bulk_put_number(bulk, block->lo);
    bulk_put_number(bulk, seq);
    bulk_put_number(bulk, block->category);
    bulk_put_number(bulk, block->dimension);
    bulk_put_number(bulk, block->host);
    bulk_put_number(bulk, block->fresh);
    bulk_put_number(bulk, points.count);
    bulk_put_number(bulk, (uint64_t)min_ms);
    bulk_put_number(bulk, (uint64_t)max_ms);
    bulk_put_double(bulk, total);
    bulk_put_bytes(bulk, buffer_slice(body));
    *at_inout = at + points.count;
    return 0;
}

void row_put_heartbeat(struct bulk *bulk, uint32_t collector, uint32_t host, uint64_t from_s,
                       uint64_t lo, uint32_t seq, const uint8_t *bits)
{
    uint8_t packed[BEAT_BYTES];
    size_t n = beats_pack(bits, packed);
    bulk_put_number(bulk, collector);
    bulk_put_number(bulk, host);
    bulk_put_number(bulk, from_s);
    bulk_put_number(bulk, lo);
    bulk_put_number(bulk, seq);
    bulk_put_bytes(bulk, slice_make(packed, n));
}
