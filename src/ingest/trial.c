#include "ingest/trial.h"

#include "base/i64.h"

/* From which gain on a way is taken, and below which it is left. A core that is kept awake is taken
 * from somebody: it has to go on giving something for it. */
static const struct {
    double begin, end;
} gains[TRIAL_CHOICES] = {
    [TRIAL_HOLD] = {.begin = 0.05, .end = 0},
    [TRIAL_AWAKE] = {.begin = 0.05, .end = 0.02},
};
static const double GAIN_MAX = 0.5; /* one comparison says no more than that */

/* What this period and the one before it say of the choice in which they differ. */
static void compare(struct trial *t, double rate)
{
    struct trial_way *w = &t->ways[t->changed];
    double more = w->taken ? rate - t->rate_before : t->rate_before - rate;
    double gain = 2 * more / (rate + t->rate_before);
    gain = gain > GAIN_MAX ? GAIN_MAX : gain < -GAIN_MAX ? -GAIN_MAX : gain;
    w->seen += w->seen < TRIAL_SEEN_MAX;
    w->gain += (gain - w->gain) / (TRIAL_DOUBTS + w->seen);
    bool favoured = w->gain > (w->favoured ? gains[t->changed].end : gains[t->changed].begin);
    if (favoured != w->favoured) {
        w->calm = 0;
        w->rest = 0;
    }
    w->favoured = favoured;
}

static void change(struct trial *t, enum trial_choice choice)
{
    t->ways[choice].taken = !t->ways[choice].taken;
    t->changed = choice;
    t->compared = true;
}

/* True: a trial has ended, and the next period goes the way that is favoured. */
static bool end_trial(struct trial *t)
{
    for (int c = 0; c < TRIAL_CHOICES; c++) {
        struct trial_way *w = &t->ways[c];
        if (w->taken == w->favoured)
            continue;
        w->rest = (UINT32_C(1) << w->calm) - 1;
        w->calm += w->calm < TRIAL_CALM_MAX;
        change(t, (enum trial_choice)c);
        return true;
    }
    return false;
}

/* After a period that went the favoured ways in all: the next trial, if one is due. */
static void begin_trial(struct trial *t)
{
    for (int i = 0; i < TRIAL_CHOICES; i++) {
        enum trial_choice c = (enum trial_choice)((t->turn + (unsigned)i) % TRIAL_CHOICES);
        if (t->ways[c].rest == 0 && !t->ways[c].excluded) {
            change(t, c);
            t->turn = (enum trial_choice)((c + 1u) % TRIAL_CHOICES);
            return;
        }
    }
    for (int c = 0; c < TRIAL_CHOICES; c++)
        t->ways[c].rest -= t->ways[c].rest > 0;
}

static void period_end(struct trial *t)
{
    double rate = (double)t->commands / (double)t->busy_ns;
    if (t->compared)
        compare(t, rate);
    t->compared = false;
    t->rate_before = rate;
    if (!end_trial(t))
        begin_trial(t);
    t->reports = 0;
    t->commands = 0;
    t->busy_ns = 0;
}

void trial_report(struct trial *t, uint32_t commands, int64_t took_ns, int64_t now_ns)
{
    int64_t passed_ns = now_ns - t->report_ns, most_ns = took_ns * TRIAL_IDLE_PARTS;
    t->report_ns = now_ns;
    if (++t->reports <= TRIAL_SETTLE)
        return;
    t->commands += commands;
    t->busy_ns += i64_min(passed_ns, most_ns);
    if (t->reports >= TRIAL_SETTLE + TRIAL_REPORTS_MIN && t->commands >= TRIAL_COMMANDS_MIN &&
        t->busy_ns >= TRIAL_PERIOD_NS_MIN)
        period_end(t);
}
