#include "aggregation/aggregator.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>

static const char *const texts[] = {
#define AGGREGATOR_TEXT(name, text) [AGGREGATOR_##name] = text,
    AGGREGATORS(AGGREGATOR_TEXT)
#undef AGGREGATOR_TEXT
};

const char *aggregator_text(enum aggregator aggregator)
{
    assert(aggregator < AGGREGATOR_KINDS);
    return texts[aggregator];
}

int aggregator_parse(struct slice text, enum aggregator *out)
{
    for (int i = 0; i < AGGREGATOR_KINDS; i++) {
        if (slice_ieq_str(text, texts[i])) {
            *out = (enum aggregator)i;
            return 0;
        }
    }
    return LT_EPARSE;
}

bool aggregator_reduces(enum aggregator aggregator)
{
    return aggregator != AGGREGATOR_FIRST && aggregator != AGGREGATOR_LAST &&
           aggregator != AGGREGATOR_TWA;
}

bool aggregator_takes(enum aggregator aggregator, double value)
{
    if (aggregator == AGGREGATOR_COUNTALL)
        return true;
    return (aggregator == AGGREGATOR_COUNTNAN) == (isnan(value) != 0);
}

int aggregator_list_parse(struct slice text, struct aggregator_list *out)
{
    struct aggregator_list list = {.n = 0};
    for (;;) {
        size_t comma = slice_find(text, ',');
        enum aggregator aggregator;
        if (list.n == AGGREGATORS_MAX)
            return LT_ELIMIT;
        if (aggregator_parse(slice_upto(text, comma), &aggregator) != 0)
            return LT_EPARSE;
        list.v[list.n++] = (uint8_t)aggregator;
        list.set |= 1U << aggregator;
        if (comma == text.n)
            break;
        text = slice_from(text, comma + 1);
    }
    *out = list;
    return 0;
}
