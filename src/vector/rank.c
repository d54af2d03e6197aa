#include "vector/rank.h"

#include "base/error.h"
#include "base/number.h"
#include "vector/bits.h"
#include "vector/decimal.h"
#include "vector/frame.h"
#include "vector/numbers.h"
#include "vector/patched.h"

#include <assert.h>
#include <stdlib.h>

/* Both are frames (frame.h) that are never compressed; numbers little-endian:
 *
 *   total  | varint items | varint entries | varint hosts | varint only_host | u8 flags |
 *          | varint count | varint nans | f64 sum | f64 lost | f64 min | f64 max | item set |
 *
 *          flags: bit 0 negative, others 0                         item set: itemset.h, to the end
 *
 *   top    | varint count - 1 | u8 form | patched x | patched steps | patched items | patched
 * counts |
 *
 *          form: of the values (numbers.h); x is the first and then what each is less than the one
 *          before it; steps only where the form is near                   patched: patched.h */
enum { TOTAL_VERSION = 1, TOP_VERSION = 2 };
enum { FLAG_NEGATIVE = 1 };
enum { DOUBLES = 4 };

uint32_t rank_chunk_begin(uint32_t number)
{
    uint32_t begin = 0;
    uint32_t size = RANK_CHUNK_FIRST;
    for (; number > 0 && size < RANK_CHUNK_MAX; number--) {
        begin += size;
        size *= 2;
    }
    uint64_t at = begin + (uint64_t)number * size;
    return at < RANK_TOP_MAX ? (uint32_t)at : RANK_TOP_MAX;
}

uint32_t rank_chunk_count(uint32_t number, uint32_t entries)
{
    if (number == UINT32_MAX)
        return 0;
    uint32_t begin = rank_chunk_begin(number);
    uint32_t end = rank_chunk_begin(number + 1);
    end = end < entries ? end : entries;
    return end > begin ? end - begin : 0;
}

/* ---- total ---- */

int rank_total_encode(const struct rank_total *total, struct buffer *out)
{
    const struct summary *s = &total->summary;
    size_t start = frame_begin(out);
    char head[6 * VARINT_BYTES_MAX + 1 + DOUBLES * sizeof(double)];
    char *p = head;
    p = varint_store(p, total->items);
    p = varint_store(p, total->entries);
    p = varint_store(p, total->hosts);
    p = varint_store(p, total->only_host);
    *p++ = total->negative ? FLAG_NEGATIVE : 0;
    p = varint_store(p, s->count);
    p = varint_store(p, s->nans);
    const double doubles[DOUBLES] = {s->sum, s->lost, s->min, s->max};
    for (unsigned i = 0; i < DOUBLES; i++, p += sizeof(double))
        frame_put(p, decimal_bits(doubles[i]), sizeof(double));
    buffer_append(out, head, (size_t)(p - head));
    buffer_append_slice(out, total->set);
    return frame_end(TOTAL_VERSION, start, out);
}

static int varint_load_u32(struct slice *in, uint32_t *out)
{
    uint64_t x;
    int err = varint_load(in, &x);
    if (err == 0 && x > UINT32_MAX)
        err = LT_ECORRUPT;
    if (err == 0)
        *out = (uint32_t)x;
    return err;
}

int rank_total_decode(struct slice body, struct rank_total *out)
{
    struct slice in;
    struct rank_total t = {0};
    summary_init(&t.summary);
    int err = frame_open_raw(TOTAL_VERSION, body, &in);
    if (err == 0)
        err = varint_load(&in, &t.items);
    if (err == 0)
        err = varint_load_u32(&in, &t.entries);
    if (err == 0)
        err = varint_load_u32(&in, &t.hosts);
    if (err == 0)
        err = varint_load_u32(&in, &t.only_host);
    if (err != 0)
        return err;
    if (in.n < 1 || (uint8_t)in.p[0] > FLAG_NEGATIVE)
        return LT_ECORRUPT;
    t.negative = in.p[0] == FLAG_NEGATIVE;
    in = slice_from(in, 1);
    err = varint_load(&in, &t.summary.count);
    if (err == 0)
        err = varint_load(&in, &t.summary.nans);
    if (err == 0 && (in.n < DOUBLES * sizeof(double) || t.entries > RANK_TOP_MAX))
        err = LT_ECORRUPT;
    if (err != 0)
        return err;
    double *const doubles[DOUBLES] = {&t.summary.sum, &t.summary.lost, &t.summary.min,
                                      &t.summary.max};
    for (unsigned i = 0; i < DOUBLES; i++)
        *doubles[i] = number_f64_from_bits(frame_get(in.p + i * sizeof(double), sizeof(double)));
    t.set = slice_from(in, DOUBLES * sizeof(double));
    *out = t;
    return 0;
}

/* ---- top ---- */

/* Columns of a chunk: 130 KB, too much for a thread's stack to be sure of. */
struct chunk {
    double values[RANK_CHUNK_MAX];
    uint64_t x[RANK_CHUNK_MAX];
    uint64_t steps[RANK_CHUNK_MAX];
    uint64_t counts[RANK_CHUNK_MAX];
};

/* From values to differences and back: where the best are sums in the millions, their neighbours'
 * distances are small. */
static void fall(uint64_t *x, uint32_t n)
{
    for (uint32_t i = n - 1; i > 0; i--)
        x[i] = x[i - 1] - x[i];
}

static void unfall(uint64_t *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        x[i] = x[i - 1] - x[i];
}

int rank_top_encode(const struct rank_entry *entries, uint32_t count, struct buffer *out)
{
    assert(count >= 1 && count <= RANK_CHUNK_MAX);
    struct chunk *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        assert(i == 0 || rank_entry_before(&entries[i - 1], &entries[i]));
        c->values[i] = entries[i].value;
    }
    uint8_t form = numbers_scan(c->values, count, c->x, c->steps);
    fall(c->x, count);
    size_t start = frame_begin(out);
    char head[VARINT_BYTES_MAX + 1];
    char *p = varint_store(head, count - 1);
    *p++ = (char)form;
    buffer_append(out, head, (size_t)(p - head));
    patched_put(c->x, 1, out);
    if (count > 1)
        patched_put(c->x + 1, count - 1, out);
    if (numbers_form_is_near(form))
        patched_put(c->steps, count, out);
    for (uint32_t i = 0; i < count; i++)
        c->x[i] = entries[i].item;
    patched_put(c->x, count, out);
    for (uint32_t i = 0; i < count; i++)
        c->x[i] = entries[i].count;
    patched_put(c->x, count, out);
    free(c);
    return frame_end(TOP_VERSION, start, out);
}

static int chunk_values_get(struct slice *in, uint32_t count, struct chunk *c)
{
    if (in->n < 1)
        return LT_ECORRUPT;
    uint8_t form = (uint8_t)in->p[0];
    *in = slice_from(*in, 1);
    int err = patched_get(in, 1, c->x);
    if (err == 0 && count > 1)
        err = patched_get(in, count - 1, c->x + 1);
    if (err == 0 && numbers_form_is_near(form))
        err = patched_get(in, count, c->steps);
    if (err != 0)
        return err;
    unfall(c->x, count);
    return numbers_restore(form, c->x, c->steps, count, c->values);
}

static int chunk_get(struct slice *in, uint32_t count, struct chunk *c, struct rank_entry *out)
{
    int err = chunk_values_get(in, count, c);
    if (err == 0)
        err = patched_get(in, count, c->x);
    if (err == 0)
        err = patched_get(in, count, c->counts);
    if (err != 0)
        return err;
    if (in->n != 0)
        return LT_ECORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        if (c->x[i] > UINT32_MAX)
            return LT_ECORRUPT;
        out[i] = (struct rank_entry){(uint32_t)c->x[i], c->values[i], c->counts[i]};
        if (i > 0 && !rank_entry_before(&out[i - 1], &out[i]))
            return LT_ECORRUPT;
    }
    return 0;
}

int rank_top_decode(struct slice body, struct rank_entry *out, uint32_t *count_out)
{
    struct slice in;
    uint64_t more;
    int err = frame_open_raw(TOP_VERSION, body, &in);
    if (err == 0)
        err = varint_load(&in, &more);
    if (err != 0)
        return err;
    if (more >= RANK_CHUNK_MAX)
        return LT_ECORRUPT;
    struct chunk *c = malloc(sizeof(*c));
    if (c == NULL)
        return LT_ENOMEM;
    uint32_t count = (uint32_t)more + 1;
    err = chunk_get(&in, count, c, out);
    free(c);
    if (err == 0)
        *count_out = count;
    return err;
}
