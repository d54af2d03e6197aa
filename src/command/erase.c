#include "command/erase.h"

#include "base/error.h"
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

static void read_next(struct erasing *e, uint64_t after);

static void fail(struct erasing *e, int err, const char *why)
{
    e->done(e, err == LT_EBUSY ? "BUSY" : "ERR", why);
}

static void stored(void *arg, const struct ingest_written *written)
{
    struct erasing *e = arg;
    const struct log_report *report = written->report;
    if (report->outcome != LOG_STORED) {
        e->done(e,
                report->outcome == LOG_FAILED ? "KAFKA failed:" : "KAFKA unknown:", report->reason);
        return;
    }
    e->erased += e->batch;
    e->from_ms = e->next_ms;
    if (!e->more && e->way == ERASING_MOVE) { /* what came meanwhile */
        e->from_ms = 0;
        e->more = true;
        e->passes++;
    }
    if (e->passes == MOVE_PASSES_MAX)
        e->done(e, "BUSY", "the series is written all the time");
    else if (e->more && !e->gone)
        read_next(e, ingest_acked(e->deps->ingest, e->environment->partition));
    else
        e->done(e, NULL, NULL);
}

static int append(struct erasing *e, const struct result_points *points)
{
    struct slice host, metric;
    name_split_key(e->key, &host, &metric);
    int err = ingest_begin(e->deps->ingest, e->environment);
    if (err != 0)
        return err;
    bool writes = e->way != ERASING_ERASE,
         erases = e->way == ERASING_ERASE || e->way == ERASING_MOVE;
    struct slice to_host = host, to_metric = metric;
    if (e->way == ERASING_COPY || e->way == ERASING_MOVE)
        name_split_key(e->to, &to_host, &to_metric);
    enum policy policy = e->way == ERASING_KEEP ? POLICY_FIRST : POLICY_LAST;
    for (uint32_t i = 0; writes && i < points->count && err == 0; i++)
        err = ingest_point(e->deps->ingest, false, to_host, to_metric, points->times_ms[i],
                           points->values[i], policy);
    for (uint32_t i = 0; erases && i < points->count && err == 0; i++)
        err = ingest_point(e->deps->ingest, false, host, metric, points->times_ms[i], 0,
                           POLICY_ERASE);
    if (err != 0)
        ingest_abort(e->deps->ingest);
    return err != 0 ? err : ingest_end(e->deps->ingest, stored, e);
}

static void found(void *arg, const struct query_answer *answer)
{
    struct erasing *e = arg;
    union query_result *result = answer->result;
    e->reading = false;
    if (answer->status != 0) {
        fail(e, answer->status, answer->why);
        return;
    }
    const struct result_points *points = &result->points;
    if (!points->source.complete) { /* what is not seen would be taken for not there */
        fail(e, LT_EUNAVAILABLE, points->source.why);
        query_result_free(&result);
        return;
    }
    bool erases = points->known && points->count > 0;
    int err = 0;
    e->known |= points->known;
    if (erases) {
        e->batch = points->count;
        e->more = points->count == points_max(e);
        e->next_ms = points->times_ms[points->count - 1] + 1;
        err = append(e, points);
    }
    query_result_free(&result);
    if (err != 0)
        fail(e, err, error_text(err));
    else if (!erases)
        e->done(e, NULL, NULL);
}

static void read_next(struct erasing *e, uint64_t after)
{
    struct query_spec spec = {.what = QUERY_POINTS,
                              .command = e->command,
                              .environment = e->environment,
                              .client = e->client,
                              .after = after,
                              .keys = &e->key,
                              .keys_count = 1,
                              .from_ms = e->from_ms,
                              .to_ms = e->to_ms,
                              .limit = points_max(e),
                              .points = e->way == ERASING_KEEP ? QUERY_POINTS_COMPUTED
                                                               : QUERY_POINTS_OWN};
    int err = query_submit(e->deps->query, &spec, found, e, &e->query_id);
    e->reading = err == 0;
    if (err != 0)
        fail(e, err, error_text(err));
}

void erasing_start(struct erasing *e, uint64_t after)
{
    read_next(e, after);
}

void erasing_stop(struct erasing *e)
{
    e->gone = true;
    if (e->reading)
        (void)!query_kill(e->deps->query, e->query_id);
}
