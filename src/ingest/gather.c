#include "ingest/gather.h"

static const double GAIN_MIN = 0.05; /* for holding to begin; it ends where it loses */
static const double GAIN_SHARE = 1.0 / 8;
static const double GAIN_MAX = 0.5; /* one comparison says no more than that */

/* What the last periods of the two ways say of each other: they are neighbours. */
static void compare(struct gather *g)
{
    double gain = 2 * (g->rate[1] - g->rate[0]) / (g->rate[1] + g->rate[0]);
    gain = gain > GAIN_MAX ? GAIN_MAX : gain < -GAIN_MAX ? -GAIN_MAX : gain;
    g->gain += (gain - g->gain) * GAIN_SHARE;
    bool favours = g->gain > (g->favours ? 0 : GAIN_MIN);
    if (favours != g->favours)
        g->calm = 0;
    g->favours = favours;
}

/* A trial is followed by what is favoured; that, after its rest, by a trial. */
static bool next_way(struct gather *g)
{
    if (g->holds != g->favours) {
        g->rest = (UINT32_C(1) << g->calm) - 1;
        g->calm += g->calm < GATHER_CALM_MAX;
        return g->favours;
    }
    if (g->rest == 0)
        return !g->favours;
    g->rest--;
    return g->favours;
}

static void period_end(struct gather *g)
{
    g->rate[g->holds] = (double)g->commands / (double)g->busy_ns;
    if (g->changed)
        compare(g);
    bool holds = next_way(g);
    g->changed = holds != g->holds;
    g->holds = holds;
    g->reports = 0;
    g->commands = 0;
    g->busy_ns = 0;
}

static void period_note(struct gather *g, uint32_t commands, int64_t took_ns, int64_t now_ns)
{
    int64_t passed_ns = now_ns - g->report_ns, most_ns = took_ns * GATHER_IDLE_PARTS;
    g->report_ns = now_ns;
    if (++g->reports <= GATHER_SETTLE)
        return;
    g->commands += commands;
    g->busy_ns += passed_ns < most_ns ? passed_ns : most_ns;
    if (g->reports >= GATHER_SETTLE + GATHER_REPORTS_MIN && g->busy_ns >= GATHER_PERIOD_NS_MIN)
        period_end(g);
}

void gather_report(struct gather *g, uint32_t commands, int64_t took_ns, int64_t now_ns)
{
    period_note(g, commands, took_ns, now_ns);
    g->until_ns = 0;
    if (!g->holds)
        return;
    int64_t most_ns = took_ns / GATHER_PART;
    g->until_ns = now_ns + (most_ns < GATHER_NS_MAX ? most_ns : GATHER_NS_MAX);
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
