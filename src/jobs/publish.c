#include "jobs/publish.h"

#include "base/error.h"

enum { TRIES = 5 };

struct published {
    uint64_t id;
    bool in_force;
};

static int look(void *arg, const struct storage_run *run)
{
    struct published *p = arg;
    if (run->id == p->id)
        p->in_force = run->state == STORAGE_IN_FORCE || run->state == STORAGE_CLOSED;
    return 0;
}

int job_publish(struct job_context *context, const struct storage_run *in, uint32_t in_count,
                const uint64_t *out, uint32_t out_count)
{
    int err = LT_ERETRY;
    for (unsigned i = 0; i < TRIES && (err == LT_ERETRY || err == LT_EOUTCOME); i++) {
        err = storage_runs_publish(context->session, &context->fence, context->environment, in,
                                   in_count, out, out_count);
        if (err != LT_EOUTCOME && (err != LT_EDIVERGED || i == 0))
            continue;
        /* One of the runs tells for all. After a try whose outcome was not known, another one finds
         * things changed: by that try. */
        struct published published = {.id = in[0].id};
        int asked = storage_runs(context->session, context->environment, NULL, look, &published);
        if (asked != 0)
            return err;
        if (published.in_force)
            return 0;
    }
    return err;
}
