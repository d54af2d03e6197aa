#include "base/error.h"
#include "command/decide.h"
#include "command/handlers.h"
#include "command/madd.h"
#include "command/policy.h"
#include "command_table.h"

#include <math.h>
#include <stdlib.h>

/* TS.MADD key time value [key time value ...] answers point by point. Where all points are good and
 * depend on nothing, and that is the hot path, the reply needs nothing but the batch. Where some
 * are bad, or have to be decided, what each comes to is kept until all are known. */

struct part { /* a point of the command */
    struct mixed *mixed;
    bool plain; /* of the one write that ingest has */
    bool decided;
    int64_t time_ms;
    uint32_t at, bytes; /* its error, as a reply, in mixed->errors; bytes 0: none */
};

struct mixed {
    struct slot *slot;
    const struct command_deps *deps;
    uint8_t version; /* of RESP */
    bool relative;
    uint32_t open; /* outcomes that are not known yet */
    uint32_t count;
    struct buffer errors;
    struct part parts[];
};

struct madd {
    struct mixed *mixed; /* made at the first point that is not plain and good */
    uint32_t written;
    uint32_t decided;
    bool relative;
    int64_t now_ms;                 /* as write_parse_point */
    bool has_nan;                   /* one that is to be decided: what may come behind it does */
    struct policy_known known;      /* policy_begin */
    const struct result_key *there; /* of each point; NULL: all may be written */
};

static void send_all_plain(struct slot *slot, const struct ingest_written *written, bool harmless)
{
    struct resp_writer w = slot_reply(slot);
    if (written->report->outcome != LOG_STORED) {
        write_reply_not_stored(w, written->report, harmless);
    } else {
        resp_array(w, written->count);
        write_times(w, written);
    }
    slot_send(slot);
}

static void plain_done(void *arg, const struct ingest_written *written)
{
    send_all_plain(arg, written, true);
}

static void plain_relative_done(void *arg, const struct ingest_written *written)
{
    send_all_plain(arg, written, false);
}

/* ---- mixed ---- */

static void mixed_free(struct mixed *m)
{
    buffer_fini(&m->errors);
    free(m);
}

static struct mixed *mixed_of(struct command_call *call, struct madd *madd)
{
    enum { ERRORS_BYTES_MAX = 64 << 20 };
    uint32_t count = (call->argc - 1) / 3;
    if (madd->mixed != NULL)
        return madd->mixed;
    struct mixed *m = calloc(1, sizeof(*m) + count * sizeof(m->parts[0]));
    if (m == NULL)
        return NULL;
    m->deps = call->deps;
    m->version = call->reply.version;
    m->count = count;
    buffer_init(&m->errors, ERRORS_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++)
        m->parts[i] = (struct part){.mixed = m, .plain = true};
    madd->mixed = m;
    return m;
}

/* An error of a point is composed between these two. */
static struct resp_writer part_error(struct part *p)
{
    p->plain = false;
    p->at = (uint32_t)p->mixed->errors.len;
    return (struct resp_writer){&p->mixed->errors, p->mixed->version};
}

static void part_error_end(struct part *p)
{
    p->bytes = (uint32_t)p->mixed->errors.len - p->at;
}

static void write_reply(const struct mixed *m, struct resp_writer w)
{
    if (m->errors.error != 0) {
        resp_error(w, SLICE_LIT("ERR out of memory while the points' errors were written"));
        return;
    }
    resp_array(w, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct part *p = &m->parts[i];
        if (p->bytes > 0)
            buffer_append(w.out, m->errors.data + p->at, p->bytes);
        else
            resp_integer(w, p->time_ms);
    }
}

static void one_known(struct mixed *m)
{
    if (--m->open > 0)
        return;
    write_reply(m, slot_reply(m->slot));
    slot_send(m->slot);
    mixed_free(m);
}

/* Points that are not stored have one error for all, and it is the command's where there is nothing
 * else to say. */
static void mixed_written(void *arg, const struct ingest_written *written)
{
    struct mixed *m = arg;
    bool stored = written->report->outcome == LOG_STORED;
    uint32_t at = 0, until, decided = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        struct part *p = &m->parts[i];
        decided += p->decided;
        if (!p->plain)
            continue;
        if (stored) {
            p->time_ms = ingest_written_time_ms(written, at++, &until);
            continue;
        }
        write_reply_not_stored(part_error(p), written->report, !m->relative);
        part_error_end(p);
    }
    if (stored || decided > 0) {
        one_known(m);
        return;
    }
    write_reply_not_stored(slot_reply(m->slot), written->report, !m->relative);
    slot_send(m->slot);
    mixed_free(m);
}

static void part_decided(void *arg, const struct decider_outcome *outcome)
{
    struct part *p = arg;
    struct mixed *m = p->mixed;
    p->time_ms = outcome->time_ms;
    if (outcome->end != DECIDER_STORED && outcome->end != DECIDER_IGNORED) {
        decide_reply_error(part_error(p), m->deps, outcome, !m->relative);
        part_error_end(p);
    }
    one_known(m);
}

/* ---- points ---- */

static bool note_bad_point(struct command_call *call, struct madd *madd, uint32_t i,
                           const char *wrong)
{
    struct mixed *m = mixed_of(call, madd);
    if (m == NULL)
        return false;
    resp_error(part_error(&m->parts[i]), slice_str(wrong));
    part_error_end(&m->parts[i]);
    return true;
}

static const char madd_full[] =
    "ERR TSDB: a new item is refused: the environment has all that it may have (items-max); those "
    "that are not seen any more are forgotten in time, or raise the limit";

/* Good points that are not handed over yet, and which of the command's they are. */
struct madd_chunk {
    uint32_t n;
    uint32_t number[INGEST_POINTS_AT_ONCE];
    enum policy policies[INGEST_POINTS_AT_ONCE]; /* where some are declared */
    struct record_point points[INGEST_POINTS_AT_ONCE];
};

/* How many points from `first` on have the same policy. */
static uint32_t same_policy(const struct madd *madd, const struct madd_chunk *chunk, uint32_t first,
                            enum policy *out)
{
    uint32_t end = first + 1;
    *out = UNLIKELY(madd->known.unknown) ? POLICY_DECLARED : POLICY_LAST;
    if (LIKELY(madd->known.catalog == NULL))
        return chunk->n - first;
    *out = chunk->policies[first];
    while (end < chunk->n && chunk->policies[end] == *out)
        end++;
    return end - first;
}

/* 0, or why the command as a whole is refused. */
static int hand_over(struct command_call *call, struct madd *madd, struct madd_chunk *chunk)
{
    uint32_t done = 0, taken;
    while (done < chunk->n) {
        enum policy policy;
        uint32_t count = same_policy(madd, chunk, done, &policy);
        int err =
            ingest_points(call->deps->ingest, false, policy, chunk->points + done, count, &taken);
        done += taken;
        madd->written += taken;
        if (err == LT_EFULL && note_bad_point(call, madd, chunk->number[done], madd_full))
            done++;
        else if (err != 0)
            return err;
    }
    chunk->n = 0;
    return 0;
}

/* Is it to be decided? Then it is left for later: the command may yet be refused as a whole. */
static int leave_for_decision(struct command_call *call, struct madd *madd, uint32_t i,
                              struct madd_chunk *chunk, bool *left_out)
{
    const struct record_point *point = &chunk->points[chunk->n];
    *left_out = false;
    if (UNLIKELY(madd->known.catalog != NULL || madd->known.unknown)) {
        struct policy_way way = policy_way(&madd->known, point, DUPLICATE_DEFAULT);
        chunk->policies[chunk->n] = way.policy;
        madd->relative |= !policy_is_harmless(way.policy);
        *left_out = way.decides || (madd->has_nan && verdict_asks_for_nan(way.policy, NAN));
        madd->has_nan |= verdict_asks_for_nan(way.policy, point->value);
    }
    *left_out |= session_decided_epoch(call->session) != 0;
    if (LIKELY(!*left_out && !decide_holds(call, point->host, point->metric)))
        return 0;
    struct mixed *m = mixed_of(call, madd);
    if (m == NULL)
        return LT_ENOMEM;
    m->parts[i].plain = false;
    m->parts[i].decided = true;
    madd->decided++;
    *left_out = true;
    return 0;
}

/* As above. */
static int take_points(struct command_call *call, struct madd *madd)
{
    struct madd_chunk chunk;
    uint32_t count = (call->argc - 1) / 3;
    bool left = false;
    chunk.n = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct record_point *point = &chunk.points[chunk.n];
        const char *wrong = write_parse_point(call->argv + 1 + (size_t)i * 3, &madd->now_ms, point,
                                              &madd->relative);
        if (wrong == NULL && UNLIKELY(madd->there != NULL) && !madd->there[i].known)
            wrong = "ERR TSDB: the key does not exist: TS.CREATE creates it (madd-creates is no)";
        if (UNLIKELY(wrong != NULL)) {
            if (!note_bad_point(call, madd, i, wrong))
                return LT_ENOMEM;
            continue;
        }
        int err = leave_for_decision(call, madd, i, &chunk, &left);
        if (err == 0 && !left) {
            chunk.number[chunk.n++] = i;
            err = chunk.n == INGEST_POINTS_AT_ONCE ? hand_over(call, madd, &chunk) : 0;
        }
        if (err != 0)
            return err;
    }
    return hand_over(call, madd, &chunk);
}

/* How many of them are refused at once. */
static uint32_t submit_points(struct command_call *call, struct madd *madd)
{
    struct mixed *m = madd->mixed;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        struct part *p = &m->parts[i];
        struct record_point point;
        bool relative = false;
        if (!p->decided)
            continue;
        const char *wrong =
            write_parse_point(call->argv + 1 + (size_t)i * 3, &madd->now_ms, &point, &relative);
        int err = wrong != NULL ? LT_EINVALID : 0;
        if (err == 0) {
            struct policy_way way = policy_way(&madd->known, &point, DUPLICATE_DEFAULT);
            const struct decide_ask ask =
                policy_ask(way, &point, relative, session_decided_epoch(call->session));
            err = decide_submit(call->deps, call->environment, &ask, m->slot, part_decided, p);
        }
        if (err == 0)
            continue;
        decide_reply_refused(part_error(p), err);
        part_error_end(p);
        refused++;
    }
    return refused;
}

static void end_mixed(struct command_call *call, struct madd *madd, struct slot *slot)
{
    struct mixed *m = madd->mixed;
    m->relative = madd->relative;
    m->slot = slot != NULL ? slot : call_defer(call);
    if (m->slot == NULL) {
        ingest_abort(call->deps->ingest);
        mixed_free(m);
        return;
    }
    int err = 0;
    m->open = 1 + madd->decided + (madd->written > 0); /* the first one is ours */
    if (madd->written > 0)
        err = ingest_end(call->deps->ingest, mixed_written, m);
    else
        ingest_abort(call->deps->ingest);
    if (err != 0) {
        write_refused(call, m->slot, err);
        mixed_free(m);
        return;
    }
    uint32_t refused = submit_points(call, madd); /* others may be known by then */
    m->open -= refused;
    one_known(m);
}

/* No point is to be written: err, or all of them are bad. */
static void reply_at_once(struct command_call *call, const struct madd *madd, struct slot *slot,
                          int err)
{
    struct resp_writer w = slot != NULL ? slot_reply(slot) : call->reply;
    if (err == 0)
        write_reply(madd->mixed, w);
    else
        write_reply_refused(w, call->deps->options, err);
    if (slot != NULL)
        slot_send(slot);
    if (madd->mixed != NULL)
        mixed_free(madd->mixed);
}

void madd_write(struct command_call *call, const struct result_key *there, struct slot *slot)
{
    struct madd madd = {.there = there};
    if (!policy_begin(call, slot == NULL, &madd.known))
        return;
    int err = ingest_begin(call->deps->ingest, call->environment);
    if (err != 0) {
        reply_at_once(call, &madd, slot, err);
        policy_end(&madd.known);
        return;
    }
    if (slot != NULL && mixed_of(call, &madd) == NULL)
        err = LT_ENOMEM;
    if (err == 0)
        err = take_points(call, &madd);
    if (err == 0 && madd.mixed == NULL) {
        write_end(call, madd.relative ? plain_relative_done : plain_done);
    } else if (err == 0 && madd.written + madd.decided > 0) {
        end_mixed(call, &madd, slot);
    } else {
        ingest_abort(call->deps->ingest);
        reply_at_once(call, &madd, slot, err);
    }
    policy_end(&madd.known);
}

void write_ts_madd(struct command_call *call)
{
    if (call->argc % 3 != 1)
        resp_error_printf(call->reply, "ERR wrong number of arguments for 'ts.madd' command, "
                                       "expected: TS.MADD key time value [key time value ...]");
    else if (UNLIKELY(call->deps->madd_needs_keys))
        madd_careful(call);
    else
        madd_write(call, NULL, NULL);
}
