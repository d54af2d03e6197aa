/* Points as programs before version 2 wrote them. */
#include "record/points.h"

#include "base/error.h"
#include "base/number.h"
#include "model/name.h"
#include "record/format.h"
#include "record/varint.h"

#include <endian.h>
#include <math.h>

enum { VALUE_1_BYTES = 8 };

/* Every column is read only after its count was found to fit into what is left of the input: memory
 * follows the bytes that are there, never a count that is only claimed. */

int points_read_names(struct unpack *in, bool hosts, struct points_names *out)
{
    uint32_t count;
    if (!unpack_array(in, &count) || count > unpack_rest(in) / 2)
        return LT_EPARSE;
    out->n = 0;
    if (!VEC_RESERVE(out, count))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct slice name;
        if (!unpack_bytes(in, &name) || name.n > NAME_BYTES_MAX)
            return LT_EPARSE;
        if (hosts && slice_find(name, '/') < name.n)
            return LT_EPARSE;
        out->v[out->n++] = name;
    }
    return 0;
}

bool points_make_run(struct points_run_fields fields, uint32_t hosts, int64_t before_ms,
                     uint64_t *points, struct record_run *out)
{
    int64_t time_ms;
    uint64_t policy = fields.way & RUN_POLICY_MASK;
    bool declared = fields.declared && (fields.way & RUN_DECIDED) == 0 && policy == POLICY_DECLARED;
    if ((policy >= POLICY_STORED_COUNT && !declared) || fields.host >= hosts || fields.count == 0 ||
        fields.count > UINT32_MAX - *points)
        return false;
    if (__builtin_add_overflow(before_ms, fields.delta_ms, &time_ms) || time_ms < 0)
        return false;
    *out = (struct record_run){
        .observed = (fields.way & RUN_OBSERVED) != 0,
        .decided = (fields.way & RUN_DECIDED) != 0,
        .policy = (enum policy)policy,
        .host = (uint32_t)fields.host,
        .time_ms = time_ms,
        .first = (uint32_t)*points,
        .count = (uint32_t)fields.count,
    };
    *points += fields.count;
    return true;
}

static bool read_run(struct unpack *in, uint32_t hosts, int64_t before_ms, uint64_t *points,
                     struct record_run *out)
{
    uint32_t way, host, count;
    int64_t delta_ms;
    if (!unpack_u32(in, &way) || way > (RUN_OBSERVED | RUN_POLICY_MASK) || !unpack_u32(in, &host) ||
        !unpack_int(in, &delta_ms) || !unpack_u32(in, &count))
        return false;
    return points_make_run((struct points_run_fields){way, false, host, count, delta_ms}, hosts,
                           before_ms, points, out);
}

static int read_runs(struct record_reader *r, struct unpack *in, uint64_t *points_out)
{
    uint32_t fields;
    if (!unpack_array(in, &fields) || fields == 0 || fields % RUN_1_FIELDS != 0 ||
        fields > unpack_rest(in))
        return LT_EPARSE;
    uint32_t count = fields / RUN_1_FIELDS;
    r->runs.n = 0;
    if (!VEC_RESERVE(&r->runs, count))
        return LT_ENOMEM;
    uint64_t points = 0;
    int64_t before_ms = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct record_run run;
        if (!read_run(in, r->hosts.n, before_ms, &points, &run))
            return LT_EPARSE;
        before_ms = run.time_ms;
        r->runs.v[r->runs.n++] = run;
    }
    *points_out = points;
    return 0;
}

static int read_metric_index(struct record_reader *r, struct unpack *in, uint64_t points)
{
    struct slice bytes;
    if (!unpack_bytes(in, &bytes) || points > bytes.n)
        return LT_EPARSE;
    r->metric_index.n = 0;
    if (!VEC_RESERVE(&r->metric_index, points))
        return LT_ENOMEM;
    struct varint_input column = points_varints(bytes);
    uint64_t next = 0;
    for (uint64_t i = 0; i < points; i++) {
        uint64_t distance;
        if (!varint_read(&column, &distance))
            return LT_EPARSE;
        /* Unsigned, so that an absurd distance wraps to an index out of range. */
        uint64_t index = next + (uint64_t)unzigzag(distance);
        if (index >= r->metrics.n)
            return LT_EPARSE;
        r->metric_index.v[r->metric_index.n++] = (uint32_t)index;
        next = index + 1;
    }
    return column.at == column.end ? 0 : LT_EPARSE;
}

static int read_values(struct record_reader *r, struct unpack *in, uint64_t points)
{
    struct slice bytes;
    if (!unpack_bytes(in, &bytes) || bytes.n != points * VALUE_1_BYTES)
        return LT_EPARSE;
    r->values.n = 0;
    if (!VEC_RESERVE(&r->values, points))
        return LT_ENOMEM;
    for (uint64_t i = 0; i < points; i++) {
        uint64_t bits;
        memcpy(&bits, bytes.p + i * VALUE_1_BYTES, sizeof(bits));
        double value = number_f64_from_bits(le64toh(bits));
        if (isinf(value))
            return LT_EPARSE;
        r->values.v[r->values.n++] = value;
    }
    return 0;
}

int points1_read(struct record_reader *r, struct unpack *in, uint64_t *points_out)
{
    uint64_t points = 0;
    int err = points_read_names(in, true, &r->hosts);
    if (err == 0)
        err = points_read_names(in, false, &r->metrics);
    if (err == 0)
        err = read_runs(r, in, &points);
    if (err == 0)
        err = read_metric_index(r, in, points);
    if (err == 0)
        err = read_values(r, in, points);
    *points_out = points;
    return err;
}
