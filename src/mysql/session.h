#ifndef MYSQL_SESSION_H
#define MYSQL_SESSION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/vec.h"
#include "mysql/conn.h"
#include "mysql/schema.h"
#include "port/storage.h"
#include "vector/arrival.h"
#include "vector/frame.h"

/* What the files of this folder share, and nobody else sees. */

struct mysql_storage {
    struct storage base;
    struct conn_config conn;
    char prefix[SCHEMA_PREFIX_BYTES_MAX + 1];
};

struct flush;
struct pack_codec;
struct put;

struct mysql_session {
    struct storage_session base;
    struct mysql_storage *storage;
    struct conn conn;
    struct frame_codec *frame;
    struct arrival_codec *arrival;
    struct pack_codec *pack; /* run_scan.c; made by the first row that needs it */
    struct buffer sql;       /* of the statement that is being composed */

    struct flush *flush; /* flush.c; made by the first flush */
    bool flushing;

    struct put *put; /* run_put.c; made by the first row of a run */

    /* The open snapshot, or the reader that has none. */
    bool reading;
    bool reader;
    uint32_t environment;
    struct read_guard *guard;
    VEC(struct storage_run) runs; /* in force, in the order of manifest_read */
};

static inline struct mysql_session *session_of(struct storage_session *s)
{
    return CONTAINER_OF(s, struct mysql_session, base);
}

/* May runs be read: is a snapshot or a reader open? */
static inline bool session_reads(const struct mysql_session *s)
{
    return s->reading || s->reader;
}

/* Starts composing a statement in s->sql, which keeps its memory. */
struct buffer *session_sql(struct mysql_session *s);

/* Starts composing a statement of SELECTs that the server itself ends at the guard's deadline
 * (NULL: none). */
struct buffer *session_limit(struct mysql_session *s, struct read_guard *guard);
/* The same, with the word. */
struct buffer *session_select(struct mysql_session *s, struct read_guard *guard);

/* Appends bytes of any kind as a literal. */
void session_put_hex(struct buffer *sql, struct slice bytes);

/* Runs what was composed. */
MUST_USE int session_exec(struct mysql_session *s, const char *name, uint64_t *affected_out);
MUST_USE int session_query(struct mysql_session *s, const char *name, struct read_guard *guard,
                           conn_row *row, void *arg);

/* Ends a transaction that failed; the connection is closed where even that fails, which ends it
 * too. */
void session_rollback(struct mysql_session *s);

/* ---- operations, by file ---- */

int mysql_prepare(struct storage_session *s, uint32_t partitions, const uint32_t *environments,
                  uint32_t environments_count);
int mysql_tables_ensure(struct storage_session *s, uint32_t environment,
                        const struct storage_range *ranges, uint32_t count);

int mysql_runs(struct storage_session *s, uint32_t environment, struct read_guard *guard,
               storage_run_visit *visit, void *arg);

int mysql_lease_take(struct storage_session *s, uint32_t partition, struct slice owner, int ttl_ms,
                     struct storage_progress *out);
int mysql_lease_renew(struct storage_session *s, uint32_t partition, uint64_t epoch, int ttl_ms);
int mysql_lease_raise(struct storage_session *s, uint32_t partition, uint64_t epoch, uint64_t to);
int mysql_lease_owner(struct storage_session *s, uint32_t partition, struct buffer *out);
int mysql_lease_release(struct storage_session *s, uint32_t partition, uint64_t epoch);
int mysql_progress(struct storage_session *s, uint32_t partition, struct storage_progress *out);
/* final: waits for a transaction in flight that changes the row. */
MUST_USE int lease_read(struct mysql_session *s, uint32_t partition, bool final,
                        struct read_guard *guard, struct storage_progress *out);

/* The highest epoch that the log announced below next; 0: none. Written within a flush. */
MUST_USE int lease_read_log_epoch(struct mysql_session *s, uint32_t partition,
                                  struct storage_log_epoch *out);
MUST_USE int lease_write_log_epoch(struct mysql_session *s, uint32_t partition,
                                   const struct storage_log_epoch *announced);

/* Begins a transaction that only the owner may make: the progress row stays locked until its end.
 * On error there is none. */
MUST_USE int lease_fence(struct mysql_session *s, const char *begin, const char *name,
                         const struct storage_fence *fence);

int mysql_load(struct storage_session *s, uint32_t partition, const uint32_t *environments,
               uint32_t environments_count, const struct storage_loader *loader,
               struct storage_progress *out);

int mysql_flush_begin(struct storage_session *s, const struct storage_flush *flush);
int mysql_flush_name(struct storage_session *s, uint32_t environment,
                     const struct storage_name *name);
int mysql_flush_text(struct storage_session *s, uint32_t environment,
                     const struct storage_item_text *text);
int mysql_flush_clear(struct storage_session *s, uint32_t environment);
int mysql_flush_doom(struct storage_session *s, uint32_t environment,
                     const struct storage_doom *doom);
int mysql_flush_series(struct storage_session *s, uint32_t environment,
                       const struct storage_series *series);
/* flush_forget.c: a row of names; *holes_out: in runs (vector/names.h), some are not there. */
MUST_USE int names_runs_open(struct frame_codec *codec, struct slice body, bool *holes_out,
                             struct slice *raw_out);
int mysql_flush_watermark(struct storage_session *s, uint32_t environment,
                          const struct storage_watermark *watermark);
int mysql_flush_block(struct storage_session *s, uint32_t environment, struct storage_range range,
                      const struct block *block);
int mysql_flush_beat(struct storage_session *s, uint32_t environment, struct storage_range range,
                     const struct beat_block *beat);
int mysql_flush_commit(struct storage_session *s);
void mysql_flush_abort(struct storage_session *s);
void flush_destroy(struct flush **flush);

int mysql_runs_close(struct storage_session *s, const struct storage_fence *fence,
                     uint32_t environment, struct storage_range range, uint32_t *closed_out);
int mysql_run_create(struct storage_session *s, const struct storage_fence *fence,
                     uint32_t environment, const struct storage_run *like, struct storage_run *out);
int mysql_runs_publish(struct storage_session *s, const struct storage_fence *fence,
                       uint32_t environment, const struct storage_run *in, uint32_t in_count,
                       const uint64_t *out, uint32_t out_count);
int mysql_run_drop(struct storage_session *s, const struct storage_fence *fence,
                   uint32_t environment, uint64_t id);
int mysql_note_put(struct storage_session *s, const struct storage_fence *fence,
                   uint32_t environment, struct slice name, struct slice text);
int mysql_note_get(struct storage_session *s, uint32_t environment, struct slice name,
                   struct buffer *out);

int mysql_run_put_pack(struct storage_session *s, uint32_t environment,
                       const struct storage_run *run, const struct storage_pack *pack);
int mysql_run_put_rank(struct storage_session *s, uint32_t environment,
                       const struct storage_run *run, const struct storage_rank *rank);
int mysql_run_put_total(struct storage_session *s, uint32_t environment,
                        const struct storage_run *run, const struct storage_total *total);
int mysql_run_put_beats(struct storage_session *s, uint32_t environment,
                        const struct storage_run *run, const struct storage_beats *beats);
int mysql_run_put_block(struct storage_session *s, uint32_t environment,
                        const struct storage_run *run, const struct block *block);
int mysql_run_flush(struct storage_session *s);
/* Rows of the run that are not written; forget: drops them. */
uint32_t put_pending(struct mysql_session *s, uint32_t environment, uint64_t run, bool forget);
void put_destroy(struct put **put);
int mysql_seen_put(struct storage_session *s, const struct storage_fence *fence,
                   uint32_t environment, const struct storage_seen *pages, uint32_t count);

int mysql_snapshot_begin(struct storage_session *s, uint32_t environment, uint32_t partition,
                         struct read_guard *guard, uint64_t *next_out);
int mysql_snapshot_scan(struct storage_session *s, const struct block_filter *filter,
                        block_visit *visit, void *arg);
int mysql_snapshot_scan_beats(struct storage_session *s, const struct beat_filter *filter,
                              beat_visit *visit, void *arg);
void mysql_snapshot_clear(struct storage_session *s);
void mysql_snapshot_end(struct storage_session *s);
const struct storage_run *mysql_snapshot_runs(struct storage_session *s, uint32_t *count_out);

int mysql_reader_begin(struct storage_session *s, uint32_t environment, struct read_guard *guard);
void mysql_reader_end(struct storage_session *s);
int mysql_run_groups(struct storage_session *s, const struct storage_run *run,
                     storage_group_visit *visit, void *arg);
int mysql_run_scan(struct storage_session *s, const struct storage_run *run,
                   const struct block_filter *filter, block_visit *visit, void *arg);
int mysql_runs_packs(struct storage_session *s, const struct storage_run *const *runs,
                     uint32_t count, const struct block_filter *filter, enum storage_want want,
                     storage_pack_visit *visit, void *arg);
int mysql_run_ranks(struct storage_session *s, const struct storage_run *run,
                    const struct storage_rank_filter *filter, storage_rank_visit *visit, void *arg);
int mysql_run_totals(struct storage_session *s, const struct storage_run *run,
                     const struct storage_total_filter *filter, storage_total_visit *visit,
                     void *arg);
int mysql_run_beats(struct storage_session *s, const struct storage_run *run,
                    const struct beat_filter *filter, storage_beats_visit *visit, void *arg);
int mysql_tables(struct storage_session *s, uint32_t environment, struct read_guard *guard,
                 storage_table_visit *visit, void *arg);

#endif
