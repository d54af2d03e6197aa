#include "mysql/session.h"

#include "base/error.h"
#include "mysql/bulk.h"
#include "vector/seen.h"

/* When items were seen: pages of the catalog's hours, replaced as a whole. */

enum { BATCH_BYTES_MAX = 4 << 20 };

static int seen_run(struct mysql_session *s, uint32_t environment, struct bulk *bulk)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "INSERT INTO ");
    schema_put_table(sql, s->storage->prefix, environment, "seen_1");
    buffer_append_str(sql, " VALUES (?,?,?) ON DUPLICATE KEY UPDATE body = VALUES(body)");
    return sql->error != 0 ? sql->error : bulk_run(bulk, &s->conn, "seen.put", buffer_slice(sql));
}

static int seen_rows(struct mysql_session *s, uint32_t environment,
                     const struct storage_seen *pages, uint32_t count)
{
    static const enum bulk_type types[] = {BULK_UNSIGNED, BULK_UNSIGNED, BULK_BYTES};
    struct bulk bulk;
    struct buffer body;
    size_t limit = s->conn.packet_bytes_max / 2;
    if (limit > BATCH_BYTES_MAX)
        limit = BATCH_BYTES_MAX;
    bulk_init(&bulk, types, ARRAY_LEN(types));
    buffer_init(&body, SIZE_MAX);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        const struct storage_seen *page = &pages[i];
        buffer_reset(&body, SIZE_MAX);
        err = seen_encode(s->frame, page->count, page->first_h, page->last_h, &body);
        if (err != 0)
            break;
        bulk_put_number(&bulk, page->category);
        bulk_put_number(&bulk, page->page);
        bulk_put_bytes(&bulk, buffer_slice(&body));
        if (bulk_bytes(&bulk) >= limit)
            err = seen_run(s, environment, &bulk);
    }
    if (err == 0)
        err = seen_run(s, environment, &bulk);
    buffer_fini(&body);
    bulk_fini(&bulk);
    return err;
}

int mysql_seen_put(struct storage_session *base, const struct storage_fence *fence,
                   uint32_t environment, const struct storage_seen *pages, uint32_t count)
{
    struct mysql_session *s = session_of(base);
    int err = lease_fence(s, "seen.begin", "seen.fence", fence);
    if (err == 0) {
        err = seen_rows(s, environment, pages, count);
        if (err == 0)
            err = conn_exec(&s->conn, "seen.commit", SLICE_LIT("COMMIT"), NULL);
        if (err != 0)
            session_rollback(s);
    }
    return err == LT_ECANCELLED || err == LT_ETIMEOUT ? LT_ERETRY : err;
}
