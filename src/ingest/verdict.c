#include "ingest/verdict.h"

#include <math.h>

static struct verdict refuse(enum verdict_kind kind, int64_t time_ms)
{
    return (struct verdict){.kind = kind, .time_ms = time_ms};
}

/* Times are 0 … 2^63 - 1, so that no difference overflows. */
static bool is_small_change(const struct verdict_rules *rules, const struct verdict_newest *newest,
                            int64_t time_ms, double value)
{
    return rules->ignores && newest->any && time_ms >= newest->time_ms &&
           time_ms - newest->time_ms <= rules->ignore_ms &&
           fabs(value - newest->value) <= rules->ignore_value;
}

static struct verdict add(const struct verdict_rules *rules, const struct verdict_newest *newest,
                          const struct verdict_command *c, enum verdict_has has)
{
    bool blocks = c->has_policy ? c->blocks : rules->blocks;
    enum policy policy = c->has_policy ? c->policy : rules->policy;
    bool late = newest->any && c->time_ms < newest->time_ms;
    if (late && rules->retention_ms > 0 && newest->time_ms - c->time_ms > rules->retention_ms)
        return refuse(VERDICT_OLD, c->time_ms);
    bool last = !blocks && policy == POLICY_LAST && (c->has_policy || rules->said);
    if (last && is_small_change(rules, newest, c->time_ms, c->value))
        return refuse(VERDICT_IGNORE, newest->time_ms);
    bool no_nan = !blocks && verdict_asks_for_nan(policy, c->value);
    if (newest->any && c->time_ms == newest->time_ms)
        has = isnan(newest->value) ? VERDICT_HAS_NAN : VERDICT_HAS_NUMBER;
    else if (!late)
        has = VERDICT_HAS_NOT;
    if ((blocks || no_nan) && has == VERDICT_UNKNOWN)
        return refuse(VERDICT_LOOK, c->time_ms);
    if (blocks && has != VERDICT_HAS_NOT)
        return refuse(VERDICT_DUPLICATE, c->time_ms);
    if (no_nan && has == VERDICT_HAS_NUMBER)
        return refuse(VERDICT_NAN, c->time_ms);
    /* FIRST: what another process writes there meanwhile, without asking, is as if it came later
     * where it overwrites, and as if it was refused where it does not. */
    return (struct verdict){VERDICT_STORE, c->time_ms, c->value, blocks ? POLICY_FIRST : policy};
}

static struct verdict count(const struct verdict_rules *rules, const struct verdict_newest *newest,
                            const struct verdict_command *c)
{
    int64_t time_ms = c->time_ms;
    if (newest->any && time_ms < newest->time_ms) {
        if (!c->relative)
            return refuse(VERDICT_BACKWARDS, time_ms);
        time_ms = newest->time_ms;
    }
    if (newest->any && isnan(newest->value))
        return refuse(VERDICT_NAN, time_ms);
    double value = newest->any ? newest->value + c->value : c->value;
    if (isinf(value))
        return refuse(VERDICT_INFINITE, time_ms);
    if (is_small_change(rules, newest, time_ms, value))
        return refuse(VERDICT_IGNORE, newest->time_ms);
    return (struct verdict){VERDICT_STORE, time_ms, value, POLICY_LAST};
}

struct verdict verdict_of(const struct verdict_rules *rules, const struct verdict_newest *newest,
                          const struct verdict_command *command, enum verdict_has has)
{
    return command->what == VERDICT_COUNT ? count(rules, newest, command)
                                          : add(rules, newest, command, has);
}

void verdict_apply(struct verdict_newest *newest, const struct verdict *v)
{
    if (v->kind != VERDICT_STORE)
        return;
    if (!newest->any || v->time_ms > newest->time_ms)
        *newest = (struct verdict_newest){true, v->time_ms, v->value};
    else if (v->time_ms == newest->time_ms)
        newest->value = policy_fold(v->policy, newest->value, v->value);
}
