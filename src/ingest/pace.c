#include "ingest/pace.h"

enum { MARKS_A_LIMIT = PACE_MARKS / 2 };

static struct pace_mark *mark_at(struct pace *pace, uint32_t i)
{
    return &pace->marks[(pace->first + i) % PACE_MARKS];
}

/* Every second one goes, the oldest stays: a long lag is known less exactly, by an eighth. */
static void thin_out(struct pace *pace)
{
    for (uint32_t i = 0; i < PACE_MARKS / 2; i++)
        *mark_at(pace, i) = *mark_at(pace, 2 * i);
    pace->count = PACE_MARKS / 2;
}

void pace_note(struct pace *pace, uint64_t next, int64_t mono_ms, int64_t limit_ms)
{
    if (pace->count > 0 &&
        mono_ms - mark_at(pace, pace->count - 1)->mono_ms < limit_ms / MARKS_A_LIMIT)
        return;
    if (pace->count == PACE_MARKS)
        thin_out(pace);
    *mark_at(pace, pace->count++) = (struct pace_mark){next, mono_ms};
}

bool pace_is_behind(struct pace *pace, uint64_t applied, int64_t mono_ms, int64_t limit_ms)
{
    while (pace->count > 0 && mark_at(pace, 0)->next <= applied) {
        pace->first = (pace->first + 1) % PACE_MARKS;
        pace->count--;
    }
    return pace->count > 0 && mono_ms - mark_at(pace, 0)->mono_ms >= limit_ms;
}
