#include "locallog/internal.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdlib.h>

/* A reader copies a batch out in one short transaction: an open one would pin every page that was
 * current when it began, and the log could not reuse them. In the writing process it sleeps until
 * the committer has news; in another process it looks again every POLL_MS. */

enum { READ_BYTES_MAX = 1 << 20, POLL_MS = 25 };

struct log_reader {
    struct locallog *log;
    uint32_t partition;
    uint64_t next;
    int failed; /* sticky: LT_ETRIMMED, LT_EGAP, LT_ECORRUPT */
    bool woken; /* under the log's lock */
    struct buffer bytes;
};

int locallog_reader_open(struct log *log, uint32_t partition, uint64_t from,
                         struct log_reader **out)
{
    struct locallog *l = (struct locallog *)log;
    if (partition >= log->partitions)
        return LT_EINVALID;
    struct log_reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return LT_ENOMEM;
    *r = (struct log_reader){.log = l, .partition = partition, .next = from};
    buffer_init(&r->bytes, READ_BYTES_MAX + 2 * LOG_RECORD_BYTES_MAX);
    pthread_mutex_lock(&l->lock);
    l->readers++;
    pthread_mutex_unlock(&l->lock);
    *out = r;
    return 0;
}

void locallog_reader_close(struct log_reader **reader)
{
    struct log_reader *r = *reader;
    *reader = NULL;
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->log->lock);
    r->log->readers--;
    pthread_mutex_unlock(&r->log->lock);
    buffer_fini(&r->bytes);
    free(r);
}

void locallog_reader_wake(struct log_reader *reader)
{
    struct locallog *l = reader->log;
    pthread_mutex_lock(&l->lock);
    reader->woken = true;
    pthread_cond_broadcast(&l->news);
    pthread_mutex_unlock(&l->lock);
}

/* Why is the record at r->next not there? 0: it is not written yet. */
static int explain_missing(struct log_reader *r, MDB_txn *txn)
{
    struct log_bounds bounds;
    int status = env_bounds(&r->log->env, txn, r->partition, &bounds);
    if (status != 0 || r->next == bounds.end)
        return status;
    return r->next < bounds.start || r->next > bounds.end ? LT_ETRIMMED : LT_EGAP;
}

/* The value under key r->next + n is copied behind r->bytes. */
static int copy_value(struct log_reader *r, MDB_val key, MDB_val value, uint64_t offset,
                      struct log_record *out)
{
    struct format_key found;
    int status = format_key_parse(slice_make(key.mv_data, key.mv_size), &found);
    if (status != 0)
        return status;
    if (found.partition != r->partition || found.kind != FORMAT_RECORD || found.offset != offset)
        return LT_ENOTFOUND;
    buffer_append(&r->bytes, value.mv_data, value.mv_size);
    out->bytes.n = value.mv_size;
    return r->bytes.error;
}

/* Copies whole values into r->bytes, their lengths into records. The count. */
static int copy_values(struct log_reader *r, MDB_txn *txn, struct log_record *records, int max)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, r->log->env.table, &cursor);
    if (rc != 0)
        return env_error(rc);
    char bytes[FORMAT_KEY_BYTES];
    format_key_write(bytes, (struct format_key){r->partition, FORMAT_RECORD, r->next});
    MDB_val key = {sizeof(bytes), bytes}, value;
    int n = 0, status = 0;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && n < max && r->bytes.len < READ_BYTES_MAX) {
        status = copy_value(r, key, value, r->next + (uint64_t)n, &records[n]);
        if (status != 0)
            break;
        n++;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (n > 0)
        return n;
    if (status == LT_ENOTFOUND || rc == MDB_NOTFOUND)
        return explain_missing(r, txn);
    return status != 0 ? status : env_error(rc);
}

/* From lengths to records; the good ones before a damaged one are handed out first. */
static int check_values(struct log_reader *r, struct log_record *records, int n)
{
    const char *at = r->bytes.data;
    for (int i = 0; i < n; i++) {
        struct slice value = slice_make(at, records[i].bytes.n);
        at += value.n;
        int status = format_record_parse(value, r->partition, r->next + (uint64_t)i, &records[i]);
        if (status != 0) {
            log_error(MODULE, "partition %u: the record at offset %llu is damaged (%s)",
                      r->partition, (unsigned long long)(r->next + (uint64_t)i),
                      error_text(status));
            return i > 0 ? i : LT_ECORRUPT;
        }
    }
    return n;
}

static int read_now(struct log_reader *r, struct log_record *records, int max)
{
    MDB_txn *txn;
    int n = env_read_begin(&r->log->env, &txn);
    if (n != 0)
        return n;
    buffer_reset(&r->bytes, 2 * READ_BYTES_MAX);
    n = copy_values(r, txn, records, max);
    env_read_end(&r->log->env, txn);
    if (n > 0)
        n = check_values(r, records, n);
    if (n > 0)
        r->next += (uint64_t)n;
    return n;
}

/* False: the time is up, or the reader was woken. */
static bool wait_for_news(struct log_reader *r, int64_t until_ms)
{
    struct locallog *l = r->log;
    bool due = true;
    pthread_mutex_lock(&l->lock);
    while (!r->woken && due) {
        if (l->env.read_only) {
            int64_t poll_ms = clock_mono_ms() + POLL_MS;
            cond_wait_until(&l->news, &l->lock, poll_ms < until_ms ? poll_ms : until_ms);
            due = clock_mono_ms() < until_ms;
            break;
        }
        if (l->ends[r->partition] != r->next)
            break;
        due = cond_wait_until(&l->news, &l->lock, until_ms);
    }
    bool go_on = due && !r->woken;
    r->woken = false;
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

int locallog_reader_next(struct log_reader *reader, int timeout_ms, struct log_record *records,
                         int max)
{
    if (reader->failed != 0)
        return reader->failed;
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    int n;
    do {
        n = read_now(reader, records, max);
    } while (n == 0 && wait_for_news(reader, until_ms));
    if (n == LT_ETRIMMED || n == LT_EGAP || n == LT_ECORRUPT)
        reader->failed = n;
    return n;
}

int locallog_bounds(struct log *log, uint32_t partition, int timeout_ms, struct log_bounds *out)
{
    (void)timeout_ms; /* nothing here waits for anybody */
    struct locallog *l = (struct locallog *)log;
    if (partition >= log->partitions)
        return LT_EINVALID;
    MDB_txn *txn;
    int status = env_read_begin(&l->env, &txn);
    if (status != 0)
        return status;
    status = env_bounds(&l->env, txn, partition, out);
    env_read_end(&l->env, txn);
    return status;
}
