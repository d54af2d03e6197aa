#include "base/error.h"
#include "base/vec.h"
#include "mysql/manifest.h"
#include "mysql/rows.h"
#include "vector/beat_counts.h"
#include "vector/beats.h"

#include <assert.h>
#include <stdlib.h>

/* Rows of a run that is being built. A batch of one table is one statement, which commits by
 * itself: nobody reads the run before it is published, and after an error it is only dropped.
 *
 * Whether a table is small decides how it is made (schema.c): so its first batches are held back
 * until they are many, or all. */

enum {
    BATCH_BYTES_MAX = 4 << 20,
    SMALL_BYTES_MAX = 16 << 20,
    TABLES_MAX = 32, /* that have unwritten rows */
};

static const char *const statements[SCHEMA_KINDS] = {
    [SCHEMA_ARRIVAL] = "run.block",    [SCHEMA_HEARTBEAT] = "run.heartbeat",
    [SCHEMA_OBSERVATION] = "run.pack", [SCHEMA_RANK] = "run.rank",
    [SCHEMA_TOTAL] = "run.total",      [SCHEMA_BEATS] = "run.beats",
};

struct put_batch {
    struct schema_table table;
    bool made;
    struct bulk bulk;      /* that rows are put into */
    VEC(struct bulk) held; /* full ones, while the table is not made */
    size_t held_bytes;
};

struct put {
    VEC(struct put_batch) batches; /* one a table */
    uint32_t seq;       /* the next row's number, in arrival runs: the order of the calls */
    struct buffer body; /* of the row that is being made */
};

static void held_drop(struct put_batch *batch)
{
    for (uint32_t i = 0; i < batch->held.n; i++)
        bulk_fini(&batch->held.v[i]);
    VEC_FINI(&batch->held);
    batch->held_bytes = 0;
}

static void batch_fini(struct put_batch *batch)
{
    bulk_fini(&batch->bulk);
    held_drop(batch);
}

static void batches_drop(struct put *p)
{
    for (uint32_t i = 0; i < p->batches.n; i++)
        batch_fini(&p->batches.v[i]);
    p->batches.n = 0;
}

void put_destroy(struct put **put)
{
    struct put *p = *put;
    if (p == NULL)
        return;
    batches_drop(p);
    VEC_FINI(&p->batches);
    buffer_fini(&p->body);
    free(p);
    *put = NULL;
}

uint32_t put_pending(struct mysql_session *s, uint32_t environment, uint64_t run, bool forget)
{
    struct put *p = s->put;
    uint32_t rows = 0;
    for (uint32_t i = 0; p != NULL && i < p->batches.n;) {
        struct put_batch *b = &p->batches.v[i];
        bool of_run = b->table.environment == environment && b->table.run == run;
        rows += of_run ? b->bulk.rows + b->held.n : 0;
        if (of_run && forget) {
            batch_fini(b);
            *b = p->batches.v[--p->batches.n];
        } else {
            i++;
        }
    }
    return rows;
}

/* ---- writing ---- */

static int bulk_write(struct mysql_session *s, const struct schema_table *table, struct bulk *bulk)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_run_table(sql, s->storage->prefix, table);
    buffer_append_str(sql, row_layouts[table->kind].values);
    return sql->error != 0 ? sql->error
                           : bulk_run(bulk, &s->conn, statements[table->kind], buffer_slice(sql));
}

/* Writes what there is; small: and there will be no more. */
static int batch_run(struct mysql_session *s, struct put_batch *batch, bool small)
{
    if (batch->bulk.rows == 0 && batch->held.n == 0)
        return 0;
    int err = conn_ready(&s->conn, false);
    if (err == 0 && !batch->made) {
        err = manifest_make(s, "run.table", "run.enter", &batch->table, true, small);
        batch->made = err == 0;
    }
    for (uint32_t i = 0; err == 0 && i < batch->held.n; i++)
        err = bulk_write(s, &batch->table, &batch->held.v[i]);
    if (err == 0)
        err = bulk_write(s, &batch->table, &batch->bulk);
    held_drop(batch);
    return err;
}

static int batches_run(struct mysql_session *s)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && s->put != NULL && i < s->put->batches.n; i++)
        err = batch_run(s, &s->put->batches.v[i], true);
    return err;
}

/* The run that failed cannot be told from others that wait: all of them are good for nothing. */
static int put_fail(struct mysql_session *s, int err)
{
    if (s->put != NULL)
        batches_drop(s->put);
    /* Nobody here sets a time limit or interrupts a job's statement: somebody at the database did.
     */
    return err == LT_ECANCELLED || err == LT_ETIMEOUT ? LT_ERETRY : err;
}

int mysql_run_flush(struct storage_session *base)
{
    struct mysql_session *s = session_of(base);
    int err = batches_run(s);
    return err != 0 ? put_fail(s, err) : 0;
}

/* ---- batches ---- */

static int put_create(struct put **out)
{
    struct put *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return LT_ENOMEM;
    buffer_init(&p->body, SIZE_MAX);
    *out = p;
    return 0;
}

/* The batch of a run's table. */
static int batch_of(struct mysql_session *s, enum schema_kind kind, uint32_t environment,
                    const struct storage_run *run, struct put_batch **out)
{
    int err = s->put == NULL ? put_create(&s->put) : 0;
    if (err != 0)
        return err;
    struct put *p = s->put;
    for (uint32_t i = 0; i < p->batches.n; i++) {
        struct put_batch *b = &p->batches.v[i];
        if (b->table.run == run->id && b->table.kind == kind &&
            b->table.environment == environment) {
            *out = b;
            return 0;
        }
    }
    if (p->batches.n >= TABLES_MAX) {
        err = batches_run(s);
        if (err != 0)
            return err;
        batches_drop(p);
    }
    err = conn_ready(&s->conn, false); /* it tells how much a statement may carry */
    if (err != 0)
        return err;
    struct put_batch batch = {.table = schema_table_of(environment, kind, run)};
    bulk_init(&batch.bulk, row_layouts[kind].types, row_layouts[kind].columns);
    if (!VEC_PUSH(&p->batches, batch))
        return LT_ENOMEM;
    *out = &p->batches.v[p->batches.n - 1];
    return 0;
}

/* A full batch of a table that is not made yet waits for the others. */
static int batch_hold(struct put_batch *batch)
{
    size_t bytes = bulk_bytes(&batch->bulk);
    if (!VEC_PUSH(&batch->held, batch->bulk))
        return LT_ENOMEM;
    const struct row_layout *layout = &row_layouts[batch->table.kind];
    bulk_init(&batch->bulk, layout->types, layout->columns);
    batch->held_bytes += bytes;
    return 0;
}

/* After a row was put: writes what has become large. */
static int put_done(struct mysql_session *s, struct put_batch *batch)
{
    size_t limit = s->conn.packet_bytes_max / 2;
    if (limit > BATCH_BYTES_MAX)
        limit = BATCH_BYTES_MAX;
    size_t bytes = bulk_bytes(&batch->bulk);
    int err = 0;
    if (bytes >= limit)
        err = batch->made || batch->held_bytes + bytes > SMALL_BYTES_MAX
                  ? batch_run(s, batch, false)
                  : batch_hold(batch);
    return err != 0 ? put_fail(s, err) : 0;
}

/* ---- rows ---- */

int mysql_run_put_pack(struct storage_session *base, uint32_t environment,
                       const struct storage_run *run, const struct storage_pack *pack)
{
    struct mysql_session *s = session_of(base);
    assert(run->kind == STORAGE_COMPACT);
    struct put_batch *batch;
    int err = batch_of(s, SCHEMA_OBSERVATION, environment, run, &batch);
    if (err != 0)
        return put_fail(s, err);
    struct bulk *bulk = &batch->bulk;
    bulk_put_number(bulk, pack->category);
    bulk_put_number(bulk, pack->dimension);
    bulk_put_number(bulk, pack->host);
    bulk_put_number(bulk, pack->first_item);
    bulk_put_number(bulk, pack->part);
    bulk_put_number(bulk, pack->last_item);
    bulk_put_number(bulk, pack->items);
    bulk_put_number(bulk, pack->points);
    bulk_put_number(bulk, (uint64_t)pack->min_ms);
    bulk_put_number(bulk, (uint64_t)pack->max_ms);
    bulk_put_bytes(bulk, pack->summaries);
    bulk_put_bytes(bulk, pack->vectors);
    if (pack->minutes.p != NULL)
        bulk_put_bytes(bulk, pack->minutes);
    else
        bulk_put_null(bulk);
    return put_done(s, batch);
}

int mysql_run_put_rank(struct storage_session *base, uint32_t environment,
                       const struct storage_run *run, const struct storage_rank *rank)
{
    struct mysql_session *s = session_of(base);
    assert(run->kind == STORAGE_COMPACT);
    struct put_batch *batch;
    int err = batch_of(s, SCHEMA_RANK, environment, run, &batch);
    if (err != 0)
        return put_fail(s, err);
    bulk_put_number(&batch->bulk, rank->category);
    bulk_put_number(&batch->bulk, rank->dimension);
    bulk_put_number(&batch->bulk, rank->host);
    bulk_put_number(&batch->bulk, (uint64_t)rank->kind);
    bulk_put_number(&batch->bulk, rank->number);
    bulk_put_bytes(&batch->bulk, rank->body);
    return put_done(s, batch);
}

int mysql_run_put_total(struct storage_session *base, uint32_t environment,
                        const struct storage_run *run, const struct storage_total *total)
{
    struct mysql_session *s = session_of(base);
    assert(run->kind == STORAGE_COMPACT);
    struct put_batch *batch;
    int err = batch_of(s, SCHEMA_TOTAL, environment, run, &batch);
    if (err != 0)
        return put_fail(s, err);
    bulk_put_number(&batch->bulk, total->category);
    bulk_put_number(&batch->bulk, total->dimension);
    bulk_put_number(&batch->bulk, total->host);
    bulk_put_number(&batch->bulk, (uint64_t)total->from_s);
    bulk_put_number(&batch->bulk, total->count);
    bulk_put_double(&batch->bulk, total->sum);
    bulk_put_double(&batch->bulk, total->min);
    bulk_put_double(&batch->bulk, total->max);
    return put_done(s, batch);
}

static int put_compact_beats(struct mysql_session *s, struct put_batch *batch,
                             const struct storage_run *run, const struct storage_beats *beats)
{
    struct buffer *body = &s->put->body;
    buffer_reset(body, SIZE_MAX);
    int err = 0;
    if (run->resolution_s == 1) {
        uint8_t packed[BEAT_BYTES];
        buffer_append(body, packed, beats_pack(beats->bits, packed));
        err = body->error;
    } else {
        err = beat_counts_encode(s->frame, beats->counts, beats->counts_count, body);
    }
    if (err != 0)
        return err;
    bulk_put_number(&batch->bulk, beats->collector);
    bulk_put_number(&batch->bulk, beats->host);
    bulk_put_number(&batch->bulk, (uint64_t)beats->from_s);
    bulk_put_bytes(&batch->bulk, buffer_slice(body));
    return 0;
}

int mysql_run_put_beats(struct storage_session *base, uint32_t environment,
                        const struct storage_run *run, const struct storage_beats *beats)
{
    struct mysql_session *s = session_of(base);
    bool arrival = run->kind == STORAGE_ARRIVAL;
    assert(run->resolution_s == 1 ? beats->bits != NULL : !arrival && beats->counts != NULL);
    struct put_batch *batch;
    int err = batch_of(s, arrival ? SCHEMA_HEARTBEAT : SCHEMA_BEATS, environment, run, &batch);
    if (err == 0 && arrival)
        row_put_heartbeat(&batch->bulk, beats->collector, beats->host, (uint64_t)beats->from_s, 0,
                          s->put->seq++, beats->bits);
    else if (err == 0)
        err = put_compact_beats(s, batch, run, beats);
    return err != 0 ? put_fail(s, err) : put_done(s, batch);
}

int mysql_run_put_block(struct storage_session *base, uint32_t environment,
                        const struct storage_run *run, const struct block *block)
{
    struct mysql_session *s = session_of(base);
    assert(run->kind == STORAGE_ARRIVAL);
    int err = 0;
    for (uint32_t at = 0; err == 0 && at < block->count;) {
        struct put_batch *batch;
        err = batch_of(s, SCHEMA_ARRIVAL, environment, run, &batch);
        if (err == 0)
            err = row_put_arrival(s, &batch->bulk, block, &at, s->put->seq++, &s->put->body);
        err = err != 0 ? put_fail(s, err) : put_done(s, batch);
    }
    return err;
}
