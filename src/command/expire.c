#include "base/clock.h"
#include "base/number.h"
#include "catalog/declared.h"
#include "command/declare.h"
#include "command/read_request.h"
#include "command_table.h"
#include "model/name.h"

#include <stdlib.h>

/* EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST: no key goes as a whole here, its points do. So the
 * time to live that a client gives is the series' retention: points that are older than the newest
 * one less this are not seen any more; TTL and its kin (keys.c) tell it. A time that has passed
 * already deletes the key, as in Redis. */

enum condition { ALWAYS, IF_NONE, IF_ANY, IF_LONGER, IF_SHORTER };

struct expiry {
    int64_t retention_ms;
    enum condition condition;
};

static bool holds(const struct expiry *e, int64_t now_ms)
{
    switch (e->condition) {
    case IF_NONE:
        return now_ms == 0;
    case IF_ANY:
        return now_ms > 0;
    case IF_LONGER: /* none is for ever */
        return now_ms > 0 && e->retention_ms > now_ms;
    case IF_SHORTER:
        return now_ms == 0 || e->retention_ms < now_ms;
    case ALWAYS:
        break;
    }
    return true;
}

static void reply(struct declare *d, int64_t answer)
{
    resp_integer(slot_reply(d->slot), answer);
    declare_end(d);
}

static void set_retention(struct declare *d, const struct result_key *key, int64_t retention_ms)
{
    struct settings settings = settings_none;
    settings.given = SETTINGS_RETENTION;
    settings.retention_ms = retention_ms;
    declare_append(d, key->declared ? RECORD_SERIES_ALTER : RECORD_SERIES_EITHER, &settings);
}

static void expire_looked(struct declare *d, const struct result_key *key)
{
    const struct expiry *e = d->arg;
    int64_t now_ms = key->settings.retention_ms;
    if (!key->known || !holds(e, now_ms))
        reply(d, 0);
    else if (key->declared && e->retention_ms == now_ms)
        reply(d, 1);
    else
        set_retention(d, key, e->retention_ms);
}

static void settled(struct declare *d, uint64_t offset, const struct result_key *key)
{
    reply(d, key->declared); /* not, where somebody deleted it meanwhile */
}

/* A client that sends its time to live with every point (Telegraf) waits for nobody. */
static bool stands_already(struct command_call *call, const struct expiry *e)
{
    const struct command_deps *deps = call->deps;
    struct slice host, metric;
    struct catalog_declared declared;
    struct catalog *catalog =
        deps->catalog == NULL ? NULL : deps->catalog(deps->catalog_arg, call->environment->id);
    name_split_key(call->argv[1], &host, &metric);
    bool stands = e->condition == ALWAYS && catalog != NULL &&
                  catalog_declared(catalog, host, metric, &declared) &&
                  declared.settings.retention_ms == e->retention_ms;
    catalog_unref(&catalog);
    return stands;
}

static bool take_condition(struct command_call *call, enum condition *out)
{
    static const char *const names[] = {"", "NX", "XX", "GT", "LT"};
    *out = ALWAYS;
    if (call->argc == 3)
        return true;
    for (unsigned i = IF_NONE; call->argc == 4 && i <= IF_SHORTER; i++) {
        if (slice_ieq_str(call->argv[3], names[i])) {
            *out = (enum condition)i;
            return true;
        }
    }
    resp_error_printf(call->reply, "ERR Unsupported option %.*s: expected NX, XX, GT or LT",
                      READ_QUOTE(call->argv[3]));
    return false;
}

static void expire(struct command_call *call, const char *command, int64_t unit_ms, bool absolute)
{
    static const struct declare_steps steps = {.looked = expire_looked, .settled = settled};
    struct expiry expiry;
    int64_t time;
    if (!take_condition(call, &expiry.condition) || !read_check_key(call, call->argv[1]))
        return;
    if (number_parse_i64(call->argv[2], &time) != 0) {
        resp_error_printf(call->reply, "ERR value is not an integer or out of range, expected %s",
                          unit_ms == 1 ? "milliseconds" : "seconds");
        return;
    }
    if (time > INT64_MAX / unit_ms || time < INT64_MIN / unit_ms / 2) {
        resp_error_printf(call->reply, "ERR invalid expire time in '%s' command", command);
        return;
    }
    expiry.retention_ms = time * unit_ms - (absolute ? clock_wall_ms() : 0);
    if (expiry.retention_ms <= 0) {
        call->argc = 2; /* DEL key */
        write_del(call);
        return;
    }
    if (stands_already(call, &expiry)) {
        resp_integer(call->reply, 1);
        return;
    }
    struct expiry *kept = malloc(sizeof(*kept));
    if (kept == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, nothing is changed"));
        return;
    }
    *kept = expiry;
    if (!declare_begin(call, &steps, "EXPIRE", call->argv[1], NULL, kept))
        free(kept);
}

void keys_expire(struct command_call *call)
{
    expire(call, "expire", 1000, false);
}

void keys_pexpire(struct command_call *call)
{
    expire(call, "pexpire", 1, false);
}

void keys_expireat(struct command_call *call)
{
    expire(call, "expireat", 1000, true);
}

void keys_pexpireat(struct command_call *call)
{
    expire(call, "pexpireat", 1, true);
}

static void persist_looked(struct declare *d, const struct result_key *key)
{
    if (key->declared && key->settings.retention_ms > 0)
        set_retention(d, key, 0);
    else
        reply(d, 0);
}

void keys_persist(struct command_call *call)
{
    static const struct declare_steps steps = {.looked = persist_looked, .settled = settled};
    (void)!declare_begin(call, &steps, "PERSIST", call->argv[1], NULL, NULL);
}
