#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include "base/attr.h"
#include "base/slice.h"
#include "model/kind.h"
#include "model/precision.h"
#include "record/series.h"

#include <stdbool.h>
#include <stdint.h>

/* The bytes of one log record: msgpack, versioned, columnar. docs/adr/0003-record-format.md draws
 * the format; tests/record/golden/ pins it. Pure: no I/O, any thread, one thread at a time for an
 * object.
 *
 *   points   [2, 1, environment, append_ms, hosts, templates, shapes, digits, runs, metric_index,
 *            values]; of version 1: [1, 1, environment, append_ms, hosts, metrics, runs,
 *            metric_index, values], which is read and no longer written
 *   rule     [1, 2, environment, append_ms, pattern, kind]; where it says a precision,
 *            [2, 2, environment, append_ms, pattern, kind, precision]
 *   text     [1, 3, environment, append_ms, stem, text]
 *   noop     [1, 4, environment, append_ms] (READY's probe)
 *   doom     [2, 5, environment, append_ms, round, category, items]
 *   forget   [2, 6, environment, append_ms, round, category, items]
 *            what these two mean: docs/adr/0016-items-are-forgotten.md
 *   series   [2, 7, environment, append_ms, host, metric, way, settings], or [3, ..., epoch]
 *   drop     [2, 8, environment, append_ms, host, metric], or [3, ..., epoch]
 *   clear    [2, 9, environment, append_ms] (FLUSHDB: all points before it are gone)
 *   epoch    [1, 10, environment, append_ms, epoch]
 *   decided  [2, 11, environment, append_ms, epoch, and from hosts on as points of version 2]
 *            what these two mean: docs/adr/0022-decided-points.md
 *   undecided [2, 12, environment, append_ms, epoch or 0, and as decided]: with POLICY_DECLARED
 *
 * A run is the consecutive points of one host and time that came in one way. Of a decided record
 * some runs are decided, and the others are as those of points. */
enum record_what {
    RECORD_POINTS = 1,
    RECORD_RULE = 2,
    RECORD_TEXT = 3,
    RECORD_NOOP = 4,
    RECORD_DOOM = 5,
    RECORD_FORGET = 6,
    RECORD_SERIES = 7,
    RECORD_DROP = 8,
    RECORD_CLEAR = 9,
    RECORD_EPOCH = 10,
    RECORD_DECIDED = 11,
    RECORD_UNDECIDED = 12,
};

/* ---- writing: the open batch ---- */

struct record_builder;

/* bytes_max bounds what the finished record may take. */
MUST_USE int record_builder_create(size_t bytes_max, struct record_builder **out);
void record_builder_destroy(struct record_builder **builder);
void record_builder_reset(struct record_builder *builder);

struct record_point {
    struct slice host;
    struct slice metric;
    int64_t time_ms;
    double value;
};

/* Adds points in their order; the same as one call a point, but look-ups of several names overlap.
 * Names are copied, once a batch. On failure *added_out, which is always set, says how many came
 * before the one that failed; that one changed nothing. LT_ELIMIT: it might not fit. LT_EINVALID:
 * no record may hold it (a name over NAME_BYTES_MAX, a '/' in the host, a negative time, an
 * infinity, a decided point without a policy of its own). LT_ENOMEM. */
MUST_USE int record_builder_add(struct record_builder *builder, bool observed, enum policy policy,
                                const struct record_point *points, uint32_t count,
                                uint32_t *added_out);

MUST_USE static inline int record_builder_point(struct record_builder *builder, bool observed,
                                                struct slice host, struct slice metric,
                                                int64_t time_ms, double value, enum policy policy)
{
    struct record_point point = {host, metric, time_ms, value};
    uint32_t added;
    return record_builder_add(builder, observed, policy, &point, 1, &added);
}

struct record_names_mark { /* names.h */
    uint32_t names;
    uint32_t templates;
    size_t shapes_bytes;
    size_t digits_bytes;
    size_t text_bytes;
};

/* Points that are added from now on are decided ones, of this epoch (1 … INT64_MAX), until it is
 * called with 0. One record has one epoch: LT_EINVALID where it has another already. The record is
 * then a decided one, even if those points are undone. */
MUST_USE int record_builder_decide(struct record_builder *builder, uint64_t epoch);
/* 0: none is decided. */
uint64_t record_builder_epoch(const struct record_builder *builder);

/* A command that fails half-way is undone: mark, then rollback to it. All 0: the empty batch. */
struct record_mark {
    uint32_t points;
    uint32_t hosts;
    uint32_t runs;
    uint32_t last_run_points; /* the last run may have grown since */
    struct record_names_mark metrics;
    size_t runs_bytes;
    size_t index_bytes;
    size_t values_bytes;
    size_t bytes; /* of all */
};
struct record_mark record_builder_mark(const struct record_builder *builder);
void record_builder_rollback(struct record_builder *builder, struct record_mark mark);

/* Moves the points since mark to the end of `to`. On failure (LT_ELIMIT, LT_ENOMEM) nothing
 * changed. */
MUST_USE int record_builder_move(struct record_builder *builder, struct record_mark mark,
                                 struct record_builder *to);

uint32_t record_builder_points(const struct record_builder *builder);
size_t
record_builder_bytes(const struct record_builder *builder); /* upper bound of the record's size */
/* A point's time, which the points before *until_out share. */
int64_t record_builder_time_ms(const struct record_builder *builder, uint32_t point,
                               uint32_t *until_out);

/* The record; valid until the next call on the builder. LT_ENOMEM. */
MUST_USE int record_builder_finish(struct record_builder *builder, uint32_t environment,
                                   int64_t append_ms, struct slice *out);

enum { RECORD_TEXT_BYTES_MAX = 64 * 1024, RECORD_ITEMS_MAX = 65536 };

/* ---- reading ---- */

struct record_run {
    bool observed; /* by OBSERVE: leaves a heartbeat */
    bool decided;  /* by the owner of record.epoch: counts only if that is still the highest */
    enum policy policy;
    uint32_t host; /* index into hosts */
    int64_t time_ms;
    uint32_t first; /* its points are [first, first + count) */
    uint32_t count;
};

struct record {
    enum record_what what;
    uint32_t environment;
    int64_t append_ms;
    uint64_t epoch; /* of epoch, and of what an owner has decided, as a whole or in part; else 0 */
    union {
        struct { /* points, decided and undecided */
            const struct slice *hosts;
            uint32_t hosts_count;
            const struct slice *metrics;
            uint32_t metrics_count;
            const struct record_run *runs;
            uint32_t runs_count;
            const uint32_t *metric_index; /* a point */
            const double *values;         /* a point */
            uint32_t count;               /* points */
        } points;
        struct {
            struct slice pattern;
            enum kind kind;
            uint32_t precision; /* model/precision.h */
        } rule;
        struct {
            struct slice stem;
            struct slice text;
        } text;
        struct { /* doom and forget */
            uint64_t round;
            uint32_t category;
            const uint32_t *items; /* ascending strictly */
            uint32_t count;        /* at least 1 */
        } items;
        struct { /* series; drop: host and metric alone */
            struct slice host, metric;
            enum record_series_way way;
            struct settings settings;
            const struct label *labels;
            uint32_t labels_count;
        } series;
    };
};

struct record_reader; /* keeps the columns' memory from record to record */

MUST_USE int record_reader_create(struct record_reader **out);
void record_reader_destroy(struct record_reader **reader);

/* Decodes and checks everything that a record promises: indexes in range, counts that add up, names
 * within limits, finite times, known enums, nothing behind the end. Slices point into bytes or
 * the reader, columns into the reader: valid until the next call. LT_EPARSE: no such record.
 * LT_EVERSION: a version or a kind that this program does not know, with a head as all have: a
 * newer one wrote it. LT_ENOMEM. */
MUST_USE int record_read(struct record_reader *reader, struct slice bytes, struct record *out);

#endif
