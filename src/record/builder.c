#include "record/record.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/vec.h"
#include "model/name.h"
#include "record/format.h"
#include "record/names.h"
#include "record/pack.h"
#include "record/texts.h"
#include "record/value.h"
#include "record/varint.h"

#include <assert.h>
#include <math.h>

enum {
    HOST_SLOTS = 4096,
    POINTS_AT_ONCE = 256,
    COLUMN_HEAD = 5,                          /* the longest header of a bin */
    COLUMN_SLACK = COLUMN_HEAD + VARINT_ROOM, /* what writing a column may touch behind it */
};

struct record_builder {
    size_t bytes_max;
    struct texts hosts; /* packed */
    struct names metrics;
    VEC(struct record_run) runs;
    size_t runs_bytes;   /* upper bound of what finish makes of them */
    VEC(uint32_t) index; /* a point's metric */
    size_t index_bytes;  /* upper bound of what finish makes of it */
    struct buffer values;
    uint32_t ready; /* as many points have room in runs, index and values */
    uint64_t epoch; /* 0: no run is decided */
    bool decides;   /* points that are added now are */
    bool undecided; /* some points have the policy that their series declare */
    struct buffer record;
};

int record_builder_create(size_t bytes_max, struct record_builder **out)
{
    struct record_builder *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return LT_ENOMEM;
    b->bytes_max = bytes_max;
    buffer_init(&b->values, bytes_max + (size_t)POINTS_AT_ONCE * VALUE_ROOM);
    buffer_init(&b->record, bytes_max + COLUMN_SLACK);
    int err = texts_init(&b->hosts, bytes_max, HOST_SLOTS);
    if (err == 0)
        err = names_init(&b->metrics, bytes_max);
    if (err != 0) {
        record_builder_destroy(&b);
        return err;
    }
    *out = b;
    return 0;
}

void record_builder_destroy(struct record_builder **builder)
{
    struct record_builder *b = *builder;
    if (b == NULL)
        return;
    texts_fini(&b->hosts);
    names_fini(&b->metrics);
    VEC_FINI(&b->runs);
    VEC_FINI(&b->index);
    buffer_fini(&b->values);
    buffer_fini(&b->record);
    free(b);
    *builder = NULL;
}

void record_builder_reset(struct record_builder *b)
{
    record_builder_rollback(b, (struct record_mark){0});
    b->epoch = 0;
    b->decides = false;
    b->undecided = false;
}

int record_builder_decide(struct record_builder *b, uint64_t epoch)
{
    if (epoch > INT64_MAX || (epoch != 0 && b->epoch != 0 && b->epoch != epoch))
        return LT_EINVALID;
    b->decides = epoch != 0;
    if (epoch != 0)
        b->epoch = epoch;
    return 0;
}

uint64_t record_builder_epoch(const struct record_builder *b)
{
    return b->epoch;
}

/* Upper bound of what finish makes of them. */
static size_t columns_bytes(const struct record_builder *b)
{
    return b->hosts.bytes.len + names_bytes(&b->metrics) + b->runs_bytes + b->index_bytes +
           b->values.len;
}

struct record_mark record_builder_mark(const struct record_builder *b)
{
    return (struct record_mark){
        .points = b->index.n,
        .hosts = b->hosts.starts.n,
        .runs = b->runs.n,
        .last_run_points = b->runs.n > 0 ? b->runs.v[b->runs.n - 1].count : 0,
        .metrics = names_mark(&b->metrics),
        .runs_bytes = b->runs_bytes,
        .index_bytes = b->index_bytes,
        .values_bytes = b->values.len,
        .bytes = columns_bytes(b),
    };
}

void record_builder_rollback(struct record_builder *b, struct record_mark mark)
{
    texts_cut(&b->hosts, mark.hosts);
    names_cut(&b->metrics, mark.metrics);
    b->runs.n = mark.runs;
    b->runs_bytes = mark.runs_bytes;
    if (mark.runs > 0)
        b->runs.v[mark.runs - 1].count = mark.last_run_points;
    b->index.n = mark.points;
    b->index_bytes = mark.index_bytes;
    b->values.len = mark.values_bytes;
}

/* ---- adding ---- */

static inline struct slice host_at(const struct record_builder *b, uint32_t number)
{
    struct slice packed = texts_at(&b->hosts, number);
    return slice_from(packed, (unsigned char)packed.p[0] == 0xc4 ? 2 : 3); /* bin8, bin16 */
}

COLD static int find_host(struct record_builder *b, struct slice host, uint32_t *out)
{
    if (host.n > NAME_BYTES_MAX || slice_find(host, '/') < host.n)
        return LT_EINVALID;
    char bytes[NAME_BYTES_MAX + NAME_HEAD_BYTES_MAX];
    struct buffer packed = {.data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
    pack_bytes(&packed, host);
    return texts_number(&b->hosts, buffer_slice(&packed), out);
}

/* Mostly the host of the point before. */
static inline int number_host(struct record_builder *b, struct slice host, uint32_t *out)
{
    if (LIKELY(b->runs.n > 0)) {
        uint32_t last = b->runs.v[b->runs.n - 1].host;
        struct slice before = host_at(b, last);
        if (before.n == host.n && text_equal(before.p, host.p, host.n)) {
            *out = last;
            return 0;
        }
    }
    return find_host(b, host, out);
}

/* How a run is written: what differs from the run before. */
struct run_fields {
    bool way_differs, host_differs;
    uint64_t way, host, time;
};

static struct run_fields fields_of(struct record_run before, struct record_run run)
{
    return (struct run_fields){
        .way_differs = run.policy != before.policy || run.observed != before.observed ||
                       run.decided != before.decided,
        .host_differs = run.host != before.host,
        .way = (unsigned)run.policy | (run.observed ? RUN_OBSERVED : 0) |
               (run.decided ? RUN_DECIDED : 0),
        .host = zigzag((int64_t)run.host - before.host - 1),
        .time = zigzag(run.time_ms - before.time_ms),
    };
}

/* Its count may grow yet. */
static size_t run_bytes_max(struct run_fields f)
{
    enum { COUNT_BYTES_MAX = 5 };
    return COUNT_BYTES_MAX + (f.way_differs ? varint_bytes(f.way) : 0) +
           (f.host_differs ? varint_bytes(f.host) : 0) + varint_bytes(f.time);
}

static void add_run(struct record_builder *b, struct record_run run)
{
    struct record_run before = {0};
    if (b->runs.n > 0)
        before = b->runs.v[b->runs.n - 1];
    b->runs_bytes += run_bytes_max(fields_of(before, run));
    b->runs.v[b->runs.n++] = run;
}

/* Counts points of one time into the last run, or begins another. There is room for one more. */
static inline void extend_run(struct record_builder *b, struct record_run run)
{
    if (LIKELY(b->runs.n > 0)) {
        struct record_run *last = &b->runs.v[b->runs.n - 1];
        if (LIKELY(last->host == run.host && last->time_ms == run.time_ms &&
                   last->observed == run.observed && last->decided == run.decided &&
                   last->policy == run.policy)) {
            last->count += run.count;
            return;
        }
    }
    add_run(b, run);
}

COLD static int make_room(struct record_builder *b)
{
    if (buffer_reserve(&b->values, (size_t)POINTS_AT_ONCE * VALUE_ROOM) == NULL) {
        int err = b->values.error;
        b->values.error = 0;
        return err;
    }
    if (!VEC_RESERVE(&b->runs, POINTS_AT_ONCE) || !VEC_RESERVE(&b->index, POINTS_AT_ONCE))
        return LT_ENOMEM;
    b->ready = POINTS_AT_ONCE;
    return 0;
}

static inline bool is_good(const struct record_point *p)
{
    return p->metric.n <= NAME_BYTES_MAX && p->time_ms >= 0 && !isinf(p->value);
}

static inline bool same_host(struct slice a, struct slice b)
{
    return a.n == b.n && (a.p == b.p || text_equal(a.p, b.p, a.n));
}

/* How many points, from the first on, are good, of one host and sure to fit. 0: *err_out says why
 * the first one is not. */
static uint32_t group(const struct record_builder *b, const struct record_point *points,
                      uint32_t count, int *err_out)
{
    size_t bytes = record_builder_bytes(b) + points[0].host.n;
    uint32_t n = 0;
    *err_out = LT_EINVALID;
    for (; n < count && is_good(&points[n]); n++) {
        if (n > 0 && !same_host(points[n].host, points[0].host))
            break;
        bytes += points[n].metric.n + POINT_BYTES_MAX;
        if (UNLIKELY(bytes > b->bytes_max)) {
            *err_out = LT_ELIMIT;
            break;
        }
    }
    return n;
}

static inline void append_runs(struct record_builder *b, struct record_run run,
                               const struct record_point *points, uint32_t count)
{
    for (uint32_t i = 0, from = 0; i < count; from = i) {
        while (i < count && points[i].time_ms == points[from].time_ms)
            i++;
        run.time_ms = points[from].time_ms;
        run.first = b->index.n + from;
        run.count = i - from;
        extend_run(b, run);
    }
}

/* Their names are numbered, and there is room. */
static void append(struct record_builder *b, struct record_run run,
                   const struct record_point *points, const uint32_t *metrics, uint32_t count)
{
    uint32_t next = b->index.n > 0 ? b->index.v[b->index.n - 1] + 1 : 0;
    uint32_t *index = b->index.v + b->index.n;
    char *value = b->values.data + b->values.len;
    append_runs(b, run, points, count);
    for (uint32_t i = 0; i < count; i++) {
        b->index_bytes += metrics[i] != next ? INDEX_BYTES_MAX : 0;
        index[i] = metrics[i];
        next = metrics[i] + 1;
        value += value_write(value, points[i].value);
    }
    b->index.n += count;
    b->values.len = (size_t)(value - b->values.data);
    b->ready -= count;
}

/* Says how many of the points it took, from the first on. */
static int add_group(struct record_builder *b, struct record_run run,
                     const struct record_point *points, uint32_t count, uint32_t *taken_out)
{
    uint32_t metrics[NAMES_AT_ONCE];
    uint32_t hosts_before = b->hosts.starts.n;
    int err;
    count = group(b, points, count < NAMES_AT_ONCE ? count : NAMES_AT_ONCE, &err);
    if (UNLIKELY(count == 0))
        return err;
    err = b->ready >= count ? 0 : make_room(b);
    if (LIKELY(err == 0))
        err = number_host(b, points[0].host, &run.host);
    if (LIKELY(err == 0))
        err = names_number(&b->metrics, points, count, metrics, taken_out);
    if (UNLIKELY(err != 0)) {
        texts_cut(&b->hosts, hosts_before);
        return err;
    }
    assert(*taken_out <= count);
    append(b, run, points, metrics, *taken_out);
    return 0;
}

int record_builder_add(struct record_builder *b, bool observed, enum policy policy,
                       const struct record_point *points, uint32_t count, uint32_t *added_out)
{
    struct record_run run = {.observed = observed, .decided = b->decides, .policy = policy};
    bool declared = policy == POLICY_DECLARED && !b->decides;
    int err = (unsigned)policy < POLICY_STORED_COUNT || declared ? 0 : LT_EINVALID;
    b->undecided |= declared;
    uint32_t added = 0, taken;
    while (err == 0 && added < count) {
        err = add_group(b, run, points + added, count - added, &taken);
        added += err == 0 ? taken : 0;
    }
    *added_out = added;
    return err;
}

int record_builder_move(struct record_builder *b, struct record_mark mark,
                        struct record_builder *to)
{
    struct record_mark undo = record_builder_mark(to);
    struct varint_input values = {(const unsigned char *)b->values.data + mark.values_bytes,
                                  (const unsigned char *)b->values.data + b->values.len};
    uint32_t point = mark.points;
    for (uint32_t r = mark.runs > 0 ? mark.runs - 1 : 0; r < b->runs.n; r++) {
        const struct record_run *run = &b->runs.v[r];
        for (; point < run->first + run->count; point++) {
            char text[NAME_BYTES_MAX];
            struct slice metric =
                slice_make(text, names_text(&b->metrics, b->index.v[point], text));
            double value = 0;
            bool is_value = value_read(&values, &value);
            assert(is_value);
            (void)is_value;
            int err = record_builder_decide(to, run->decided ? b->epoch : 0);
            if (err == 0)
                err = record_builder_point(to, run->observed, host_at(b, run->host), metric,
                                           run->time_ms, value, run->policy);
            if (err != 0) {
                record_builder_rollback(to, undo);
                return err;
            }
        }
    }
    record_builder_rollback(b, mark);
    return 0;
}

/* ---- asking ---- */

uint32_t record_builder_points(const struct record_builder *b)
{
    return b->index.n;
}

size_t record_builder_bytes(const struct record_builder *b)
{
    return RECORD_FIXED_BYTES_MAX + columns_bytes(b);
}

int64_t record_builder_time_ms(const struct record_builder *b, uint32_t point, uint32_t *until_out)
{
    assert(point < b->index.n);
    uint32_t low = 0, high = b->runs.n; /* the run is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (b->runs.v[middle].first <= point)
            low = middle;
        else
            high = middle;
    }
    *until_out = b->runs.v[low].first + b->runs.v[low].count;
    return b->runs.v[low].time_ms;
}

/* ---- the record ---- */

/* Columns of bytes whose length is known only behind them: the longest header is left free, and
 * the column moves back to a shorter one. */
static char *begin_column(struct buffer *record, size_t bytes_max)
{
    return buffer_reserve(record, COLUMN_HEAD + bytes_max + VARINT_ROOM);
}

static void end_column(struct buffer *record, const char *column, size_t n)
{
    pack_bytes_header(record, (uint32_t)n);
    memmove(record->data + record->len, column, n);
    record->len += n;
}

static void pack_runs(const struct record_builder *b, struct buffer *record)
{
    char *column = begin_column(record, b->runs_bytes);
    if (column == NULL)
        return;
    char *to = column += COLUMN_HEAD;
    struct record_run before = {0};
    for (uint32_t i = 0; i < b->runs.n; i++) {
        struct record_run run = b->runs.v[i];
        struct run_fields f = fields_of(before, run);
        to += varint_write(to, (uint64_t)run.count << RUN_COUNT_SHIFT |
                                   (f.host_differs ? RUN_HOST_DIFFERS : 0) |
                                   (f.way_differs ? RUN_WAY_DIFFERS : 0));
        if (f.way_differs)
            to += varint_write(to, f.way);
        if (f.host_differs)
            to += varint_write(to, f.host);
        to += varint_write(to, f.time);
        before = run;
    }
    end_column(record, column, (size_t)(to - column));
}

static void pack_index(const struct record_builder *b, struct buffer *record)
{
    char *column = begin_column(record, b->index_bytes);
    if (column == NULL)
        return;
    char *to = column += COLUMN_HEAD;
    uint32_t next = 0, following = 0;
    for (uint32_t i = 0; i < b->index.n; i++, next++, following++) {
        uint32_t metric = b->index.v[i];
        if (LIKELY(metric == next))
            continue;
        to += varint_write(to, following);
        to += varint_write(to, zigzag((int64_t)metric - next));
        next = metric;
        following = UINT32_MAX; /* 0 behind this point */
    }
    end_column(record, column, (size_t)(to - column));
}

int record_builder_finish(struct record_builder *b, uint32_t environment, int64_t append_ms,
                          struct slice *out)
{
    assert(b->index.n > 0);
    struct buffer *record = &b->record;
    buffer_reset(record, b->bytes_max);
    bool has_epoch = b->undecided || b->epoch != 0;
    pack_array(record, has_epoch ? RECORD_DECIDED_FIELDS : RECORD_POINTS_FIELDS);
    pack_uint(record, RECORD_POINTS_VERSION);
    pack_uint(record, b->undecided    ? RECORD_UNDECIDED
                      : b->epoch != 0 ? RECORD_DECIDED
                                      : RECORD_POINTS);
    pack_uint(record, environment);
    pack_int(record, append_ms);
    if (has_epoch)
        pack_uint(record, b->epoch);
    pack_array(record, b->hosts.starts.n);
    buffer_append_slice(record, buffer_slice(&b->hosts.bytes));
    names_pack_templates(&b->metrics, record);
    pack_bytes(record, buffer_slice(&b->metrics.shapes));
    pack_bytes(record, buffer_slice(&b->metrics.digits));
    pack_runs(b, record);
    pack_index(b, record);
    pack_bytes(record, buffer_slice(&b->values));
    if (record->error != 0)
        return record->error;
    *out = buffer_slice(record);
    return 0;
}
