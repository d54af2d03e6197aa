#include "store/epochs.h"

#include <string.h>

void epochs_begin(struct epochs *e, uint64_t from, struct storage_log_epoch highest)
{
    e->from = from;
    e->base = highest;
    e->count = 0;
}

uint64_t epochs_highest(const struct epochs *e)
{
    return e->count > 0 ? e->raises[e->count - 1].epoch : e->base.epoch;
}

bool epochs_note(struct epochs *e, uint64_t offset, uint64_t epoch)
{
    if (epoch <= epochs_highest(e))
        return false;
    if (e->count == EPOCHS_MAX) {
        e->from = e->raises[0].offset + 1;
        e->base = e->raises[0];
        e->count--;
        memmove(e->raises, e->raises + 1, e->count * sizeof(e->raises[0]));
    }
    e->raises[e->count++] = (struct storage_log_epoch){epoch, offset};
    return true;
}

enum epochs_verdict epochs_judge(const struct epochs *e, uint64_t offset, uint64_t epoch)
{
    /* Before what is known: behind the highest it does not count, and where that is no higher it
     * does. */
    if (offset < e->from && e->base.epoch > epoch && offset <= e->base.offset)
        return EPOCHS_FORGOTTEN;
    uint64_t highest = e->base.epoch;
    for (uint32_t i = 0; i < e->count && e->raises[i].offset < offset; i++)
        highest = e->raises[i].epoch;
    return highest > epoch ? EPOCHS_FENCED : EPOCHS_COUNTS;
}
