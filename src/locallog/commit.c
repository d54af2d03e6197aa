#include "locallog/internal.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/logger.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* The committer: the only thread that writes. It takes all that is queued, commits it as one
 * transaction, and hands the reports to the loop; between groups it trims a little, if asked to.
 *
 * What a failed commit means: LMDB writes the new pages, syncs them, then writes the root page
 * (synced). Up to the root, a failure leaves the old tree in force: FAILED, certainly. If the root
 * itself fails, the disk may hold either: UNKNOWN; LMDB then refuses all further work, and the log
 * with it, until the environment has been opened and synced again. */

enum { TRIM_RECORDS_MAX = 256, REOPEN_PAUSE_MS = 500 };

static int put_group(struct locallog *l, MDB_txn *txn, struct pending *first)
{
    for (struct pending *p = first; p != NULL; p = p->next) {
        uint32_t partition = p->report.partition;
        p->report.offset = l->next[partition]++;
        format_record_seal(p->value, p->value_bytes, partition, p->report.offset, p->append_ms);
        char bytes[FORMAT_KEY_BYTES];
        format_key_write(bytes, (struct format_key){partition, FORMAT_RECORD, p->report.offset});
        MDB_val key = {sizeof(bytes), bytes};
        MDB_val value = {p->value_bytes, p->value};
        int rc = mdb_put(txn, l->env.table, &key, &value, MDB_NOOVERWRITE);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_group(struct locallog *l, struct pending *first, bool *broken_out)
{
    pthread_rwlock_rdlock(&l->env.lock);
    MDB_txn *txn;
    int rc = mdb_txn_begin(l->env.handle, NULL, 0, &txn);
    if (rc == 0) {
        rc = put_group(l, txn, first);
        if (rc != 0) {
            mdb_txn_abort(txn);
        } else {
            failpoint("locallog.before-commit");
            rc = mdb_txn_commit(txn);
            failpoint("locallog.after-commit");
        }
    }
    *broken_out = rc != 0 && env_is_broken(&l->env);
    if (rc == MDB_MAP_FULL) /* a dead process' reader may pin pages */
        mdb_reader_check(l->env.handle, NULL);
    pthread_rwlock_unlock(&l->env.lock);
    return rc;
}

/* With the lock held: the whole group has one outcome. */
static void report_group(struct locallog *l, struct pending_list *group, enum log_outcome outcome,
                         const char *reason)
{
    for (struct pending *p = group->first; p != NULL; p = p->next) {
        p->report.outcome = outcome;
        p->report.reason = reason;
    }
    if (outcome == LOG_STORED) {
        l->counters.records += group->records;
        l->counters.bytes += group->bytes;
        l->counters.commits++;
    } else {
        *(outcome == LOG_FAILED ? &l->counters.failed : &l->counters.unknown) += group->records;
        l->counters.last_error = reason;
    }
    pending_list_move(&l->reports, group);
    uint64_t one = 1;
    ssize_t n = write(l->event_fd, &one, sizeof(one));
    (void)n; /* fails only when it is readable anyway */
}

static void commit_group(struct locallog *l)
{
    struct pending_list group;
    pending_list_init(&group);
    pending_list_move(&group, &l->queue);
    if (l->broken) {
        report_group(l, &group, LOG_FAILED, "the local log's disk failed; it is being reopened");
        return;
    }
    pthread_mutex_unlock(&l->lock);
    int64_t start_ns = clock_mono_ns();
    bool broken = false;
    int rc = write_group(l, group.first, &broken);
    int64_t took_us = (clock_mono_ns() - start_ns) / 1000;
    pthread_mutex_lock(&l->lock);
    uint64_t *from = rc == 0 ? l->next : l->ends, *to = rc == 0 ? l->ends : l->next;
    for (uint32_t i = 0; i < l->base.partitions; i++)
        to[i] = from[i];
    l->counters.last_commit_us = took_us;
    l->broken = broken;
    if (rc != 0)
        log_warn(MODULE, "a commit of %zu records %s: %s", group.records,
                 broken ? "has no known outcome" : "failed", env_reason(rc));
    report_group(l, &group,
                 rc == 0  ? LOG_STORED
                 : broken ? LOG_UNKNOWN
                          : LOG_FAILED,
                 rc == 0 ? NULL : env_reason(rc));
    if (rc == 0)
        pthread_cond_broadcast(&l->news);
}

/* ---- trimming ---- */

/* Deletes up to TRIM_RECORDS_MAX records below `before` and moves the floor behind them. */
static int trim_records(struct locallog *l, MDB_txn *txn, uint32_t partition, uint64_t before,
                        uint64_t *floor)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, l->env.table, &cursor);
    if (rc != 0)
        return rc;
    uint64_t end = before - *floor > TRIM_RECORDS_MAX ? *floor + TRIM_RECORDS_MAX : before;
    char bytes[FORMAT_KEY_BYTES];
    for (; rc == 0 && *floor < end; ++*floor) {
        format_key_write(bytes, (struct format_key){partition, FORMAT_RECORD, *floor});
        MDB_val key = {sizeof(bytes), bytes}, value;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
        rc = rc == 0 ? mdb_cursor_del(cursor, 0) : rc == MDB_NOTFOUND ? 0 : rc;
    }
    mdb_cursor_close(cursor);
    if (rc != 0)
        return rc;
    char floor_bytes[8];
    format_floor_write(floor_bytes, *floor);
    format_key_write(bytes, (struct format_key){partition, FORMAT_FLOOR, 0});
    MDB_val key = {sizeof(bytes), bytes}, value = {sizeof(floor_bytes), floor_bytes};
    return mdb_put(txn, l->env.table, &key, &value, 0);
}

/* One small transaction. LT_EAGAIN: there is more to trim. */
static int trim_step(struct locallog *l, uint32_t partition, uint64_t before, bool *broken_out)
{
    pthread_rwlock_rdlock(&l->env.lock);
    MDB_txn *txn;
    uint64_t floor = 0;
    int rc = mdb_txn_begin(l->env.handle, NULL, 0, &txn);
    int status = env_error(rc);
    if (rc != 0)
        goto out;
    status = env_floor(&l->env, txn, partition, &floor);
    if (status != 0 || before <= floor) {
        mdb_txn_abort(txn);
        goto out;
    }
    rc = trim_records(l, txn, partition, before, &floor);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    status = rc != 0 ? env_error(rc) : floor < before ? LT_EAGAIN : 0;
out:
    *broken_out = rc != 0 && env_is_broken(&l->env);
    pthread_rwlock_unlock(&l->env.lock);
    return status;
}

/* A deletion writes the pages that it changes elsewhere first, so a full map has to lend it some.
 */
static int trim_step_even_if_full(struct locallog *l, uint32_t partition, uint64_t before,
                                  bool *broken_out)
{
    int status = trim_step(l, partition, before, broken_out);
    if ((status != LT_EFULL && status != LT_EIO) || *broken_out)
        return status;
    mdb_reader_check(l->env.handle, NULL);
    status = env_lend(&l->env);
    if (status == 0)
        status = trim_step(l, partition, before, broken_out);
    env_take_back(&l->env);
    return status;
}

/* Called and returns with the lock held; lets go of it meanwhile. */
static void work_on_trim(struct locallog *l)
{
    uint64_t ticket = l->trim.ticket;
    uint32_t partition = l->trim.partition;
    uint64_t before = l->trim.before;
    int status = LT_EUNAVAILABLE;
    if (before > l->ends[partition]) {
        status = LT_EINVALID;
    } else if (!l->broken) {
        bool broken = false;
        pthread_mutex_unlock(&l->lock);
        status = trim_step_even_if_full(l, partition, before, &broken);
        pthread_mutex_lock(&l->lock);
        l->broken = broken;
    }
    if (status == LT_EAGAIN || l->trim.ticket != ticket)
        return;
    l->trim.status = status;
    l->trim.state = TRIM_DONE;
    pthread_cond_broadcast(&l->news);
}

int locallog_trim(struct log *log, uint32_t partition, uint64_t before, int timeout_ms)
{
    struct locallog *l = (struct locallog *)log;
    if (partition >= log->partitions || l->env.read_only)
        return LT_EINVALID;
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    int status = LT_ETIMEOUT;
    pthread_mutex_lock(&l->lock);
    while (l->trim.state != TRIM_IDLE)
        if (!cond_wait_until(&l->news, &l->lock, until_ms))
            goto out;
    l->trim = (struct trim){.state = TRIM_WANTED,
                            .ticket = l->trim.ticket + 1,
                            .partition = partition,
                            .before = before};
    pthread_cond_signal(&l->work);
    while (l->trim.state != TRIM_DONE)
        if (!cond_wait_until(&l->news, &l->lock, until_ms))
            break;
    if (l->trim.state == TRIM_DONE)
        status = l->trim.status;
    l->trim.ticket++; /* what the committer is doing right now is nobody's any more */
    l->trim.state = TRIM_IDLE;
    pthread_cond_broadcast(&l->news);
out:
    pthread_mutex_unlock(&l->lock);
    return status;
}

/* ---- the thread ---- */

static int load_ends(struct locallog *l, uint64_t *ends)
{
    MDB_txn *txn;
    int status = env_read_begin(&l->env, &txn);
    if (status != 0)
        return status;
    for (uint32_t i = 0; i < l->base.partitions && status == 0; i++) {
        struct log_bounds bounds;
        status = env_bounds(&l->env, txn, i, &bounds);
        if (status == 0)
            ends[i] = bounds.end;
    }
    env_read_end(&l->env, txn);
    return status;
}

int committer_load(struct locallog *l)
{
    int status = load_ends(l, l->next);
    if (status != 0)
        return status;
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->base.partitions; i++)
        l->ends[i] = l->next[i];
    pthread_mutex_unlock(&l->lock);
    return 0;
}

/* Called and returns with the lock held; lets go of it meanwhile. */
static void heal(struct locallog *l)
{
    pthread_mutex_unlock(&l->lock);
    int status = env_reopen(&l->env);
    if (status == 0)
        status = committer_load(l);
    pthread_mutex_lock(&l->lock);
    l->broken = status != 0;
    if (status == 0)
        log_info(MODULE, "reopened after a failed write; appends are taken again");
}

void *committer_run(void *arg)
{
    struct locallog *l = arg;
    int64_t reopen_at_ms = 0;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        if (l->queue.first != NULL) {
            commit_group(l);
        } else if (l->stop) {
            break;
        } else if (l->trim.state != TRIM_WANTED) {
            if (!l->broken)
                pthread_cond_wait(&l->work, &l->lock);
            else
                cond_wait_until(&l->work, &l->lock, reopen_at_ms);
        }
        if (l->trim.state == TRIM_WANTED)
            work_on_trim(l);
        if (l->broken && clock_mono_ms() >= reopen_at_ms) {
            heal(l);
            reopen_at_ms = clock_mono_ms() + REOPEN_PAUSE_MS;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}
