#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "jobs/compact_batch.h"
#include "jobs/compact_best.h"
#include "jobs/compact_fold.h"
#include "jobs/compact_gather.h"
#include "jobs/compact_tally.h"
#include "model/kind.h"
#include "support_random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What compaction does between reading and writing, against models that do it one by one. */

static double random_value(void)
{
    static const double odd[] = {0.0, -0.0, 1e308, -1e308, 1.5, 0.1, -7};
    uint32_t kind = random_below(8);
    if (kind == 0)
        return odd[random_below(sizeof(odd) / sizeof(odd[0]))];
    return kind == 1 ? (double)NAN : (double)random_below(1000) - 300;
}

static const struct storage_range range = {1424444400, 1424448000};
static const int64_t from_ms = 1424444400000;

/* ---- the model: each (host, item, time), as the log leaves it ---- */

enum { HOSTS = 3, ITEMS = 40, TIMES = 12, TIME_STEP_MS = 299999, BLOCK_POINTS = 64 };

struct cell {
    bool seen; /* a point was there before, whatever became of it */
    bool present;
    double value;
};
struct model {
    struct cell cells[HOSTS][ITEMS][TIMES];
};

/* Three digits of the sort; or a few ids on both sides of a part's end. */
static uint32_t item_id(uint32_t item, bool wide)
{
    return wide ? item * 104729000 + 5 : item + 1010;
}

struct points {
    uint32_t count;
    uint32_t items[BLOCK_POINTS];
    int64_t times_ms[BLOCK_POINTS];
    double values[BLOCK_POINTS];
    uint8_t policies[BLOCK_POINTS];
};

/* Random points of a host, applied to the model. Fresh ones are the first of theirs. */
static void random_points(struct model *m, uint32_t host, bool fresh, bool wide, struct points *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < BLOCK_POINTS; i++) {
        uint32_t item = random_below(ITEMS), time = random_below(TIMES);
        struct cell *cell = &m->cells[host][item][time];
        if (fresh && cell->seen)
            continue;
        uint32_t n = out->count++;
        out->items[n] = item_id(item, wide);
        out->times_ms[n] = from_ms + (int64_t)time * TIME_STEP_MS;
        out->values[n] = random_value();
        out->policies[n] = (uint8_t)random_below(POLICY_STORED_COUNT);
        cell->seen = true;
        policy_step((enum policy)out->policies[n], out->values[n], &cell->present, &cell->value);
    }
}

static int add(struct gather *g, uint32_t host, bool fresh, uint64_t lo, const struct points *p)
{
    const struct block block = {
        .category = 4,
        .dimension = 2,
        .host = host,
        .fresh = fresh,
        .lo = lo,
        .count = p->count,
        .items = p->items,
        .times_ms = p->times_ms,
        .values = p->values,
        .policies = p->policies,
    };
    return gather_add(g, &block);
}

/* What is in the model, as a compact run hands it over. */
static void add_base(struct gather *g, const struct model *m, uint32_t host, bool wide)
{
    struct points p = {0};
    for (uint32_t item = 0; item < ITEMS; item++)
        for (uint32_t time = 0; time < TIMES; time++) {
            const struct cell *cell = &m->cells[host][item][time];
            if (!cell->present)
                continue;
            p.items[p.count] = item_id(item, wide);
            p.times_ms[p.count] = from_ms + (int64_t)time * TIME_STEP_MS;
            p.values[p.count] = cell->value;
            p.policies[p.count++] = POLICY_LAST;
            if (p.count == BLOCK_POINTS) {
                assert_int_equal(add(g, host, true, 0, &p), 0);
                p.count = 0;
            }
        }
    assert_int_equal(add(g, host, true, 0, &p), 0);
}

struct check {
    const struct model *model;
    uint32_t host;
    bool wide;
    uint32_t next; /* item */
};

static bool is_present(const struct model *m, uint32_t host, uint32_t item)
{
    for (uint32_t time = 0; time < TIMES; time++)
        if (m->cells[host][item][time].present)
            return true;
    return false;
}

static void check_skip(struct check *c)
{
    while (c->next < ITEMS && !is_present(c->model, c->host, c->next))
        c->next++;
}

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}

static int check_series(void *arg, uint32_t item, const struct vector_points *points)
{
    struct check *c = arg;
    check_skip(c);
    assert_true(c->next < ITEMS);
    assert_int_equal(item, item_id(c->next, c->wide));
    uint32_t n = 0;
    for (uint32_t time = 0; time < TIMES; time++) {
        const struct cell *cell = &c->model->cells[c->host][c->next][time];
        if (!cell->present)
            continue;
        assert_true(n < points->count);
        assert_int_equal(points->times_ms[n], from_ms + (int64_t)time * TIME_STEP_MS);
        assert_true(same_double(points->values[n], cell->value));
        n++;
    }
    assert_int_equal(n, points->count);
    c->next++;
    return 0;
}

/* A host's log of fresh and other blocks, handed over as scans do: what is fresh first. */
static void add_random_log(struct gather *g, struct model *m, uint32_t host, bool wide,
                           bool with_base, bool with_later)
{
    enum { BLOCKS = 16 };
    struct points *log = calloc(BLOCKS, sizeof(*log));
    assert_non_null(log);
    for (uint32_t i = 0; with_base && i < 6; i++)
        random_points(m, host, i == 0, wide, &log[0]);
    if (with_base)
        add_base(g, m, host, wide);
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (i % 2 == 0 || with_later)
            random_points(m, host, i % 2 == 0, wide, &log[i]);
    for (uint32_t odd = 0; odd < 2; odd++)
        for (uint32_t i = odd; i < BLOCKS; i += 2)
            assert_int_equal(add(g, host, odd == 0, i / 4, &log[i]), 0);
    free(log);
}

static void fold_random_log(bool wide, bool paged, bool with_base, bool with_later)
{
    struct storage_group groups[HOSTS];
    for (uint32_t h = 0; h < HOSTS; h++)
        groups[h] = (struct storage_group){4, 2, h, 1, paged ? GATHER_SMALL_POINTS + 1 : 100, 0};
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    struct gather g;
    struct folder f;
    gather_init(&g);
    folder_init(&f);
    uint32_t hosts = paged ? 1 : HOSTS;
    assert_int_equal(gather_begin(&g, range, groups, hosts, 0, 64 << 20, 0), 0);
    for (uint32_t h = 0; h < hosts; h++)
        add_random_log(&g, m, h, wide, with_base, with_later);
    for (uint32_t h = 0; h < hosts; h++) {
        struct check c = {m, h, wide, 0};
        for (uint32_t i = paged ? 0 : h; i < (paged ? g.parts.n : h + 1); i++)
            assert_int_equal(folder_run(&f, from_ms, &g.parts.v[i], check_series, &c), 0);
        check_skip(&c);
        assert_int_equal(c.next, ITEMS);
    }
    free(m);
    gather_fini(&g);
    folder_fini(&f);
}

static void test_a_log_folds_as_its_policies_say(void **state)
{
    for (unsigned i = 0; i < 300; i++) {
        bool paged = i % 2;
        fold_random_log(!paged && i / 2 % 2, paged, i / 4 % 2, i / 8 % 2);
    }
}

/* Two runs whose offsets are mixed (a catch-all's, rewritten): lo decides, not the order of runs.
 */
static void test_offsets_decide_across_runs(void **state)
{
    static const uint64_t order[] = {50, 10, 70, 30};
    struct storage_group group = {4, 2, 0, 1, 100, 0};
    struct gather g;
    struct folder f;
    gather_init(&g);
    folder_init(&f);
    assert_int_equal(gather_begin(&g, range, &group, 1, 0, 64 << 20, 0), 0);
    struct points p = {.count = 1, .items = {1010}, .times_ms = {from_ms}};
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    for (unsigned i = 0; i < 4; i++) {
        p.values[0] = (double)order[i];
        assert_int_equal(add(&g, 0, false, order[i], &p), 0);
    }
    /* Times outside the range are another range's. */
    p.times_ms[0] = from_ms - 1;
    assert_int_equal(add(&g, 0, true, 1, &p), 0);
    p.times_ms[0] = from_ms + 3600000;
    assert_int_equal(add(&g, 0, false, 1, &p), 0);
    m->cells[0][0][0] = (struct cell){true, true, 70};
    struct check c = {m, 0, false, 0};
    assert_int_equal(folder_run(&f, from_ms, &g.parts.v[0], check_series, &c), 0);
    assert_int_equal(c.next, 1);
    assert_int_equal(g.seen, 4);
    free(m);
    gather_fini(&g);
    folder_fini(&f);
}

/* ---- passes ---- */

enum { MANY_ITEMS = 30000, MANY_ROUNDS = 8, MANY_DENSE = 20000, MANY_DENSE_POINTS = 100000 };

struct many {
    uint32_t next; /* item */
};

/* Item i has i % 8 + 1 points, item MANY_DENSE many more. Ids are three apart. */
static int many_series(void *arg, uint32_t item, const struct vector_points *points)
{
    struct many *many = arg;
    assert_int_equal(item, many->next * 3);
    uint32_t expected = many->next % MANY_ROUNDS + 1;
    if (many->next == MANY_DENSE)
        expected += MANY_DENSE_POINTS;
    assert_int_equal(points->count, expected);
    for (uint32_t i = 0; i < points->count; i++) {
        assert_int_equal(points->times_ms[i], from_ms + i * 7);
        assert_true(points->values[i] == item + i * 0.5);
    }
    many->next++;
    return 0;
}

static struct {
    uint32_t items[MANY_ITEMS];
    int64_t times_ms[MANY_ITEMS];
    double values[MANY_ITEMS];
} many_columns;

static void many_put(struct block *block, uint32_t i, uint32_t k)
{
    many_columns.items[block->count] = i * 3;
    many_columns.times_ms[block->count] = from_ms + k * 7;
    many_columns.values[block->count++] = i * 3 + k * 0.5;
}

static void many_add(struct gather *g)
{
    struct block block = {.category = 4,
                          .dimension = 2,
                          .fresh = true,
                          .items = many_columns.items,
                          .times_ms = many_columns.times_ms,
                          .values = many_columns.values};
    for (uint32_t round = 0; round < MANY_ROUNDS; round++) {
        block.count = 0;
        for (uint32_t at = 0; at < MANY_ITEMS; at++) {
            uint32_t i = (uint32_t)((uint64_t)at * 7919 % MANY_ITEMS); /* mixed */
            if (i % MANY_ROUNDS >= round)
                many_put(&block, i, round);
        }
        assert_int_equal(gather_add(g, &block), 0);
    }
    uint32_t first = MANY_DENSE % MANY_ROUNDS + 1;
    for (uint32_t done = 0; done < MANY_DENSE_POINTS; done += block.count) {
        for (block.count = 0; block.count < MANY_DENSE_POINTS / 5;)
            many_put(&block, MANY_DENSE, first + done + block.count);
        assert_int_equal(gather_add(g, &block), 0);
    }
}

/* What sorting the largest part takes once more is counted. */
static void check_largest(const struct gather *g)
{
    for (uint32_t i = 0; i < g->parts.n; i++) {
        size_t bytes = 0;
        for (const struct gather_chunk *c = g->parts.v[i].points.head; c != NULL; c = c->next)
            bytes += c->bytes;
        assert_true(bytes <= g->part_max);
    }
}

static unsigned run_passes(size_t bytes_max)
{
    struct storage_group group = {4, 2, 0, 1, 1 << 20, 0};
    struct gather g;
    struct folder f;
    struct many many = {0};
    gather_init(&g);
    folder_init(&f);
    unsigned passes = 0;
    uint32_t part = 0;
    do {
        assert_int_equal(gather_begin(&g, range, &group, 1, part, bytes_max, 1000), 0);
        many_add(&g);
        check_largest(&g);
        assert_true(bytes_max < 4 << 20 || g.bytes + g.part_max <= bytes_max);
        assert_int_equal(g.seen, (MANY_ROUNDS + 1) * MANY_ITEMS / 2 + MANY_DENSE_POINTS);
        for (uint32_t i = 0; i < g.parts.n; i++)
            assert_int_equal(folder_run(&f, from_ms, &g.parts.v[i], many_series, &many), 0);
        passes++;
        assert_true(gather_next_part(&g) == 0 || gather_next_part(&g) > part);
        part = gather_next_part(&g);
    } while (part > 0);
    assert_int_equal(many.next, MANY_ITEMS);
    gather_fini(&g);
    folder_fini(&f);
    return passes;
}

static void test_passes_end_with_all_points(void **state)
{
    assert_int_equal(run_passes(256 << 20), 1);
    unsigned passes =
        run_passes(4 << 20); /* of about 4 MB, and what the largest part takes twice */
    assert_in_range(passes, 2, 8);
    passes = run_passes(0); /* not even the dense item's part: it is taken all the same */
    assert_in_range(passes, 4, 88);
}

/* ---- batches ---- */

static bool asks_for(const struct block_filter *filter, const struct storage_group *group)
{
    bool dimension = false, host = filter->hosts == NULL;
    for (uint32_t i = 0; i < filter->dimensions_count; i++)
        dimension = dimension || filter->dimensions[i] == group->dimension;
    for (uint32_t i = 0; i < filter->hosts_count; i++)
        host = host || filter->hosts[i] == group->host;
    return filter->category == group->category && dimension && host;
}

static uint32_t random_groups(struct storage_group *groups)
{
    uint32_t n = 0;
    uint32_t large = random_below(20), heavy = 1 + random_below(GATHER_SMALL_POINTS);
    for (uint32_t c = 0; c < 3; c++)
        for (uint32_t d = 0; d < 4; d++)
            for (uint32_t h = 0; h < 40; h++)
                if (random_below(3) > 0)
                    groups[n++] = (struct storage_group){
                        c,
                        d * 2,
                        h * 3,
                        1,
                        random_below(100) < large ? 1000000 : random_below(heavy),
                        0};
    return n;
}

static void test_batches_ask_for_each_group_once(void **state)
{
    static struct storage_group groups[500];
    struct batch b;
    batch_init(&b);
    for (unsigned round = 0; round < 200; round++) {
        uint32_t n = random_groups(groups);
        for (uint32_t at = 0; at < n; at += b.count) {
            assert_int_equal(batch_take(&b, groups, n, at), 0);
            assert_true(b.first == at && b.count > 0 && at + b.count <= n);
            struct block_filter filter = batch_filter(&b, groups);
            uint64_t points = 0;
            for (uint32_t i = 0; i < n; i++) {
                bool in_batch = i >= at && i < at + b.count;
                assert_int_equal(asks_for(&filter, &groups[i]), in_batch);
                points += in_batch ? groups[i].points : 0;
            }
            assert_true(b.count == 1 || points <= BATCH_POINTS_MAX);
            for (uint32_t i = at; i < at + b.count && b.count > 1; i++)
                assert_true(groups[i].points <= GATHER_SMALL_POINTS);
        }
    }
    batch_fini(&b);
}

/* ---- the best ---- */

static int best_order(const void *a, const void *b)
{
    const struct rank_entry *x = a, *y = b;
    double vx = isnan(x->value) ? -(double)INFINITY : x->value;
    double vy = isnan(y->value) ? -(double)INFINITY : y->value;
    if (vx != vy)
        return vx > vy ? -1 : 1;
    return x->item < y->item ? -1 : 1;
}

static void test_the_best_are_kept(void **state)
{
    enum { N = 6 * RANK_TOP_MAX };
    struct rank_entry *all = malloc(N * sizeof(*all));
    assert_non_null(all);
    for (unsigned shape = 0; shape < 4; shape++) {
        struct best b;
        best_init(&b);
        uint32_t n = shape == 3 ? 100 : N;
        for (uint32_t i = 0; i < n; i++) {
            double value = shape == 0 ? i : shape == 1 ? -(double)i : random_below(5000);
            if (shape == 3 && i % 3 == 0)
                value = (double)NAN;
            all[i] = (struct rank_entry){i * 2, value, i};
            assert_int_equal(best_add(&b, all[i].item, value, i), 0);
        }
        best_finish(&b);
        qsort(all, n, sizeof(*all), best_order);
        assert_int_equal(b.entries.n, n < RANK_TOP_MAX ? n : RANK_TOP_MAX);
        for (uint32_t i = 0; i < b.entries.n; i++)
            assert_int_equal(b.entries.v[i].item, all[i].item);
        best_fini(&b);
    }
    free(all);
}

/* ---- tallies ---- */

enum { TALLY_HOSTS = 4, TALLY_ITEMS = 3000, TALLY_POINTS = 5 };

struct naive {
    uint64_t count;
    double sum, max;
};

static void naive_add(struct naive *n, double value)
{
    n->max = n->count++ == 0 || value > n->max ? value : n->max;
    n->sum += value;
}

/* Series of one host, put into the tally and added up in the plainest way. */
static void tally_host(struct tally *t, uint32_t host, struct naive *items, struct naive *minutes)
{
    assert_int_equal(tally_host_begin(t, host, host % 2), 0);
    for (uint32_t item = host; item < TALLY_ITEMS; item += 1 + host) {
        int64_t times_ms[TALLY_POINTS];
        double values[TALLY_POINTS];
        struct summary summary;
        summary_init(&summary);
        for (uint32_t i = 0; i < TALLY_POINTS; i++) {
            times_ms[i] = from_ms + i * 700000 + random_below(600000);
            values[i] = item % 97 == 0 || random_below(9) == 0 ? (double)NAN
                                                               : (double)random_below(1000) - 400;
            summary_add(&summary, times_ms[i], values[i]);
            if (isnan(values[i]))
                continue;
            naive_add(&items[item], values[i]);
            naive_add(&minutes[(times_ms[i] - from_ms) / 60000], values[i]);
        }
        const struct vector_points points = {TALLY_POINTS, times_ms, values};
        assert_int_equal(tally_add_points(t, item, &points, &summary), 0);
    }
    tally_host_end(t);
}

static void check_minutes(const struct tally *t, uint32_t host, const struct naive *minutes)
{
    const struct tally_minute *m = t->minutes.v + t->hosts.v[host].minutes;
    for (uint32_t i = 0; i < t->minutes_count; i++) {
        assert_int_equal(m[i].count, minutes[i].count);
        if (m[i].count == 0)
            continue;
        assert_true(sum_total(&m[i].sum) == minutes[i].sum);
        assert_true(m[i].max == minutes[i].max && m[i].min <= m[i].max);
    }
}

static void check_pages(const struct tally *t, const struct naive *items)
{
    static struct rank_page page;
    uint64_t count = 0, points = 0;
    double sum = 0;
    for (uint32_t number = 0; number * RANK_PAGE_ITEMS < TALLY_ITEMS; number++) {
        assert_true(tally_page(t, number, &page));
        for (uint32_t i = 0; i < page.count; i++) {
            const struct naive *x = &items[page.items[i]];
            assert_true(page.items[i] / RANK_PAGE_ITEMS == number && x->count > 0);
            assert_true(page.counts[i] == x->count && page.sums[i] == x->sum &&
                        page.maxs[i] == x->max);
            points += x->count;
            sum += x->sum;
        }
        count += page.count;
    }
    assert_int_equal(tally_items(t), count);
    for (uint32_t i = 0; i < TALLY_ITEMS; i++)
        count -= items[i].count > 0;
    assert_int_equal(count, 0);
    assert_true(points == t->all.count && sum == summary_total(&t->all));
    assert_false(tally_page(t, 1000, &page));
}

static void test_tallies_add_up(void **state)
{
    static struct naive items[TALLY_ITEMS];
    struct tally t;
    tally_init(&t, from_ms, from_ms + 3600000);
    assert_int_equal(t.minutes_count, 60);
    for (unsigned round = 0; round < 2; round++) {
        memset(items, 0, sizeof(items));
        for (uint32_t h = 0; h < TALLY_HOSTS; h++) {
            struct naive minutes[60] = {0};
            tally_host(&t, h, items, minutes);
            check_minutes(&t, h, minutes);
            assert_true(h % 2 == 0 || t.host_best.entries.n == t.host_items);
            assert_true(h % 2 == 0 || itemset_count(t.host_set) == t.host_items);
        }
        assert_int_equal(tally_host_begin(&t, 99, true), 0);
        tally_host_end(&t); /* a host without numbers is none */
        assert_int_equal(t.hosts.n, TALLY_HOSTS);
        check_pages(&t, items);
        tally_reset(&t);
        assert_int_equal(tally_items(&t), 0);
        assert_int_equal(t.bytes, 0);
    }
    tally_fini(&t);
}

/* What rounding takes is kept, over hosts too. */
static void test_sums_are_compensated(void **state)
{
    static const double values[] = {1e16, 1, 1, -1e16, 0.5};
    static struct rank_page page;
    struct tally t;
    tally_init(&t, from_ms, from_ms + 3600000);
    for (uint32_t h = 0; h < 5; h++) {
        struct summary summary;
        summary_init(&summary);
        summary_add(&summary, from_ms, values[h]);
        const struct vector_points points = {1, &from_ms, &values[h]};
        assert_int_equal(tally_host_begin(&t, h, true), 0);
        assert_int_equal(tally_add_points(&t, 7, &points, &summary), 0);
        tally_host_end(&t);
    }
    assert_true(tally_page(&t, 0, &page));
    assert_true(page.sums[0] == 2.5);
    assert_true(summary_total(&t.all) == 2.5);
    tally_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_log_folds_as_its_policies_say),
        cmocka_unit_test(test_offsets_decide_across_runs),
        cmocka_unit_test(test_passes_end_with_all_points),
        cmocka_unit_test(test_batches_ask_for_each_group_once),
        cmocka_unit_test(test_the_best_are_kept),
        cmocka_unit_test(test_tallies_add_up),
        cmocka_unit_test(test_sums_are_compensated),
    };
    return cmocka_run_group_tests_name("jobs/compact_fold", tests, NULL, NULL);
}
