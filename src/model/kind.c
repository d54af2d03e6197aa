#include "model/kind.h"

#include "base/error.h"

#include <math.h>

static const char *const kind_texts[] = {
    [KIND_GAUGE] = "gauge",
    [KIND_DELTA] = "delta",
    [KIND_COUNTER] = "counter",
};

static const char *const policy_texts[POLICY_COUNT] = {
    [POLICY_LAST] = "last", [POLICY_FIRST] = "first", [POLICY_MIN] = "min",
    [POLICY_MAX] = "max",   [POLICY_SUM] = "sum",
};

const char *kind_text(enum kind kind)
{
    return kind_texts[kind];
}

const char *policy_text(enum policy policy)
{
    return policy_texts[policy];
}

/* The position of text in texts, or -1. */
static int text_find(struct slice text, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ieq_str(text, texts[i]))
            return (int)i;
    return -1;
}

int kind_parse(struct slice text, enum kind *out)
{
    int i = text_find(text, kind_texts, ARRAY_LEN(kind_texts));
    if (i < 0)
        return LT_EINVALID;
    *out = (enum kind)i;
    return 0;
}

int policy_parse(struct slice text, enum policy *out)
{
    int i = text_find(text, policy_texts, ARRAY_LEN(policy_texts));
    if (i < 0)
        return LT_EINVALID;
    *out = (enum policy)i;
    return 0;
}

double policy_fold(enum policy policy, double now, double next)
{
    if (policy == POLICY_LAST)
        return next;
    if (policy == POLICY_FIRST || isnan(next))
        return now;
    if (isnan(now))
        return next;
    switch (policy) {
    case POLICY_MIN:
        return next < now ? next : now;
    case POLICY_MAX:
        return next > now ? next : now;
    default:
        return now + next;
    }
}
