#include "jobs/choose.h"
#include "port/storage_flush.h"

/* The tables of the coming hour, so that the first flush of the hour does not wait for DDL. */

static int ahead_next(const struct job_context *context, const struct storage_run *runs,
                      uint32_t count, struct job_unit *out)
{
    struct choose choose = {runs, count, context->limits, context->now_ms};
    return choose_ahead(&choose, out);
}

static int ahead_run(struct job_context *context, const struct job_unit *unit)
{
    return storage_tables_ensure(context->session, context->environment, &unit->range, 1);
}

const struct job job_ahead = {
    .name = "ahead",
    .help = "makes the coming hour's tables before it begins",
    .next = ahead_next,
    .run = ahead_run,
};
