#include "command/policy.h"

#include "catalog/declared.h"

struct catalog *policy_begin(const struct command_call *call)
{
    const struct command_deps *deps = call->deps;
    if (deps->decides == NULL || LIKELY(!deps->decides(deps->catalog_arg, call->environment->id)))
        return NULL;
    return deps->catalog(deps->catalog_arg, call->environment->id);
}

enum duplicate policy_declared(struct catalog *catalog, const struct record_point *point)
{
    struct settings settings;
    bool decides =
        catalog != NULL && catalog_deciding(catalog, point->host, point->metric, &settings);
    return decides ? settings.duplicate : DUPLICATE_DEFAULT;
}

bool policy_of(enum duplicate duplicate, enum policy *out)
{
    static const enum policy policies[] = {
        [DUPLICATE_DEFAULT] = POLICY_LAST, [DUPLICATE_BLOCK] = POLICY_LAST,
        [DUPLICATE_LAST] = POLICY_LAST,    [DUPLICATE_FIRST] = POLICY_FIRST,
        [DUPLICATE_MIN] = POLICY_MIN,      [DUPLICATE_MAX] = POLICY_MAX,
        [DUPLICATE_SUM] = POLICY_SUM,
    };
    *out = policies[duplicate];
    return duplicate != DUPLICATE_BLOCK;
}
