#include "base/error.h"
#include "mysql/manifest.h"
#include "mysql/run_read.h"

/* Reads of one moment: one read-only transaction, whose view covers the progress row, the manifest
 * and all range tables. Statements carry the guard's deadline, so that the server ends them by
 * itself. */

enum { END_MS = 500, COMPACT_RUNS = 64 };

/* ---- begin, end ---- */

/* Ends the transaction. A server that does not answer even this in time loses the connection, and
 * with it the transaction: the reader is not kept beyond its deadline. */
static void snapshot_close(struct mysql_session *s)
{
    struct read_guard guard = {.deadline_mono_ms = clock_mono_ms() + END_MS};
    if (s->conn.mysql != NULL &&
        conn_query(&s->conn, "snapshot.end", SLICE_LIT("ROLLBACK"), &guard, NULL, NULL) != 0)
        conn_disconnect(&s->conn);
}

static int snapshot_run(void *arg, const struct storage_run *run)
{
    struct mysql_session *s = arg;
    return VEC_PUSH(&s->runs, *run) ? 0 : LT_ENOMEM;
}

int mysql_snapshot_begin(struct storage_session *base, uint32_t environment, uint32_t partition,
                         struct read_guard *guard, uint64_t *next_out)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, true);
    if (err != 0)
        return err;
    s->environment = environment;
    s->guard = guard;
    struct storage_progress progress;
    err = conn_query(&s->conn, "snapshot.begin",
                     SLICE_LIT("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"), guard,
                     NULL, NULL);
    if (err == 0)
        err = lease_read(s, partition, false, guard, &progress);
    s->runs.n = 0;
    if (err == 0)
        err = manifest_read(s, "snapshot.manifest", environment, MANIFEST_IN_FORCE, guard,
                            snapshot_run, s);
    if (err != 0) {
        snapshot_close(s);
        return err;
    }
    s->reading = true;
    *next_out = progress.next;
    return 0;
}

void mysql_snapshot_clear(struct storage_session *base)
{
    session_of(base)->runs.n = 0;
}

void mysql_snapshot_end(struct storage_session *base)
{
    struct mysql_session *s = session_of(base);
    if (!s->reading)
        return;
    snapshot_close(s);
    s->reading = false;
    s->guard = NULL;
}

const struct storage_run *mysql_snapshot_runs(struct storage_session *base, uint32_t *count_out)
{
    struct mysql_session *s = session_of(base);
    *count_out = s->reading ? s->runs.n : 0;
    return s->runs.v;
}

/* ---- scans ---- */

/* Does it hold 1-second data, maybe of [from_ms, to_ms)? Coarser runs repeat what others hold. */
static bool run_matters(const struct storage_run *run, int64_t from_ms, int64_t to_ms)
{
    if (run->resolution_s != 1 || from_ms >= to_ms)
        return false;
    return storage_is_catch_all(run->range) ||
           (run->range.from_s <= block_last_ms(to_ms) / 1000 && run->range.to_s > from_ms / 1000);
}

/* … and points? */
static bool points_matter(const struct storage_run *run, int64_t from_ms, int64_t to_ms)
{
    return run_matters(run, from_ms, to_ms) &&
           (storage_is_catch_all(run->range) ||
            (storage_run_from_ms(run) <= block_last_ms(to_ms) && storage_run_to_ms(run) > from_ms));
}

int mysql_snapshot_scan(struct storage_session *base, const struct block_filter *filter,
                        block_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    if (!s->reading)
        return LT_EUNAVAILABLE;
    /* Compact runs that follow each other are read together. */
    const struct storage_run *compact[COMPACT_RUNS];
    uint32_t n = 0;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->runs.n; i++) {
        const struct storage_run *run = &s->runs.v[i];
        if (!points_matter(run, filter->from_ms, filter->to_ms))
            continue;
        if (run->kind == STORAGE_COMPACT)
            compact[n++] = run;
        if (n == COMPACT_RUNS || (n > 0 && run->kind != STORAGE_COMPACT)) {
            err = run_scan_compact(s, compact, n, filter, visit, arg);
            n = 0;
        }
        if (err == 0 && run->kind != STORAGE_COMPACT)
            err = run_scan_points(s, run, filter, visit, arg);
    }
    return err != 0 ? err : run_scan_compact(s, compact, n, filter, visit, arg);
}

int mysql_snapshot_scan_beats(struct storage_session *base, const struct beat_filter *filter,
                              beat_visit *visit, void *arg)
{
    struct mysql_session *s = session_of(base);
    if (!s->reading)
        return LT_EUNAVAILABLE;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < s->runs.n; i++) {
        const struct storage_run *run = &s->runs.v[i];
        if (run_matters(run, filter->from_ms, filter->to_ms))
            err = run_scan_beats(s, run, filter, visit, arg);
    }
    return err;
}
