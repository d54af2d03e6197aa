#ifndef TESTS_JOBS_SUPPORT_DAY_H
#define TESTS_JOBS_SUPPORT_DAY_H

#include "jobs/support_world.h"

/* The day of the world's hours, and its coarser runs against the world. */

static inline struct storage_range day_range(void)
{
    int64_t from_s = rig_hour0_s / 86400 * 86400;
    return (struct storage_range){from_s, from_s + 86400};
}

/* The only run in force of this range and resolution, or NULL. Lives until the next call. */
const struct storage_run *day_run(struct rig *rig, uint32_t resolution_s);
/* 1-second compact runs of the day in force. */
unsigned day_seconds(struct rig *rig);

/* Minutes and hours hold what the world does: buckets, summaries, ranks, totals, heartbeats. */
void day_check(const struct world *world, struct rig *rig);

#endif
