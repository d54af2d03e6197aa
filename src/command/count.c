#include "base/clock.h"
#include "base/number.h"
#include "command/add.h"
#include "command/decide.h"
#include "command/handlers.h"
#include "command_table.h"

#include <math.h>

/* TS.INCRBY and TS.DECRBY key number [TIMESTAMP time] ...: the newest point and a number, as a
 * point. */

/* False: the reply is composed. */
static bool take_time(struct command_call *call, struct verdict_command *c)
{
    c->relative = true;
    c->time_ms = clock_wall_ms();
    for (uint32_t i = 3; i < call->argc; i++) {
        if (!slice_ieq_str(call->argv[i], "TIMESTAMP"))
            continue;
        if (i + 1 < call->argc && slice_eq_str(call->argv[i + 1], "*"))
            return true;
        c->relative = false;
        if (i + 1 < call->argc && number_parse_i64(call->argv[i + 1], &c->time_ms) == 0 &&
            c->time_ms >= 0)
            return true;
        resp_error(call->reply,
                   SLICE_LIT("ERR TSDB: invalid timestamp, expected TIMESTAMP and Unix "
                             "milliseconds from 0 to 2^63-1, or *; nothing is stored"));
        return false;
    }
    return true;
}

/* Options that declare are for a series that is new; for another they say nothing. */
static bool declares(struct command_call *call, const struct decide_ask *ask,
                     const struct series_options *options)
{
    return options->settings.given != 0 && !add_is_declared(call, ask->host, ask->metric);
}

static void count(struct command_call *call, const char *name, double sign)
{
    struct series_options options = {0};
    struct decide_ask ask = {.command.what = VERDICT_COUNT};
    struct verdict_command *c = &ask.command;
    if (!write_check_key(call, call->argv[1], &ask.host, &ask.metric))
        return;
    if (number_parse_f64(call->argv[2], &c->value) != 0 || isnan(c->value)) {
        resp_error(call->reply, SLICE_LIT("ERR TSDB: invalid increase/decrease value, expected a "
                                          "finite decimal number; nothing is stored"));
        return;
    }
    c->value *= sign;
    if (!take_time(call, c) ||
        (call->argc > 3 && !series_options_parse(call, 3, SERIES_OPTIONS_ENCODING, &options)))
        return;
    ask.epoch = session_decided_epoch(call->session);
    if (declares(call, &ask, &options))
        add_declaring(call, name, &options, c);
    else
        decide_reply(call, &ask);
}

void write_ts_incrby(struct command_call *call)
{
    count(call, "TS.INCRBY", 1);
}

void write_ts_decrby(struct command_call *call)
{
    count(call, "TS.DECRBY", -1);
}
