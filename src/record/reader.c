#include "record/record.h"

#include "base/error.h"
#include "base/vec.h"
#include "model/name.h"
#include "record/format.h"
#include "record/unpack.h"

#include <endian.h>
#include <math.h>

typedef VEC(struct slice) slices;

struct record_reader {
    slices hosts;
    slices metrics;
    VEC(struct record_run) runs;
    VEC(uint32_t) metric_index;
    VEC(double) values;
};

int record_reader_create(struct record_reader **out)
{
    struct record_reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return LT_ENOMEM;
    *out = r;
    return 0;
}

void record_reader_destroy(struct record_reader **reader)
{
    struct record_reader *r = *reader;
    if (r == NULL)
        return;
    VEC_FINI(&r->hosts);
    VEC_FINI(&r->metrics);
    VEC_FINI(&r->runs);
    VEC_FINI(&r->metric_index);
    VEC_FINI(&r->values);
    free(r);
    *reader = NULL;
}

/* Every column is read only after its count was found to fit into what is left of the input: memory
 * follows the bytes that are there, never a count that is only claimed. */

static int read_names(struct unpack *in, bool hosts, slices *out)
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

/* Fails where a run breaks a promise of its own; *points is the sum of the counts so far. */
static bool read_run(struct unpack *in, uint32_t hosts, int64_t before_ms, uint64_t *points,
                     struct record_run *out)
{
    uint32_t way, host, count;
    int64_t delta_ms, time_ms;
    if (!unpack_u32(in, &way) || !unpack_u32(in, &host) || !unpack_int(in, &delta_ms) ||
        !unpack_u32(in, &count))
        return false;
    if (way > (RUN_OBSERVED | RUN_POLICY_MASK) || (way & RUN_POLICY_MASK) >= POLICY_STORED_COUNT ||
        host >= hosts || count == 0)
        return false;
    if (__builtin_add_overflow(before_ms, delta_ms, &time_ms) || time_ms < 0)
        return false;
    *out = (struct record_run){
        .observed = (way & RUN_OBSERVED) != 0,
        .policy = (enum policy)(way & RUN_POLICY_MASK),
        .host = host,
        .time_ms = time_ms,
        .first = (uint32_t)*points,
        .count = count,
    };
    *points += count;
    return *points <= UINT32_MAX;
}

static int read_runs(struct record_reader *r, struct unpack *in, uint64_t *points_out)
{
    uint32_t fields;
    if (!unpack_array(in, &fields) || fields == 0 || fields % RUN_FIELDS != 0 ||
        fields > unpack_rest(in))
        return LT_EPARSE;
    uint32_t count = fields / RUN_FIELDS;
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
    struct unpack column = {(const unsigned char *)bytes.p,
                            (const unsigned char *)bytes.p + bytes.n};
    uint64_t next = 0;
    for (uint64_t i = 0; i < points; i++) {
        uint64_t distance;
        if (!unpack_varint(&column, &distance))
            return LT_EPARSE;
        /* Unsigned, so that an absurd distance wraps to an index out of range. */
        uint64_t index = next + (uint64_t)unzigzag(distance);
        if (index >= r->metrics.n)
            return LT_EPARSE;
        r->metric_index.v[r->metric_index.n++] = (uint32_t)index;
        next = index + 1;
    }
    return unpack_rest(&column) == 0 ? 0 : LT_EPARSE;
}

static int read_values(struct record_reader *r, struct unpack *in, uint64_t points)
{
    struct slice bytes;
    if (!unpack_bytes(in, &bytes) || bytes.n != points * VALUE_BYTES)
        return LT_EPARSE;
    r->values.n = 0;
    if (!VEC_RESERVE(&r->values, points))
        return LT_ENOMEM;
    for (uint64_t i = 0; i < points; i++) {
        uint64_t bits;
        memcpy(&bits, bytes.p + i * VALUE_BYTES, sizeof(bits));
        bits = le64toh(bits);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (isinf(value))
            return LT_EPARSE;
        r->values.v[r->values.n++] = value;
    }
    return 0;
}

static int read_points(struct record_reader *r, struct unpack *in, struct record *out)
{
    uint64_t points = 0;
    int err = read_names(in, true, &r->hosts);
    if (err == 0)
        err = read_names(in, false, &r->metrics);
    if (err == 0)
        err = read_runs(r, in, &points);
    if (err == 0)
        err = read_metric_index(r, in, points);
    if (err == 0)
        err = read_values(r, in, points);
    if (err != 0)
        return err;
    out->points.hosts = r->hosts.v;
    out->points.hosts_count = r->hosts.n;
    out->points.metrics = r->metrics.v;
    out->points.metrics_count = r->metrics.n;
    out->points.runs = r->runs.v;
    out->points.runs_count = r->runs.n;
    out->points.metric_index = r->metric_index.v;
    out->points.values = r->values.v;
    out->points.count = (uint32_t)points;
    return 0;
}

static int read_rule(struct unpack *in, struct record *out)
{
    const char *why;
    uint32_t kind;
    if (!unpack_bytes(in, &out->rule.pattern) || !unpack_u32(in, &kind) || kind > KIND_COUNTER ||
        name_check_pattern(out->rule.pattern, &why) != 0)
        return LT_EPARSE;
    out->rule.kind = (enum kind)kind;
    return 0;
}

static int read_text(struct unpack *in, struct record *out)
{
    if (!unpack_bytes(in, &out->text.stem) || out->text.stem.n > NAME_BYTES_MAX ||
        !unpack_bytes(in, &out->text.text) || out->text.text.n > RECORD_TEXT_BYTES_MAX)
        return LT_EPARSE;
    return 0;
}

/* The fields behind the head. */
static int read_body(struct record_reader *r, struct unpack *in, uint32_t fields,
                     struct record *out)
{
    static const uint32_t expected[] = {
        [RECORD_POINTS] = RECORD_POINTS_FIELDS,
        [RECORD_RULE] = RECORD_RULE_FIELDS,
        [RECORD_TEXT] = RECORD_TEXT_FIELDS,
        [RECORD_NOOP] = RECORD_NOOP_FIELDS,
    };
    if (fields != expected[out->what])
        return LT_EPARSE;
    switch (out->what) {
    case RECORD_POINTS:
        return read_points(r, in, out);
    case RECORD_RULE:
        return read_rule(in, out);
    case RECORD_TEXT:
        return read_text(in, out);
    case RECORD_NOOP:
        break;
    }
    return 0;
}

int record_read(struct record_reader *reader, struct slice bytes, struct record *out)
{
    struct unpack in = {(const unsigned char *)bytes.p, (const unsigned char *)bytes.p + bytes.n};
    struct record record = {0};
    uint32_t fields, version, what;
    if (!unpack_array(&in, &fields) || fields < 2 || !unpack_u32(&in, &version) ||
        !unpack_u32(&in, &what))
        return LT_EPARSE;
    if (version != RECORD_VERSION || what < RECORD_POINTS || what > RECORD_NOOP)
        return LT_EVERSION;
    record.what = (enum record_what)what;
    if (fields < RECORD_HEAD_FIELDS || !unpack_u32(&in, &record.environment) ||
        !unpack_int(&in, &record.append_ms) || record.append_ms < 0)
        return LT_EPARSE;
    int err = read_body(reader, &in, fields, &record);
    if (err != 0)
        return err;
    if (unpack_rest(&in) != 0)
        return LT_EPARSE;
    *out = record;
    return 0;
}
