#include "mysql/flush.h"

#include "base/error.h"
#include "vector/names.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* The catalog's part of a flush. Names come in order of appearance, mixed over (what, scope); they
 * wait, and are sorted and packed into few rows at the commit, or when many wait. */

enum {
    NAMES_BYTES_MAX = 16 << 20,
};

int mysql_flush_name(struct storage_session *base, uint32_t environment,
                     const struct storage_name *name)
{
    struct mysql_session *s = session_of(base);
    struct flush *f = s->flush;
    assert(s->flushing);
    if (name->text.n > NAMES_RAW_BYTES_MAX - FLUSH_NAMES_RAW_BYTES - 16)
        return flush_fail(s, LT_ELIMIT);
    struct flush_name pending = {
        .environment = environment,
        .what = (uint32_t)name->what,
        .scope = name->scope,
        .id = name->id,
        .detail = name->detail,
        .text_bytes = (uint32_t)name->text.n,
        .text_at = f->name_bytes.len,
    };
    buffer_append_slice(&f->name_bytes, name->text);
    if (f->name_bytes.error != 0 || !VEC_PUSH(&f->names, pending))
        return flush_fail(s, LT_ENOMEM);
    if (f->name_bytes.len + f->names.n * sizeof(pending) < NAMES_BYTES_MAX)
        return 0;
    int err = flush_names_pack(s);
    return err != 0 ? flush_fail(s, err) : 0;
}

static int name_order(const void *left, const void *right)
{
    const struct flush_name *a = left;
    const struct flush_name *b = right;
    if (a->environment != b->environment)
        return a->environment < b->environment ? -1 : 1;
    if (a->what != b->what)
        return a->what < b->what ? -1 : 1;
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Mostly they are in order as they come: names of one category, millions of them. */
static void names_sort(struct flush *f)
{
    uint32_t in_order = 1;
    while (in_order < f->names.n &&
           name_order(&f->names.v[in_order - 1], &f->names.v[in_order]) <= 0)
        in_order++;
    if (in_order < f->names.n)
        qsort(f->names.v, f->names.n, sizeof(f->names.v[0]), name_order);
}

/* Makes one row of names [at, …) with consecutive ids; *next_out: where it stopped. */
static int names_row(struct mysql_session *s, struct buffer *raw, uint32_t at, uint32_t *next_out)
{
    struct flush *f = s->flush;
    const struct flush_name *first = &f->names.v[at];
    buffer_reset(raw, SIZE_MAX);
    uint32_t i = at;
    for (; i < f->names.n && raw->len < FLUSH_NAMES_RAW_BYTES; i++) {
        const struct flush_name *name = &f->names.v[i];
        if (name->environment != first->environment || name->what != first->what ||
            name->scope != first->scope || name->id != first->id + (i - at))
            break;
        names_put(raw, name->detail,
                  slice_make(f->name_bytes.data + name->text_at, name->text_bytes));
    }
    struct flush_batch *batch = flush_batch(s, FLUSH_CATALOG, first->environment, NULL);
    if (batch == NULL || raw->error != 0)
        return LT_ENOMEM;
    buffer_reset(&f->body, SIZE_MAX);
    int err = frame_seal(s->frame, NAMES_VERSION, buffer_slice(raw), &f->body);
    if (err != 0)
        return err;
    bulk_put_number(&batch->bulk, first->what);
    bulk_put_number(&batch->bulk, first->scope);
    bulk_put_number(&batch->bulk, first->id);
    bulk_put_number(&batch->bulk, i - at);
    bulk_put_bytes(&batch->bulk, buffer_slice(&f->body));
    *next_out = i;
    return flush_relieve(s, batch);
}

int flush_names_pack(struct mysql_session *s)
{
    struct flush *f = s->flush;
    names_sort(f);
    struct buffer raw;
    buffer_init(&raw, NAMES_RAW_BYTES_MAX);
    int err = 0;
    for (uint32_t at = 0; err == 0 && at < f->names.n;)
        err = names_row(s, &raw, at, &at);
    buffer_fini(&raw);
    f->names.n = 0;
    buffer_reset(&f->name_bytes, SIZE_MAX);
    return err;
}

int mysql_flush_text(struct storage_session *base, uint32_t environment,
                     const struct storage_item_text *text)
{
    struct mysql_session *s = session_of(base);
    assert(s->flushing);
    struct flush_batch *batch = flush_batch(s, FLUSH_TEXT, environment, NULL);
    if (batch == NULL)
        return flush_fail(s, LT_ENOMEM);
    bulk_put_number(&batch->bulk, text->category);
    bulk_put_number(&batch->bulk, text->item);
    bulk_put_bytes(&batch->bulk, text->text);
    return flush_written(s, batch);
}

int mysql_flush_watermark(struct storage_session *base, uint32_t environment,
                          const struct storage_watermark *watermark)
{
    struct mysql_session *s = session_of(base);
    assert(s->flushing);
    struct flush_batch *batch = flush_batch(s, FLUSH_WATERMARK, environment, NULL);
    if (batch == NULL)
        return flush_fail(s, LT_ENOMEM);
    bulk_put_number(&batch->bulk, watermark->host);
    bulk_put_number(&batch->bulk, watermark->collector);
    bulk_put_number(&batch->bulk, (uint64_t)watermark->max_ms);
    return flush_written(s, batch);
}

/* ---- declared series ---- */

int mysql_flush_series(struct storage_session *base, uint32_t environment,
                       const struct storage_series *series)
{
    struct mysql_session *s = session_of(base);
    struct flush_drop drop = {environment, series->created};
    assert(s->flushing);
    if (series->dropped)
        return VEC_PUSH(&s->flush->drops, drop) ? 0 : flush_fail(s, LT_ENOMEM);
    struct flush_batch *batch = flush_batch(s, FLUSH_SERIES, environment, NULL);
    if (batch == NULL)
        return flush_fail(s, LT_ENOMEM);
    bulk_put_number(&batch->bulk, series->created);
    bulk_put_number(&batch->bulk, series->host);
    bulk_put_number(&batch->bulk, series->category);
    bulk_put_number(&batch->bulk, series->item);
    bulk_put_number(&batch->bulk, series->dimension);
    bulk_put_bytes(&batch->bulk, series->body);
    return flush_written(s, batch);
}

/* A declaration that was dropped never comes back under its offset: so that leaving last is right,
 * whatever was written of it in the same flush. */
int flush_series_drop(struct mysql_session *s)
{
    enum { DROPS_A_STATEMENT = 1000 };
    const struct flush *f = s->flush;
    int err = 0;
    for (uint32_t at = 0, end; err == 0 && at < f->drops.n; at = end) {
        struct buffer *sql = session_sql(s);
        buffer_append_str(sql, "DELETE FROM ");
        schema_put_table(sql, s->storage->prefix, f->drops.v[at].environment, "series_1");
        buffer_append_str(sql, " WHERE created IN (");
        for (end = at; end < f->drops.n && end < at + DROPS_A_STATEMENT &&
                       f->drops.v[end].environment == f->drops.v[at].environment;
             end++)
            buffer_printf(sql, "%s%" PRIu64, end == at ? "" : ",", f->drops.v[end].created);
        buffer_append_str(sql, ")");
        err = session_exec(s, "flush.series", NULL);
    }
    return err;
}
