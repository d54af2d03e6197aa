#include "command/policy.h"

#include "catalog/declared.h"

struct catalog *policy_begin(const struct command_call *call)
{
    const struct command_deps *deps = call->deps;
    if (deps->decides == NULL || LIKELY(!deps->decides(deps->catalog_arg, call->environment->id)))
        return NULL;
    return deps->catalog(deps->catalog_arg, call->environment->id);
}

struct policy_way policy_way_of(const struct settings *settings, enum duplicate on_duplicate)
{
    static const enum policy policies[] = {
        [DUPLICATE_DEFAULT] = POLICY_LAST, [DUPLICATE_BLOCK] = POLICY_FIRST,
        [DUPLICATE_LAST] = POLICY_LAST,    [DUPLICATE_FIRST] = POLICY_FIRST,
        [DUPLICATE_MIN] = POLICY_MIN,      [DUPLICATE_MAX] = POLICY_MAX,
        [DUPLICATE_SUM] = POLICY_SUM,
    };
    bool given = on_duplicate != DUPLICATE_DEFAULT;
    enum duplicate duplicate = given || settings == NULL ? on_duplicate : settings->duplicate;
    bool blocks = duplicate == DUPLICATE_BLOCK;
    /* IGNORE works where LAST is said, as in the reference, where nobody's word is BLOCK. */
    bool ignores = settings != NULL && duplicate == DUPLICATE_LAST &&
                   (settings->ignore_ms > 0 || settings->ignore_value > 0);
    bool state = ignores || (settings != NULL && settings->retention_ms > 0);
    return (struct policy_way){policies[duplicate], blocks, given, blocks || state};
}

struct policy_way policy_way(struct catalog *catalog, const struct record_point *point,
                             enum duplicate on_duplicate)
{
    struct settings settings;
    bool declared =
        catalog != NULL && catalog_deciding(catalog, point->host, point->metric, &settings);
    return policy_way_of(declared ? &settings : NULL, on_duplicate);
}

struct decide_ask policy_ask(struct policy_way way, const struct record_point *point, bool relative)
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
                               .plain = !way.decides};
}
