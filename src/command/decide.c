#include "command/decide.h"

#include "base/error.h"
#include "command/handlers.h"
#include "command/policy.h"
#include "command/session.h"
#include "model/name.h"

#include <assert.h>
#include <stdlib.h>

enum { QUEUED_MAX = 65536 };

struct wake { /* for an offset of a partition */
    struct head_wait wait;
    bool armed;
};

struct decide {
    struct decide_config config;
    struct decider *decider;
    struct claims claims;
    struct wake *wakes; /* a partition */
};

struct reading { /* one read of a series */
    struct decide *decide;
    const struct tenant_environment *environment;
    bool times;
    struct newest_watch watch;
    decider_read_done *done;
    void *arg;
};

/* ---- what the decider works with ---- */

static uint64_t op_handed(void *arg)
{
    return ingest_handed(((struct decide *)arg)->config.ingest);
}

static bool op_settled(void *arg, uint32_t partition, uint64_t handed)
{
    return ingest_settled(((struct decide *)arg)->config.ingest, partition, handed);
}

static uint64_t op_acked(void *arg, uint32_t partition)
{
    return ingest_acked(((struct decide *)arg)->config.ingest, partition);
}

static int op_look(void *arg, const struct decider_series *s, uint64_t after,
                   struct decider_look *out)
{
    struct decide *d = arg;
    struct store_look look;
    int err = store_look(d->config.store, s->environment, s->host, s->metric, after, &look);
    if (err != 0)
        return err;
    const struct newest_point *newest = &look.newest;
    const struct settings *settings = &look.settings;
    const struct policy_way way = policy_way_of(settings, DUPLICATE_DEFAULT, 0);
    *out = (struct decider_look){
        .epoch = look.epoch,
        .rules = {.policy = way.policy,
                  .said = settings->duplicate != DUPLICATE_DEFAULT,
                  .blocks = way.blocks,
                  .ignores = settings->ignore_ms > 0 || settings->ignore_value > 0,
                  .ignore_ms = settings->ignore_ms,
                  .ignore_value = settings->ignore_value,
                  .retention_ms = settings->retention_ms},
        .newest = {newest->any, newest->time_ms, newest->value},
    };
    return 0;
}

static void note_points(const struct reading *r, const struct result_points *points,
                        struct decider_found *out)
{
    if (!points->source.complete) {
        out->err = LT_EUNAVAILABLE;
        out->why = points->source.why;
        return;
    }
    if (r->times) {
        out->times_ms = points->times_ms;
        out->values = points->values;
        out->count = points->count;
        return;
    }
    struct newest_point newest = {.any = points->count > 0};
    if (newest.any) {
        newest.time_ms = points->times_ms[0];
        newest.value = points->values[0];
    }
    store_learn(r->decide->config.store, r->environment, &r->watch, points->source.offset, &newest);
}

static void read_done(void *arg, const struct query_answer *answer)
{
    struct reading *r = arg;
    union query_result *result = answer->result;
    struct decider_found found = {.err = answer->status, .why = answer->why};
    if (found.err == 0)
        note_points(r, &result->points, &found);
    r->done(r->arg, &found);
    query_result_free(&result);
    free(r);
}

static int start_reading(struct decide *d, const struct decider_series *s, struct query_spec spec,
                         const struct reading *how)
{
    char text[2 * NAME_BYTES_MAX + 1];
    size_t n = s->host.n;
    uint64_t id;
    memcpy(text, s->host.p, n);
    if (n > 0)
        text[n++] = '/';
    memcpy(text + n, s->metric.p, s->metric.n);
    struct slice key = slice_make(text, n + s->metric.n);
    struct reading *r = malloc(sizeof(*r));
    if (r == NULL)
        return LT_ENOMEM;
    *r = *how;
    r->decide = d;
    r->environment = s->environment;
    spec.command = "decide";
    spec.environment = s->environment;
    spec.keys = &key;
    spec.keys_count = 1;
    int err = query_submit(d->config.query, &spec, read_done, r, &id);
    if (err != 0)
        free(r);
    return err;
}

static int op_learn(void *arg, const struct decider_series *s, decider_read_done *done,
                    void *done_arg)
{
    struct decide *d = arg;
    struct reading how = {.done = done, .arg = done_arg};
    int err = store_watch(d->config.store, s->environment, s->host, s->metric, &how.watch);
    if (err != 0)
        return err;
    /* Rows that a rule computes are no points that were written: they change with their source. */
    struct query_spec spec = {.what = QUERY_LAST,
                              .after = how.watch.after,
                              .to_ms = INT64_MAX,
                              .points = QUERY_POINTS_OWN};
    return start_reading(d, s, spec, &how);
}

static int op_times(void *arg, const struct decider_series *s, uint64_t after, int64_t from_ms,
                    int64_t to_ms, decider_read_done *done, void *done_arg)
{
    struct reading how = {.times = true, .done = done, .arg = done_arg};
    struct query_spec spec = {.what = QUERY_POINTS,
                              .after = after,
                              .from_ms = from_ms,
                              .to_ms = to_ms < INT64_MAX ? to_ms + 1 : INT64_MAX,
                              .limit = DECIDER_TIMES_MAX,
                              .points = QUERY_POINTS_OWN};
    return start_reading(arg, s, spec, &how);
}

static int op_append(void *arg, const struct decider_series *s, struct decider_place *place,
                     const struct verdict *v, ingest_done *done, void *done_arg)
{
    struct ingest *ingest = ((struct decide *)arg)->config.ingest;
    int err = place->epoch != 0 ? ingest_begin_decided(ingest, s->environment, place->epoch)
                                : ingest_begin(ingest, s->environment);
    if (err != 0)
        return err;
    err = ingest_point(ingest, false, s->host, s->metric, v->time_ms, v->value, v->policy);
    if (err == 0 && place->batch != 0 && place->batch != ingest_batch_number(ingest))
        err = LT_EAGAIN;
    if (err != 0) {
        ingest_abort(ingest);
        return err;
    }
    place->batch = ingest_batch_number(ingest);
    return ingest_end(ingest, done, done_arg);
}

static int op_outcome(void *arg, uint32_t partition, uint64_t epoch, uint64_t offset)
{
    return store_outcome(((struct decide *)arg)->config.store, partition, epoch, offset);
}

static void woken(void *arg, int status)
{
    ((struct wake *)arg)->armed = false; /* the turn's end does the rest */
}

static void op_wake_at(void *arg, uint32_t partition, uint64_t applied)
{
    struct decide *d = arg;
    struct head *head = store_head(d->config.store);
    struct wake *w = &d->wakes[partition];
    if (w->armed && w->wait.offset <= applied)
        return;
    if (w->armed)
        head_wait_cancel(head, &w->wait);
    w->wait =
        (struct head_wait){.partition = partition, .offset = applied, .done = woken, .arg = w};
    w->armed = !head_wait_for(head, &w->wait);
}

/* ---- life ---- */

int decide_create(const struct decide_config *config, struct decide **out)
{
    struct decide *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return LT_ENOMEM;
    uint32_t partitions = tenant_partitions(config->tenant);
    const struct decider_config decider = {
        .ops = {.handed = op_handed,
                .settled = op_settled,
                .acked = op_acked,
                .look = op_look,
                .learn = op_learn,
                .times = op_times,
                .append = op_append,
                .outcome = op_outcome,
                .wake_at = op_wake_at,
                .arg = d},
        .partitions = partitions,
        .deadline_ms = config->deadline_ms,
        .queued_max = QUEUED_MAX,
    };
    d->config = *config;
    d->claims = (struct claims){.store = config->store, .deadline_ms = config->deadline_ms};
    d->wakes = calloc(partitions, sizeof(d->wakes[0]));
    int err = d->wakes == NULL ? LT_ENOMEM : decider_create(&decider, &d->decider);
    if (err != 0) {
        free(d->wakes);
        free(d);
        return err;
    }
    *out = d;
    return 0;
}

void decide_stop(struct decide *d)
{
    decider_stop(d->decider);
    claims_stop(&d->claims);
    for (uint32_t i = 0; i < tenant_partitions(d->config.tenant); i++)
        if (d->wakes[i].armed)
            head_wait_cancel(store_head(d->config.store), &d->wakes[i].wait);
}

void decide_destroy(struct decide **decide)
{
    struct decide *d = *decide;
    *decide = NULL;
    if (d == NULL)
        return;
    decider_destroy(&d->decider);
    free(d->wakes);
    free(d);
}

struct decider *decide_decider(struct decide *d)
{
    return d->decider;
}

void decide_turn(struct decide *d)
{
    decider_turn(d->decider);
    claims_turn(&d->claims);
}

struct claims *decide_claims(struct decide *d)
{
    return &d->claims;
}

/* ---- replies ---- */

static void reply_verdict(struct resp_writer w, enum verdict_kind verdict)
{
    switch (verdict) {
    case VERDICT_DUPLICATE:
        resp_error(w, SLICE_LIT("ERR TSDB: Error at upsert, update is not supported when "
                                "DUPLICATE_POLICY is set to BLOCK mode: the series has a point at "
                                "this time; nothing is stored"));
        break;
    case VERDICT_OLD:
        resp_error(w, SLICE_LIT("ERR TSDB: Timestamp is older than retention: it is before the "
                                "series' newest point by more than its RETENTION; nothing is "
                                "stored"));
        break;
    case VERDICT_BACKWARDS:
        resp_error(w, SLICE_LIT("ERR TSDB: timestamp must be equal to or higher than the maximum "
                                "existing timestamp; nothing is stored"));
        break;
    case VERDICT_NAN:
        resp_error(w, SLICE_LIT("ERR TSDB: Error at upsert, NaN and a number have no sum, minimum "
                                "or maximum: the series has one of them at this time, expected the "
                                "same; nothing is stored"));
        break;
    default:
        resp_error(w, SLICE_LIT("ERR TSDB: the sum is not a finite number any more; nothing is "
                                "stored"));
        break;
    }
}

static void reply_not_done(struct resp_writer w, const struct command_deps *deps,
                           const struct decider_outcome *outcome)
{
    char owner[STORE_NODE_BYTES_MAX] = "";
    switch (outcome->err) {
    case LT_EFENCED:
        store_owner(deps->store, outcome->environment->partition, owner);
        resp_error_printf(
            w,
            "ERR NOTOWNER this write depends on the series' state, which the owner of "
            "partition %u decides, '%s': send it there; nothing is stored",
            outcome->environment->partition, owner);
        break;
    case LT_EUNAVAILABLE:
        resp_error_printf(
            w,
            "ERR NOTOWNER this write depends on the series' state, which this process "
            "cannot find out%s%s, see STATUS; nothing is stored",
            outcome->why[0] != '\0' ? ": " : "", outcome->why);
        break;
    case LT_ETIMEOUT:
        resp_error(w, SLICE_LIT("ERR this write depends on the series' state, and waited for it as "
                                "long as query-deadline allows, see partition in STATUS; nothing "
                                "is stored"));
        break;
    default:
        decide_reply_refused(w, outcome->err);
        break;
    }
}

void decide_reply_refused(struct resp_writer w, int err)
{
    if (err == LT_EFENCED)
        resp_error(w, SLICE_LIT("ERR NOTOWNER this write depends on the series' state, which the "
                                "partition's owner decides: send it to a process with the roles "
                                "ingest, store and query; nothing is stored"));
    else if (err == LT_EBUSY)
        resp_error(w, SLICE_LIT("BUSY too many writes wait for their series' state or the log: "
                                "nothing is stored; try again later"));
    else if (err == LT_EFULL)
        resp_error(w, SLICE_LIT("ERR TSDB: a new item is refused: the environment has all that it "
                                "may have (items-max); nothing is stored"));
    else
        resp_error_printf(w, "ERR the write is refused, nothing of it is stored: %s",
                          error_text(err));
}

void decide_reply_error(struct resp_writer w, const struct command_deps *deps,
                        const struct decider_outcome *outcome, bool harmless)
{
    char owner[STORE_NODE_BYTES_MAX] = "";
    switch (outcome->end) {
    case DECIDER_REFUSED:
        reply_verdict(w, outcome->verdict);
        break;
    case DECIDER_FAILED:
        write_reply_not_stored(w, outcome->report, harmless);
        break;
    case DECIDER_FENCED:
        store_owner(deps->store, outcome->environment->partition, owner);
        resp_error_printf(w,
                          "ERR NOTOWNER another process, '%s', took partition %u over while this "
                          "write was on its way: it does not count; send it again, there",
                          owner, outcome->environment->partition);
        break;
    case DECIDER_UNSEEN:
        resp_error_printf(w,
                          "KAFKA unknown: the log has the write, but whether it counts, this "
                          "process cannot tell; sending it again %s",
                          harmless ? "is harmless" : "may count twice");
        break;
    case DECIDER_GONE: /* nobody reads it */
        resp_error(w, SLICE_LIT("ERR the client is gone; nothing is stored"));
        break;
    default:
        reply_not_done(w, deps, outcome);
        break;
    }
}

static void send_outcome(struct slot *slot, const struct decider_outcome *outcome, bool harmless)
{
    const struct session *session = slot->session;
    struct resp_writer w = slot_reply(slot);
    if (outcome->end == DECIDER_STORED || outcome->end == DECIDER_IGNORED)
        resp_integer(w, outcome->time_ms);
    else
        decide_reply_error(w, session->all->deps, outcome, harmless);
    slot_send(slot);
}

static void decided(void *arg, const struct decider_outcome *outcome)
{
    send_outcome(arg, outcome, true);
}

static void decided_once(void *arg, const struct decider_outcome *outcome)
{
    send_outcome(arg, outcome, false);
}

static bool is_gone(const void *slot)
{
    return ((const struct slot *)slot)->session->state == SESSION_GONE;
}

bool decide_holds_series(const struct command_call *call, struct slice host, struct slice metric)
{
    const struct decider_series series = {call->environment, host, metric};
    return decider_waits(decide_decider(call->deps->decide), &series);
}

int decide_submit(const struct command_deps *deps, const struct tenant_environment *environment,
                  const struct decide_ask *ask, struct slot *slot, decider_done *done, void *arg)
{
    if (deps->decide == NULL)
        return LT_EFENCED;
    const struct decider_request request = {
        .series = {environment, ask->host, ask->metric},
        .command = ask->command,
        .epoch = ask->epoch,
        .plain = ask->plain,
        .gone = is_gone,
        .client = slot,
        .done = done,
        .arg = arg,
    };
    int err = decider_submit(decide_decider(deps->decide), &request);
    if (err == 0)
        ingest_touched(deps->ingest, environment, ask->host, ask->metric);
    return err;
}

void decide_reply(struct command_call *call, const struct decide_ask *ask)
{
    const struct verdict_command *c = &ask->command;
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    bool harmless = c->what == VERDICT_ADD && !c->relative &&
                    !(c->has_policy && !c->blocks && c->policy == POLICY_SUM);
    int err = decide_submit(call->deps, call->environment, ask, slot,
                            harmless ? decided : decided_once, slot);
    if (err != 0) {
        decide_reply_refused(slot_reply(slot), err);
        slot_send(slot);
    }
}
