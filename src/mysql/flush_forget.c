#include "mysql/flush.h"

#include "base/error.h"
#include "base/number.h"
#include "vector/names.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* The part of a flush in which items are doomed and forgotten
 * (docs/adr/0016-items-are-forgotten.md). Marks are kept as the log set and took them, a row for
 * each; names that are forgotten leave the rows that hold them, which are few, and written anew. */

enum { IDS_LISTED_MAX = 1000 };

/* ---- marks ---- */

static int put_ids(struct mysql_session *s, const uint32_t *items, uint32_t count,
                   struct buffer *out)
{
    struct buffer raw;
    buffer_init(&raw, NAMES_RAW_BYTES_MAX);
    uint64_t next = 0;
    for (uint32_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && items[end] == items[end - 1] + 1; end++)
            ;
        names_put_run(&raw, (uint32_t)(items[i] - next), end - i);
        next = (uint64_t)items[end - 1] + 1;
    }
    int err = raw.error;
    if (err == 0)
        err = frame_seal(s->frame, NAMES_HOLES_VERSION, buffer_slice(&raw), out);
    buffer_fini(&raw);
    return err;
}

static int put_row(struct mysql_session *s, uint32_t environment, const struct storage_doom *doom)
{
    struct flush *f = s->flush;
    struct flush_batch *batch = flush_batch(s, FLUSH_DOOM, environment, NULL);
    if (batch == NULL)
        return LT_ENOMEM;
    buffer_reset(&f->body, SIZE_MAX);
    int err = doom->count > 0 ? put_ids(s, doom->items, doom->count, &f->body) : 0;
    if (err != 0)
        return err;
    bulk_put_number(&batch->bulk, f->lo);
    bulk_put_number(&batch->bulk, f->seq++);
    bulk_put_number(&batch->bulk, doom->what);
    bulk_put_number(&batch->bulk, doom->round);
    bulk_put_number(&batch->bulk, doom->category);
    bulk_put_bytes(&batch->bulk, buffer_slice(&f->body));
    return flush_relieve(s, batch);
}

/* What came before means nothing any more. */
static int begin_round(struct mysql_session *s, uint32_t environment,
                       const struct storage_doom *doom)
{
    struct flush_batch *batch = flush_batch(s, FLUSH_DOOM, environment, NULL);
    if (batch == NULL)
        return LT_ENOMEM;
    bulk_reset(&batch->bulk);
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "DELETE FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "doom_1");
    int err = session_exec(s, "flush.doom", NULL);
    return err != 0 ? err : put_row(s, environment, doom);
}

/* ---- names ---- */

/* Ids [first, …) of a category, as rows hold them. */
struct span {
    struct mysql_session *s;
    uint32_t environment, category;
    uint32_t first;
    uint32_t rows;
    struct buffer bytes;
    VEC(uint32_t) ends; /* a name's, in bytes; the lowest bit: it is not there */
};

static bool span_has(const struct span *span, uint32_t i)
{
    return (span->ends.v[i] & 1) == 0;
}

static int span_add(struct span *span, struct slice name, bool hole)
{
    if (!hole)
        buffer_append_slice(&span->bytes, name);
    return span->bytes.error == 0 && span->bytes.len < UINT32_MAX / 2 &&
                   VEC_PUSH(&span->ends, (uint32_t)span->bytes.len << 1 | hole)
               ? 0
               : LT_ENOMEM;
}

static int span_run(struct span *span, struct slice *raw, uint32_t holes, uint32_t names)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < holes; i++)
        err = span_add(span, (struct slice){0}, true);
    for (uint32_t i = 0; err == 0 && i < names; i++) {
        struct slice name;
        uint32_t detail;
        err = names_get(raw, &detail, &name);
        if (err == 0)
            err = span_add(span, name, false);
    }
    return err;
}

int names_runs_open(struct frame_codec *codec, struct slice body, bool *holes_out,
                    struct slice *raw_out)
{
    int err = frame_open(codec, NAMES_VERSION, body, NAMES_RAW_BYTES_MAX, raw_out);
    *holes_out = err == LT_EVERSION;
    return *holes_out ? frame_open(codec, NAMES_HOLES_VERSION, body, NAMES_RAW_BYTES_MAX, raw_out)
                      : err;
}

/* first, count, body */
static int span_row(void *arg, const struct slice *columns)
{
    struct span *span = arg;
    uint64_t first, count;
    struct slice raw;
    bool with_holes;
    int err = number_parse_u64(columns[0], &first);
    if (err == 0)
        err = number_parse_u64(columns[1], &count);
    if (err == 0)
        err = names_runs_open(span->s->frame, columns[2], &with_holes, &raw);
    if (err != 0)
        return err;
    if (span->rows == 0)
        span->first = (uint32_t)first;
    if (first != (uint64_t)span->first + span->ends.n)
        return LT_ECORRUPT;
    span->rows++;
    uint64_t end = span->ends.n + count;
    while (err == 0 && span->ends.n < end) {
        uint32_t holes = 0, names = (uint32_t)count;
        if (with_holes)
            err = names_get_run(&raw, &holes, &names);
        if (err == 0 &&
            ((uint64_t)holes + names == 0 || (uint64_t)holes + names > end - span->ends.n))
            err = LT_ECORRUPT;
        if (err == 0)
            err = span_run(span, &raw, holes, names);
    }
    return err == 0 && raw.n != 0 ? LT_ECORRUPT : err;
}

static int first_row(void *arg, const struct slice *columns)
{
    return columns[0].p == NULL ? 0 : number_parse_u64(columns[0], arg);
}

static void put_where(struct span *span, struct buffer *sql)
{
    schema_put_table(sql, span->s->storage->prefix, span->environment, "catalog_1");
    buffer_printf(sql, " WHERE what = %d AND scope = %" PRIu32, (int)STORAGE_ITEM, span->category);
}

/* Reads and deletes the rows that hold ids [low, high]. */
static int span_take(struct span *span, uint32_t low, uint32_t high)
{
    struct mysql_session *s = span->s;
    uint64_t from = 0, deleted;
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT MAX(first) FROM ");
    put_where(span, sql);
    buffer_printf(sql, " AND first <= %" PRIu32, low);
    int err = session_query(s, "flush.forget.first", NULL, first_row, &from);
    if (err != 0)
        return err;
    sql = session_sql(s);
    buffer_append_str(sql, "SELECT first, count, body FROM ");
    put_where(span, sql);
    buffer_printf(sql, " AND first BETWEEN %" PRIu64 " AND %" PRIu32 " ORDER BY first FOR UPDATE",
                  from, high);
    err = session_query(s, "flush.forget.read", NULL, span_row, span);
    if (err != 0)
        return err;
    sql = session_sql(s);
    buffer_append_str(sql, "DELETE FROM ");
    put_where(span, sql);
    buffer_printf(sql, " AND first BETWEEN %" PRIu64 " AND %" PRIu32, from, high);
    err = session_exec(s, "flush.forget.delete", &deleted);
    return err == 0 && deleted != span->rows ? LT_ECORRUPT : err;
}

static struct slice span_name(const struct span *span, uint32_t i)
{
    uint32_t at = i > 0 ? span->ends.v[i - 1] >> 1 : 0;
    return slice_make(span->bytes.data + at, (span->ends.v[i] >> 1) - at);
}

/* Makes one row of the span's names from *at on, and moves it behind them. */
static int span_pack(struct span *span, struct buffer *raw, uint32_t *at)
{
    struct mysql_session *s = span->s;
    struct flush *f = s->flush;
    uint32_t i = *at, first = i;
    buffer_reset(raw, SIZE_MAX);
    while (i < span->ends.n && raw->len < FLUSH_NAMES_RAW_BYTES) {
        uint32_t hole = i, end;
        while (i < span->ends.n && !span_has(span, i))
            i++;
        size_t bytes = raw->len;
        for (end = i; end < span->ends.n && span_has(span, end) && bytes < FLUSH_NAMES_RAW_BYTES;)
            bytes += span_name(span, end++).n + 2;
        names_put_run(raw, i - hole, end - i);
        for (; i < end; i++)
            names_put(raw, 0, span_name(span, i));
    }
    struct flush_batch *batch = flush_batch(s, FLUSH_CATALOG, span->environment, NULL);
    if (batch == NULL || raw->error != 0)
        return LT_ENOMEM;
    buffer_reset(&f->body, SIZE_MAX);
    int err = frame_seal(s->frame, NAMES_HOLES_VERSION, buffer_slice(raw), &f->body);
    if (err != 0)
        return err;
    bulk_put_number(&batch->bulk, STORAGE_ITEM);
    bulk_put_number(&batch->bulk, span->category);
    bulk_put_number(&batch->bulk, span->first + first);
    bulk_put_number(&batch->bulk, i - first);
    bulk_put_bytes(&batch->bulk, buffer_slice(&f->body));
    *at = i;
    return flush_relieve(s, batch);
}

static int forget_names(struct mysql_session *s, uint32_t environment, uint32_t category,
                        const uint32_t *items, uint32_t count)
{
    struct span span = {.s = s, .environment = environment, .category = category};
    struct buffer raw;
    buffer_init(&span.bytes, SIZE_MAX);
    buffer_init(&raw, NAMES_RAW_BYTES_MAX);
    int err = span_take(&span, items[0], items[count - 1]);
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        if (items[i] - span.first >= span.ends.n)
            err = LT_ECORRUPT;
        else
            span.ends.v[items[i] - span.first] |= 1;
    }
    for (uint32_t at = 0; err == 0 && at < span.ends.n;)
        err = span_pack(&span, &raw, &at);
    VEC_FINI(&span.ends);
    buffer_fini(&span.bytes);
    buffer_fini(&raw);
    return err;
}

/* ---- texts ---- */

struct texts {
    VEC(uint32_t) items;
};

static int text_row(void *arg, const struct slice *columns)
{
    struct texts *texts = arg;
    uint64_t item;
    int err = number_parse_u64(columns[0], &item);
    return err != 0 ? err : VEC_PUSH(&texts->items, (uint32_t)item) ? 0 : LT_ENOMEM;
}

/* Keeps of the texts' items those that are among items; both ascend. */
static void texts_of(struct texts *texts, const uint32_t *items, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t i = 0, at = 0; i < texts->items.n; i++) {
        while (at < count && items[at] < texts->items.v[i])
            at++;
        if (at < count && items[at] == texts->items.v[i])
            texts->items.v[n++] = texts->items.v[i];
    }
    texts->items.n = n;
}

static int delete_texts(struct mysql_session *s, uint32_t environment, uint32_t category,
                        const uint32_t *items, uint32_t count)
{
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "DELETE FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "item_text_1");
    buffer_printf(sql, " WHERE category = %" PRIu32 " AND item IN (", category);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(sql, "%s%" PRIu32, i > 0 ? "," : "", items[i]);
    buffer_append_str(sql, ")");
    return session_exec(s, "flush.forget.text", NULL);
}

static int forget_texts(struct mysql_session *s, uint32_t environment, uint32_t category,
                        const uint32_t *items, uint32_t count)
{
    struct texts texts = {0};
    struct buffer *sql = session_sql(s);
    buffer_append_str(sql, "SELECT item FROM ");
    schema_put_table(sql, s->storage->prefix, environment, "item_text_1");
    buffer_printf(sql, " WHERE category = %" PRIu32 " AND item BETWEEN %" PRIu32 " AND %" PRIu32,
                  category, items[0], items[count - 1]);
    buffer_append_str(sql, " ORDER BY item FOR UPDATE");
    int err = session_query(s, "flush.forget.texts", NULL, text_row, &texts);
    texts_of(&texts, items, count);
    for (uint32_t i = 0; err == 0 && i < texts.items.n; i += IDS_LISTED_MAX) {
        uint32_t left = texts.items.n - i;
        err = delete_texts(s, environment, category, texts.items.v + i,
                           left < IDS_LISTED_MAX ? left : IDS_LISTED_MAX);
    }
    VEC_FINI(&texts.items);
    return err;
}

/* Names and texts of this flush itself may be among them, and wait in batches. */
static int forget(struct mysql_session *s, uint32_t environment, const struct storage_doom *doom)
{
    int err = flush_names_pack(s);
    if (err == 0)
        err = flush_write(s, FLUSH_CATALOG, environment);
    if (err == 0)
        err = flush_write(s, FLUSH_TEXT, environment);
    for (uint32_t at = 0, end; err == 0 && at < doom->count; at = end) {
        const uint32_t *items = doom->items;
        for (end = at + 1; end < doom->count && items[end] - items[at] < STORAGE_FORGET_SPAN; end++)
            ;
        err = forget_names(s, environment, doom->category, items + at, end - at);
        if (err == 0)
            err = forget_texts(s, environment, doom->category, items + at, end - at);
        /* The next span's rows may be among those that were made. */
        if (err == 0)
            err = flush_write(s, FLUSH_CATALOG, environment);
    }
    return err;
}

int mysql_flush_doom(struct storage_session *base, uint32_t environment,
                     const struct storage_doom *doom)
{
    struct mysql_session *s = session_of(base);
    assert(s->flushing);
    int err = 0;
    switch (doom->what) {
    case STORAGE_DOOM_BEGIN:
        err = begin_round(s, environment, doom);
        break;
    case STORAGE_DOOMED:
    case STORAGE_SPARED:
        err = put_row(s, environment, doom);
        break;
    case STORAGE_FORGOTTEN:
        err = doom->count > 0 ? forget(s, environment, doom) : 0;
        break;
    }
    return err != 0 ? flush_fail(s, err) : 0;
}
