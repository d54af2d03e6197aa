#include "base/error.h"
#include "query/query.h"

static const char *const aggregate_names[] = {
    [AGGREGATE_AVG] = "avg",   [AGGREGATE_SUM] = "sum",     [AGGREGATE_MIN] = "min",
    [AGGREGATE_MAX] = "max",   [AGGREGATE_COUNT] = "count", [AGGREGATE_FIRST] = "first",
    [AGGREGATE_LAST] = "last", [AGGREGATE_RATE] = "rate",
};

const char *aggregate_text(enum aggregate aggregate)
{
    return aggregate_names[aggregate];
}

int aggregate_parse(struct slice text, enum aggregate *out)
{
    for (size_t i = 0; i < ARRAY_LEN(aggregate_names); i++) {
        if (slice_ieq_str(text, aggregate_names[i])) {
            *out = (enum aggregate)i;
            return 0;
        }
    }
    return LT_EINVALID;
}

const char *bucket_state_text(enum bucket_state state)
{
    static const char *const names[] = {
        [BUCKET_VALUE] = "value",
        [BUCKET_ZERO] = "zero",
        [BUCKET_ABSENT] = "absent",
        [BUCKET_NOT_COLLECTED] = "not_collected",
    };
    return names[state];
}
