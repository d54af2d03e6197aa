#include "command/session.h"

#include "base/clock.h"
#include "base/error.h"

#include <ctype.h>

/* From a command's words to its handler, or to an error that says what was expected. */

/* The first arguments, quoted, as Redis shows them with an unknown command. */
static void quote_arguments(struct buffer *out, const struct slice *argv, uint32_t argc)
{
    enum { SHOWN_BYTES_MAX = 128 };
    for (uint32_t i = 1; i < argc && out->len < SHOWN_BYTES_MAX; i++) {
        size_t room = SHOWN_BYTES_MAX - out->len;
        buffer_append_str(out, "'");
        buffer_append_slice(out, slice_upto(argv[i], argv[i].n < room ? argv[i].n : room));
        buffer_append_str(out, "' ");
    }
}

/* What to type in place of a command of Redis that is none here. */
static const char *advice_for(struct slice word)
{
    static const struct {
        const char *words; /* between blanks */
        const char *advice;
    } advice[] = {
        {" subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe publish spublish "
         "pubsub ",
         "there are no channels here, and nothing is published: ask with TS.GET or RANGE"},
        {" get set mget mset incr decr incrby decrby append hset hget hgetall lpush rpush lrange "
         "sadd "
         "smembers zadd zrange xadd xrange setex setnx getset ",
         "every key is a time series: TS.ADD key * value stores, TS.GET key reads"},
        {" copy move ",
         "RENAME gives a series another name; a second one is written by TS.RANGE and "
         "TS.MADD"},
        {" cluster readonly readwrite asking ", "there is no cluster here: any process answers"},
        {" save bgsave bgrewriteaof lastsave ",
         "a write that was answered is in the log already, there is nothing to save"},
    };
    char padded[TABLE_WORD_BYTES_MAX + 3] = " ";
    if (word.n == 0 || word.n > TABLE_WORD_BYTES_MAX || slice_find(word, ' ') < word.n)
        return NULL;
    for (size_t i = 0; i < word.n; i++)
        padded[1 + i] = (char)tolower((unsigned char)word.p[i]);
    padded[1 + word.n] = ' ';
    for (size_t i = 0; i < ARRAY_LEN(advice); i++)
        if (strstr(advice[i].words, padded) != NULL)
            return advice[i].advice;
    return NULL;
}

static void refuse_unknown(struct command_table table, struct resp_writer reply,
                           const struct slice *argv, uint32_t argc)
{
    enum { NAME_SHOWN_BYTES_MAX = 128, TEXT_BYTES_MAX = 1024 };
    struct buffer arguments, text;
    buffer_init(&arguments, TEXT_BYTES_MAX);
    buffer_init(&text, TEXT_BYTES_MAX);
    quote_arguments(&arguments, argv, argc);
    size_t shown = argv[0].n < NAME_SHOWN_BYTES_MAX ? argv[0].n : NAME_SHOWN_BYTES_MAX;
    buffer_append_str(&text, "ERR unknown command '");
    buffer_append(&text, argv[0].p, shown);
    buffer_append_str(&text, "', with args beginning with: ");
    buffer_append_slice(&text, buffer_slice(&arguments));
    const char *advice = advice_for(argv[0]);
    const struct command_spec *closest = table_closest(table, argv[0]);
    if (advice != NULL)
        buffer_printf(&text, "- %s", advice);
    else if (closest != NULL)
        buffer_printf(&text, "- did you mean %s", closest->syntax);
    resp_error(reply, buffer_slice(&text));
    buffer_fini(&arguments);
    buffer_fini(&text);
}

static void refuse_unknown_subcommand(const struct command_spec *container,
                                      struct resp_writer reply, struct slice word)
{
    enum { NAME_SHOWN_BYTES_MAX = 128 };
    int shown = word.n < NAME_SHOWN_BYTES_MAX ? (int)word.n : NAME_SHOWN_BYTES_MAX;
    char name[32];
    size_t n = 0;
    for (; n < container->word.n && n < sizeof(name) - 1; n++)
        name[n] = (char)toupper((unsigned char)container->word.p[n]);
    name[n] = '\0';
    resp_error_printf(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", shown, word.p, name);
}

static void refuse_arity(const struct command_spec *spec, struct resp_writer reply)
{
    resp_error_printf(reply, "ERR wrong number of arguments for '%s' command, expected: %s",
                      spec->name, spec->syntax);
}

/* Mostly what was looked up last, for whichever client. */
static const struct command_spec *look_up(struct sessions *all, struct slice word)
{
    const struct command_spec *last = all->looked_up;
    if (UNLIKELY(last == NULL || !slice_ieq(word, last->word)))
        last = all->looked_up = table_find(all->table, word);
    return last;
}

/* What was sent; NULL: there is no such command. */
static const struct command_spec *find(struct sessions *all, const struct slice *argv,
                                       uint32_t argc)
{
    const struct command_spec *spec = look_up(all, argv[0]);
    if (spec != NULL && spec->subcommands.count > 0 && argc > 1)
        return table_find(spec->subcommands, argv[1]);
    return spec;
}

/* The role that it needs and this process does not have; or NULL. */
static const char *missing_role(const struct command_deps *deps, const struct command_spec *spec)
{
    if ((spec->flags & COMMAND_ROLE_INGEST) != 0 && deps->ingest == NULL)
        return "ingest";
    if ((spec->flags & COMMAND_ROLE_QUERY) != 0 && deps->query == NULL)
        return "query";
    if ((spec->flags & COMMAND_ROLE_JOBS) != 0 && deps->jobs == NULL)
        return "jobs";
    return NULL;
}

enum refusal {
    REFUSAL_NONE,
    REFUSAL_UNKNOWN,
    REFUSAL_ARITY,
    REFUSAL_AUTH,
    REFUSAL_ROLE,
    REFUSAL_MULTI
};

/* May this client run it, here and now? */
static enum refusal judge(const struct session *session, const struct command_spec *spec,
                          uint32_t argc)
{
    if (spec == NULL)
        return REFUSAL_UNKNOWN;
    if (!spec_takes(spec, argc))
        return REFUSAL_ARITY;
    if (session->environment == NULL && (spec->flags & COMMAND_NO_AUTH) == 0)
        return REFUSAL_AUTH;
    if (missing_role(session->all->deps, spec) != NULL)
        return REFUSAL_ROLE;
    if (session->queueing != NULL && (spec->flags & COMMAND_NO_MULTI) != 0)
        return REFUSAL_MULTI;
    return REFUSAL_NONE;
}

/* Says why, and what was expected. */
static void explain(struct session *session, enum refusal refusal, struct resp_writer reply,
                    const struct command_spec *spec, const struct slice *argv, uint32_t argc)
{
    const struct command_spec *container;
    switch (refusal) {
    case REFUSAL_NONE:
        break;
    case REFUSAL_UNKNOWN:
        container = look_up(session->all, argv[0]);
        if (container == NULL)
            refuse_unknown(session->all->table, reply, argv, argc);
        else
            refuse_unknown_subcommand(container, reply, argv[1]);
        break;
    case REFUSAL_ARITY:
        refuse_arity(spec, reply);
        break;
    case REFUSAL_AUTH:
        resp_error(reply, SLICE_LIT("NOAUTH Authentication required."));
        break;
    case REFUSAL_ROLE:
        resp_error_printf(reply, "ERR '%s' needs the role %s, which this process does not have",
                          spec->name, missing_role(session->all->deps, spec));
        break;
    case REFUSAL_MULTI:
        resp_error(reply, SLICE_LIT("ERR Command not allowed inside a transaction"));
        break;
    }
}

COLD static void refuse(struct session *session, enum refusal refusal,
                        const struct command_spec *spec, const struct slice *argv, uint32_t argc)
{
    struct buffer *out = replies_begin(&session->replies);
    explain(session, refusal, (struct resp_writer){out, session->version}, spec, argv, argc);
    session->all->refused++;
    usage_reply(&session->all->usage, spec, slice_from(buffer_slice(out), session->replies.mark), 1,
                true);
    if (session->queueing != NULL)
        session->queueing->broken = true;
    replies_end(&session->replies);
}

COLD static void enqueue(struct session *session, const struct command_spec *spec,
                         struct slice *argv, uint32_t argc)
{
    int status = transaction_add(session->queueing, spec, argv, argc);
    struct resp_writer reply = {replies_begin(&session->replies), session->version};
    if (status == 0) {
        resp_simple(reply, SLICE_LIT("QUEUED"));
    } else {
        session->queueing->broken = true;
        resp_error_printf(reply, "ERR the command was not queued: %s",
                          status == LT_ELIMIT
                              ? "the transaction is larger than client-query-bytes-max"
                              : "out of memory");
    }
    replies_end(&session->replies);
}

/* Runs it, and those that it takes along. */
static void run(struct command_call *call)
{
    struct session *session = call->session;
    struct usage_command *counts = usage_of(&session->all->usage, call->spec);
    session->taken = 0;
    session->all->commands++;
    if (UNLIKELY(counts->calls++ >= counts->due)) {
        int64_t begin_ns = clock_mono_ns();
        call->spec->handler(call);
        counts->timed_ns += (uint64_t)(clock_mono_ns() - begin_ns);
        counts->timed += 1 + session->taken;
        counts->due = counts->calls + USAGE_TIMED;
    } else {
        call->spec->handler(call);
    }
    session->all->commands += session->taken;
    counts->calls += session->taken;
    if (UNLIKELY(session_runs_again(session))) {
        session->all->commands--;
        counts->calls--;
    }
}

void dispatch_run(struct session *session, const struct command_spec *spec, struct slice *argv,
                  uint32_t argc)
{
    struct buffer *out = replies_begin(&session->replies);
    struct command_call call = {
        .session = session,
        .spec = spec,
        .deps = session->all->deps,
        .environment = session->environment,
        .argv = argv,
        .argc = argc,
        .reply = {out, session->version},
    };
    session->last_command = spec;
    size_t mark = out->len;
    run(&call);
    if (!call.deferred && out->len > mark)
        usage_reply(&session->all->usage, spec, slice_from(buffer_slice(out), mark), 1, false);
    replies_end(&session->replies);
}

void dispatch(struct session *session, struct slice *argv, uint32_t argc)
{
    const struct command_spec *spec = find(session->all, argv, argc);
    enum refusal refusal = judge(session, spec, argc);
    if (UNLIKELY(refusal != REFUSAL_NONE))
        refuse(session, refusal, spec, argv, argc);
    else if (UNLIKELY(session->queueing != NULL) && (spec->flags & COMMAND_MULTI_NOW) == 0)
        enqueue(session, spec, argv, argc);
    else
        dispatch_run(session, spec, argv, argc);
}
