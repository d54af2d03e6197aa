#include "base/clock.h"
#include "base/error.h"
#include "jobs/job.h"

#include <time.h>

/* How fast a job may write: each byte costs its time, and a job may be ahead of what it has paid
 * for by a second's worth, so that it does not stop for each row. */

enum {
    AHEAD_US = 1000 * 1000,
    NAP_US = 50 * 1000, /* a job that has to stop notices within this */
};

static int64_t now_us(void)
{
    return clock_mono_ns() / 1000;
}

static void nap(int64_t us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

int job_pace(struct job_context *context, uint64_t bytes_written)
{
    uint64_t limit = context->limits->bytes_per_second;
    int err = read_guard_check(context->guard);
    if (err != 0 || limit == 0)
        return err;
    if (context->paced_mono_us < now_us())
        context->paced_mono_us = now_us(); /* what was not used is not saved up */
    context->paced_mono_us += (int64_t)((double)bytes_written * 1e6 / (double)limit);
    int64_t wait_us;
    while (err == 0 && (wait_us = context->paced_mono_us - AHEAD_US - now_us()) > 0) {
        nap(wait_us < NAP_US ? wait_us : NAP_US);
        err = read_guard_check(context->guard);
    }
    return err;
}
