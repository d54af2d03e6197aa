#include "vector/row.h"

#include "base/ascending.h"
#include "base/error.h"
#include "vector/bits.h"

#include <assert.h>
#include <stdlib.h>

enum { SUMMARIES_VERSION = 1 };
/* Each item's columns at their widest, and the columns' heads. */
enum { ENTRY_BYTES_MAX = 9 * 8, HEADS_BYTES_MAX = 1024 };
enum { SUMMARIES_BYTES_MAX = HEADS_BYTES_MAX + PACK_ITEMS_MAX * ENTRY_BYTES_MAX };

_Static_assert(PACK_COUNT == (int)SUMMARIES_COUNT && PACK_SUM == (int)SUMMARIES_SUM &&
                   PACK_MIN == (int)SUMMARIES_MIN && PACK_MAX == (int)SUMMARIES_MAX &&
                   PACK_ENDS == (int)SUMMARIES_ENDS,
               "one set of names for callers, one for this folder");

void row_writer_init(struct row_writer *w)
{
    *w = (struct row_writer){0};
    summaries_init(&w->summaries);
    buffer_init(&w->raw, SUMMARIES_BYTES_MAX);
    buffer_init(&w->body, SIZE_MAX);
}

void row_writer_fini(struct row_writer *w)
{
    VEC_FINI(&w->items);
    summaries_fini(&w->summaries);
    buffer_fini(&w->raw);
    buffer_fini(&w->body);
}

void row_begin(struct row_writer *w)
{
    w->items.n = 0;
    w->summaries.n = 0;
    w->row = (struct pack_row){0};
}

int row_add(struct row_writer *w, uint32_t item, const struct summary *summary, int64_t first_ms,
            int64_t last_ms)
{
    struct pack_row *row = &w->row;
    assert(row->items < PACK_ITEMS_MAX && (row->items == 0 || item > row->last_item));
    if (!VEC_PUSH(&w->items, item))
        return LT_ENOMEM;
    int err = summaries_add(&w->summaries, summary);
    if (err != 0) {
        w->items.n--;
        return err;
    }
    bool is_first = row->items == 0;
    row->first_item = is_first ? item : row->first_item;
    row->last_item = item;
    row->items++;
    row->points += summary->count + summary->nans;
    row->min_ms = is_first || first_ms < row->min_ms ? first_ms : row->min_ms;
    row->max_ms = is_first || last_ms > row->max_ms ? last_ms : row->max_ms;
    return 0;
}

int row_finish(struct row_writer *w, struct frame_codec *frame, struct pack_row *out)
{
    struct pack_row row = w->row;
    buffer_reset(&w->raw, SIZE_MAX);
    buffer_reset(&w->body, SIZE_MAX);
    if (row.items > 0) {
        char head[VARINT_BYTES_MAX];
        char *end = varint_store(head, row.items - 1);
        buffer_append(&w->raw, head, (size_t)(end - head));
        summaries_put_column(&w->summaries, w->items.v, row.items, &w->raw);
        summaries_write(&w->summaries, &w->raw);
        if (w->raw.error != 0)
            return w->raw.error;
        int err = frame_seal_if(frame, SUMMARIES_VERSION, buffer_slice(&w->raw), ROW_ZSTD_SHARE,
                                &w->body);
        if (err != 0)
            return err;
    }
    row.summaries = buffer_slice(&w->body);
    *out = row;
    return 0;
}

void row_reader_init(struct row_reader *r)
{
    *r = (struct row_reader){0};
    summaries_init(&r->summaries);
}

void row_reader_fini(struct row_reader *r)
{
    free(r->item);
    free(r->x);
    summaries_fini(&r->summaries);
}

static int items_read(struct row_reader *r, struct slice *in, uint32_t n)
{
    if (r->item == NULL && (r->item = malloc(PACK_ITEMS_MAX * sizeof(r->item[0]))) == NULL)
        return LT_ENOMEM;
    if (r->x == NULL && (r->x = malloc(PACK_ITEMS_MAX * sizeof(r->x[0]))) == NULL)
        return LT_ENOMEM;
    int err = summaries_get_column(in, n, r->x);
    if (err != 0)
        return err;
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < n; i++) {
        wrong |= r->x[i] > UINT32_MAX || (i > 0 && r->x[i] <= r->x[i - 1]);
        r->item[i] = (uint32_t)r->x[i];
    }
    return wrong != 0 ? LT_ECORRUPT : 0;
}

int row_open(struct row_reader *r, struct frame_codec *frame, struct slice body, unsigned columns,
             struct pack_summaries *out)
{
    struct slice in;
    uint64_t more;
    int err = frame_open(frame, SUMMARIES_VERSION, body, SUMMARIES_BYTES_MAX, &in);
    if (err == 0)
        err = varint_load(&in, &more);
    if (err != 0)
        return err;
    if (more >= PACK_ITEMS_MAX)
        return LT_ECORRUPT;
    uint32_t n = (uint32_t)more + 1;
    err = items_read(r, &in, n);
    if (err == 0)
        err = summaries_read(&r->summaries, &in, n, columns);
    if (err != 0)
        return err;
    if (in.n != 0)
        return LT_ECORRUPT;
    const struct summaries *s = &r->summaries;
    uint64_t nans = 0;
    for (uint32_t i = 0; i < n; i++)
        nans |= s->nans[i];
    *out = (struct pack_summaries){
        .items = n,
        .item = r->item,
        .count = (columns & PACK_COUNT) != 0 ? s->count : NULL,
        .nans = (columns & PACK_COUNT) != 0 && nans != 0 ? s->nans : NULL,
        .sum = (columns & PACK_SUM) != 0 ? s->sum : NULL,
        .min = (columns & PACK_MIN) != 0 ? s->min : NULL,
        .max = (columns & PACK_MAX) != 0 ? s->max : NULL,
        .first = (columns & PACK_ENDS) != 0 ? s->first : NULL,
        .last = (columns & PACK_ENDS) != 0 ? s->last : NULL,
    };
    return 0;
}

struct row_wanted row_wanted_from(const uint32_t *items, uint32_t count, uint32_t first_item)
{
    if (items == NULL)
        return (struct row_wanted){NULL, count};
    uint32_t at = ascending_find(items, count, first_item);
    return (struct row_wanted){items + at, count - at};
}

bool row_wants(struct row_wanted *wanted, uint32_t item)
{
    if (wanted->items == NULL)
        return true;
    while (wanted->count > 0 && wanted->items[0] < item) {
        wanted->items++;
        wanted->count--;
    }
    return wanted->count > 0 && wanted->items[0] == item;
}
