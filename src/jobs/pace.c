#include "base/clock.h"
#include "base/error.h"
#include "jobs/job.h"

#include <time.h>

/* How fast a job may write: each byte costs its time, and a job may be ahead of what it has paid
 * for by a second's worth, so that it does not stop for each row. */

enum {
    AHEAD_MS = 1000,
    NAP_MS = 50, /* a job that has to stop notices within this */
};

static void nap(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

int job_pace(struct job_context *context, uint64_t bytes_written)
{
    uint64_t limit = context->limits->bytes_per_second;
    int err = read_guard_check(context->guard);
    if (err != 0 || limit == 0)
        return err;
    int64_t now = clock_mono_ms();
    if (context->paced_mono_ms < now)
        context->paced_mono_ms = now; /* what was not used is not saved up */
    context->paced_mono_ms += (int64_t)((double)bytes_written * 1000 / (double)limit);
    int64_t wait_ms;
    while (err == 0 && (wait_ms = context->paced_mono_ms - AHEAD_MS - clock_mono_ms()) > 0) {
        nap(wait_ms < NAP_MS ? wait_ms : NAP_MS);
        err = read_guard_check(context->guard);
    }
    return err;
}
