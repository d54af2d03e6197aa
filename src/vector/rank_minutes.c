#include "vector/rank_minutes.h"

#include "base/error.h"
#include "vector/bits.h"
#include "vector/frame.h"
#include "vector/numbers.h"
#include "vector/patched.h"

#include <assert.h>
#include <stdlib.h>

/* A frame (frame.h) that is never compressed:
 *
 *   | varint items - 1 | patched items | patched each - 1 | patched minutes |
 *   | u8 form | patched x | patched steps | patched counts |
 *
 *   items    the first, and then each one less the one before it, less 1
 *   each     how many minutes the item has
 *   minutes  of each item the first, and then as items
 *   form     numbers.h, of the sums; steps only where it is near        patched: patched.h */
enum { MINUTES_VERSION = 1 };

_Static_assert((int)RANK_MINUTES_MAX <= (int)PATCHED_MAX, "a column holds a row");

struct columns {
    uint64_t items[RANK_MINUTES_ENTRIES];
    uint64_t each[RANK_MINUTES_ENTRIES];
    uint64_t x[RANK_MINUTES_MAX];
    uint64_t steps[RANK_MINUTES_MAX];
};

/* ---- writing ---- */

/* Splits the entries by item; returns how many items there are. */
static uint32_t split(const struct rank_minutes *m, struct columns *c)
{
    uint32_t n = 0;
    uint64_t next_item = 0;
    uint32_t next_minute = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (i == 0 || m->items[i] != m->items[i - 1]) {
            assert(n < RANK_MINUTES_ENTRIES && m->items[i] >= next_item);
            c->items[n] = m->items[i] - next_item;
            c->each[n++] = 0;
            next_item = (uint64_t)m->items[i] + 1;
            next_minute = 0;
        } else {
            c->each[n - 1]++;
        }
        assert(m->minutes[i] >= next_minute && m->minutes[i] < RANK_MINUTES_PARTS &&
               m->counts[i] > 0);
        c->x[i] = m->minutes[i] - next_minute;
        next_minute = m->minutes[i] + 1u;
    }
    return n;
}

int rank_minutes_encode(const struct rank_minutes *minutes, struct buffer *out)
{
    uint32_t count = minutes->count;
    assert(count >= 1 && count <= RANK_MINUTES_MAX);
    struct columns *c = malloc(sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    uint32_t items = split(minutes, c);
    size_t start = frame_begin(out);
    char head[VARINT_BYTES_MAX];
    char *end = varint_store(head, items - 1);
    buffer_append(out, head, (size_t)(end - head));
    patched_put(c->items, items, out);
    patched_put(c->each, items, out);
    patched_put(c->x, count, out);
    char form = (char)numbers_scan(minutes->sums, count, c->x, c->steps);
    buffer_append(out, &form, 1);
    patched_put(c->x, count, out);
    if (numbers_form_is_near((uint8_t)form))
        patched_put(c->steps, count, out);
    memcpy(c->x, minutes->counts, count * sizeof(c->x[0]));
    patched_put(c->x, count, out);
    free(c);
    return frame_end(MINUTES_VERSION, start, out);
}

/* ---- reading ---- */

static int items_get(struct slice *in, struct columns *c, struct rank_minutes *out)
{
    uint64_t more;
    int err = varint_load(in, &more);
    if (err == 0 && more >= RANK_MINUTES_ENTRIES)
        err = LT_ECORRUPT;
    if (err != 0)
        return err;
    uint32_t items = (uint32_t)more + 1;
    err = patched_get(in, items, c->items);
    if (err == 0)
        err = patched_get(in, items, c->each);
    if (err != 0)
        return err;
    uint64_t next = 0;
    out->count = 0;
    for (uint32_t i = 0; i < items; i++) {
        if (c->items[i] > UINT32_MAX || next + c->items[i] > UINT32_MAX ||
            c->each[i] >= RANK_MINUTES_PARTS)
            return LT_ECORRUPT;
        uint32_t item = (uint32_t)(next + c->items[i]);
        next = (uint64_t)item + 1;
        for (uint64_t k = 0; k <= c->each[i]; k++)
            out->items[out->count++] = item;
    }
    return 0;
}

static int minutes_get(struct slice *in, struct columns *c, struct rank_minutes *out)
{
    int err = patched_get(in, out->count, c->x);
    uint64_t next = 0;
    for (uint32_t i = 0; i < out->count && err == 0; i++) {
        if (i == 0 || out->items[i] != out->items[i - 1])
            next = 0;
        if (c->x[i] >= RANK_MINUTES_PARTS || next + c->x[i] >= RANK_MINUTES_PARTS)
            return LT_ECORRUPT;
        out->minutes[i] = (uint8_t)(next + c->x[i]);
        next = out->minutes[i] + 1u;
    }
    return err;
}

static int sums_get(struct slice *in, struct columns *c, struct rank_minutes *out)
{
    if (in->n < 1)
        return LT_ECORRUPT;
    uint8_t form = (uint8_t)in->p[0];
    *in = slice_from(*in, 1);
    int err = patched_get(in, out->count, c->x);
    if (err == 0 && numbers_form_is_near(form))
        err = patched_get(in, out->count, c->steps);
    return err != 0 ? err : numbers_restore(form, c->x, c->steps, out->count, out->sums);
}

static int counts_get(struct slice *in, struct rank_minutes *out)
{
    int err = patched_get(in, out->count, out->counts);
    for (uint32_t i = 0; i < out->count && err == 0; i++)
        err = out->counts[i] == 0 ? LT_ECORRUPT : 0;
    return err == 0 && in->n != 0 ? LT_ECORRUPT : err;
}

int rank_minutes_decode(struct slice body, struct rank_minutes *out)
{
    struct slice in;
    int err = frame_open_raw(MINUTES_VERSION, body, &in);
    if (err != 0)
        return err;
    struct columns *c = malloc(sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    err = items_get(&in, c, out);
    if (err == 0)
        err = minutes_get(&in, c, out);
    if (err == 0)
        err = sums_get(&in, c, out);
    if (err == 0)
        err = counts_get(&in, out);
    free(c);
    return err;
}
