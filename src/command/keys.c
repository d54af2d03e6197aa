#include "base/clock.h"
#include "command/read_request.h"

#include "command_table.h"

#include <inttypes.h>

/* The commands of Redis that ask about keys, whatever their type: EXISTS TYPE TTL PTTL EXPIRETIME
 * PEXPIRETIME MEMORY USAGE OBJECT ENCODING. A key is there while its series is declared or has a
 * point. */

enum {
    EXISTS_KEYS_MAX = 1000,
    /* About: the name in the catalog (catalog/items.h), a point in the head (store/segment.h). */
    NAME_MEMORY_BYTES = 30,
    POINT_MEMORY_BYTES = 25,
};

static void ask(struct command_call *call, const char *command, const struct slice *keys,
                uint32_t count, read_render *render)
{
    struct query_spec spec = {
        .what = QUERY_EXISTS, .command = command, .keys = keys, .keys_count = count};
    for (uint32_t i = 0; i < count; i++)
        if (!read_check_key(call, keys[i]))
            return;
    read_submit(call, &spec, render, RENDER_NESTED);
}

/* ---- EXISTS, TYPE ---- */

static void render_exists(struct resp_writer w, const union query_result *result,
                          enum render_format format)
{
    const struct result_keys *keys = &result->keys;
    int64_t known = 0;
    for (uint32_t i = 0; i < keys->count; i++)
        known += keys->keys[i].known;
    resp_integer(w, known);
}

void keys_exists(struct command_call *call)
{
    if (call->argc - 1 > EXISTS_KEYS_MAX)
        resp_error_printf(call->reply, "ERR %" PRIu32 " keys: expected at most %d a command",
                          call->argc - 1, EXISTS_KEYS_MAX);
    else
        ask(call, "EXISTS", call->argv + 1, call->argc - 1, render_exists);
}

static void render_type(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    resp_simple(w, result->keys.keys[0].known ? SLICE_LIT("TSDB-TYPE") : SLICE_LIT("none"));
}

void keys_type(struct command_call *call)
{
    ask(call, "TYPE", call->argv + 1, 1, render_type);
}

/* ---- TTL and its kin: the series' retention (expire.c) ---- */

enum { NO_EXPIRY = -1, NO_KEY = -2 };

static int64_t ttl_ms(const union query_result *result)
{
    const struct result_key *key = &result->keys.keys[0];
    if (!key->known)
        return NO_KEY;
    return key->settings.retention_ms > 0 ? key->settings.retention_ms : NO_EXPIRY;
}

static int64_t to_seconds(int64_t ms)
{
    return ms / 1000 + (ms % 1000 >= 500);
}

/* A point that comes now leaves then, if others go on coming. */
static int64_t expires_ms(int64_t ttl)
{
    int64_t now_ms = clock_wall_ms();
    return ttl > INT64_MAX - now_ms ? INT64_MAX : ttl + now_ms;
}

static void render_ttl(struct resp_writer w, const union query_result *result,
                       enum render_format format)
{
    int64_t ttl = ttl_ms(result);
    resp_integer(w, ttl > 0 ? to_seconds(ttl) : ttl);
}

static void render_pttl(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    resp_integer(w, ttl_ms(result));
}

static void render_expiretime(struct resp_writer w, const union query_result *result,
                              enum render_format format)
{
    int64_t ttl = ttl_ms(result);
    resp_integer(w, ttl > 0 ? to_seconds(expires_ms(ttl)) : ttl);
}

static void render_pexpiretime(struct resp_writer w, const union query_result *result,
                               enum render_format format)
{
    int64_t ttl = ttl_ms(result);
    resp_integer(w, ttl > 0 ? expires_ms(ttl) : ttl);
}

void keys_ttl(struct command_call *call)
{
    ask(call, "TTL", call->argv + 1, 1, render_ttl);
}

void keys_pttl(struct command_call *call)
{
    ask(call, "PTTL", call->argv + 1, 1, render_pttl);
}

void keys_expiretime(struct command_call *call)
{
    ask(call, "EXPIRETIME", call->argv + 1, 1, render_expiretime);
}

void keys_pexpiretime(struct command_call *call)
{
    ask(call, "PEXPIRETIME", call->argv + 1, 1, render_pexpiretime);
}

/* ---- MEMORY, OBJECT ---- */

static void render_memory(struct resp_writer w, const union query_result *result,
                          enum render_format format)
{
    const struct result_key *key = &result->keys.keys[0];
    if (key->known)
        resp_integer(w, (int64_t)(NAME_MEMORY_BYTES + POINT_MEMORY_BYTES * key->points_in_memory));
    else
        resp_null(w);
}

void keys_memory_usage(struct command_call *call)
{
    struct read_args args = {.call = call, .at = 3};
    int64_t samples;
    while (read_args_left(&args)) {
        if (!read_take_keyword(&args, "SAMPLES")) {
            read_unknown(&args, "SAMPLES count");
            return;
        }
        if (!read_take_integer(&args, "SAMPLES", 0, INT64_MAX, &samples))
            return;
    }
    ask(call, "MEMORY USAGE", call->argv + 2, 1, render_memory);
}

static void render_encoding(struct resp_writer w, const union query_result *result,
                            enum render_format format)
{
    if (result->keys.keys[0].known)
        resp_bulk_str(w, "raw"); /* as of every type that a module brings */
    else
        resp_null(w);
}

void keys_object_encoding(struct command_call *call)
{
    ask(call, "OBJECT ENCODING", call->argv + 2, 1, render_encoding);
}
