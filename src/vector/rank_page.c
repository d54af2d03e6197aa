#include "vector/rank.h"

#include "base/error.h"
#include "vector/bits.h"
#include "vector/frame.h"
#include "vector/numbers.h"
#include "vector/patched.h"

#include <assert.h>

/* A frame (frame.h) that is never compressed; numbers little-endian:
 *
 *   | u8 who | varint count - 1 | ids | u16 bytes | sums | u16 bytes | counts | u16 bytes | maxs |
 *
 *   who    0  ids are the page's first `count`: nothing follows
 *          1  a bitmap of RANK_PAGE_ITEMS bits, bit i: id number * RANK_PAGE_ITEMS + i
 *          2  patched: the first id's place in the page, then each one's less that before it, less
 * 1 bytes  of the column behind it, so that a reader passes over what it does not need sums, maxs
 * | u8 form | patched x | patched steps |     form: numbers.h; steps: where it is near maxs: | u8
 * 255 | where they are the sums, as when all counts are 1 counts      | patched | patched:
 * patched.h */
enum { PAGE_VERSION = 1 };
enum { WHO_FIRST = 0, WHO_BITMAP = 1, WHO_LIST = 2 };
enum { BITMAP_BYTES = RANK_PAGE_ITEMS / 8, SAME_AS_SUMS = 255, LENGTH_BYTES = 2 };

/* ---- writing ---- */

static void list_put(uint32_t number, const struct rank_page *page, uint64_t *x, struct buffer *out)
{
    uint32_t next = number * RANK_PAGE_ITEMS; /* the least that the next may be */
    for (uint32_t i = 0; i < page->count; i++) {
        x[i] = page->items[i] - next;
        next = page->items[i] + 1;
    }
    patched_put(x, page->count, out);
}

static void who_put(uint32_t number, const struct rank_page *page, uint64_t *x, struct buffer *out)
{
    uint32_t base = number * RANK_PAGE_ITEMS;
    uint32_t count = page->count;
    char head[1 + VARINT_BYTES_MAX];
    char *end = varint_store(head + 1, count - 1);
    head[0] = WHO_FIRST;
    size_t start = out->len;
    if (page->items[count - 1] - base == count - 1) {
        buffer_append(out, head, (size_t)(end - head));
        return;
    }
    head[0] = WHO_LIST;
    buffer_append(out, head, (size_t)(end - head));
    size_t body = out->len;
    list_put(number, page, x, out);
    if (out->error != 0 || out->len - body <= BITMAP_BYTES)
        return;
    out->len = body;
    out->data[start] = WHO_BITMAP;
    char *bitmap = buffer_reserve(out, BITMAP_BYTES);
    if (bitmap == NULL)
        return;
    memset(bitmap, 0, BITMAP_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = page->items[i] - base;
        bitmap[at / 8] = (char)((uint8_t)bitmap[at / 8] | 1u << at % 8);
    }
    out->len += BITMAP_BYTES;
}

/* Where a column begins, and its length when it is there. */
static size_t column_begin(struct buffer *out)
{
    size_t at = out->len;
    buffer_append(out, "\0", LENGTH_BYTES);
    return at;
}

static void column_end(struct buffer *out, size_t at)
{
    if (out->error == 0)
        frame_put(out->data + at, out->len - at - LENGTH_BYTES, LENGTH_BYTES);
}

static void numbers_put(const double *values, uint32_t n, uint64_t *x, uint64_t *steps,
                        struct buffer *out)
{
    char form = (char)numbers_scan(values, n, x, steps);
    buffer_append(out, &form, 1);
    patched_put(x, n, out);
    if (numbers_form_is_near((uint8_t)form))
        patched_put(steps, n, out);
}

int rank_page_encode(uint32_t number, const struct rank_page *page, struct buffer *out)
{
    uint32_t n = page->count;
    assert(n >= 1 && n <= RANK_PAGE_ITEMS && number <= UINT32_MAX / RANK_PAGE_ITEMS);
    for (uint32_t i = 0; i < n; i++)
        assert(page->items[i] / RANK_PAGE_ITEMS == number &&
               (i == 0 || page->items[i] > page->items[i - 1]));
    uint64_t x[RANK_PAGE_ITEMS];
    uint64_t steps[RANK_PAGE_ITEMS];
    size_t start = frame_begin(out);
    who_put(number, page, x, out);
    size_t at = column_begin(out);
    numbers_put(page->sums, n, x, steps, out);
    column_end(out, at);
    at = column_begin(out);
    memcpy(x, page->counts, n * sizeof(x[0]));
    patched_put(x, n, out);
    column_end(out, at);
    at = column_begin(out);
    if (memcmp(page->maxs, page->sums, n * sizeof(page->maxs[0])) == 0)
        buffer_append(out, "\xff", 1);
    else
        numbers_put(page->maxs, n, x, steps, out);
    column_end(out, at);
    return frame_end(PAGE_VERSION, start, out);
}

/* ---- reading ---- */

static int bitmap_get(uint32_t base, struct slice *in, struct rank_page *out)
{
    if (in->n < BITMAP_BYTES)
        return LT_ECORRUPT;
    uint32_t n = 0;
    for (uint32_t i = 0; i < RANK_PAGE_ITEMS; i += 64)
        for (uint64_t word = bits_load(in->p + i / 8); word != 0; word &= word - 1)
            out->items[n++] = base + i + (uint32_t)__builtin_ctzll(word);
    *in = slice_from(*in, BITMAP_BYTES);
    return n == out->count ? 0 : LT_ECORRUPT;
}

static int list_get(uint32_t base, struct slice *in, struct rank_page *out)
{
    uint64_t x[RANK_PAGE_ITEMS];
    int err = patched_get(in, out->count, x);
    if (err != 0)
        return err;
    uint64_t next = 0;
    for (uint32_t i = 0; i < out->count; i++) {
        if (x[i] >= RANK_PAGE_ITEMS || next + x[i] >= RANK_PAGE_ITEMS)
            return LT_ECORRUPT;
        out->items[i] = base + (uint32_t)(next + x[i]);
        next += x[i] + 1;
    }
    return 0;
}

/* Fills count and items. */
static int who_get(uint32_t number, struct slice *in, struct rank_page *out)
{
    if (in->n < 1)
        return LT_ECORRUPT;
    uint8_t who = (uint8_t)in->p[0];
    *in = slice_from(*in, 1);
    uint64_t more;
    int err = varint_load(in, &more);
    if (err != 0)
        return err;
    if (more >= RANK_PAGE_ITEMS || number > UINT32_MAX / RANK_PAGE_ITEMS)
        return LT_ECORRUPT;
    uint32_t base = number * RANK_PAGE_ITEMS;
    out->count = (uint32_t)more + 1;
    if (who == WHO_BITMAP)
        return bitmap_get(base, in, out);
    if (who == WHO_LIST)
        return list_get(base, in, out);
    for (uint32_t i = 0; i < out->count; i++)
        out->items[i] = base + i;
    return who == WHO_FIRST ? 0 : LT_ECORRUPT;
}

/* Takes a column off the front of *in. */
static int column_take(struct slice *in, struct slice *column_out)
{
    if (in->n < LENGTH_BYTES)
        return LT_ECORRUPT;
    size_t bytes = frame_get(in->p, LENGTH_BYTES);
    struct slice rest = slice_from(*in, LENGTH_BYTES);
    if (bytes > rest.n)
        return LT_ECORRUPT;
    *column_out = slice_upto(rest, bytes);
    *in = slice_from(rest, bytes);
    return 0;
}

static int numbers_get(struct slice column, uint32_t n, double *out)
{
    uint64_t x[RANK_PAGE_ITEMS];
    uint64_t steps[RANK_PAGE_ITEMS];
    if (column.n < 1)
        return LT_ECORRUPT;
    uint8_t form = (uint8_t)column.p[0];
    column = slice_from(column, 1);
    int err = patched_get(&column, n, x);
    if (err == 0 && numbers_form_is_near(form))
        err = patched_get(&column, n, steps);
    if (err == 0)
        err = numbers_restore(form, x, steps, n, out);
    return err == 0 && column.n != 0 ? LT_ECORRUPT : err;
}

static int counts_get(struct slice column, uint32_t n, uint64_t *out)
{
    int err = patched_get(&column, n, out);
    return err == 0 && column.n != 0 ? LT_ECORRUPT : err;
}

int rank_page_decode(uint32_t number, struct slice body, unsigned columns, struct rank_page *out)
{
    struct slice in;
    struct slice sums;
    struct slice counts;
    struct slice maxs;
    int err = frame_open_raw(PAGE_VERSION, body, &in);
    if (err == 0)
        err = who_get(number, &in, out);
    if (err == 0)
        err = column_take(&in, &sums);
    if (err == 0)
        err = column_take(&in, &counts);
    if (err == 0)
        err = column_take(&in, &maxs);
    if (err != 0)
        return err;
    if (in.n != 0)
        return LT_ECORRUPT;
    if (maxs.n == 1 && (uint8_t)maxs.p[0] == SAME_AS_SUMS)
        maxs = sums;
    if ((columns & RANK_SUMS) != 0)
        err = numbers_get(sums, out->count, out->sums);
    if (err == 0 && (columns & RANK_COUNTS) != 0)
        err = counts_get(counts, out->count, out->counts);
    if (err == 0 && (columns & RANK_MAXS) != 0)
        err = numbers_get(maxs, out->count, out->maxs);
    return err;
}
