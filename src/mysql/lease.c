#include "mysql/session.h"

#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"

#include <inttypes.h>

/* The progress row: who owns a partition, by the database's clock, and how far it is stored.
 *
 * NOW(6) is when a statement began. One that waited for the row (behind a flush) therefore asks for
 * a lease that is shorter than it could be and finds another's expired later than it is: both on
 * the safe side. */

enum { OWNER_BYTES_MAX = 255 };

struct progress_row {
    struct storage_progress progress;
    bool found;
};

static int progress_row(void *arg, const struct slice *columns)
{
    struct progress_row *row = arg;
    row->found = true;
    int err = number_parse_u64(columns[0], &row->progress.next);
    if (err == 0)
        err = number_parse_u64(columns[1], &row->progress.checksum);
    if (err == 0)
        err = number_parse_u64(columns[2], &row->progress.epoch);
    return err;
}

int lease_read(struct mysql_session *s, uint32_t partition, bool final, struct read_guard *guard,
               struct storage_progress *out)
{
    struct progress_row row = {0};
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT next, checksum, epoch FROM ");
    schema_put_progress(sql, s->storage->prefix);
    buffer_printf(sql, " WHERE part = %" PRIu32 "%s", partition,
                  final ? " LOCK IN SHARE MODE" : "");
    int err = session_query(s, "progress.read", guard, progress_row, &row);
    if (err != 0)
        return err;
    if (!row.found) {
        log_error("mysql", "partition %" PRIu32 " has no progress row: was it prepared?",
                  partition);
        return LT_ENOTFOUND;
    }
    *out = row.progress;
    return 0;
}

static int epoch_row(void *arg, const struct slice *columns)
{
    struct storage_log_epoch *out = arg;
    int err = number_parse_u64(columns[0], &out->epoch);
    return err != 0 ? err : number_parse_u64(columns[1], &out->offset);
}

int lease_read_log_epoch(struct mysql_session *s, uint32_t partition, struct storage_log_epoch *out)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT epoch, at FROM ");
    schema_put_log_epoch(sql, s->storage->prefix);
    buffer_printf(sql, " WHERE part = %" PRIu32, partition);
    *out = (struct storage_log_epoch){0};
    return session_query(s, "log_epoch.read", NULL, epoch_row, out);
}

int lease_write_log_epoch(struct mysql_session *s, uint32_t partition,
                          const struct storage_log_epoch *announced)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_log_epoch(sql, s->storage->prefix);
    buffer_printf(sql,
                  " VALUES (%" PRIu32 ", %" PRIu64 ", %" PRIu64
                  ") ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), at = VALUES(at)",
                  partition, announced->epoch, announced->offset);
    return session_exec(s, "flush.epoch", NULL);
}

int lease_fence(struct mysql_session *s, const char *begin, const char *name,
                const struct storage_fence *fence)
{
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = conn_exec(&s->conn, begin, SLICE_LIT("START TRANSACTION"), NULL);
    if (err != 0)
        return err;
    struct progress_row row = {0};
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT next, checksum, epoch FROM ");
    schema_put_progress(sql, s->storage->prefix);
    buffer_printf(sql, " WHERE part = %" PRIu32 " FOR UPDATE", fence->partition);
    err = session_query(s, name, NULL, progress_row, &row);
    if (err == 0 && (!row.found || row.progress.epoch != fence->epoch)) {
        log_warn("mysql",
                 "partition %" PRIu32 ": %s by epoch %" PRIu64 " refused: stored is %" PRIu64,
                 fence->partition, name, fence->epoch, row.progress.epoch);
        err = LT_EFENCED;
    }
    if (err != 0)
        session_rollback(s);
    return err;
}

static void put_lease_update(struct mysql_session *s, struct buffer *sql)
{
    buffer_append_str(sql, "UPDATE ");
    schema_put_progress(sql, s->storage->prefix);
    buffer_append_str(sql, " SET ");
}

static int lease_try(struct mysql_session *s, uint32_t partition, struct slice owner, int ttl_ms,
                     struct storage_progress *out)
{
    struct buffer *sql = session_sql(s);
    put_lease_update(s, sql);
    buffer_append_str(sql, "epoch = epoch + 1, owner = ");
    session_put_hex(sql, owner);
    buffer_printf(sql,
                  ", lease_until = NOW(6) + INTERVAL %" PRId64 " MICROSECOND WHERE part = %" PRIu32
                  " AND (lease_until < NOW(6) OR owner = ",
                  (int64_t)ttl_ms * 1000, partition);
    session_put_hex(sql, owner);
    buffer_append_str(sql, ")");
    uint64_t taken = 0;
    int err = session_exec(s, "lease.take", &taken);
    struct storage_progress progress;
    if (err == 0)
        err = lease_read(s, partition, false, NULL, &progress);
    if (err == 0 && taken != 1)
        err = LT_EHELD;
    if (err == 0)
        err = conn_exec(&s->conn, "lease.commit", SLICE_LIT("COMMIT"), NULL);
    if (err == 0)
        *out = progress;
    return err;
}

int mysql_lease_take(struct storage_session *base, uint32_t partition, struct slice owner,
                     int ttl_ms, struct storage_progress *out)
{
    struct mysql_session *s = session_of(base);
    if (owner.n == 0 || owner.n > OWNER_BYTES_MAX)
        return LT_EINVALID;
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = conn_exec(&s->conn, "lease.begin", SLICE_LIT("START TRANSACTION"), NULL);
    if (err != 0)
        return err;
    err = lease_try(s, partition, owner, ttl_ms, out);
    if (err != 0)
        session_rollback(s);
    return err;
}

static int lease_update(struct mysql_session *s, const char *name, uint32_t partition,
                        uint64_t epoch)
{
    buffer_printf(&s->sql, " WHERE part = %" PRIu32 " AND epoch = %" PRIu64, partition, epoch);
    uint64_t matched = 0;
    int err = conn_ready(&s->conn, false);
    if (err == 0)
        err = session_exec(s, name, &matched);
    return err != 0 ? err : matched == 1 ? 0 : LT_EFENCED;
}

int mysql_lease_renew(struct storage_session *base, uint32_t partition, uint64_t epoch, int ttl_ms)
{
    struct mysql_session *s = session_of(base);
    struct buffer *sql = session_sql(s);
    put_lease_update(s, sql);
    buffer_printf(sql, "lease_until = NOW(6) + INTERVAL %" PRId64 " MICROSECOND",
                  (int64_t)ttl_ms * 1000);
    return lease_update(s, "lease.renew", partition, epoch);
}

int mysql_lease_raise(struct storage_session *base, uint32_t partition, uint64_t epoch, uint64_t to)
{
    struct mysql_session *s = session_of(base);
    struct buffer *sql = session_sql(s);
    if (to <= epoch)
        return LT_EINVALID;
    put_lease_update(s, sql);
    buffer_printf(sql, "epoch = %" PRIu64, to);
    return lease_update(s, "lease.raise", partition, epoch);
}

static int owner_row(void *arg, const struct slice *columns)
{
    struct buffer *out = arg;
    buffer_append_slice(out, columns[0]);
    return out->error;
}

int mysql_lease_owner(struct storage_session *base, uint32_t partition, struct buffer *out)
{
    struct mysql_session *s = session_of(base);
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT owner FROM ");
    schema_put_progress(sql, s->storage->prefix);
    buffer_printf(sql, " WHERE part = %" PRIu32, partition);
    int err = conn_ready(&s->conn, false);
    return err != 0 ? err : session_query(s, "lease.owner", NULL, owner_row, out);
}

int mysql_lease_release(struct storage_session *base, uint32_t partition, uint64_t epoch)
{
    struct mysql_session *s = session_of(base);
    struct buffer *sql = session_sql(s);
    put_lease_update(s, sql);
    buffer_append_str(sql, "owner = '', lease_until = '1970-01-02 00:00:00'");
    int err = lease_update(s, "lease.release", partition, epoch);
    return err == LT_EFENCED ? 0 : err;
}

int mysql_progress(struct storage_session *base, uint32_t partition, struct storage_progress *out)
{
    struct mysql_session *s = session_of(base);
    int err = conn_ready(&s->conn, false);
    return err != 0 ? err : lease_read(s, partition, true, NULL, out);
}
