#include "command/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "command/add.h"
#include "command/decide.h"
#include "command/handlers.h"
#include "command/policy.h"
#include "command/series_options.h"
#include "command_table.h"
#include "ingest/control.h"
#include "model/name.h"

#include <math.h>
#include <inttypes.h>
#include <stdlib.h>

/* Commands that write. A handler checks its arguments, hands the points to ingest, and defers its
 * reply; the reply is composed by a function that is given the log's report, and by nothing else.
 */

/* ---- what the report says ---- */

/* The report of a write that is not stored for sure, as the client's error. */
void write_reply_not_stored(struct resp_writer w, const struct log_report *report,
                            bool repeat_is_harmless)
{
    if (report->outcome == LOG_FAILED)
        resp_error_printf(w, "KAFKA failed: the write is not stored (%s); send it again",
                          report->reason);
    else
        resp_error_printf(w, "KAFKA unknown: the write may be stored (%s); sending it again %s",
                          report->reason,
                          repeat_is_harmless ? "is harmless"
                                             : "may count twice: its time or its sum was relative");
}

const char *write_not_stored_word(const struct log_report *report)
{
    return report->outcome == LOG_FAILED ? "KAFKA failed:" : "KAFKA unknown:";
}

const char *write_refused_word(int err)
{
    return err == LT_EBUSY ? "BUSY" : "ERR";
}

static void send_receipt(struct slot *slot, const struct ingest_written *written, bool harmless)
{
    const struct log_report *report = written->report;
    struct resp_writer w = slot_reply(slot);
    if (report->outcome == LOG_STORED) {
        char text[2 * NUMBER_I64_BYTES_MAX];
        size_t n = number_format_i64(report->partition, text);
        text[n++] = ':';
        n += number_format_i64((int64_t)report->offset, text + n);
        resp_bulk(w, slice_make(text, n));
    } else {
        write_reply_not_stored(w, report, harmless);
    }
    slot_send(slot);
}

void write_receipt_done(void *arg, const struct ingest_written *written)
{
    send_receipt(arg, written, true);
}

static void receipt_relative_done(void *arg, const struct ingest_written *written)
{
    send_receipt(arg, written, false);
}

static void ready_done(void *arg, const struct ingest_written *written)
{
    struct slot *slot = arg;
    struct resp_writer w = slot_reply(slot);
    if (written->report->outcome == LOG_STORED)
        resp_simple(w, SLICE_LIT("OK"));
    else
        resp_error_printf(w, "KAFKA failed: the log does not acknowledge (%s)",
                          written->report->reason);
    slot_send(slot);
}

/* A time for each point: of one command's reply, or of as many commands. */
void write_times(struct resp_writer w, const struct ingest_written *written)
{
    for (uint32_t i = 0, until; i < written->count; i = until) {
        int64_t time_ms = ingest_written_time_ms(written, i, &until);
        resp_integers(w, time_ms, until - i);
    }
}

/* One command a point. */
static void send_each(struct slot *slot, const struct ingest_written *written, bool harmless)
{
    struct resp_writer w = slot_reply(slot);
    if (LIKELY(written->report->outcome == LOG_STORED)) {
        write_times(w, written);
    } else {
        for (uint32_t i = 0; i < written->count; i++)
            write_reply_not_stored(w, written->report, harmless);
    }
    slot_send(slot);
}

static void add_done(void *arg, const struct ingest_written *written)
{
    send_each(arg, written, true);
}

static void add_relative_done(void *arg, const struct ingest_written *written)
{
    send_each(arg, written, false);
}

/* ---- handing over ---- */

void write_reply_refused(struct resp_writer w, const struct option_set *options, int err)
{
    switch (err) {
    case LT_EBUSY:
        resp_error_printf(w, "BUSY too much waits for the log: nothing of this command is stored; "
                             "try again later");
        break;
    case LT_ELIMIT:
        resp_error_printf(w,
                          "ERR the command is too large for one record of the log, expected at "
                          "most %" PRId64 " bytes (command-bytes-max); split it",
                          option_int(options, "command-bytes-max"));
        break;
    case LT_EFULL:
        resp_error_printf(w,
                          "ERR a new item is refused, nothing of this command is stored: the "
                          "environment has the %" PRId64 " items that it may have (items-max), "
                          "expected one of them; those that are not seen any more are forgotten "
                          "in time, or raise the limit",
                          option_int(options, "items-max"));
        break;
    default:
        resp_error_printf(w, "ERR the write is refused, nothing of it is stored: %s",
                          error_text(err));
        break;
    }
}

void write_refused(struct command_call *call, struct slot *slot, int err)
{
    write_reply_refused(slot_reply(slot), call->deps->options, err);
    slot_send(slot);
}

/* All points are in: the reply is now the report's business. */
void write_end(struct command_call *call, ingest_done *done)
{
    struct slot *slot = call_defer(call);
    if (slot == NULL) {
        ingest_abort(call->deps->ingest);
        return;
    }
    int err = ingest_end(call->deps->ingest, done, slot);
    if (err != 0)
        write_refused(call, slot, err);
}

/* A name of one part of a series, as the log takes it. NULL, or what is wrong with it. */
static const char *check_metric(struct slice metric)
{
    if (metric.n == 0)
        return "is empty";
    return metric.n > NAME_BYTES_MAX ? "is longer than 512 bytes" : NULL;
}

static void reply_bad(struct command_call *call, const char *what, struct slice got,
                      const char *expected)
{
    enum { SHOWN_MAX = 64 };
    resp_error_printf(call->reply, "ERR %s '%.*s'%s, expected %s; nothing is stored", what,
                      (int)(got.n > SHOWN_MAX ? SHOWN_MAX : got.n), got.p,
                      got.n > SHOWN_MAX ? "..." : "", expected);
}

/* ---- OBSERVE host time metric value [metric value ...] ---- */

static bool observe_host(struct command_call *call)
{
    struct slice host = call->argv[1];
    bool good = host.n > 0 && host.n <= NAME_BYTES_MAX && slice_find(host, '/') == host.n;
    if (!good)
        reply_bad(call, "bad host", host, "1 to 512 bytes without '/'");
    return good;
}

static bool observe_time(struct command_call *call, int64_t *time_ms_out)
{
    struct slice text = call->argv[2];
    int64_t seconds;
    if (slice_eq_str(text, "*") || slice_ieq_str(text, "now"))
        seconds = clock_wall_ms() / 1000;
    else if (number_parse_i64(text, &seconds) != 0 || seconds < 0 || seconds > UINT32_MAX) {
        reply_bad(call, "bad time", text, "Unix seconds from 0 to 4294967295, or *");
        return false;
    }
    *time_ms_out = seconds * 1000;
    return true;
}

/* False: the reply is composed and nothing counts. */
static bool observe_point(struct command_call *call, struct slice metric, struct slice value,
                          struct record_point *out)
{
    const char *wrong = check_metric(metric);
    if (UNLIKELY(wrong != NULL)) {
        reply_bad(call, "bad metric", metric, "a name of 1 to 512 bytes");
        return false;
    }
    if (UNLIKELY(number_parse_f64(value, &out->value) != 0 || isnan(out->value))) {
        reply_bad(call, "bad value", value, "a finite decimal number");
        return false;
    }
    out->metric = metric;
    return true;
}

/* False: the reply is composed and nothing counts. */
static bool observe_points(struct command_call *call, int64_t time_ms)
{
    struct record_point points[INGEST_POINTS_AT_ONCE];
    uint32_t left = (call->argc - 3) / 2, taken;
    const struct slice *at = call->argv + 3;
    for (uint32_t i = 0; i < INGEST_POINTS_AT_ONCE && i < left; i++)
        points[i] = (struct record_point){.host = call->argv[1], .time_ms = time_ms};
    while (left > 0) {
        uint32_t n = left < INGEST_POINTS_AT_ONCE ? left : INGEST_POINTS_AT_ONCE;
        for (uint32_t i = 0; i < n; i++, at += 2)
            if (!observe_point(call, at[0], at[1], &points[i]))
                return false;
        int err = ingest_points(call->deps->ingest, true, POLICY_LAST, points, n, &taken);
        if (err != 0) {
            write_reply_refused(call->reply, call->deps->options, err);
            return false;
        }
        left -= n;
    }
    return true;
}

/* Is an earlier write of this client to one of the series still to be decided? It must not be
 * overtaken. */
static bool observe_waits(struct command_call *call)
{
    if (LIKELY(!decide_waits(call)))
        return false;
    bool waits = false;
    for (uint32_t i = 3; i < call->argc && !waits; i += 2)
        waits = decide_holds_series(call, call->argv[1], call->argv[i]);
    return waits && session_writes_pending(call->session) &&
           session_decided_epoch(call->session) == 0; /* behind WATCH nothing may wait */
}

void write_observe(struct command_call *call)
{
    int64_t time_ms;
    if (call->argc % 2 == 0) {
        resp_error_printf(call->reply,
                          "ERR metric '%.*s' has no value, expected: OBSERVE host time "
                          "metric value [metric value ...]; nothing is stored",
                          (int)call->argv[call->argc - 1].n, call->argv[call->argc - 1].p);
        return;
    }
    if (!observe_host(call) || !observe_time(call, &time_ms))
        return;
    if (UNLIKELY(observe_waits(call))) {
        call_again_after_writes(call);
        return;
    }
    bool relative = slice_eq_str(call->argv[2], "*") || slice_ieq_str(call->argv[2], "now");
    int err = ingest_begin(call->deps->ingest, call->environment);
    if (err != 0) {
        write_reply_refused(call->reply, call->deps->options, err);
        return;
    }
    if (!observe_points(call, time_ms)) {
        ingest_abort(call->deps->ingest);
        return;
    }
    write_end(call, relative ? receipt_relative_done : write_receipt_done);
}

/* ---- TS.ADD key time value ... ---- */

static const char bad_key[] = "ERR TSDB: invalid key, expected metric or host/metric, each of at "
                              "most 512 bytes and the metric "
                              "not empty";

static bool split_key(struct slice key, struct slice *host, struct slice *metric)
{
    name_split_key(key, host, metric);
    return check_metric(*metric) == NULL && host->n <= NAME_BYTES_MAX;
}

bool write_check_key(struct command_call *call, struct slice key, struct slice *host_out,
                     struct slice *metric_out)
{
    bool good = split_key(key, host_out, metric_out);
    if (!good)
        resp_error(call->reply, slice_str(bad_key));
    return good;
}

const char *write_parse_point(const struct slice *args, int64_t *now_ms, struct record_point *out,
                              bool *relative_out)
{
    if (!split_key(args[0], &out->host, &out->metric))
        return bad_key;
    bool relative = slice_eq_str(args[1], "*");
    if (relative) {
        if (*now_ms == 0)
            *now_ms = clock_wall_ms();
        out->time_ms = *now_ms;
    } else if (number_parse_i64(args[1], &out->time_ms) != 0 || out->time_ms < 0) {
        return "ERR TSDB: invalid timestamp, expected Unix milliseconds from 0 to 2^63-1, or *";
    }
    if (number_parse_f64(args[2], &out->value) != 0)
        return "ERR TSDB: invalid value, expected a finite decimal number or nan";
    *relative_out |= relative;
    return NULL;
}

/* Does it take the owner of the partition to decide how the point is written? */
static inline bool takes_decision(struct command_call *call, const struct record_point *point,
                                  struct policy_way way)
{
    return way.decides || session_decided_epoch(call->session) != 0 ||
           decide_holds(call, point->host, point->metric);
}

struct adds { /* TS.ADDs of one client that came together, and are written alike */
    struct record_point points[INGEST_POINTS_AT_ONCE];
    size_t bytes[INGEST_POINTS_AT_ONCE]; /* up to each one's end, from that of the first */
    uint32_t count;
    bool relative; /* their times are */
    int64_t now_ms;
};

/* Adds those that came behind the first one, up to one that is another command, or bad, or is
 * written in another way. */
static void add_followers(struct command_call *call, const struct policy_known *known,
                          enum policy policy, struct adds *adds)
{
    const struct slice *argv;
    while (adds->count < INGEST_POINTS_AT_ONCE &&
           (argv = call_peek(call, &adds->bytes[adds->count])) != NULL) {
        struct record_point *point = &adds->points[adds->count];
        bool relative = false;
        if (write_parse_point(argv + 1, &adds->now_ms, point, &relative) != NULL ||
            relative != adds->relative)
            return;
        struct policy_way way = policy_way(known, point, DUPLICATE_DEFAULT);
        if (way.policy != policy || takes_decision(call, point, way))
            return;
        adds->count++;
    }
}

static void add_points(struct command_call *call, const struct policy_known *known,
                       struct policy_way way, struct adds *adds)
{
    struct ingest *ingest = call->deps->ingest;
    if (UNLIKELY(takes_decision(call, &adds->points[0], way))) {
        const struct decide_ask ask =
            policy_ask(way, &adds->points[0], adds->relative, session_decided_epoch(call->session));
        decide_reply(call, &ask);
        return;
    }
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    if (LIKELY(call->argc == 4))
        add_followers(call, known, way.policy, adds);
    bool harmless = !adds->relative && policy_is_harmless(way.policy);
    uint32_t taken;
    int err = ingest_each(ingest, call->environment, way.policy, adds->points, adds->count, &taken,
                          harmless ? add_done : add_relative_done, slot);
    if (UNLIKELY(err != 0))
        write_refused(call, slot, err);
    else if (taken > 1)
        call_take(call, slot, taken - 1, adds->bytes[taken - 1]);
}

/* Options that declare are for a series that is new; for another they say nothing. */
static void add_with_options(struct command_call *call, const struct policy_known *known,
                             struct adds *adds)
{
    const struct record_point *point = &adds->points[0];
    struct series_options options;
    if (!series_options_parse(call, 4, SERIES_OPTIONS_ENCODING | SERIES_OPTIONS_ON_DUPLICATE,
                              &options))
        return;
    if (options.settings.given != 0 && !add_is_declared(call, point->host, point->metric)) {
        const struct verdict_command command = {.what = VERDICT_ADD,
                                                .relative = adds->relative,
                                                .time_ms = point->time_ms,
                                                .value = point->value};
        add_declaring(call, "TS.ADD", &options, &command);
    } else {
        add_points(call, known, policy_way(known, point, options.on_duplicate), adds);
    }
}

void write_ts_add(struct command_call *call)
{
    struct adds adds;
    adds.count = 1;
    adds.relative = false;
    adds.now_ms = 0;
    const char *wrong =
        write_parse_point(call->argv + 1, &adds.now_ms, &adds.points[0], &adds.relative);
    if (wrong != NULL) {
        resp_error(call->reply, slice_str(wrong));
        return;
    }
    struct policy_known known;
    if (!policy_begin(call, true, &known))
        return;
    if (LIKELY(call->argc == 4))
        add_points(call, &known, policy_way(&known, &adds.points[0], DUPLICATE_DEFAULT), &adds);
    else
        add_with_options(call, &known, &adds);
    policy_end(&known);
}

/* ---- ITEM TEXT stem text, READY ---- */

void write_item_text(struct command_call *call)
{
    enum { TEXT_BYTES_MAX = 65536 };
    struct slice stem = call->argv[2], text = call->argv[3];
    if (check_metric(stem) != NULL) {
        reply_bad(call, "bad stem", stem, "a metric without its dimension, of 1 to 512 bytes");
        return;
    }
    if (text.n > TEXT_BYTES_MAX) {
        reply_bad(call, "bad text", text, "at most 65536 bytes");
        return;
    }
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    int err =
        ingest_text(call->deps->ingest, call->environment, stem, text, write_receipt_done, slot);
    if (err != 0)
        write_refused(call, slot, err);
}

/* A process that takes no writes is ready when it can read. */
static void ready_to_read(struct command_call *call)
{
    struct head *head = call->deps->head;
    struct head_view *view;
    int err = head == NULL ? 0 : head_pin(head, call->environment->id, &view);
    if (err != 0) {
        resp_error_printf(call->reply, "ERR nothing can be read yet: %s; see STATUS",
                          error_text(err));
        return;
    }
    if (head != NULL)
        head_unpin(head, &view);
    resp_simple(call->reply, SLICE_LIT("OK"));
}

void write_ready(struct command_call *call)
{
    if (call->deps->ingest == NULL) {
        ready_to_read(call);
        return;
    }
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    int err = ingest_probe(call->deps->ingest, call->environment, ready_done, slot);
    if (err != 0)
        write_refused(call, slot, err);
}
