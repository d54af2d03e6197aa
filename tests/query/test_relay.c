#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "query/bins.h"
#include "query/relay.h"
#include "support_world.h"
#include "vector/arrival.h"

#include <math.h>
#include <stdlib.h>

/* One read on several threads: blocks through a relay, points through bins, both together; against
 * plain loops. Helpers are real threads: run it with SANITIZE=thread too. */

enum { ITEMS = 70000, POINTS_MAX = 3000, BLOCKS = 400 };

struct bench {
    struct world world;
    struct inline_executor executor;
    struct read_guard guard;
    pthread_mutex_t lock;
    struct read read;
};

static void bench_open(struct bench *b, uint32_t seed, size_t memory_bytes_max)
{
    memset(b, 0, sizeof(*b));
    world_init(&b->world, seed);
    inline_init(&b->executor, NULL);
    pthread_mutex_init(&b->lock, NULL);
    b->guard = (struct read_guard){.deadline_mono_ms = clock_mono_ms() + 60000,
                                   .memory_bytes_max = memory_bytes_max};
    b->read = (struct read){
        .guard = &b->guard, .connection_lock = &b->lock, .executor = &b->executor.executor};
    for (uint32_t i = 0; i < READ_HELPERS_MAX; i++)
        b->read.helpers[i] = (struct read_guard){.parent = &b->guard,
                                                 .deadline_mono_ms = b->guard.deadline_mono_ms,
                                                 .memory_bytes_max = memory_bytes_max};
}

/* All that was charged is given back. */
static void bench_close(struct bench *b)
{
    assert_int_equal(b->guard.memory_bytes, 0);
    world_fini(&b->world);
    pthread_mutex_destroy(&b->lock);
}

/* ---- blocks ---- */

struct columns {
    uint32_t count;
    uint32_t items[POINTS_MAX];
    int64_t times_ms[POINTS_MAX];
    double values[POINTS_MAX];
};

static void fill_columns(struct bench *b, struct columns *c, uint32_t count)
{
    c->count = count;
    for (uint32_t i = 0; i < count; i++) {
        c->items[i] = world_random(&b->world, ITEMS);
        c->times_ms[i] = world_random(&b->world, 1000000);
        c->values[i] = world_random(&b->world, 30) == 0 ? NAN : world_random(&b->world, 1000000);
    }
}

static struct block block_of(const struct columns *c, uint32_t host)
{
    return (struct block){.fresh = true,
                          .host = host,
                          .count = c->count,
                          .items = c->items,
                          .times_ms = c->times_ms,
                          .values = c->values};
}

static struct slice seal(struct arrival_codec *codec, const struct block *block, struct buffer *out)
{
    struct arrival_points points = {.count = block->count,
                                    .items = block->items,
                                    .times_ms = block->times_ms,
                                    .values = block->values};
    buffer_reset(out, SIZE_MAX);
    assert_int_equal(arrival_encode(codec, &points, out), 0);
    return buffer_slice(out);
}

struct seen {
    _Atomic uint32_t blocks[BLOCKS]; /* by host: how often */
    _Atomic uint64_t items[BLOCKS];  /* sums */
    _Atomic uint64_t times[BLOCKS];
    _Atomic uint32_t members;    /* bits */
    _Atomic uint32_t fails_left; /* visits until one fails; 0: none */
};

static int see(void *arg, const struct crew_member *member, const struct block *block)
{
    struct seen *seen = arg;
    uint64_t items = 0, times = 0;
    assert_null(block->body.p);
    for (uint32_t i = 0; i < block->count; i++) {
        items += block->items[i];
        times += (uint64_t)block->times_ms[i];
    }
    seen->blocks[block->host]++;
    seen->items[block->host] += items;
    seen->times[block->host] += times;
    atomic_fetch_or(&seen->members, 1u << member->number);
    if (atomic_load(&seen->fails_left) > 0 && atomic_fetch_sub(&seen->fails_left, 1) == 1)
        return LT_EIO;
    return 0;
}

struct trial { /* a relay, and what is put into it */
    struct bench bench;
    struct relay *relay;
    struct seen *seen;
    struct columns *kept;                  /* of blocks that stay */
    uint64_t items[BLOCKS], times[BLOCKS]; /* the sums that are to be seen */
};

static void trial_open(struct trial *t, uint32_t seed)
{
    memset(t, 0, sizeof(*t));
    t->seen = calloc(1, sizeof(*t->seen));
    t->kept = calloc(BLOCKS, sizeof(*t->kept));
    bench_open(&t->bench, seed, 256 << 20);
    assert_int_equal(relay_create(&t->bench.read, see, t->seen, &t->relay), 0);
}

static void trial_close(struct trial *t)
{
    relay_destroy(&t->relay);
    bench_close(&t->bench);
    free(t->kept);
    free(t->seen);
}

/* Puts blocks of any kind into the relay. */
static int put_blocks(struct trial *t)
{
    struct bench *b = &t->bench;
    struct arrival_codec *codec;
    struct buffer body;
    struct columns *gone = calloc(1, sizeof(*gone));
    buffer_init(&body, SIZE_MAX);
    assert_int_equal(arrival_codec_create(&codec), 0);
    int err = 0;
    for (uint32_t h = 0; h < BLOCKS && err == 0; h++) {
        uint32_t kind = world_random(&b->world, 5);
        struct columns *c = kind == 1 ? &t->kept[h] : gone;
        fill_columns(b, c, 1 + world_random(&b->world, POINTS_MAX));
        struct block block = block_of(c, h);
        for (uint32_t i = 0; i < c->count; i++) {
            t->items[h] += c->items[i];
            t->times[h] += (uint64_t)c->times_ms[i];
        }
        block.stays = kind == 1;
        if (kind > 1) {
            struct block sealed = {.fresh = true, .host = h, .body = seal(codec, &block, &body)};
            block = sealed;
        }
        err = relay_block(t->relay, &block);
        memset(gone, 0xff, sizeof(*gone));
        memset(body.data, 0xff, body.len);
    }
    arrival_codec_destroy(&codec);
    buffer_fini(&body);
    free(gone);
    return err;
}

static void test_each_block_is_visited_once(void **state)
{
    for (uint32_t seed = 1; seed <= 8; seed++) {
        struct trial t;
        trial_open(&t, seed);
        assert_int_equal(put_blocks(&t), 0);
        assert_int_equal(relay_finish(t.relay), 0);
        for (uint32_t h = 0; h < BLOCKS; h++) {
            assert_int_equal(t.seen->blocks[h], 1);
            assert_int_equal(t.seen->items[h], t.items[h]);
            assert_int_equal(t.seen->times[h], t.times[h]);
        }
        assert_true(t.seen->members != 0);
        trial_close(&t);
    }
}

static void test_an_error_ends_it(void **state)
{
    for (uint32_t seed = 1; seed <= 40; seed++) {
        struct trial t;
        trial_open(&t, seed);
        t.seen->fails_left = 1 + world_random(&t.bench.world, BLOCKS - 1);
        int err = put_blocks(&t);
        if (err == 0)
            err = relay_finish(t.relay);
        assert_int_equal(err, LT_EIO);
        trial_close(&t);
    }
}

/* A scan that fails by itself leaves the batch that is worked on, and memory, in order. */
static void test_it_can_be_left_at_any_time(void **state)
{
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct trial t;
        trial_open(&t, seed);
        assert_int_equal(put_blocks(&t), 0);
        trial_close(&t);
    }
}

static void test_a_killed_or_late_read_ends(void **state)
{
    for (int late = 0; late < 2; late++) {
        struct trial t;
        trial_open(&t, 7);
        if (late) {
            t.bench.guard.deadline_mono_ms = 0;
            for (uint32_t i = 0; i < READ_HELPERS_MAX; i++)
                t.bench.read.helpers[i].deadline_mono_ms = 0;
        } else {
            t.bench.guard.cancelled = true;
        }
        int err = put_blocks(&t);
        if (err == 0)
            err = relay_finish(t.relay);
        assert_int_equal(err, late ? LT_ETIMEOUT : LT_ECANCELLED);
        trial_close(&t);
    }
}

static void test_corrupt_bodies_are_told(void **state)
{
    struct bench b;
    struct relay *relay;
    struct seen *seen = calloc(1, sizeof(*seen));
    char body[40] = "not a row at all";
    bench_open(&b, 1, 256 << 20);
    assert_int_equal(relay_create(&b.read, see, seen, &relay), 0);
    struct block block = {.fresh = true, .body = {body, sizeof(body)}};
    assert_int_equal(relay_block(relay, &block), 0);
    assert_int_equal(relay_finish(relay), LT_ECORRUPT);
    relay_destroy(&relay);
    bench_close(&b);
    free(seen);
}

/* ---- points ---- */

struct model {
    uint64_t counts[2][ITEMS];
    double sums[2][ITEMS], maxs[2][ITEMS];
};

static void model_add(struct model *m, uint32_t column, const struct columns *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t item = c->items[i];
        if (isnan(c->values[i]))
            continue;
        if (m->counts[column][item]++ == 0 || c->values[i] > m->maxs[column][item])
            m->maxs[column][item] = c->values[i];
        m->sums[column][item] += c->values[i]; /* integers: exact */
    }
}

static void check_cells(const struct cells *cells, uint32_t columns, const struct model *m)
{
    for (uint32_t item = 0; item < ITEMS; item++) {
        const struct cell *own = cells_find(cells, item);
        for (uint32_t c = 0; c < columns; c++) {
            if (own == NULL || own[c].count == 0) {
                assert_int_equal(m->counts[c][item], 0);
                continue;
            }
            assert_int_equal(own[c].count, m->counts[c][item]);
            assert_true(sum_total(&own[c].sum) == m->sums[c][item]);
            assert_true(own[c].max == m->maxs[c][item]);
        }
    }
}

struct pour {
    struct bins *bins;
    const struct columns *parts;
    uint32_t columns;
};

static int pour_part(void *arg, const struct crew_member *member, uint32_t part)
{
    const struct pour *p = arg;
    const struct columns *c = &p->parts[part];
    return bins_add(p->bins, member, part % p->columns, c->items, c->values, c->count);
}

struct pot {
    struct scratch own, shares[CREW_MAX];
    struct cells cells;
};

static void pot_open(struct pot *pot, struct read_guard *guard, uint32_t columns, uint32_t hint)
{
    scratch_init(&pot->own, guard);
    for (uint32_t i = 0; i < CREW_MAX; i++)
        scratch_init(&pot->shares[i], guard);
    cells_init(&pot->cells, &pot->own, columns, hint);
}

static void pot_close(struct pot *pot)
{
    struct read_guard *guard = pot->own.guard;
    scratch_release(guard, pot->own.bytes);
    scratch_fini(&pot->own);
    for (uint32_t i = 0; i < CREW_MAX; i++) {
        scratch_release(guard, pot->shares[i].bytes);
        scratch_fini(&pot->shares[i]);
    }
}

/* `rounds` times the same parts, so that millions of points pass, by all members at once. */
static int pour_all(struct bench *b, uint32_t columns, uint32_t hint, uint32_t parts,
                    uint32_t rounds, bool check)
{
    struct pot pot;
    struct pour pour = {.columns = columns};
    struct model *model = calloc(1, sizeof(*model));
    struct columns *cs = calloc(parts, sizeof(*cs));
    for (uint32_t p = 0; p < parts; p++)
        fill_columns(b, &cs[p], 1 + world_random(&b->world, POINTS_MAX));
    pour.parts = cs;
    pot_open(&pot, &b->guard, columns, hint);
    assert_int_equal(bins_create(&pot.cells, pot.shares, &pour.bins), 0);
    int err = 0;
    for (uint32_t round = 0; round < rounds && err == 0; round++) {
        err = crew_run_here(&b->read, parts, pour_part, &pour);
        for (uint32_t p = 0; p < parts; p++)
            model_add(model, p % columns, &cs[p]);
    }
    if (err == 0)
        err = bins_drain(pour.bins, &b->read);
    bins_destroy(&pour.bins);
    if (err == 0 && check)
        check_cells(&pot.cells, columns, model);
    pot_close(&pot);
    free(cs);
    free(model);
    return err;
}

static void test_points_are_added_up(void **state)
{
    /* how many items are expected, parts, rounds */
    static const uint32_t cases[][3] = {
        {ITEMS, 1, 1},  {ITEMS, 300, 1},      {ITEMS, 300, 9}, /* more than bins hold */
        {1000, 200, 1},                                        /* items nobody told of */
        {0, 3, 2},      {10 * ITEMS, 100, 1},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (uint32_t columns = 1; columns <= 2; columns++) {
            struct bench b;
            bench_open(&b, 100 + i, 256 << 20);
            assert_int_equal(pour_all(&b, columns, cases[i][0], cases[i][1], cases[i][2], true), 0);
            bench_close(&b);
        }
    }
}

static void test_memory_is_limited_over_all_members(void **state)
{
    int limited = 0;
    for (size_t bytes = 1 << 12; bytes <= 64 << 20; bytes *= 4) {
        struct bench b;
        bench_open(&b, 3, bytes);
        int err = pour_all(&b, 2, ITEMS, 300, 4, true);
        assert_true(err == 0 || err == LT_ELIMIT);
        limited += err == LT_ELIMIT;
        bench_close(&b);
    }
    assert_in_range(limited, 1, 7);
}

static void test_nothing_costs_nothing(void **state)
{
    struct bench b;
    struct pot pot;
    struct bins *bins;
    bench_open(&b, 1, 256 << 20);
    pot_open(&pot, &b.guard, 3, UINT32_MAX);
    assert_int_equal(bins_create(&pot.cells, pot.shares, &bins), 0);
    assert_int_equal(bins_drain(bins, &b.read), 0);
    assert_int_equal(b.guard.memory_bytes, 0);
    bins_destroy(&bins);
    pot_close(&pot);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_block_is_visited_once),
        cmocka_unit_test(test_an_error_ends_it),
        cmocka_unit_test(test_it_can_be_left_at_any_time),
        cmocka_unit_test(test_a_killed_or_late_read_ends),
        cmocka_unit_test(test_corrupt_bodies_are_told),
        cmocka_unit_test(test_points_are_added_up),
        cmocka_unit_test(test_memory_is_limited_over_all_members),
        cmocka_unit_test(test_nothing_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
