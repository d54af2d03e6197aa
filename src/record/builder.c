#include "record/record.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/vec.h"
#include "model/name.h"
#include "record/format.h"
#include "record/names.h"
#include "record/pack.h"

#include <assert.h>
#include <endian.h>
#include <math.h>

struct record_builder {
    size_t bytes_max;
    size_t bytes; /* upper bound of the columns so far */
    struct names hosts;
    struct names metrics;
    VEC(struct record_run) runs;
    uint32_t points;
    uint32_t next_metric; /* the index that needs no byte but 0 */
    struct buffer index;  /* the columns, as the record holds them */
    struct buffer values;
    struct buffer record;
};

int record_builder_create(size_t bytes_max, struct record_builder **out)
{
    struct record_builder *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return LT_ENOMEM;
    b->bytes_max = bytes_max;
    names_init(&b->hosts, bytes_max);
    names_init(&b->metrics, bytes_max);
    buffer_init(&b->index, bytes_max);
    buffer_init(&b->values, bytes_max);
    buffer_init(&b->record, bytes_max);
    *out = b;
    return 0;
}

void record_builder_destroy(struct record_builder **builder)
{
    struct record_builder *b = *builder;
    if (b == NULL)
        return;
    names_fini(&b->hosts);
    names_fini(&b->metrics);
    VEC_FINI(&b->runs);
    buffer_fini(&b->index);
    buffer_fini(&b->values);
    buffer_fini(&b->record);
    free(b);
    *builder = NULL;
}

void record_builder_reset(struct record_builder *b)
{
    record_builder_rollback(b, (struct record_mark){0});
}

struct record_mark record_builder_mark(const struct record_builder *b)
{
    return (struct record_mark){
        .points = b->points,
        .hosts = b->hosts.entries.n,
        .metrics = b->metrics.entries.n,
        .runs = b->runs.n,
        .last_run_points = b->runs.n > 0 ? b->runs.v[b->runs.n - 1].count : 0,
        .next_metric = b->next_metric,
        .index_bytes = b->index.len,
        .bytes = b->bytes,
    };
}

void record_builder_rollback(struct record_builder *b, struct record_mark mark)
{
    names_cut(&b->hosts, mark.hosts);
    names_cut(&b->metrics, mark.metrics);
    b->runs.n = mark.runs;
    if (mark.runs > 0)
        b->runs.v[mark.runs - 1].count = mark.last_run_points;
    b->points = mark.points;
    b->next_metric = mark.next_metric;
    b->index.len = mark.index_bytes;
    b->values.len = (size_t)mark.points * VALUE_BYTES;
    b->bytes = mark.bytes;
}

static bool point_is_valid(struct slice host, struct slice metric, int64_t time_ms, double value,
                           enum policy policy)
{
    return host.n <= NAME_BYTES_MAX && metric.n <= NAME_BYTES_MAX &&
           slice_find(host, '/') == host.n && time_ms >= 0 && !isinf(value) &&
           (unsigned)policy < POLICY_STORED_COUNT;
}

static int run_extend(struct record_builder *b, bool observed, uint32_t host, int64_t time_ms,
                      enum policy policy)
{
    if (b->runs.n > 0) {
        struct record_run *last = &b->runs.v[b->runs.n - 1];
        if (last->host == host && last->time_ms == time_ms && last->observed == observed &&
            last->policy == policy) {
            last->count++;
            return 0;
        }
    }
    struct record_run run = {
        .observed = observed,
        .policy = policy,
        .host = host,
        .time_ms = time_ms,
        .first = b->points,
        .count = 1,
    };
    if (!VEC_PUSH(&b->runs, run))
        return LT_ENOMEM;
    b->bytes += RUN_BYTES_MAX;
    return 0;
}

static int columns_append(struct record_builder *b, uint32_t metric, double value)
{
    char *index = buffer_reserve(&b->index, VARINT_BYTES_MAX);
    char *place = buffer_reserve(&b->values, VALUE_BYTES);
    if (index == NULL || place == NULL) {
        int err = index == NULL ? b->index.error : b->values.error;
        b->index.error = b->values.error = 0;
        return err;
    }
    uint32_t n = varint_write(index, zigzag((int64_t)metric - b->next_metric));
    b->index.len += n;
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bits = htole64(bits);
    memcpy(place, &bits, sizeof(bits));
    b->values.len += VALUE_BYTES;
    b->next_metric = metric + 1;
    b->points++;
    b->bytes += n + VALUE_BYTES;
    return 0;
}

int record_builder_point(struct record_builder *b, bool observed, struct slice host,
                         struct slice metric, int64_t time_ms, double value, enum policy policy)
{
    if (!point_is_valid(host, metric, time_ms, value, policy))
        return LT_EINVALID;
    size_t most = host.n + metric.n + 2 * NAME_HEAD_BYTES_MAX + RUN_BYTES_MAX + VARINT_BYTES_MAX +
                  VALUE_BYTES;
    if (record_builder_bytes(b) + most > b->bytes_max)
        return LT_ELIMIT;
    struct record_mark mark = record_builder_mark(b);
    uint32_t guess = b->runs.n > 0 ? b->runs.v[b->runs.n - 1].host : 0;
    size_t names_before = b->hosts.bytes.len + b->metrics.bytes.len;
    uint32_t host_number, metric_number;
    int err = names_number(&b->hosts, host, guess, &host_number);
    if (err == 0)
        err = names_number(&b->metrics, metric, b->next_metric, &metric_number);
    if (err == 0)
        err = run_extend(b, observed, host_number, time_ms, policy);
    if (err == 0)
        err = columns_append(b, metric_number, value);
    if (err != 0) {
        record_builder_rollback(b, mark);
        return err;
    }
    b->bytes += b->hosts.bytes.len + b->metrics.bytes.len - names_before;
    return 0;
}

static uint64_t index_read(const char **at)
{
    uint64_t x = 0;
    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte = (unsigned char)*(*at)++;
        x |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return x;
    }
}

static double value_at(const struct record_builder *b, uint32_t point)
{
    uint64_t bits;
    memcpy(&bits, b->values.data + (size_t)point * VALUE_BYTES, sizeof(bits));
    bits = le64toh(bits);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

int record_builder_move(struct record_builder *b, struct record_mark mark,
                        struct record_builder *to)
{
    struct record_mark undo = record_builder_mark(to);
    const char *index = b->index.data + mark.index_bytes;
    uint32_t next = mark.next_metric;
    uint32_t point = mark.points;
    for (uint32_t r = mark.runs > 0 ? mark.runs - 1 : 0; r < b->runs.n; r++) {
        const struct record_run *run = &b->runs.v[r];
        for (; point < run->first + run->count; point++) {
            uint32_t metric = (uint32_t)(next + unzigzag(index_read(&index)));
            int err = record_builder_point(to, run->observed, names_at(&b->hosts, run->host),
                                           names_at(&b->metrics, metric), run->time_ms,
                                           value_at(b, point), run->policy);
            if (err != 0) {
                record_builder_rollback(to, undo);
                return err;
            }
            next = metric + 1;
        }
    }
    record_builder_rollback(b, mark);
    return 0;
}

uint32_t record_builder_points(const struct record_builder *b)
{
    return b->points;
}

size_t record_builder_bytes(const struct record_builder *b)
{
    return RECORD_FIXED_BYTES_MAX + b->bytes;
}

int64_t record_builder_time_ms(const struct record_builder *b, uint32_t point)
{
    assert(point < b->points);
    uint32_t low = 0, high = b->runs.n; /* the run is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (b->runs.v[middle].first <= point)
            low = middle;
        else
            high = middle;
    }
    return b->runs.v[low].time_ms;
}

static void pack_names(struct buffer *out, const struct names *names)
{
    pack_array(out, names->entries.n);
    buffer_append_slice(out, buffer_slice(&names->bytes));
}

int record_builder_finish(struct record_builder *b, uint32_t environment, int64_t append_ms,
                          struct slice *out)
{
    assert(b->points > 0);
    struct buffer *record = &b->record;
    buffer_reset(record, b->bytes_max);
    pack_array(record, RECORD_POINTS_FIELDS);
    pack_uint(record, RECORD_VERSION);
    pack_uint(record, RECORD_POINTS);
    pack_uint(record, environment);
    pack_int(record, append_ms);
    pack_names(record, &b->hosts);
    pack_names(record, &b->metrics);
    pack_array(record, b->runs.n * RUN_FIELDS);
    int64_t before_ms = 0;
    for (uint32_t i = 0; i < b->runs.n; i++) {
        const struct record_run *run = &b->runs.v[i];
        pack_uint(record, (unsigned)run->policy | (run->observed ? RUN_OBSERVED : 0));
        pack_uint(record, run->host);
        pack_int(record, run->time_ms - before_ms);
        pack_uint(record, run->count);
        before_ms = run->time_ms;
    }
    pack_bytes(record, buffer_slice(&b->index));
    pack_bytes(record, buffer_slice(&b->values));
    if (record->error != 0)
        return record->error;
    *out = buffer_slice(record);
    return 0;
}
