#include "ingest/control.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "model/name.h"
#include "record/control.h"

/* err: of writing the record, which is freed in any case. */
static int append(struct ingest *g, const struct tenant_environment *e, int err,
                  struct buffer *record, ingest_done *done, void *arg)
{
    if (err == 0)
        err = ingest_control_append(g, e, buffer_slice(record), done, arg);
    buffer_fini(record);
    return err;
}

int ingest_rule(struct ingest *g, const struct tenant_environment *e, struct slice pattern,
                enum kind kind, uint32_t precision, ingest_done *done, void *arg)
{
    struct buffer record;
    int err = ingest_control_check(g, e, SLICE_LIT(""));
    if (err != 0)
        return err;
    buffer_init(&record, LOG_RECORD_BYTES_MAX);
    err = record_write_rule(&record, e->id, clock_wall_ms(), pattern, kind, precision);
    return append(g, e, err, &record, done, arg);
}

int ingest_text(struct ingest *g, const struct tenant_environment *e, struct slice stem,
                struct slice text, ingest_done *done, void *arg)
{
    struct buffer record;
    int err = ingest_control_check(g, e, stem);
    if (err != 0)
        return err;
    buffer_init(&record, LOG_RECORD_BYTES_MAX);
    err = record_write_text(&record, e->id, clock_wall_ms(), stem, text);
    return append(g, e, err, &record, done, arg);
}

int ingest_series(struct ingest *g, const struct tenant_environment *e, uint64_t epoch,
                  struct slice host, struct slice metric, enum record_series_way way,
                  const struct settings *settings, const struct label *labels,
                  uint32_t labels_count, ingest_done *done, void *arg)
{
    struct buffer record;
    int err = ingest_control_check(g, e, name_split_metric(metric).stem);
    if (err != 0)
        return err;
    ingest_touched(g, e, host, metric);
    buffer_init(&record, LOG_RECORD_BYTES_MAX);
    err = record_write_series(&record, e->id, clock_wall_ms(), epoch, host, metric, way, settings,
                              labels, labels_count);
    return append(g, e, err, &record, done, arg);
}

int ingest_drop(struct ingest *g, const struct tenant_environment *e, uint64_t epoch,
                struct slice host, struct slice metric, ingest_done *done, void *arg)
{
    struct buffer record;
    int err = ingest_control_check(g, e, SLICE_LIT(""));
    if (err != 0)
        return err;
    ingest_touched(g, e, host, metric);
    buffer_init(&record, LOG_RECORD_BYTES_MAX);
    err = record_write_drop(&record, e->id, clock_wall_ms(), epoch, host, metric);
    return append(g, e, err, &record, done, arg);
}

/* A record that says no more than what it is: taken even where there is no room for points. */
static int append_bare(struct ingest *g, const struct tenant_environment *e,
                       int (*write)(struct buffer *out, uint32_t environment, int64_t append_ms),
                       ingest_done *done, void *arg)
{
    struct buffer record;
    buffer_init(&record, LOG_RECORD_BYTES_MAX);
    return append(g, e, write(&record, e->id, clock_wall_ms()), &record, done, arg);
}

int ingest_clear(struct ingest *g, const struct tenant_environment *e, ingest_done *done, void *arg)
{
    ingest_touched(g, e, SLICE_LIT(""), SLICE_LIT(""));
    return append_bare(g, e, record_write_clear, done, arg);
}

int ingest_probe(struct ingest *g, const struct tenant_environment *e, ingest_done *done, void *arg)
{
    return append_bare(g, e, record_write_noop, done, arg);
}
