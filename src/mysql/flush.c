#include "mysql/flush.h"

#include "base/error.h"
#include "base/logger.h"
#include "mysql/manifest.h"
#include "mysql/rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* One flush is one transaction. The fence comes first: moving the progress row locks it, so that a
 * second owner waits until this flush is over, and an owner that was replaced writes nothing. */

enum {
    BATCH_BYTES_MAX = 4 << 20,
    BATCHES_MAX = 64,           /* tables that have unwritten rows */
    FLUSH_BYTES_MAX = 32 << 20, /* unwritten rows in all */
};

/* ---- batches ---- */

static const struct row_layout catalog_layout = {
    " VALUES (?,?,?,?,?)",
    5,
    {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_BYTES}};
static const struct row_layout text_layout = {
    " VALUES (?,?,?) ON DUPLICATE KEY UPDATE text = VALUES(text)",
    3,
    {BULK_UNSIGNED, BULK_UNSIGNED, BULK_BYTES}};
static const struct row_layout watermark_layout = {
    " VALUES (?,?,?) ON DUPLICATE KEY UPDATE max_ms = GREATEST(max_ms, VALUES(max_ms))",
    3,
    {BULK_UNSIGNED, BULK_UNSIGNED, BULK_SIGNED}};
static const struct row_layout doom_layout = {
    " VALUES (?,?,?,?,?,?)",
    6,
    {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_BYTES}};
static const struct row_layout series_layout = {
    " VALUES (?,?,?,?,?,?) ON DUPLICATE KEY UPDATE body = VALUES(body)",
    6,
    {BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_UNSIGNED, BULK_BYTES}};

static const struct {
    const char *name;
    const char *table; /* NULL: a run's */
    const struct row_layout *layout;
} statements[] = {
    [FLUSH_ARRIVAL] = {"flush.arrival", NULL, &row_layouts[SCHEMA_ARRIVAL]},
    [FLUSH_HEARTBEAT] = {"flush.heartbeat", NULL, &row_layouts[SCHEMA_HEARTBEAT]},
    [FLUSH_CATALOG] = {"flush.catalog", "catalog_1", &catalog_layout},
    [FLUSH_TEXT] = {"flush.text", "item_text_1", &text_layout},
    [FLUSH_WATERMARK] = {"flush.watermark", "watermark_1", &watermark_layout},
    [FLUSH_DOOM] = {"flush.doom", "doom_1", &doom_layout},
    [FLUSH_SERIES] = {"flush.series", "series_1", &series_layout},
};

static int batch_run(struct mysql_session *s, struct flush_batch *batch)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    if (statements[batch->what].table != NULL)
        schema_put_table(sql, s->storage->prefix, batch->table.environment,
                         statements[batch->what].table);
    else
        schema_put_run_table(sql, s->storage->prefix, &batch->table);
    buffer_append_str(sql, statements[batch->what].layout->values);
    if (sql->error != 0)
        return sql->error;
    return bulk_run(&batch->bulk, &s->conn, statements[batch->what].name, buffer_slice(sql));
}

static int batches_run(struct mysql_session *s)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->flush->batches.n; i++)
        err = batch_run(s, &s->flush->batches.v[i]);
    return err;
}

static void batches_drop(struct flush *f)
{
    for (uint32_t i = 0; i < f->batches.n; i++)
        bulk_fini(&f->batches.v[i].bulk);
    f->batches.n = 0;
}

struct flush_batch *flush_batch(struct mysql_session *s, enum flush_what what, uint32_t environment,
                                const struct storage_run *run)
{
    struct flush *f = s->flush;
    for (uint32_t i = 0; i < f->batches.n; i++) {
        struct flush_batch *b = &f->batches.v[i];
        if (b->what == what && b->table.environment == environment &&
            b->table.run == (run != NULL ? run->id : 0))
            return b;
    }
    struct flush_batch batch = {.what = what, .table.environment = environment};
    if (run != NULL)
        batch.table = schema_table_of(
            environment, what == FLUSH_ARRIVAL ? SCHEMA_ARRIVAL : SCHEMA_HEARTBEAT, run);
    bulk_init(&batch.bulk, statements[what].layout->types, statements[what].layout->columns);
    return VEC_PUSH(&f->batches, batch) ? &f->batches.v[f->batches.n - 1] : NULL;
}

int flush_relieve(struct mysql_session *s, struct flush_batch *batch)
{
    struct flush *f = s->flush;
    size_t limit = s->conn.packet_bytes_max / 2;
    if (limit > BATCH_BYTES_MAX)
        limit = BATCH_BYTES_MAX;
    size_t bytes = 0;
    for (uint32_t i = 0; i < f->batches.n; i++)
        bytes += bulk_bytes(&f->batches.v[i].bulk);
    int err = 0;
    if (f->batches.n >= BATCHES_MAX || bytes >= FLUSH_BYTES_MAX) {
        err = batches_run(s);
        batches_drop(f);
    } else if (bulk_bytes(&batch->bulk) >= limit) {
        err = batch_run(s, batch);
    }
    return err;
}

int flush_write(struct mysql_session *s, enum flush_what what, uint32_t environment)
{
    struct flush_batch *batch = flush_batch(s, what, environment, NULL);
    return batch == NULL ? LT_ENOMEM : batch_run(s, batch);
}

int flush_written(struct mysql_session *s, struct flush_batch *batch)
{
    int err = flush_relieve(s, batch);
    return err != 0 ? flush_fail(s, err) : 0;
}

/* ---- the transaction ---- */

static void flush_reset(struct mysql_session *s)
{
    struct flush *f = s->flush;
    batches_drop(f);
    f->names.n = 0;
    f->environments.n = 0;
    f->runs.n = 0;
    f->drops.n = 0;
    buffer_reset(&f->name_bytes, BATCH_BYTES_MAX);
    s->flushing = false;
}

int flush_fail(struct mysql_session *s, int err)
{
    session_rollback(s);
    flush_reset(s);
    /* Nobody here sets a time limit or interrupts a flush: somebody at the database did. */
    return err == LT_ECANCELLED || err == LT_ETIMEOUT ? LT_ERETRY : err;
}

static int flush_create(struct flush **out)
{
    struct flush *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return LT_ENOMEM;
    buffer_init(&f->name_bytes, SIZE_MAX);
    buffer_init(&f->body, SIZE_MAX);
    *out = f;
    return 0;
}

void flush_destroy(struct flush **flush)
{
    struct flush *f = *flush;
    if (f == NULL)
        return;
    batches_drop(f);
    VEC_FINI(&f->batches);
    VEC_FINI(&f->names);
    VEC_FINI(&f->environments);
    VEC_FINI(&f->runs);
    VEC_FINI(&f->drops);
    buffer_fini(&f->name_bytes);
    buffer_fini(&f->body);
    free(f);
    *flush = NULL;
}

/* The compare-and-set matched nothing: why? */
static int fence_why(struct mysql_session *s, const struct storage_flush *flush)
{
    struct storage_progress now;
    int err = lease_read(s, flush->partition, false, NULL, &now);
    if (err != 0)
        return err;
    log_warn("mysql",
             "partition %" PRIu32 ": flush of [%" PRIu64 ", %" PRIu64 ") by epoch %" PRIu64
             " refused: stored are next %" PRIu64 " and epoch %" PRIu64,
             flush->partition, flush->lo, flush->hi, flush->epoch, now.next, now.epoch);
    return now.epoch != flush->epoch ? LT_EFENCED : LT_EDIVERGED;
}

static int flush_fence(struct mysql_session *s, const struct storage_flush *flush)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "UPDATE ");
    schema_put_progress(sql, s->storage->prefix);
    buffer_printf(sql,
                  " SET next = %" PRIu64 ", checksum = %" PRIu64 " WHERE part = %" PRIu32
                  " AND next = %" PRIu64 " AND epoch = %" PRIu64,
                  flush->hi, flush->checksum, flush->partition, flush->lo, flush->epoch);
    uint64_t matched = 0;
    int err = session_exec(s, "flush.fence", &matched);
    if (err == 0 && matched != 1)
        err = fence_why(s, flush);
    return err;
}

int mysql_flush_begin(struct storage_session *base, const struct storage_flush *flush)
{
    struct mysql_session *s = session_of(base);
    assert(!s->flushing && flush->lo <= flush->hi);
    int err = s->flush == NULL ? flush_create(&s->flush) : 0;
    if (err == 0)
        err = conn_ready(&s->conn, false);
    if (err == 0)
        err = conn_exec(&s->conn, "flush.begin", SLICE_LIT("START TRANSACTION"), NULL);
    if (err != 0)
        return err;
    err = flush_fence(s, flush);
    if (err == 0 && flush->log_epoch.epoch != 0)
        err = lease_write_log_epoch(s, flush->partition, &flush->log_epoch);
    if (err != 0)
        return flush_fail(s, err);
    s->flush->lo = flush->lo;
    s->flush->seq = 0;
    s->flushing = true;
    return 0;
}

/* ---- points and heartbeats ---- */

struct runs_reading {
    struct flush *f;
    uint32_t environment;
};

static int flush_run(void *arg, const struct storage_run *run)
{
    const struct runs_reading *reading = arg;
    struct flush_run open = {.environment = reading->environment, .run = *run};
    bool whole = schema_has(run, SCHEMA_ARRIVAL) && schema_has(run, SCHEMA_HEARTBEAT);
    return !whole || VEC_PUSH(&reading->f->runs, open) ? 0 : LT_ENOMEM;
}

static struct flush_run *run_find(const struct flush *f, uint32_t environment,
                                  struct storage_range range)
{
    for (uint32_t i = 0; i < f->runs.n; i++)
        if (f->runs.v[i].environment == environment &&
            schema_same_range(f->runs.v[i].run.range, range))
            return &f->runs.v[i];
    return NULL;
}

/* The range's open run. The fence is held from before this transaction's first look at the manifest
 * until its end, and closing a run takes the same: what is open here stays open until the commit.
 */
static int run_of(struct mysql_session *s, uint32_t environment, struct storage_range range,
                  struct flush_run **out)
{
    struct flush *f = s->flush;
    bool known = false;
    for (uint32_t i = 0; i < f->environments.n; i++)
        known = known || f->environments.v[i] == environment;
    if (!known) {
        struct runs_reading reading = {f, environment};
        int err = VEC_PUSH(&f->environments, environment) ? 0 : LT_ENOMEM;
        if (err == 0)
            err = manifest_read(s, "flush.runs", environment, MANIFEST_OPEN, NULL, flush_run,
                                &reading);
        if (err != 0)
            return err;
    }
    *out = run_find(f, environment, range);
    return *out != NULL ? 0 : LT_EAGAIN;
}

/* The run, and the batch for rows, of a range; ends the flush on error. The run: until the next
 * call. */
static int range_batch(struct mysql_session *s, enum flush_what what, uint32_t environment,
                       struct storage_range range, struct flush_run **run_out,
                       struct flush_batch **out)
{
    int err = run_of(s, environment, range, run_out);
    if (err != 0)
        return flush_fail(s, err);
    *out = flush_batch(s, what, environment, &(*run_out)->run);
    return *out != NULL ? 0 : flush_fail(s, LT_ENOMEM);
}

static void count_points(struct flush_run *run, const struct block *block)
{
    int64_t min_ms = INT64_MAX, max_ms = INT64_MIN;
    for (uint32_t i = 0; i < block->count; i++) {
        min_ms = block->times_ms[i] < min_ms ? block->times_ms[i] : min_ms;
        max_ms = block->times_ms[i] > max_ms ? block->times_ms[i] : max_ms;
    }
    storage_run_count(&run->more, block->count, block->fresh, min_ms, max_ms);
}

/* What has been written since, in the manifest: it tells jobs and readers. */
static int runs_count(struct mysql_session *s)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->flush->runs.n; i++) {
        const struct flush_run *run = &s->flush->runs.v[i];
        if (run->more.points == 0)
            continue;
        struct buffer *sql = session_sql(s);
        buffer_append_str(sql, "UPDATE ");
        schema_put_table(sql, s->storage->prefix, run->environment, "manifest_4");
        buffer_printf(sql, " SET bytes = bytes + %" PRIu64, run->more.bytes);
        manifest_put_points(sql, &run->more);
        buffer_printf(sql, " WHERE id = %" PRIu64, run->run.id);
        err = session_exec(s, "flush.count", NULL);
    }
    return err;
}

int mysql_flush_block(struct storage_session *base, uint32_t environment,
                      struct storage_range range, const struct block *block)
{
    struct mysql_session *s = session_of(base);
    struct flush *f = s->flush;
    assert(s->flushing && block->lo == f->lo);
    struct flush_run *run = NULL;
    for (uint32_t at = 0; at < block->count;) {
        struct flush_batch *batch = NULL;
        int err = range_batch(s, FLUSH_ARRIVAL, environment, range, &run, &batch);
        if (err != 0)
            return err;
        err = row_put_arrival(s, &batch->bulk, block, &at, f->seq++, &f->body);
        if (err != 0)
            return flush_fail(s, err);
        run->more.bytes += f->body.len;
        err = flush_written(s, batch);
        if (err != 0)
            return err;
    }
    if (run != NULL)
        count_points(run, block);
    return 0;
}

int mysql_flush_beat(struct storage_session *base, uint32_t environment, struct storage_range range,
                     const struct beat_block *beat)
{
    struct mysql_session *s = session_of(base);
    struct flush *f = s->flush;
    assert(s->flushing);
    struct flush_run *run;
    struct flush_batch *batch = NULL;
    int err = range_batch(s, FLUSH_HEARTBEAT, environment, range, &run, &batch);
    if (err != 0)
        return err;
    row_put_heartbeat(&batch->bulk, beat->collector, beat->host, beat->from_s, f->lo, f->seq++,
                      beat->bits);
    return flush_written(s, batch);
}

/* ---- the end ---- */

int mysql_flush_commit(struct storage_session *base)
{
    struct mysql_session *s = session_of(base);
    assert(s->flushing);
    int err = flush_names_pack(s);
    if (err == 0)
        err = batches_run(s);
    if (err == 0)
        err = flush_series_drop(s);
    if (err == 0)
        err = runs_count(s);
    if (err != 0)
        return flush_fail(s, err);
    err = conn_exec(&s->conn, "flush.commit", SLICE_LIT("COMMIT"), NULL);
    if (err == LT_ERETRY)
        return flush_fail(s, err);
    flush_reset(s);
    if (err == 0)
        return 0;
    /* It may have been done, or may yet be: a transaction that is still in flight keeps its row
     * locks, so the progress row, read with a lock, will tell. */
    conn_disconnect(&s->conn);
    return LT_EOUTCOME;
}

void mysql_flush_abort(struct storage_session *base)
{
    struct mysql_session *s = session_of(base);
    if (!s->flushing)
        return;
    session_rollback(s);
    flush_reset(s);
}
