#include "port/storage_reads.h"
#include "query/range.h"

/* Seconds in which a target's collector reported. */

/* Runs visit for the pairs of each collector. */
int range_each_collector(struct range *r, int64_t from_ms, int64_t to_ms,
                         int (*visit)(struct range *r, const struct beat_filter *filter))
{
    uint32_t *hosts = scratch_take(&r->read->scratch, r->pairs_count, sizeof(*hosts));
    if (hosts == NULL)
        return scratch_error(&r->read->scratch);
    int err = 0;
    for (uint32_t i = 0, next; i < r->pairs_count && err == 0; i = next) {
        for (next = i; next < r->pairs_count && r->pairs[next].collector == r->pairs[i].collector;
             next++)
            hosts[next - i] = r->pairs[next].host;
        struct beat_filter filter = {.collector = r->pairs[i].collector,
                                     .hosts = hosts,
                                     .hosts_count = next - i,
                                     .from_ms = from_ms,
                                     .to_ms = to_ms};
        err = visit(r, &filter);
    }
    return err;
}

struct beat_target {
    const struct range *range;
    const struct range_target *target;
};

/* Where points were added up by minute, a second counts where its minute does. */
static void count_beat(void *arg, int64_t second_ms)
{
    const struct beat_target *t = arg;
    const struct cover_part *part = t->range->part;
    if (part->minutes)
        second_ms -= second_ms % MINUTES_STEP_MS;
    if (second_ms >= part->from_ms)
        range_tally(t->range, t->target, second_ms)->beats++;
}

static int count_seconds(struct range *r)
{
    struct beats *beats = NULL;
    int err = beats_create(r->read, r->pairs, r->pairs_count, &beats);
    if (err == 0)
        err = beats_scan(beats, r->part->from_ms, r->part->to_ms);
    for (uint32_t i = 0; i < r->count && err == 0; i++) {
        struct beat_target target = {r, &r->targets[i]};
        if (r->targets[i].has_pair)
            err = beats_each(beats, r->targets[i].pair, count_beat, &target);
    }
    beats_destroy(&beats);
    return err;
}

static int count_buckets(void *arg, const struct storage_beats *beats)
{
    struct range *r = arg;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct range_target *t = &r->targets[i];
        if (!t->has_pair || t->pair.host != beats->host || t->pair.collector != beats->collector)
            continue;
        for (uint32_t b = 0; b < beats->counts_count; b++) {
            int64_t start_ms = (beats->from_s + (int64_t)b * r->part->run->resolution_s) * 1000;
            if (start_ms >= r->part->from_ms && start_ms < r->part->to_ms)
                range_tally(r, t, start_ms)->beats += beats->counts[b];
        }
    }
    return 0;
}

static int count_beats_of_run(struct range *r, const struct beat_filter *filter)
{
    return storage_run_beats(r->read->source.session, r->part->run, filter, count_buckets, r);
}

/* A bucket that has a value says by that alone that there was somebody who collected; how long for,
 * only a delta's rate asks. Most of what a dashboard shows has no hole, and needs no heartbeats. */
static bool beats_matter(const struct range *r, const struct cover_part *part)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct range_target *t = &r->targets[i];
        if (!t->has_pair)
            continue;
        if (t->aggregate == AGGREGATE_RATE && t->kind == KIND_DELTA)
            return true;
        const struct tally *last = range_tally(r, t, part->to_ms - 1);
        for (const struct tally *tally = range_tally(r, t, part->from_ms); tally <= last; tally++)
            if (tally->count == 0 && !tally->nan)
                return true;
    }
    return false;
}

int range_scan_beats(struct range *r)
{
    int err = 0;
    for (uint32_t i = 0; i < r->cover.count && err == 0; i++) {
        r->part = &r->cover.parts[i];
        if (!beats_matter(r, r->part))
            continue;
        err = r->part->run != NULL
                  ? range_each_collector(r, r->part->from_ms, r->part->to_ms, count_beats_of_run)
                  : count_seconds(r);
    }
    return err;
}
