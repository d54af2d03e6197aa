#include "record/record.h"

#include "base/error.h"
#include "model/name.h"
#include "record/format.h"
#include "record/points.h"
#include "record/unpack.h"

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
    VEC_FINI(&r->templates);
    VEC_FINI(&r->images);
    VEC_FINI(&r->texts);
    free(r);
    *reader = NULL;
}

static int read_rule(struct unpack *in, bool second, struct record *out)
{
    const char *why;
    uint32_t kind;
    if (!unpack_bytes(in, &out->rule.pattern) || !unpack_u32(in, &kind) || kind > KIND_COUNTER ||
        name_check_pattern(out->rule.pattern, &why) != 0)
        return LT_EPARSE;
    out->rule.kind = (enum kind)kind;
    out->rule.precision = PRECISION_KEEP;
    if (!second)
        return 0;
    return unpack_u32(in, &out->rule.precision) && out->rule.precision <= PRECISION_MAX ? 0
                                                                                        : LT_EPARSE;
}

static int read_text(struct unpack *in, struct record *out)
{
    if (!unpack_bytes(in, &out->text.stem) || out->text.stem.n > NAME_BYTES_MAX ||
        !unpack_bytes(in, &out->text.text) || out->text.text.n > RECORD_TEXT_BYTES_MAX)
        return LT_EPARSE;
    return 0;
}

/* The points behind the head, of either version. */
static int read_points(struct record_reader *r, struct unpack *in, bool second, uint32_t fields,
                       struct record *out)
{
    uint64_t count = 0;
    if (fields != (second ? RECORD_POINTS_FIELDS : RECORD_POINTS_1_FIELDS))
        return LT_EPARSE;
    int err = second ? points2_read(r, in, &count) : points1_read(r, in, &count);
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
    out->points.count = (uint32_t)count;
    return 0;
}

/* The fields behind the head. */
static int read_body(struct record_reader *r, struct unpack *in, bool second, uint32_t fields,
                     struct record *out)
{
    if (out->what == RECORD_POINTS)
        return read_points(r, in, second, fields, out);
    static const uint32_t expected[] = {
        [RECORD_RULE] = RECORD_RULE_FIELDS,
        [RECORD_TEXT] = RECORD_TEXT_FIELDS,
        [RECORD_NOOP] = RECORD_NOOP_FIELDS,
    };
    if (fields != (second ? RECORD_PRECISION_FIELDS : expected[out->what]))
        return LT_EPARSE;
    switch (out->what) {
    case RECORD_RULE:
        return read_rule(in, second, out);
    case RECORD_TEXT:
        return read_text(in, out);
    case RECORD_NOOP:
    case RECORD_POINTS:
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
    bool second = (version == RECORD_POINTS_VERSION && what == RECORD_POINTS) ||
                  (version == RECORD_RULE_VERSION && what == RECORD_RULE);
    if ((version != RECORD_VERSION && !second) || what < RECORD_POINTS || what > RECORD_NOOP)
        return LT_EVERSION;
    record.what = (enum record_what)what;
    if (fields < RECORD_HEAD_FIELDS || !unpack_u32(&in, &record.environment) ||
        !unpack_int(&in, &record.append_ms) || record.append_ms < 0)
        return LT_EPARSE;
    int err = read_body(reader, &in, second, fields, &record);
    if (err != 0)
        return err;
    if (unpack_rest(&in) != 0)
        return LT_EPARSE;
    *out = record;
    return 0;
}
