#include "command/read_request.h"
#include "command/session.h"
#include "command_table.h"

#include <fnmatch.h>

/* CONFIG: the options that the process was started with. */

static bool option_matches(const struct command_call *call, const char *name)
{
    enum { PATTERN_BYTES_MAX = 128 };
    char pattern[PATTERN_BYTES_MAX];
    for (uint32_t i = 2; i < call->argc; i++) {
        struct slice word = call->argv[i];
        if (word.n >= sizeof(pattern)) /* longer than any name */
            continue;
        memcpy(pattern, word.p, word.n);
        pattern[word.n] = '\0';
        if (fnmatch(pattern, name, FNM_CASEFOLD) == 0)
            return true;
    }
    return false;
}

void status_config_get(struct command_call *call)
{
    const struct option_set *options = call->deps->options;
    uint32_t matching = 0;
    for (size_t i = 0; i < option_count(options); i++)
        matching += option_matches(call, option_spec_at(options, i)->name);
    resp_map(call->reply, matching);
    for (size_t i = 0; i < option_count(options); i++) {
        const char *name = option_spec_at(options, i)->name;
        if (!option_matches(call, name))
            continue;
        resp_bulk_str(call->reply, name);
        resp_bulk_str(call->reply, option_value_at(options, i));
    }
}

/* ---- SET, RESETSTAT ---- */

static const char *value_of(const struct option_set *options, struct slice name, bool *secret_out)
{
    for (size_t i = 0; i < option_count(options); i++) {
        const struct option_spec *spec = option_spec_at(options, i);
        *secret_out = spec->secret;
        if (slice_ieq_str(name, spec->name))
            return option_value_at(options, i);
    }
    return NULL;
}

static bool may_set(struct command_call *call, struct slice name, struct slice value)
{
    bool secret = false;
    const char *now = value_of(call->deps->options, name, &secret);
    if (now == NULL) {
        resp_error_printf(
            call->reply,
            "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'. CONFIG "
            "GET * lists the options",
            READ_QUOTE(name));
        return false;
    }
    if (!secret && slice_eq_str(value, now))
        return true;
    resp_error_printf(call->reply,
                      "ERR CONFIG SET failed (possibly related to argument '%.*s') - can't set "
                      "immutable config: options are set when the server starts, by --%.*s, in the "
                      "environment or in its file",
                      READ_QUOTE(name), READ_QUOTE(name));
    return false;
}

/* No part of the server looks at its options again after the start. Tools that make sure of a
 * value find it as it is. */
void status_config_set(struct command_call *call)
{
    if (call->argc % 2 != 0) {
        resp_error_printf(call->reply,
                          "ERR wrong number of arguments for 'config|set' command, expected: %s",
                          call->spec->syntax);
        return;
    }
    for (uint32_t i = 2; i < call->argc; i += 2)
        if (!may_set(call, call->argv[i], call->argv[i + 1]))
            return;
    resp_simple(call->reply, SLICE_LIT("OK"));
}

void status_config_resetstat(struct command_call *call)
{
    struct sessions *all = call->session->all;
    all->connections = 0;
    all->commands = 0;
    all->refused = 0;
    all->errors_protocol = 0;
    all->cut_slow = 0;
    all->auth_failures = 0;
    all->rate_commands = 0;
    usage_reset(&all->usage);
    resp_simple(call->reply, SLICE_LIT("OK"));
}
