#include "command/erase.h"

#include "base/error.h"
#include "base/failpoint.h"
#include "command/claims.h"
#include "command/handlers.h"
#include "model/name.h"

enum {
    ERASE_POINTS_MAX = 20000, /* about 500 KB of record */
    MOVE_POINTS_MAX = ERASE_POINTS_MAX / 2,
    MOVE_PASSES_MAX = 100, /* whoever writes on all the time is not waited for */
};

static uint32_t points_max(const struct erasing *e)
{
    return e->way == ERASING_MOVE ? MOVE_POINTS_MAX : ERASE_POINTS_MAX;
}

static void fail(void *arg, const char *word, const char *what)
{
    struct erasing *e = arg;
    e->done(e, word, what);
}

static void stored(void *arg, const struct ingest_written *written)
{
    struct erasing *e = arg;
    if (written->report->outcome != LOG_STORED) {
        fail(e, write_not_stored_word(written->report), written->report->reason);
        return;
    }
    e->offset = written->report->offset;
    e->erased += e->batch;
    e->from_ms = e->next_ms;
    if (!e->more && e->way == ERASING_MOVE) { /* what came meanwhile */
        e->from_ms = 0;
        e->more = true;
        e->passes++;
    }
    if (e->passes == MOVE_PASSES_MAX)
        fail(e, "BUSY", "the series is written all the time");
    else if (e->more)
        erasing_start(e);
    else
        e->done(e, NULL, NULL);
}

static int append(struct erasing *e, const struct result_points *points)
{
    struct ingest *ingest = e->inquiry->deps->ingest;
    failpoint("erase.append");
    struct slice host, metric;
    name_split_key(e->key, &host, &metric);
    int err = e->epoch != 0 ? ingest_begin_decided(ingest, e->inquiry->environment, e->epoch)
                            : ingest_begin(ingest, e->inquiry->environment);
    if (err != 0)
        return err;
    bool writes = e->way != ERASING_ERASE,
         erases = e->way == ERASING_ERASE || e->way == ERASING_MOVE;
    struct slice to_host = host, to_metric = metric;
    if (e->way == ERASING_COPY || e->way == ERASING_MOVE)
        name_split_key(e->to, &to_host, &to_metric);
    enum policy policy = e->way == ERASING_KEEP ? POLICY_FIRST : POLICY_LAST;
    for (uint32_t i = 0; writes && i < points->count && err == 0; i++)
        err = ingest_point(ingest, false, to_host, to_metric, points->times_ms[i],
                           points->values[i], policy);
    for (uint32_t i = 0; erases && i < points->count && err == 0; i++)
        err = ingest_point(ingest, false, host, metric, points->times_ms[i], 0, POLICY_ERASE);
    if (err != 0)
        ingest_abort(ingest);
    return err != 0 ? err : ingest_end(ingest, stored, e);
}

/* Nothing that is sent under this epoch counts any more. */
static bool is_fenced(const struct erasing *e)
{
    const struct inquiry *q = e->inquiry;
    return e->epoch != 0 && e->offset != 0 &&
           store_outcome(q->deps->store, q->environment->partition, e->epoch, e->offset) != 0;
}

static void found(void *arg, const union query_result *result)
{
    struct erasing *e = arg;
    const struct result_points *points = &result->points;
    if (is_fenced(e)) {
        fail(e, "ERR", CLAIM_LOST);
        return;
    }
    if (!points->source.complete) { /* what is not seen would be taken for not there */
        fail(e, "ERR", points->source.why);
        return;
    }
    e->known |= points->known;
    if (!points->known || points->count == 0) {
        e->done(e, NULL, NULL);
        return;
    }
    e->batch = points->count;
    e->more = points->count == points_max(e);
    e->next_ms = points->times_ms[points->count - 1] + 1;
    int err = append(e, points);
    if (err != 0)
        fail(e, write_refused_word(err), error_text(err));
}

void erasing_start(struct erasing *e)
{
    struct inquiry *q = e->inquiry;
    struct query_spec spec = inquiry_spec(QUERY_POINTS, &e->key, 1,
                                          ingest_acked(q->deps->ingest, q->environment->partition));
    spec.from_ms = e->from_ms;
    spec.to_ms = e->to_ms;
    spec.limit = points_max(e);
    spec.points = e->way == ERASING_KEEP ? QUERY_POINTS_COMPUTED : QUERY_POINTS_OWN;
    inquiry_ask(q, spec, found, fail, e);
}
