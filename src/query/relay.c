#include "query/relay.h"

#include "base/logger.h"
#include "vector/arrival.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    BATCHES = 2,
    BATCH_BYTES_MAX = 2 << 20,  /* of bodies, about */
    BATCH_POINTS_MAX = 1 << 19, /* of blocks that stay */
    BATCH_BLOCKS_MAX = 1 << 14,
    SMALL_BYTES = 32 << 10, /* less than this is done before anybody has come to help */
    SMALL_POINTS = 1 << 13,
};

struct batch {
    VEC(struct block) blocks; /* sealed ones' bodies are in `bodies`, one behind the other */
    struct buffer bodies;
    size_t charged; /* of bodies */
    uint64_t points;
};

struct opener { /* a member's; made when it first needs one */
    struct arrival_codec *codec;
    uint32_t points_max; /* of a row so far: what the codec has in memory, about */
};

struct relay {
    struct read *read;
    relay_visit *visit;
    void *arg;
    struct batch batches[BATCHES];
    struct batch *filling, *worked;
    bool working; /* crew has begun on `worked` */
    struct crew crew;
    struct opener openers[CREW_MAX];
};

int relay_create(struct read *read, relay_visit *visit, void *arg, struct relay **out)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    if (relay == NULL)
        return LT_ENOMEM;
    relay->read = read;
    relay->visit = visit;
    relay->arg = arg;
    for (unsigned i = 0; i < BATCHES; i++)
        buffer_init(&relay->batches[i].bodies, SIZE_MAX);
    relay->filling = &relay->batches[0];
    relay->worked = &relay->batches[1];
    *out = relay;
    return 0;
}

void relay_destroy(struct relay **relay_ref)
{
    struct relay *relay = *relay_ref;
    if (relay == NULL)
        return;
    if (relay->working) /* the scan has failed */
        crew_stop(&relay->crew);
    for (unsigned i = 0; i < CREW_MAX; i++) {
        read_guard_release(relay->read->guard,
                           (size_t)relay->openers[i].points_max * ARRIVAL_POINT_BYTES);
        arrival_codec_destroy(&relay->openers[i].codec);
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch *batch = &relay->batches[i];
        read_guard_release(relay->read->guard, batch->charged);
        buffer_fini(&batch->bodies);
        SCRATCH_FREE(relay->read->guard, &batch->blocks);
    }
    free(relay);
    *relay_ref = NULL;
}

/* ---- a member ---- */

/* Counted after the fact, because only the row knows how many points it has. */
static int charge(struct opener *opener, struct read_guard *guard, uint32_t points)
{
    if (points <= opener->points_max)
        return 0;
    int err = read_guard_charge(guard, (size_t)(points - opener->points_max) * ARRIVAL_POINT_BYTES);
    if (err == 0)
        opener->points_max = points;
    return err;
}

static int open_block(struct relay *relay, const struct crew_member *member,
                      const struct block *block, struct block *out)
{
    struct opener *opener = &relay->openers[member->number];
    struct arrival_points points;
    *out = *block;
    if (block->body.p == NULL)
        return 0;
    int err = opener->codec == NULL ? arrival_codec_create(&opener->codec) : 0;
    if (err != 0)
        return err;
    err = arrival_decode(opener->codec, block->body, &points);
    if (err != 0) {
        log_error("query",
                  "an arrival row (offset %" PRIu64 ", category %" PRIu32 ", dimension %" PRIu32
                  ", host %" PRIu32 ") cannot be read: %s",
                  block->lo, block->category, block->dimension, block->host, error_text(err));
        return err;
    }
    out->body = (struct slice){0};
    out->count = points.count;
    out->items = points.items;
    out->times_ms = points.times_ms;
    out->values = points.values;
    out->policies = points.policies;
    return charge(opener, member->guard, points.count);
}

static int visit_part(void *arg, const struct crew_member *member, uint32_t part)
{
    struct relay *relay = arg;
    struct block open;
    int err = open_block(relay, member, &relay->worked->blocks.v[part], &open);
    return err != 0 ? err : relay->visit(relay->arg, member, &open);
}

static struct crew_member own_worker(const struct relay *relay)
{
    return (struct crew_member){.session = relay->read->source.session,
                                .guard = relay->read->guard};
}

int relay_open(struct relay *relay, const struct block *block, struct block *out)
{
    const struct crew_member self = own_worker(relay);
    return open_block(relay, &self, block, out);
}

/* ---- batches ---- */

static int work_off(struct relay *relay)
{
    int err = relay->working ? crew_end(&relay->crew) : 0;
    relay->working = false;
    relay->worked->blocks.n = 0;
    relay->worked->points = 0;
    buffer_reset(&relay->worked->bodies, SIZE_MAX);
    return err;
}

/* Bodies have stopped moving: says where they stand. */
static void place_bodies(struct batch *batch)
{
    const char *at = batch->bodies.data;
    for (uint32_t i = 0; i < batch->blocks.n; i++) {
        struct block *block = &batch->blocks.v[i];
        if (block->body.n == 0)
            continue;
        block->body.p = at;
        at += block->body.n;
    }
}

static int start_filled(struct relay *relay)
{
    int err = work_off(relay);
    struct batch *batch = relay->filling;
    relay->filling = relay->worked;
    relay->worked = batch;
    if (err != 0 || batch->blocks.n == 0)
        return err;
    place_bodies(batch);
    crew_begin(&relay->crew, relay->read, batch->blocks.n, visit_part, relay);
    relay->working = true;
    return 0;
}

static int put_body(struct read_guard *guard, struct batch *batch, struct slice body)
{
    size_t before = batch->bodies.cap;
    buffer_append_slice(&batch->bodies, body);
    if (batch->bodies.error != 0)
        return batch->bodies.error;
    size_t grown = batch->bodies.cap - before;
    int err = grown > 0 ? read_guard_charge(guard, grown) : 0;
    if (err == 0)
        batch->charged += grown;
    return err;
}

int relay_block(struct relay *relay, const struct block *block)
{
    struct read_guard *guard = relay->read->guard;
    struct batch *batch = relay->filling;
    const struct crew_member self = own_worker(relay);
    bool sealed = block->body.p != NULL;
    if (relay->working && atomic_load(&relay->crew.error) != 0)
        return work_off(relay);
    if (!sealed && !block->stays)
        return relay->visit(relay->arg, &self, block);
    int err = SCRATCH_RESERVE(guard, &batch->blocks, 1);
    if (err == 0 && sealed)
        err = put_body(guard, batch, block->body);
    if (err != 0)
        return err;
    batch->blocks.v[batch->blocks.n++] = *block;
    batch->points += block->count;
    bool full = batch->bodies.len >= BATCH_BYTES_MAX || batch->points >= BATCH_POINTS_MAX ||
                batch->blocks.n >= BATCH_BLOCKS_MAX;
    return full ? start_filled(relay) : 0;
}

/* Without help: calling it takes longer. */
static int visit_filled(struct relay *relay)
{
    struct batch *batch = relay->filling;
    relay->filling = relay->worked;
    relay->worked = batch;
    place_bodies(batch);
    const struct crew_member self = own_worker(relay);
    int err = 0;
    for (uint32_t i = 0; i < batch->blocks.n && err == 0; i++)
        err = visit_part(relay, &self, i);
    return err;
}

int relay_finish(struct relay *relay)
{
    const struct batch *last = relay->filling;
    bool small = last->bodies.len < SMALL_BYTES && last->points < SMALL_POINTS;
    int err = small ? work_off(relay) : start_filled(relay);
    if (err == 0)
        err = small ? visit_filled(relay) : work_off(relay);
    return err;
}
