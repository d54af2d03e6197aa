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
    VEC_FINI(&r->items);
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

/* One run of ids. `next`: behind the run before; a run that touches it would be a second form of
 * the same set. */
static int read_item_run(struct record_reader *r, struct varint_input *in, uint64_t *next)
{
    uint64_t skipped, more;
    if (!varint_read(in, &skipped) || !varint_read(in, &more) || skipped > UINT32_MAX ||
        more >= RECORD_ITEMS_MAX - r->items.n || (r->items.n > 0 && skipped == 0))
        return LT_EPARSE;
    uint64_t first = *next + skipped;
    if (first + more > UINT32_MAX)
        return LT_EPARSE;
    if (!VEC_RESERVE(&r->items, more + 1))
        return LT_ENOMEM;
    for (uint64_t i = 0; i <= more; i++)
        r->items.v[r->items.n++] = (uint32_t)(first + i);
    *next = first + more + 1;
    return 0;
}

static int read_items(struct record_reader *r, struct unpack *in, struct record *out)
{
    int64_t round;
    struct slice bytes;
    if (!unpack_int(in, &round) || round < 0 || !unpack_u32(in, &out->items.category) ||
        !unpack_bytes(in, &bytes) || bytes.n == 0)
        return LT_EPARSE;
    struct varint_input column = {(const unsigned char *)bytes.p,
                                  (const unsigned char *)bytes.p + bytes.n};
    uint64_t next = 0;
    int err = 0;
    r->items.n = 0;
    while (err == 0 && column.at < column.end)
        err = read_item_run(r, &column, &next);
    out->items.round = (uint64_t)round;
    out->items.items = r->items.v;
    out->items.count = r->items.n;
    return err;
}

static int read_epoch(struct unpack *in, struct record *out)
{
    int64_t epoch;
    if (!unpack_int(in, &epoch) || epoch < 1)
        return LT_EPARSE;
    out->epoch = (uint64_t)epoch;
    return 0;
}

static int read_series(struct record_reader *r, struct unpack *in, bool decided, struct record *out)
{
    struct slice bytes;
    uint32_t way;
    if (!unpack_bytes(in, &out->series.host) || out->series.host.n > NAME_BYTES_MAX ||
        slice_find(out->series.host, '/') < out->series.host.n ||
        !unpack_bytes(in, &out->series.metric) || out->series.metric.n > NAME_BYTES_MAX)
        return LT_EPARSE;
    if (out->what == RECORD_DROP)
        return decided ? read_epoch(in, out) : 0;
    if (!unpack_u32(in, &way) || way > RECORD_SERIES_EITHER || !unpack_bytes(in, &bytes))
        return LT_EPARSE;
    out->series.way = (enum record_series_way)way;
    out->series.labels = r->labels;
    int err = settings_read(bytes, &out->series.settings, r->labels, &out->series.labels_count);
    return err == 0 && decided ? read_epoch(in, out) : err;
}

/* Of an undecided record, whose decided runs it is of, if there are any. */
static int read_epoch_or_none(struct unpack *in, struct record *out)
{
    int64_t epoch;
    if (!unpack_int(in, &epoch) || epoch < 0)
        return LT_EPARSE;
    out->epoch = (uint64_t)epoch;
    return 0;
}

/* The points behind the head, or behind a decided record's epoch, of either version. */
static int read_points(struct record_reader *r, struct unpack *in, bool second, struct record *out)
{
    uint64_t count = 0;
    int err = out->what == RECORD_DECIDED     ? read_epoch(in, out)
              : out->what == RECORD_UNDECIDED ? read_epoch_or_none(in, out)
                                              : 0;
    if (err == 0)
        err = second ? points2_read(r, in, out->what, &count) : points1_read(r, in, &count);
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
static int read_body(struct record_reader *r, struct unpack *in, uint32_t version, uint32_t fields,
                     struct record *out)
{
    static const uint32_t expected[] = {
        [RECORD_POINTS] = RECORD_POINTS_1_FIELDS, [RECORD_RULE] = RECORD_RULE_FIELDS,
        [RECORD_TEXT] = RECORD_TEXT_FIELDS,       [RECORD_NOOP] = RECORD_NOOP_FIELDS,
        [RECORD_DOOM] = RECORD_ITEMS_FIELDS,      [RECORD_FORGET] = RECORD_ITEMS_FIELDS,
        [RECORD_SERIES] = RECORD_SERIES_FIELDS,   [RECORD_DROP] = RECORD_DROP_FIELDS,
        [RECORD_CLEAR] = RECORD_CLEAR_FIELDS,     [RECORD_EPOCH] = RECORD_EPOCH_FIELDS,
        [RECORD_DECIDED] = RECORD_DECIDED_FIELDS, [RECORD_UNDECIDED] = RECORD_DECIDED_FIELDS,
    };
    bool second = version != RECORD_VERSION;
    bool precise = second && out->what == RECORD_RULE;
    bool decided = version == RECORD_SERIES_DECIDED_VERSION;
    uint32_t wanted = expected[out->what] + decided;
    if (second && out->what == RECORD_POINTS)
        wanted = RECORD_POINTS_FIELDS;
    if (fields != (precise ? RECORD_PRECISION_FIELDS : wanted))
        return LT_EPARSE;
    switch (out->what) {
    case RECORD_POINTS:
    case RECORD_DECIDED:
    case RECORD_UNDECIDED:
        return read_points(r, in, second, out);
    case RECORD_EPOCH:
        return read_epoch(in, out);
    case RECORD_RULE:
        return read_rule(in, precise, out);
    case RECORD_TEXT:
        return read_text(in, out);
    case RECORD_DOOM:
    case RECORD_FORGET:
        return read_items(r, in, out);
    case RECORD_SERIES:
    case RECORD_DROP:
        return read_series(r, in, decided, out);
    case RECORD_NOOP:
    case RECORD_CLEAR:
        break;
    }
    return 0;
}

static bool is_known(uint32_t version, uint32_t what)
{
    switch (what) {
    case RECORD_POINTS:
        return version == RECORD_VERSION || version == RECORD_POINTS_VERSION;
    case RECORD_RULE:
        return version == RECORD_VERSION || version == RECORD_RULE_VERSION;
    case RECORD_TEXT:
    case RECORD_NOOP:
    case RECORD_EPOCH:
        return version == RECORD_VERSION;
    case RECORD_DECIDED:
    case RECORD_UNDECIDED:
        return version == RECORD_POINTS_VERSION;
    case RECORD_DOOM:
    case RECORD_FORGET:
        return version == RECORD_ITEMS_VERSION;
    case RECORD_SERIES:
    case RECORD_DROP:
        return version == RECORD_SERIES_VERSION || version == RECORD_SERIES_DECIDED_VERSION;
    case RECORD_CLEAR:
        return version == RECORD_CLEAR_VERSION;
    default:
        return false;
    }
}

int record_read(struct record_reader *reader, struct slice bytes, struct record *out)
{
    struct unpack in = {(const unsigned char *)bytes.p, (const unsigned char *)bytes.p + bytes.n};
    struct record record = {0};
    uint32_t fields, version, what;
    if (!unpack_array(&in, &fields) || fields < 2 || !unpack_u32(&in, &version) ||
        !unpack_u32(&in, &what))
        return LT_EPARSE;
    record.what = (enum record_what)what;
    if (fields < RECORD_HEAD_FIELDS || !unpack_u32(&in, &record.environment) ||
        !unpack_int(&in, &record.append_ms) || record.append_ms < 0)
        return LT_EPARSE;
    if (!is_known(version, what))
        return LT_EVERSION;
    int err = read_body(reader, &in, version, fields, &record);
    if (err != 0)
        return err;
    if (unpack_rest(&in) != 0)
        return LT_EPARSE;
    *out = record;
    return 0;
}
