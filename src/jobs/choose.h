#ifndef JOBS_CHOOSE_H
#define JOBS_CHOOSE_H

#include "jobs/job.h"

/* What is due, from the list of an environment's runs. Pure: tests/jobs/test_choose.c says for
 * which lists what comes out. All return false where nothing is due. Times: now_ms is this
 * process' wall clock, but for how long a run has been out of force the database's own counts. */

enum {
    CHOOSE_HOUR_S = 3600,
    CHOOSE_DAY_S = 86400,
    CHOOSE_LATE_FACTOR = 6,            /* a day is made again after so many late_ms */
    CHOOSE_MARGIN_MS = 60 * 60 * 1000, /* 1-second data outlives keep_1s by this: see choose.c */
    CHOOSE_AHEAD_MS = 5 * 60 * 1000,
    CHOOSE_PIECE_SHARE = 4 /* no piece where more than one of so many points is not fresh */
};

struct choose {
    const struct storage_run *runs;
    uint32_t count;
    const struct job_limits *limits;
    int64_t now_ms;
};

static inline bool choose_is_arrival(const struct storage_run *r)
{
    return r->kind == STORAGE_ARRIVAL && (r->state == STORAGE_OPEN || r->state == STORAGE_CLOSED);
}
/* Written by flushes, and by no job since. */
static inline bool choose_is_written(const struct storage_run *r)
{
    return choose_is_arrival(r) && r->sources == 0;
}
static inline bool choose_is_compact(const struct storage_run *r, uint32_t resolution_s)
{
    return r->kind == STORAGE_COMPACT && r->state == STORAGE_IN_FORCE &&
           r->resolution_s == resolution_s;
}
/* The catch-all is in none. */
static inline bool choose_is_within(const struct storage_run *r, struct storage_range range)
{
    return r->range.to_s > r->range.from_s && r->range.from_s >= range.from_s &&
           r->range.from_s < range.to_s;
}
static inline struct storage_range choose_grain(int64_t s, int64_t grain_s)
{
    int64_t from_s = s / grain_s * grain_s;
    return (struct storage_range){from_s, from_s + grain_s};
}

/* What stands of a day. */
struct choose_day {
    struct storage_range range;
    uint32_t arrival;                          /* runs in force that are not compact yet */
    uint32_t pieces;                           /* 1-second compact runs that share their range */
    uint32_t fine;                             /* 1-second compact runs */
    uint32_t newer;                            /* of those, how many are in no coarser run */
    int64_t newer_ms;                          /* when the oldest of these came into force */
    uint64_t fine_newest;                      /* id; 0: none */
    const struct storage_run *minutes, *hours; /* coarser runs in force, or NULL */
};
struct choose_day choose_day(const struct storage_run *runs, uint32_t count,
                             struct storage_range range);

/* compact: the oldest range that has ended and is not one compact run, unless what came late to it
 * has to wait; or else a piece (out->open) of one that has not. */
bool choose_compact(const struct choose *c, struct job_unit *out);

/* downsample: the oldest day that has to be made, or made again. */
bool choose_downsample(const struct choose *c, struct job_unit *out);

/* expire: a run to drop (out->run), or else a day (out->run 0) whose runs of one resolution leave:
 * out->range; which ones, choose_leaving tells. */
bool choose_expire(const struct choose *c, struct job_unit *out);
/* The resolution whose runs of this day are past their retention and may leave, 0: none may. */
uint32_t choose_leaving(const struct choose *c, const struct choose_day *day);

/* ahead: the coming hour. */
bool choose_ahead(const struct choose *c, struct job_unit *out);

/* JOBS RUN: the first grain that is not before cursor_s, ends after from_s and begins before to_s,
 * and holds 1-second runs. */
bool choose_asked(const struct choose *c, struct storage_range asked, int64_t grain_s,
                  int64_t cursor_s, struct storage_range *out);

#endif
