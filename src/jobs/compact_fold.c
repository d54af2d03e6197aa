#include "jobs/compact_fold.h"

#include "base/error.h"
#include "model/kind.h"

#include <string.h>

enum {
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS,
};

void folder_init(struct folder *f)
{
    *f = (struct folder){0};
}

void folder_fini(struct folder *f)
{
    VEC_FINI(&f->points);
    VEC_FINI(&f->points_spare);
    VEC_FINI(&f->later);
    VEC_FINI(&f->later_spare);
    VEC_FINI(&f->series);
    VEC_FINI(&f->times_ms);
    VEC_FINI(&f->values);
}

/* ---- fresh points: by item ---- */

struct span { /* of items */
    uint32_t min, max;
    uint64_t points;
};

static struct span points_span(const struct gather_list *list)
{
    struct span span = {.min = UINT32_MAX};
    for (const struct gather_chunk *c = list->head; c != NULL; c = c->next) {
        size_t bytes;
        const struct gather_point *p = gather_chunk_data(list, c, &bytes);
        size_t n = bytes / sizeof(*p);
        span.points += n;
        for (size_t i = 0; i < n; i++) {
            span.min = p[i].item < span.min ? p[i].item : span.min;
            span.max = p[i].item > span.max ? p[i].item : span.max;
        }
    }
    return span;
}

static void counts_to_starts(uint32_t *at)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < DIGITS; i++) {
        uint32_t n = at[i];
        at[i] = sum;
        sum += n;
    }
}

/* The first digit: out of the chunks. */
static void sort_chunks(const struct gather_list *list, uint32_t min, struct gather_point *to)
{
    uint32_t at[DIGITS] = {0};
    size_t bytes;
    for (const struct gather_chunk *c = list->head; c != NULL; c = c->next) {
        const struct gather_point *p = gather_chunk_data(list, c, &bytes);
        for (size_t i = 0, n = bytes / sizeof(*p); i < n; i++)
            at[(p[i].item - min) % DIGITS]++;
    }
    counts_to_starts(at);
    for (const struct gather_chunk *c = list->head; c != NULL; c = c->next) {
        const struct gather_point *p = gather_chunk_data(list, c, &bytes);
        for (size_t i = 0, n = bytes / sizeof(*p); i < n; i++)
            to[at[(p[i].item - min) % DIGITS]++] = p[i];
    }
}

static void sort_digit(const struct gather_point *from, uint64_t n, uint32_t min, unsigned shift,
                       struct gather_point *to)
{
    uint32_t at[DIGITS] = {0};
    for (uint64_t i = 0; i < n; i++)
        at[((from[i].item - min) >> shift) % DIGITS]++;
    counts_to_starts(at);
    for (uint64_t i = 0; i < n; i++)
        to[at[((from[i].item - min) >> shift) % DIGITS]++] = from[i];
}

/* f->points: all of the list, by item; points of an item in the order in which they were added. */
static int points_sort(struct folder *f, const struct gather_list *list)
{
    struct span span = points_span(list);
    f->points.n = 0;
    if (span.points == 0)
        return 0;
    if (span.points > UINT32_MAX / 2)
        return LT_ELIMIT;
    bool once = span.max - span.min < DIGITS;
    if (!VEC_RESERVE(&f->points, span.points) ||
        (!once && !VEC_RESERVE(&f->points_spare, span.points)))
        return LT_ENOMEM;
    sort_chunks(list, span.min, f->points.v);
    for (unsigned shift = DIGIT_BITS; shift < 32 && (span.max - span.min) >> shift > 0;
         shift += DIGIT_BITS) {
        sort_digit(f->points.v, span.points, span.min, shift, f->points_spare.v);
        struct gather_point *swap = f->points.v;
        uint32_t cap = f->points.cap;
        f->points.v = f->points_spare.v;
        f->points.cap = f->points_spare.cap;
        f->points_spare.v = swap;
        f->points_spare.cap = cap;
    }
    f->points.n = (uint32_t)span.points;
    return 0;
}

/* ---- later points: by item, time, lo ---- */

static bool is_before(const struct gather_later *a, const struct gather_later *b)
{
    if (a->item != b->item)
        return a->item < b->item;
    return a->time != b->time ? a->time < b->time : a->lo < b->lo;
}

/* A stable merge sort: equal ones stay in the order of their blocks. */
static void later_sort(struct gather_later *v, struct gather_later *spare, uint64_t n)
{
    struct gather_later *from = v, *to = spare;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t lo = 0; lo < n; lo += 2 * width) {
            uint64_t mid = lo + width < n ? lo + width : n;
            uint64_t hi = lo + 2 * width < n ? lo + 2 * width : n;
            uint64_t a = lo, b = mid;
            for (uint64_t i = lo; i < hi; i++) {
                bool second = a == mid || (b < hi && is_before(&from[b], &from[a]));
                to[i] = from[second ? b++ : a++];
            }
        }
        struct gather_later *swap = from;
        from = to;
        to = swap;
    }
    if (from != v)
        memcpy(v, from, n * sizeof(*v));
}

static int later_collect(struct folder *f, const struct gather_list *list)
{
    f->later.n = 0;
    for (const struct gather_chunk *c = list->head; c != NULL; c = c->next) {
        size_t bytes;
        const struct gather_later *p = gather_chunk_data(list, c, &bytes);
        uint32_t n = (uint32_t)(bytes / sizeof(*p));
        if (!VEC_RESERVE(&f->later, n))
            return LT_ENOMEM;
        memcpy(f->later.v + f->later.n, p, bytes);
        f->later.n += n;
    }
    if (!VEC_RESERVE(&f->later_spare, f->later.n))
        return LT_ENOMEM;
    later_sort(f->later.v, f->later_spare.v, f->later.n);
    return 0;
}

/* ---- series ---- */

/* Columns for `count` points. */
static int columns_reserve(struct folder *f, uint64_t count)
{
    f->times_ms.n = f->values.n = 0;
    return VEC_RESERVE(&f->times_ms, count) && VEC_RESERVE(&f->values, count) ? 0 : LT_ENOMEM;
}

/* Fills the columns; false where times do not ascend. */
static bool columns_fill(struct folder *f, int64_t from_ms, const struct gather_point *points,
                         uint32_t n)
{
    bool ascending = true;
    for (uint32_t i = 0; i < n; i++) {
        f->times_ms.v[i] = from_ms + points[i].time;
        f->values.v[i] = points[i].value;
        ascending = ascending && (i == 0 || points[i].time > points[i - 1].time);
    }
    f->times_ms.n = n;
    return ascending;
}

/* Fresh points have no place in the log but before all others. */
static int series_collect(struct folder *f, const struct gather_point *points, uint32_t n,
                          const struct gather_later *later, uint32_t later_n)
{
    f->series.n = 0;
    if (!VEC_RESERVE(&f->series, (uint64_t)n + later_n) ||
        !VEC_RESERVE(&f->later_spare, (uint64_t)n + later_n))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        f->series.v[i] = (struct gather_later){
            .item = points[i].item,
            .time = points[i].time,
            .value = points[i].value,
            .policy = POLICY_LAST,
        };
    if (later_n > 0)
        memcpy(f->series.v + n, later, later_n * sizeof(later[0]));
    f->series.n = n + later_n;
    later_sort(f->series.v, f->later_spare.v, f->series.n);
    return columns_reserve(f, f->series.n);
}

static void series_fold(struct folder *f, int64_t from_ms)
{
    const struct gather_later *p = f->series.v;
    for (uint32_t i = 0, next; i < f->series.n; i = next) {
        bool present = false;
        double value = 0;
        for (next = i; next < f->series.n && p[next].time == p[i].time; next++)
            policy_step((enum policy)p[next].policy, p[next].value, &present, &value);
        if (!present)
            continue;
        f->times_ms.v[f->times_ms.n++] = from_ms + p[i].time;
        f->values.v[f->values.n++] = value;
    }
}

static int series_run(struct folder *f, int64_t from_ms, const struct gather_point *points,
                      uint32_t n, const struct gather_later *later, uint32_t later_n,
                      folder_visit *visit, void *arg)
{
    int err = columns_reserve(f, n);
    if (err != 0)
        return err;
    if (!columns_fill(f, from_ms, points, n) || later_n > 0) {
        err = series_collect(f, points, n, later, later_n);
        if (err != 0)
            return err;
        series_fold(f, from_ms);
    }
    if (f->times_ms.n == 0)
        return 0;
    const struct vector_points series = {f->times_ms.n, f->times_ms.v, f->values.v};
    return visit(arg, n > 0 ? points->item : later->item, &series);
}

int folder_run(struct folder *f, int64_t from_ms, const struct gather_part *part,
               folder_visit *visit, void *arg)
{
    int err = points_sort(f, &part->points);
    if (err == 0)
        err = later_collect(f, &part->later);
    const struct gather_point *p = f->points.v;
    const struct gather_later *l = f->later.v;
    uint32_t at = 0, later_at = 0;
    while (err == 0 && (at < f->points.n || later_at < f->later.n)) {
        bool fresh_next =
            at < f->points.n && (later_at == f->later.n || p[at].item <= l[later_at].item);
        uint32_t item = fresh_next ? p[at].item : l[later_at].item;
        uint32_t end = at, later_end = later_at;
        while (end < f->points.n && p[end].item == item)
            end++;
        while (later_end < f->later.n && l[later_end].item == item)
            later_end++;
        err = series_run(f, from_ms, end > at ? p + at : NULL, end - at,
                         later_end > later_at ? l + later_at : NULL, later_end - later_at, visit,
                         arg);
        at = end;
        later_at = later_end;
    }
    return err;
}
