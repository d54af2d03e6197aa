#ifndef TESTS_JOBS_SUPPORT_WORLD_H
#define TESTS_JOBS_SUPPORT_WORLD_H

#include "jobs/job.h"
#include "port/storage.h"

#include <stdbool.h>
#include <stdint.h>

/* A storage with databases of its own, a job's context, and a small world of series whose every
 * point is known: what is stored is compared with it. */

enum { RIG_ENVIRONMENT = 7, RIG_PARTITION = 1 };
static const int64_t rig_hour0_s = 1424444400;

struct rig {
    struct storage *storage;
    struct storage_session *flush, *session, *reader;
    struct storage_progress progress;
    struct read_guard guard;
    struct job_limits limits;
    struct job_progress job_progress;
    struct job_context context;
    const char *address;
    char prefix[32];
};

/* prefix NULL: a new one, and the partition's lease is taken; else what another process prepared,
 * with its epoch. Assert that all goes well. */
void rig_open(struct rig *rig, const char *address, const char *prefix, uint64_t epoch);
void rig_close(struct rig *rig);
/* support_crash.h; the process opens its rig with the prefix and the epoch. */
int rig_crash(const struct rig *rig, const char *failpoint);

struct storage_range rig_hour(unsigned hour);
struct storage_flush rig_flush(const struct rig *rig);
void rig_flushed(struct rig *rig, const struct storage_flush *flush);

/* The only run of the hour that is in force; NULL if there are others, or none. Lives until the
 * next call. */
const struct storage_run *rig_only_run(struct rig *rig, struct storage_range range);
/* Runs of the state, of any range. */
unsigned rig_count(struct rig *rig, enum storage_run_state state);

/* ---- the world ---- */

enum {
    WORLD_CATEGORIES = 2, /* 0 has rank rows, 1 too few items */
    WORLD_DIMENSIONS = 2,
    WORLD_HOSTS = 3,
    WORLD_ITEMS = 100,
    WORLD_FEW_ITEMS = 9,
    WORLD_HOURS = 2,
    WORLD_TIMES = 16, /* an hour */
    WORLD_COLLECTORS = 2,
};

struct world_cell {
    bool present;
    double value;
};
struct world_series {
    int64_t newest_ms; /* 0: no point was ever written */
    struct world_cell cells[WORLD_HOURS][WORLD_TIMES];
};
struct world {
    struct world_series series[WORLD_CATEGORIES][WORLD_DIMENSIONS][WORLD_HOSTS][WORLD_ITEMS];
    uint8_t beats[WORLD_HOURS][WORLD_COLLECTORS][WORLD_HOSTS][BEAT_BYTES];
};

/* Sets of hours. */
enum { HOUR_0 = 1, HOUR_1 = 2, BOTH = 3 };

uint32_t world_random(uint32_t below);

/* One flush of `points` random points of the hours in `hours` (a bit each), with heartbeats; stored
 * and in the world. odd: they go to the catch-all, as of a clock that was wrong then. Values are
 * integers, NaN and -0, so that sums are exact. */
void world_flush(struct world *world, struct rig *rig, uint32_t points, unsigned hours, bool odd);

/* Everything stored, read and folded as readers do, is the world. */
void world_check(const struct world *world, struct rig *rig);
/* The hour is in one compact run, alone, and all its rows are right. */
void world_check_run(const struct world *world, struct rig *rig, unsigned hour);

#endif
