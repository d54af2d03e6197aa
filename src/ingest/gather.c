#include "ingest/gather.h"

void gather_report(struct gather *g, uint32_t commands, int64_t took_ns, int64_t now_ns)
{
    g->until_ns = 0;
    if (took_ns < GATHER_REPORT_NS_MIN)
        return;
    if (g->skip > 0) {
        g->skip--;
        return;
    }
    int64_t most_ns = took_ns / GATHER_PART;
    g->until_ns = now_ns + (most_ns < GATHER_NS_MAX ? most_ns : GATHER_NS_MAX);
    g->expected = commands;
    g->arrived = 0;
}

void gather_command(struct gather *g)
{
    if (g->until_ns == 0 || ++g->arrived < g->expected)
        return;
    g->until_ns = 0;
    g->misses = 0;
}

void gather_end(struct gather *g)
{
    g->until_ns = 0;
}

bool gather_waits(struct gather *g, int64_t now_ns)
{
    if (g->until_ns == 0)
        return false;
    if (now_ns < g->until_ns)
        return true;
    g->until_ns = 0;
    if (g->arrived >= g->expected / 2) {
        g->misses = 0;
    } else {
        g->misses += g->misses < GATHER_MISSES_MAX;
        g->skip = UINT32_C(1) << g->misses;
    }
    return false;
}
