#include "jobs/downsample_merge.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void merge_init(struct merge *m)
{
    *m = (struct merge){0};
}

void merge_fini(struct merge *m)
{
    free(m->entries);
    free(m->parts);
    VEC_FINI(&m->buckets);
    merge_init(m);
}

void merge_reset(struct merge *m)
{
    m->count = 0;
    m->parts_count = 0;
}

/* ---- gathering ---- */

static bool same_series(const struct merge_entry *e, uint32_t group, uint32_t item)
{
    return e->group == group && e->item == item;
}

int merge_part_begin(struct merge *m)
{
    if (m->parts_count == MERGE_PARTS_MAX)
        return LT_ELIMIT;
    if (m->parts_count == m->parts_cap) {
        uint32_t cap = m->parts_cap == 0 ? 32 : 2 * m->parts_cap;
        struct merge_part *parts = realloc(m->parts, cap * sizeof(parts[0]));
        if (parts == NULL)
            return LT_ENOMEM;
        m->parts = parts;
        m->parts_cap = cap;
    }
    m->parts[m->parts_count++] = (struct merge_part){m->count, m->count};
    return 0;
}

static bool grow(struct merge *m)
{
    size_t cap = m->cap == 0 ? 1024 : m->cap + m->cap / 2;
    struct merge_entry *entries = realloc(m->entries, cap * sizeof(entries[0]));
    if (entries == NULL)
        return false;
    m->entries = entries;
    m->cap = cap;
    return true;
}

/* -1, 0, 1: the last entry's place is before, at, or after this one's. */
static int order_of(const struct merge_entry *last, uint32_t group, uint32_t item, uint32_t number)
{
    if (last->group != group)
        return last->group < group ? -1 : 1;
    if (last->item != item)
        return last->item < item ? -1 : 1;
    return last->bucket.number == number ? 0 : last->bucket.number < number ? -1 : 1;
}

int merge_add(struct merge *m, uint32_t group, uint32_t item, uint32_t number,
              const struct summary *summary)
{
    struct merge_part *part = &m->parts[m->parts_count - 1];
    if (part->end > part->at) {
        struct merge_entry *last = &m->entries[part->end - 1];
        int order = order_of(last, group, item, number);
        if (order > 0)
            return LT_ECORRUPT;
        if (order == 0) {
            summary_merge(&last->bucket.summary, summary);
            return 0;
        }
    }
    if (m->count == m->cap && !grow(m))
        return LT_ENOMEM;
    m->entries[m->count++] = (struct merge_entry){group, item, {number, *summary}};
    part->end = m->count;
    return 0;
}

/* ---- merging ---- */

/* By series, then by part, which is by where it lies in entries: earlier hours first. */
static bool comes_before(const struct merge *m, const struct merge_part *a,
                         const struct merge_part *b)
{
    const struct merge_entry *x = &m->entries[a->at], *y = &m->entries[b->at];
    if (x->group != y->group)
        return x->group < y->group;
    if (x->item != y->item)
        return x->item < y->item;
    return a->at < b->at;
}

static void sift_down(struct merge *m, uint32_t i)
{
    for (;;) {
        uint32_t least = i;
        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < m->parts_count; child++)
            if (comes_before(m, &m->parts[child], &m->parts[least]))
                least = child;
        if (least == i)
            return;
        struct merge_part part = m->parts[i];
        m->parts[i] = m->parts[least];
        m->parts[least] = part;
        i = least;
    }
}

void merge_start(struct merge *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->parts_count; i++)
        if (m->parts[i].end > m->parts[i].at)
            m->parts[kept++] = m->parts[i];
    m->parts_count = kept;
    for (uint32_t i = kept / 2; i-- > 0;)
        sift_down(m, i);
}

/* Parts are in the order of the day, but for what is late: so this looks at the end first. */
static int put_bucket(struct merge *m, const struct rollup_bucket *bucket)
{
    uint32_t at = m->buckets.n;
    while (at > 0 && m->buckets.v[at - 1].number > bucket->number)
        at--;
    if (at > 0 && m->buckets.v[at - 1].number == bucket->number) {
        summary_merge(&m->buckets.v[at - 1].summary, &bucket->summary);
        return 0;
    }
    if (!VEC_RESERVE(&m->buckets, 1))
        return LT_ENOMEM;
    memmove(m->buckets.v + at + 1, m->buckets.v + at, (m->buckets.n - at) * sizeof(*bucket));
    m->buckets.v[at] = *bucket;
    m->buckets.n++;
    return 0;
}

static void pop_part(struct merge *m)
{
    if (m->parts[0].at == m->parts[0].end)
        m->parts[0] = m->parts[--m->parts_count];
    if (m->parts_count > 0)
        sift_down(m, 0);
}

int merge_next(struct merge *m, struct merge_series *out)
{
    if (m->parts_count == 0)
        return 0;
    const struct merge_entry *first = &m->entries[m->parts[0].at];
    uint32_t group = first->group, item = first->item;
    m->buckets.n = 0;
    while (m->parts_count > 0 && same_series(&m->entries[m->parts[0].at], group, item)) {
        struct merge_part *part = &m->parts[0];
        for (; part->at < part->end && same_series(&m->entries[part->at], group, item);
             part->at++) {
            int err = put_bucket(m, &m->entries[part->at].bucket);
            if (err != 0)
                return err;
        }
        pop_part(m);
    }
    *out = (struct merge_series){group, item, m->buckets.v, m->buckets.n};
    return 1;
}

uint32_t merge_coarser(const struct rollup_bucket *buckets, uint32_t count, uint32_t factor,
                       struct rollup_bucket *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = buckets[i].number / factor;
        if (n > 0 && out[n - 1].number == number)
            summary_merge(&out[n - 1].summary, &buckets[i].summary);
        else
            out[n++] = (struct rollup_bucket){number, buckets[i].summary};
    }
    return n;
}
