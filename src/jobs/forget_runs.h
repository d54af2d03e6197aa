#ifndef JOBS_FORGET_RUNS_H
#define JOBS_FORGET_RUNS_H

#include "base/attr.h"
#include "catalog/catalog.h"
#include "jobs/forget_items.h"
#include "jobs/job.h"

/* What the runs in force hold, for those who want to forget items. Thread: the job's; the reader's
 * session has begun. Errors: those of port/storage.h, LT_ENOMEM, LT_ECORRUPT. */

struct forget_runs {
    VEC(struct storage_run) runs; /* in force, by id */
};

/* All zero is empty. */
MUST_USE int forget_runs_list(struct forget_runs *r, struct job_context *context);
void forget_runs_fini(struct forget_runs *r);

/* The first hour of the oldest compact run; runs of no range aside. UINT32_MAX: there is none. */
uint32_t forget_runs_oldest_h(const struct forget_runs *r);

/* Looks through one compact run, and lets the catalog's hours say that its items were seen in it.
 */
MUST_USE int forget_runs_note_seen(struct job_context *context, struct catalog *catalog,
                                   const struct storage_run *run);

/* Takes the items out of the set that stand in arrival runs, or in runs of no range. */
MUST_USE int forget_runs_spare(const struct forget_runs *r, struct job_context *context,
                               struct forget_items *set);

#endif
