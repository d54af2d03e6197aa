#ifndef PORT_STORAGE_RUN_H
#define PORT_STORAGE_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* A run, as the manifest has it (port/storage_runs.h says what runs are). */

/* A table's time range in Unix seconds; the catch-all table is {0, 0}. */
struct storage_range {
    int64_t from_s;
    int64_t to_s;
};
static inline bool storage_is_catch_all(struct storage_range range)
{
    return range.from_s == 0 && range.to_s == 0;
}

/* The values of these enums stand in the manifest: they are never renumbered. */
enum storage_run_kind { STORAGE_ARRIVAL = 1, STORAGE_COMPACT = 2 };
enum storage_run_state {
    STORAGE_BUILDING = 1,
    STORAGE_OPEN = 2,
    STORAGE_CLOSED = 3,
    STORAGE_IN_FORCE = 4,
    STORAGE_LEFT = 5,
};

struct storage_run {
    uint64_t id;
    enum storage_run_kind kind;
    enum storage_run_state state;
    uint32_t resolution_s; /* 1, 60, 3600 */
    struct storage_range range;
    uint64_t sources; /* the greatest id of the runs that it was made from */
    uint64_t series;
    uint64_t points;
    uint64_t fresh;         /* of these, how many are in fresh blocks (model/block.h) */
    int64_t min_ms, max_ms; /* of the points' times; where there are none, of no meaning */
    uint64_t bytes;         /* of bodies */
    uint32_t tables;        /* which of its tables there are: the adapter's, nobody else's */
    int64_t state_ms;       /* when it came into its state, by the database's clock, Unix ms */
    int64_t now_ms;         /* the database's clock when this was read */
};

/* Counts points that the run is to have. */
static inline void storage_run_count(struct storage_run *run, uint64_t points, bool fresh,
                                     int64_t min_ms, int64_t max_ms)
{
    if (points == 0)
        return;
    run->min_ms = run->points == 0 || min_ms < run->min_ms ? min_ms : run->min_ms;
    run->max_ms = run->points == 0 || max_ms > run->max_ms ? max_ms : run->max_ms;
    run->points += points;
    run->fresh += fresh ? points : 0;
}

/* From when to when, in ms, [from, to), a run of 1 second may have points: a part of its range
 * where that is known. Not of the catch-all. */
static inline int64_t storage_run_from_ms(const struct storage_run *run)
{
    return run->points > 0 ? run->min_ms : run->range.from_s * 1000;
}
static inline int64_t storage_run_to_ms(const struct storage_run *run)
{
    return run->points > 0 ? run->max_ms + 1 : run->range.to_s * 1000;
}

/* Return 0 to go on. */
typedef int storage_run_visit(void *arg, const struct storage_run *run);

#endif
