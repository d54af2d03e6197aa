#include "command/rule.h"

#include "aggregation/aggregator.h"
#include "base/error.h"
#include "base/number.h"
#include "command/erase.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command_table.h"
#include "ingest/control.h"
#include "model/name.h"

#include <stdlib.h>

/* TS.CREATERULE source destination AGGREGATION aggregator bucket [align], and TS.DELETERULE source
 * destination, step by step, while the client waits:
 *
 *   CREATERULE  look at both keys --> the source's last point --> declare the source, if it is not;
 *               give the destination its rule --> report --> wait until this process has applied it
 *   DELETERULE  look at both keys --> write down the rows that are there --> take the rule away -->
 *               report --> wait
 *
 * Of two clients that give one destination a rule, the one whose record is applied first has given
 * it. */

struct ruling {
    struct inquiry inquiry;
    struct slot *slot;
    bool ends;
    struct buffer source, destination; /* keys, as name_join_key gives them */
    struct rule rule;
    bool source_declared;
    struct erasing keeping;
};

static void ruling_free(struct ruling *r)
{
    buffer_fini(&r->source);
    buffer_fini(&r->destination);
    free(r);
}

static void end(struct ruling *r)
{
    slot_send(r->slot);
    ruling_free(r);
}

static void refuse(struct ruling *r, const char *text)
{
    resp_error(slot_reply(r->slot), slice_str(text));
    end(r);
}

static void fail(void *arg, const char *word, const char *what)
{
    struct ruling *r = arg;
    resp_error_printf(slot_reply(r->slot), "%s %s", word, what);
    end(r);
}

/* Of both keys, source first; LAST of the source alone. */
static void ask(struct ruling *r, enum query_what what, uint64_t after, inquiry_found *found)
{
    const struct slice keys[] = {buffer_slice(&r->source), buffer_slice(&r->destination)};
    uint32_t count = what == QUERY_LAST ? 1 : 2;
    inquiry_ask(&r->inquiry, inquiry_spec(what, keys, count, after), found, fail, r);
}

/* ---- writing ---- */

int rule_append(const struct command_deps *deps, const struct tenant_environment *environment,
                uint64_t epoch, struct slice key, const struct rule *rule, ingest_done *done,
                void *arg)
{
    struct slice host, metric;
    struct settings settings = settings_none;
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    name_split_key(key, &host, &metric);
    int err = rule != NULL ? rule_write(&bytes, rule) : 0;
    if (err == 0)
        err = bytes.error;
    settings.given = SETTINGS_RULE;
    settings.rule = buffer_slice(&bytes);
    if (err == 0)
        err = ingest_series(deps->ingest, environment, epoch, host, metric,
                            rule != NULL ? RECORD_SERIES_EITHER : RECORD_SERIES_ALTER, &settings,
                            NULL, 0, done, arg);
    buffer_fini(&bytes);
    return err;
}

static void settled(void *arg, const union query_result *result);

static void stored(void *arg, const struct ingest_written *written)
{
    struct ruling *r = arg;
    if (written->report->outcome == LOG_STORED) {
        ask(r, QUERY_DECLARED, written->report->offset + 1, settled);
        return;
    }
    write_reply_not_stored(slot_reply(r->slot), written->report, true);
    end(r);
}

static void append(struct ruling *r, const struct rule *rule)
{
    int err = rule_append(r->inquiry.deps, r->inquiry.environment, 0, buffer_slice(&r->destination),
                          rule, stored, r);
    if (err != 0) {
        write_reply_refused(slot_reply(r->slot), r->inquiry.deps->options, err);
        end(r);
    }
}

/* ---- TS.CREATERULE ---- */

/* Why these two make no rule; NULL: they do. */
static const char *why_not(const struct result_key *source, const struct result_key *destination)
{
    if (!source->known || !destination->known)
        return "ERR TSDB: the key does not exist: TS.CREATE makes it";
    if (destination->settings.rule.n > 0)
        return "ERR TSDB: the destination key already has a src rule: TS.DELETERULE takes it away";
    if (source->settings.rule.n > 0)
        return "ERR TSDB: the source key already has a source rule: rules make no chains";
    if (destination->rules_count > 0)
        return "ERR TSDB: the destination key already has a dst rule: rules make no chains";
    return NULL;
}

/* The log says in which order these two are applied, and a rule counts only where its source is
 * declared: so nobody waits for the first. */
static void source_stored(void *arg, const struct ingest_written *written)
{
}

static void measured(void *arg, const union query_result *result)
{
    struct ruling *r = arg;
    const struct result_points *last = &result->points;
    struct slice host, metric;
    r->rule.after_ms = last->count > 0 ? last->times_ms[0] : -1;
    r->rule.source = buffer_slice(&r->source);
    name_split_key(r->rule.source, &host, &metric);
    int err = r->source_declared ? 0
                                 : ingest_series(r->inquiry.deps->ingest, r->inquiry.environment, 0,
                                                 host, metric, RECORD_SERIES_EITHER, &settings_none,
                                                 NULL, 0, source_stored, NULL);
    if (err == 0) {
        append(r, &r->rule);
        return;
    }
    write_reply_refused(slot_reply(r->slot), r->inquiry.deps->options, err);
    end(r);
}

/* ---- TS.DELETERULE ---- */

static void kept(struct erasing *e, const char *word, const char *what)
{
    struct ruling *r = CONTAINER_OF(e, struct ruling, keeping);
    if (word == NULL) {
        append(r, NULL);
        return;
    }
    resp_error_printf(slot_reply(r->slot),
                      "%s %s; the rule is still there, sending it again is harmless", word, what);
    end(r);
}

static bool is_rule_of(const struct result_key *destination, struct slice source)
{
    struct rule rule;
    struct slice bytes = destination->settings.rule;
    return bytes.n > 0 && rule_read(bytes, &rule) == 0 && slice_eq(rule.source, source);
}

static void begin_end(struct ruling *r, const struct result_key *keys)
{
    if (!keys[0].known) {
        refuse(r, "ERR TSDB: the key does not exist: expected a source of rules");
    } else if (!is_rule_of(&keys[1], buffer_slice(&r->source))) {
        refuse(r,
               "ERR TSDB: compaction rule does not exist: TS.INFO of the source tells its rules");
    } else {
        r->keeping = (struct erasing){.inquiry = &r->inquiry,
                                      .key = buffer_slice(&r->destination),
                                      .to_ms = INT64_MAX,
                                      .way = ERASING_KEEP,
                                      .done = kept};
        erasing_start(&r->keeping);
    }
}

/* ---- both ---- */

static void looked(void *arg, const union query_result *result)
{
    struct ruling *r = arg;
    const struct result_key *keys = result->keys.keys;
    const char *why = r->ends ? NULL : why_not(&keys[0], &keys[1]);
    r->source_declared = keys[0].declared;
    if (why != NULL)
        refuse(r, why);
    else if (r->ends)
        begin_end(r, keys);
    else
        ask(r, QUERY_LAST, 0, measured);
}

/* What another client did meanwhile is told as if it had been there before. */
static void settled(void *arg, const union query_result *result)
{
    struct ruling *r = arg;
    const struct result_key *keys = result->keys.keys;
    struct rule rule;
    bool ours = keys[1].settings.rule.n > 0 && rule_read(keys[1].settings.rule, &rule) == 0 &&
                rule_same(&rule, &r->rule);
    const char *why = r->ends || ours ? NULL : why_not(&keys[0], &keys[1]);
    if (!r->ends && !ours && why == NULL)
        why = "ERR TSDB: one of the keys was changed meanwhile, there is no rule: send it again";
    if (why != NULL) {
        refuse(r, why);
        return;
    }
    resp_simple(slot_reply(r->slot), SLICE_LIT("OK"));
    end(r);
}

static void begin(struct command_call *call, const char *command, const struct rule *rule)
{
    if (!read_check_key(call, call->argv[1]) || !read_check_key(call, call->argv[2]))
        return;
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    if (call->deps->query == NULL) {
        resp_error_printf(call->reply,
                          "ERR '%s' reads what it changes: ask a process that has the roles ingest "
                          "and query",
                          call->spec->name);
        return;
    }
    struct ruling *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is changed"));
        return;
    }
    buffer_init(&r->source, 2 * NAME_BYTES_MAX + 1);
    buffer_init(&r->destination, 2 * NAME_BYTES_MAX + 1);
    name_put_key(call->argv[1], &r->source);
    name_put_key(call->argv[2], &r->destination);
    bool same = slice_eq(buffer_slice(&r->source), buffer_slice(&r->destination));
    int err = r->source.error != 0 ? r->source.error : r->destination.error;
    uint64_t after = call_after(call);
    if (err != 0)
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is changed"));
    else if (same && rule != NULL)
        resp_error(call->reply,
                   SLICE_LIT("ERR TSDB: the source key and destination key should be different"));
    else
        r->slot = call_defer_blocking(call);
    if (r->slot == NULL) {
        ruling_free(r);
        return;
    }
    r->inquiry = inquiry_of(call, command);
    r->ends = rule == NULL;
    if (rule != NULL)
        r->rule = *rule;
    slot_on_gone(r->slot, inquiry_gone, &r->inquiry);
    ask(r, QUERY_EXISTS, after, looked);
}

static bool refuse_word(struct command_call *call, const char *what, uint32_t at,
                        const char *expected)
{
    resp_error_printf(call->reply, "ERR TSDB: %s: got '%.*s', expected %s; nothing is changed",
                      what, READ_QUOTE(call->argv[at]), expected);
    return false;
}

static bool take_rule(struct command_call *call, struct rule *out)
{
    enum aggregator aggregator;
    const struct slice *argv = call->argv;
    if (call->argc > 7) {
        resp_error_printf(call->reply,
                          "ERR wrong number of arguments for '%s' command, expected: %s",
                          call->spec->name, call->spec->syntax);
        return false;
    }
    if (!slice_ieq_str(argv[3], "AGGREGATION"))
        return refuse_word(call, "Couldn't parse AGGREGATION", 3, "AGGREGATION aggregator bucket");
    if (aggregator_parse(argv[4], &aggregator) != 0)
        return refuse_word(call, "Unknown aggregation type", 4, "one of " AGGREGATOR_EXPECTED);
    if (number_parse_i64(argv[5], &out->bucket_ms) != 0)
        return refuse_word(call, "Couldn't parse AGGREGATION", 5, "a bucket's milliseconds");
    if (out->bucket_ms < 1)
        return refuse_word(call, "bucketDuration must be greater than zero", 5, "milliseconds");
    if (call->argc == 7 && (number_parse_i64(argv[6], &out->align_ms) != 0 || out->align_ms < 0))
        return refuse_word(call, "Couldn't parse alignTimestamp", 6,
                           "a time at which a bucket begins, in Unix milliseconds");
    out->aggregator = (uint8_t)aggregator;
    return true;
}

void write_ts_createrule(struct command_call *call)
{
    struct rule rule = {.align_ms = 0};
    if (take_rule(call, &rule))
        begin(call, "TS.CREATERULE", &rule);
}

void write_ts_deleterule(struct command_call *call)
{
    begin(call, "TS.DELETERULE", NULL);
}
