#include "jobs/choose.h"

/* ---- compact ---- */

/* What there is of one range, at 1 s. */
struct ranged {
    struct storage_range range;
    bool arrival;
    int64_t arrival_ms; /* when the oldest of these came into its state, by our clock */
    uint32_t compact;
    int64_t compact_ms; /* the oldest of these */
    bool written;
    int64_t written_ms;
    uint64_t points, fresh; /* of those that were written by flushes alone */
};

/* The database's clock tells how long ago that was. */
static int64_t entered_ms(const struct choose *c, const struct storage_run *r)
{
    int64_t age_ms = r->now_ms - r->state_ms;
    return c->now_ms - (age_ms > 0 ? age_ms : 0);
}

static void earliest(bool *any, int64_t *first_ms, int64_t ms)
{
    *first_ms = !*any || ms < *first_ms ? ms : *first_ms;
    *any = true;
}

static void ranged_add(struct ranged *p, const struct choose *c, const struct storage_run *r)
{
    int64_t ms = entered_ms(c, r);
    bool any = p->compact > 0;
    if (choose_is_compact(r, 1)) {
        earliest(&any, &p->compact_ms, ms);
        p->compact++;
    }
    if (choose_is_arrival(r))
        earliest(&p->arrival, &p->arrival_ms, ms);
    if (choose_is_written(r)) {
        earliest(&p->written, &p->written_ms, ms);
        p->points += r->points;
        p->fresh += r->fresh;
    }
}

/* Of a range that is open. Points that are not fresh stay in arrival rows, whoever reads a piece
 * folds its series with them: where they are many, it is of no use. */
static bool piece_is_due(const struct choose *c, const struct ranged *p, struct job_unit *out)
{
    const struct job_limits *limits = c->limits;
    *out = (struct job_unit){
        .range = p->range, .open = true, .due_ms = p->written_ms + limits->piece_ms};
    return p->written && limits->piece_points > 0 && p->fresh >= limits->piece_points &&
           (p->points - p->fresh) * CHOOSE_PIECE_SHARE <= p->points && out->due_ms <= c->now_ms;
}

/* Of one that has ended. */
static bool range_is_due(const struct choose *c, const struct ranged *p, struct job_unit *out)
{
    *out =
        (struct job_unit){.range = p->range, .due_ms = p->range.to_s * 1000 + c->limits->grace_ms};
    /* What is compact since it was open is a piece: the rest of the range is not late. */
    bool pieces = p->compact > 1 || (p->compact == 1 && p->compact_ms < out->due_ms);
    if (!p->arrival)
        return p->compact > 1;
    int64_t late_ms = p->arrival_ms + c->limits->late_ms;
    if (p->compact > 0 && !pieces && late_ms > out->due_ms)
        out->due_ms = late_ms;
    return out->due_ms <= c->now_ms;
}

bool choose_compact(const struct choose *c, struct job_unit *out)
{
    bool found = false;
    for (uint32_t i = 0, end; i < c->count; i = end) {
        struct ranged p = {.range = c->runs[i].range};
        for (end = i; end < c->count && c->runs[end].range.from_s == p.range.from_s &&
                      c->runs[end].range.to_s == p.range.to_s;
             end++)
            if (c->runs[end].resolution_s == 1)
                ranged_add(&p, c, &c->runs[end]);
        if (p.range.to_s <= p.range.from_s) /* the catch-all */
            continue;
        struct job_unit unit;
        bool ended = p.range.to_s * 1000 + c->limits->grace_ms <= c->now_ms;
        bool due = ended ? range_is_due(c, &p, &unit) : piece_is_due(c, &p, &unit);
        if (!due || (found && unit.range.from_s >= out->range.from_s))
            continue;
        *out = unit;
        found = true;
    }
    return found;
}

/* ---- a day ---- */

/* Lists have the runs of a range next to each other. */
static bool shares_range(const struct storage_run *runs, uint32_t count, uint32_t at)
{
    const struct storage_run *r = &runs[at];
    for (uint32_t i = at; i > 0 && runs[i - 1].range.from_s == r->range.from_s; i--)
        if (choose_is_compact(&runs[i - 1], 1))
            return true;
    for (uint32_t i = at + 1; i < count && runs[i].range.from_s == r->range.from_s; i++)
        if (choose_is_compact(&runs[i], 1))
            return true;
    return false;
}

struct choose_day choose_day(const struct storage_run *runs, uint32_t count,
                             struct storage_range range)
{
    struct choose_day day = {.range = range, .newer_ms = INT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        const struct storage_run *r = &runs[i];
        if (!choose_is_within(r, range))
            continue;
        day.arrival += choose_is_arrival(r);
        if (choose_is_compact(r, 60))
            day.minutes = r;
        if (choose_is_compact(r, 3600))
            day.hours = r;
    }
    const struct storage_run *coarse = day.minutes != NULL ? day.minutes : day.hours;
    for (uint32_t i = 0; i < count; i++) {
        const struct storage_run *r = &runs[i];
        if (!choose_is_within(r, range) || !choose_is_compact(r, 1))
            continue;
        day.fine++;
        day.pieces += shares_range(runs, count, i);
        if (r->id > day.fine_newest)
            day.fine_newest = r->id;
        if (coarse != NULL && r->id <= coarse->sources)
            continue;
        day.newer++;
        if (r->state_ms < day.newer_ms)
            day.newer_ms = r->state_ms;
    }
    return day;
}

/* ---- downsample ---- */

static bool day_is_due(const struct choose *c, const struct choose_day *day, int64_t *due_ms_out)
{
    int64_t ended_ms = day->range.to_s * 1000 + c->limits->grace_ms;
    if (day->newer == 0 || ended_ms > c->now_ms)
        return false;
    bool again = day->minutes != NULL || day->hours != NULL;
    /* Meanwhile readers take what is late from the finer run: a day is too much work to be made
     * again for each of them. */
    *due_ms_out = again ? day->newer_ms + CHOOSE_LATE_FACTOR * c->limits->late_ms : ended_ms;
    return *due_ms_out <= c->now_ms;
}

bool choose_downsample(const struct choose *c, struct job_unit *out)
{
    bool found = false;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct storage_run *r = &c->runs[i];
        if (!choose_is_compact(r, 1) || r->range.to_s <= r->range.from_s)
            continue;
        struct job_unit unit = {.range = choose_grain(r->range.from_s, CHOOSE_DAY_S)};
        if (found && unit.range.from_s >= out->range.from_s && out->waits == NULL)
            continue;
        struct choose_day day = choose_day(c->runs, c->count, unit.range);
        if (!day_is_due(c, &day, &unit.due_ms))
            continue;
        /* An arrival run may have a smaller id than one that is compact already; then the coarser
         * run's `sources` would claim it. */
        unit.waits = day.arrival > 0  ? "arrival runs of the day are not compact yet"
                     : day.pieces > 0 ? "an hour of the day is still in pieces"
                                      : NULL;
        bool better =
            !found || (unit.waits == NULL) > (out->waits == NULL) ||
            ((unit.waits == NULL) == (out->waits == NULL) && unit.range.from_s < out->range.from_s);
        if (better)
            *out = unit;
        found = true;
    }
    return found;
}

/* ---- expire ---- */

/* 1-second runs leave a day at a time, all of it or nothing, so that a day is never made again from
 * a part of what it was made from. Flushes put points older than keep_1s into the catch-all: the
 * margin is for one that looked at the clock before, and commits after. */
static bool may_leave(const struct choose *c, const struct choose_day *day, int64_t keep_ms)
{
    return day->range.to_s * 1000 + keep_ms <= c->now_ms;
}

uint32_t choose_leaving(const struct choose *c, const struct choose_day *day)
{
    const struct job_limits *limits = c->limits;
    if (day->arrival > 0 || day->pieces > 0)
        return 0;
    if (day->fine > 0)
        return day->newer == 0 && may_leave(c, day, limits->keep_1s_ms + CHOOSE_MARGIN_MS) ? 1 : 0;
    if (day->minutes != NULL)
        return may_leave(c, day, limits->keep_1m_ms) ? 60 : 0;
    return day->hours != NULL && may_leave(c, day, limits->keep_1h_ms) ? 3600 : 0;
}

static bool has_to_be_dropped(const struct choose *c, const struct storage_run *r)
{
    /* One owner works at a time, on one piece, and now on none: nobody builds it any more. */
    if (r->state == STORAGE_BUILDING)
        return true;
    return r->state == STORAGE_LEFT && r->now_ms - r->state_ms >= 2 * c->limits->read_deadline_ms;
}

static int64_t keep_of(const struct job_limits *limits, uint32_t resolution_s)
{
    return resolution_s == 1    ? limits->keep_1s_ms + CHOOSE_MARGIN_MS
           : resolution_s == 60 ? limits->keep_1m_ms
                                : limits->keep_1h_ms;
}

/* The day of a run that is past its retention, or why it has to stay. */
static bool day_leaves(const struct choose *c, const struct storage_run *r, struct job_unit *unit)
{
    *unit = (struct job_unit){.range = choose_grain(r->range.from_s, CHOOSE_DAY_S)};
    unit->due_ms = unit->range.to_s * 1000 + keep_of(c->limits, r->resolution_s);
    if (r->range.to_s <= r->range.from_s || unit->due_ms > c->now_ms)
        return false;
    struct choose_day day = choose_day(c->runs, c->count, unit->range);
    if (choose_leaving(c, &day) == 0)
        unit->waits = "1-second data past its retention waits for compact and downsample";
    return true;
}

bool choose_expire(const struct choose *c, struct job_unit *out)
{
    bool found = false;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct storage_run *r = &c->runs[i];
        if (has_to_be_dropped(c, r)) {
            int64_t since_ms = r->state == STORAGE_LEFT ? 2 * c->limits->read_deadline_ms : 0;
            *out = (struct job_unit){
                .range = r->range, .run = r->id, .due_ms = r->state_ms + since_ms};
            return true;
        }
        bool in_force = choose_is_arrival(r) || (r->state == STORAGE_IN_FORCE);
        struct job_unit unit;
        if (!in_force || (found && out->waits == NULL) || !day_leaves(c, r, &unit))
            continue;
        if (!found || unit.waits == NULL)
            *out = unit;
        found = true;
    }
    return found;
}

/* ---- ahead, asked ---- */

bool choose_ahead(const struct choose *c, struct job_unit *out)
{
    struct storage_range now = choose_grain(c->now_ms / 1000, CHOOSE_HOUR_S);
    struct storage_range next = {now.to_s, now.to_s + CHOOSE_HOUR_S};
    if (next.from_s * 1000 - CHOOSE_AHEAD_MS > c->now_ms)
        return false;
    bool in_use = false;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct storage_run *r = &c->runs[i];
        if (r->kind != STORAGE_ARRIVAL || r->state != STORAGE_OPEN)
            continue;
        if (choose_is_within(r, next))
            return false;
        in_use = in_use || choose_is_within(r, now); /* else nobody writes: no table for nothing */
    }
    *out = (struct job_unit){.range = next, .due_ms = next.from_s * 1000 - CHOOSE_AHEAD_MS};
    return in_use;
}

bool choose_asked(const struct choose *c, struct storage_range asked, int64_t grain_s,
                  int64_t cursor_s, struct storage_range *out)
{
    bool found = false;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct storage_run *r = &c->runs[i];
        if (!choose_is_arrival(r) && !choose_is_compact(r, 1))
            continue;
        struct storage_range grain = choose_grain(r->range.from_s, grain_s);
        bool wanted = r->range.to_s > r->range.from_s && grain.to_s > asked.from_s &&
                      grain.from_s < asked.to_s && grain.from_s >= cursor_s;
        if (wanted && (!found || grain.from_s < out->from_s)) {
            *out = grain;
            found = true;
        }
    }
    return found;
}
