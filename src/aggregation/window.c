#include "aggregation/window.h"

#include "base/error.h"
#include "base/i64.h"

#include <assert.h>
#include <math.h>

struct point {
    int64_t time_ms;
    double value;
};

struct window {
    const struct window_rule *rule;
    window_emit *emit;
    void *arg;
    bool spread, twa;

    bool open;        /* the bucket in hand, and what is in it */
    int64_t start_ms; /* of it */
    bool taken;       /* a point in it makes it a row */
    struct stats stats;
    double area; /* value x milliseconds under the lines; of length_ms of the bucket */
    int64_t length_ms;
    double instant; /* the value at the last moment looked at, for parts without length */
    bool has_instant;

    double carried; /* the last number before the bucket, NaN: none */
};

int64_t window_bucket(const struct window_rule *rule, int64_t time_ms)
{
    int64_t off = (time_ms - rule->align_ms) % rule->bucket_ms;
    return time_ms - (off < 0 ? off + rule->bucket_ms : off);
}

int64_t window_stamp_ms(const struct window_rule *rule, int64_t start_ms)
{
    int64_t ms = i64_max(start_ms, 0);
    switch (rule->stamp) {
    case WINDOW_START:
        break;
    case WINDOW_MID:
        return i64_add_capped(ms, rule->bucket_ms / 2);
    case WINDOW_END:
        return i64_add_capped(ms, rule->bucket_ms);
    }
    return ms;
}

static void open_bucket(struct window *w, int64_t start_ms)
{
    w->open = true;
    w->start_ms = start_ms;
    w->taken = false;
    w->stats = (struct stats){0};
    w->area = 0;
    w->length_ms = 0;
    w->has_instant = false;
}

static double value_at(const struct point *p, const struct point *q, int64_t time_ms)
{
    if (q->time_ms == p->time_ms)
        return p->value;
    double part = (double)(time_ms - p->time_ms) / (double)(q->time_ms - p->time_ms);
    return p->value + (q->value - p->value) * part;
}

/* The line from p to q, as far as it lies in the bucket and in the range. */
static void add_line(struct window *w, const struct point *p, const struct point *q)
{
    int64_t end_ms = i64_add_capped(w->start_ms, w->rule->bucket_ms);
    int64_t from_ms = i64_max(i64_max(p->time_ms, w->start_ms), w->rule->from_ms);
    int64_t to_ms = i64_min(i64_min(q->time_ms, end_ms), w->rule->last_ms);
    if (from_ms > to_ms)
        return;
    double at_from = value_at(p, q, from_ms), at_to = value_at(p, q, to_ms);
    w->area += (at_from + at_to) / 2 * (double)(to_ms - from_ms);
    w->length_ms += to_ms - from_ms;
    w->instant = at_from;
    w->has_instant = true;
}

static double twa_value(const struct window *w)
{
    if (w->length_ms > 0)
        return w->area / (double)w->length_ms;
    if (w->has_instant)
        return w->instant;
    return stats_value(&w->stats, AGGREGATOR_LAST);
}

static int close_bucket(struct window *w)
{
    const struct window_rule *rule = w->rule;
    double values[AGGREGATORS_MAX];
    int err = 0;
    if (w->taken || rule->empty) {
        for (uint32_t i = 0; i < rule->aggregators.n; i++) {
            enum aggregator which = (enum aggregator)rule->aggregators.v[i];
            if (which == AGGREGATOR_TWA)
                values[i] = twa_value(w);
            else if (which == AGGREGATOR_LAST && w->stats.count == 0)
                values[i] = w->carried;
            else
                values[i] = stats_value(&w->stats, which);
        }
        err = w->emit(w->arg, window_stamp_ms(rule, w->start_ms), values);
    }
    if (w->stats.count > 0)
        w->carried = w->stats.last;
    w->open = false;
    return err;
}

/* Closes buckets until the one that holds time_ms is open. p to q is the line that crosses them;
 * either NULL: there is none. */
static int advance(struct window *w, int64_t time_ms, const struct point *p, const struct point *q)
{
    int64_t start_ms = window_bucket(w->rule, time_ms);
    int err = 0;
    while (err == 0 && w->open && w->start_ms < start_ms) {
        int64_t next_ms = w->rule->empty ? w->start_ms + w->rule->bucket_ms : start_ms;
        if (p != NULL && q != NULL)
            add_line(w, p, q);
        err = close_bucket(w);
        if (err == 0)
            open_bucket(w, next_ms);
    }
    if (err == 0 && !w->open)
        open_bucket(w, start_ms);
    return err;
}

static bool is_taken(const struct window *w, double value)
{
    uint32_t set = w->rule->aggregators.set;
    if ((set >> AGGREGATOR_COUNTALL & 1) != 0)
        return true;
    uint32_t nan = 1U << AGGREGATOR_COUNTNAN;
    return isnan(value) ? (set & nan) != 0 : (set & ~nan) != 0;
}

/* The number at or after position i, or the one after the range; false: none. */
static bool next_number(const struct window_points *points, size_t i,
                        const struct window_points *after, struct point *out)
{
    while (i < points->count && isnan(points->values[i]))
        i++;
    const struct window_points *from = i < points->count ? points : after;
    size_t at = i < points->count ? i : 0;
    if (at >= from->count)
        return false;
    *out = (struct point){from->times_ms[at], from->values[at]};
    return true;
}

/* twa and EMPTY: the range's buckets before its first point and after its last one are known too,
 * where there is a line. */
static void begin_with_line(struct window *w, const struct point *p, const struct point *q)
{
    if (w->rule->empty && p != NULL && q != NULL)
        open_bucket(w, window_bucket(w->rule, w->rule->from_ms));
}

static int end_with_line(struct window *w, const struct point *p, const struct point *q)
{
    if (p == NULL || q == NULL)
        return 0;
    int err = 0;
    if (w->rule->empty)
        err = advance(w, i64_min(w->rule->last_ms, q->time_ms), p, q);
    if (err == 0 && w->open)
        add_line(w, p, q);
    return err;
}

int window_run(const struct window_rule *rule, const struct window_points *points,
               const struct window_points *before, const struct window_points *after,
               window_emit *emit, void *arg)
{
    assert(rule->bucket_ms >= 1 && rule->align_ms >= 0 && rule->aggregators.n >= 1);
    struct window w = {.rule = rule,
                       .emit = emit,
                       .arg = arg,
                       .spread = stats_want_spread(rule->aggregators.set),
                       .twa = aggregator_list_has(&rule->aggregators, AGGREGATOR_TWA),
                       .carried = (double)NAN};
    struct point p = {0}, q = {0}; /* the ends of the line that is crossed now */
    bool has_p = false, has_q = false;
    if (w.twa) {
        has_p = before->count > 0;
        if (has_p)
            p = (struct point){before->times_ms[0], before->values[0]};
        has_q = next_number(points, 0, after, &q);
    }
    int err = 0;
    begin_with_line(&w, has_p ? &p : NULL, has_q ? &q : NULL);
    for (size_t i = 0; i < points->count && err == 0; i++) {
        double value = points->values[i];
        if (!is_taken(&w, value))
            continue;
        err = advance(&w, points->times_ms[i], has_p ? &p : NULL, has_q ? &q : NULL);
        if (err != 0)
            break;
        w.taken = true;
        stats_add(&w.stats, value, w.spread);
        if (!w.twa || isnan(value))
            continue;
        if (has_p)
            add_line(&w, &p, &q);
        p = q;
        has_p = true;
        has_q = next_number(points, i + 1, after, &q);
    }
    if (err == 0 && w.twa)
        err = end_with_line(&w, has_p ? &p : NULL, has_q ? &q : NULL);
    return err == 0 && w.open ? close_bucket(&w) : err;
}
