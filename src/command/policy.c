#include "command/policy.h"

#include "catalog/declared.h"

bool policy_begin(struct command_call *call, bool may_wait, struct policy_known *out)
{
    const struct command_deps *deps = call->deps;
    enum declares says = deps->declares == NULL
                             ? DECLARES_UNKNOWN
                             : deps->declares(deps->catalog_arg, call->environment->id);
    *out = (struct policy_known){0};
    if (LIKELY(says == DECLARES_NOTHING))
        return true;
    if (says == DECLARES_SOON && may_wait && session_decided_epoch(call->session) == 0) {
        call_again_when_declared(call);
        return false;
    }
    if (says == DECLARES_SOME)
        out->catalog = deps->catalog(deps->catalog_arg, call->environment->id);
    out->unknown = out->catalog == NULL;
    return true;
}

void policy_end(struct policy_known *known)
{
    catalog_unref(&known->catalog);
}

struct policy_way policy_way_of(const struct settings *settings, enum duplicate on_duplicate,
                                double value)
{
    bool given = on_duplicate != DUPLICATE_DEFAULT;
    enum duplicate duplicate = given || settings == NULL ? on_duplicate : settings->duplicate;
    enum policy policy = settings_policy(duplicate);
    bool blocks = duplicate == DUPLICATE_BLOCK;
    /* IGNORE works where LAST is said, as in the reference, where nobody's word is BLOCK. */
    bool ignores = settings != NULL && duplicate == DUPLICATE_LAST &&
                   (settings->ignore_ms > 0 || settings->ignore_value > 0);
    bool state = ignores || (settings != NULL && settings->retention_ms > 0) ||
                 verdict_asks_for_nan(policy, value);
    return (struct policy_way){policy, blocks, given, blocks || state};
}

struct policy_way policy_way(const struct policy_known *known, const struct record_point *point,
                             enum duplicate on_duplicate)
{
    struct settings settings;
    if (UNLIKELY(known->unknown && on_duplicate == DUPLICATE_DEFAULT))
        return (struct policy_way){.policy = POLICY_DECLARED};
    bool declared = known->catalog != NULL &&
                    catalog_deciding(known->catalog, point->host, point->metric, &settings);
    return policy_way_of(declared ? &settings : NULL, on_duplicate, point->value);
}

bool policy_is_harmless(enum policy policy)
{
    return policy != POLICY_SUM && policy != POLICY_DECLARED;
}

struct decide_ask policy_ask(struct policy_way way, const struct record_point *point, bool relative,
                             uint64_t epoch)
{
    /* What is decided takes the series' policy as it is by then. */
    return (struct decide_ask){.host = point->host,
                               .metric = point->metric,
                               .command = {.what = VERDICT_ADD,
                                           .relative = relative,
                                           .has_policy = way.given,
                                           .blocks = way.blocks,
                                           .policy = way.policy,
                                           .time_ms = point->time_ms,
                                           .value = point->value},
                               .epoch = epoch,
                               .plain = !way.decides && epoch == 0};
}
