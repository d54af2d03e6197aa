#include "ingest/gather.h"

#include "base/i64.h"

void gather_report(struct gather *g, bool holds, uint32_t commands, int64_t took_ns, int64_t now_ns)
{
    g->until_ns = 0;
    if (!holds)
        return;
    int64_t most_ns = took_ns / GATHER_PART;
    g->until_ns = now_ns + i64_min(most_ns, GATHER_NS_MAX);
    g->expected = commands;
    g->arrived = 0;
}

void gather_command(struct gather *g)
{
    if (g->until_ns != 0 && ++g->arrived >= g->expected)
        g->until_ns = 0;
}

void gather_end(struct gather *g)
{
    g->until_ns = 0;
}

bool gather_waits(struct gather *g, int64_t now_ns)
{
    if (g->until_ns != 0 && now_ns >= g->until_ns)
        g->until_ns = 0;
    return g->until_ns != 0;
}
