#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "support_runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* TOPQ gives one answer, whatever the points stand in: arrival rows and the head alone (which
 * test_read.c compares with a model), or any mixture of those with compact runs, by hour and by
 * day, some of them written to again. */

enum {
    CASES = 160,
    ASKED = 12, /* questions a case */
    DAY_S = 86400,
    HOUR_S = 3600,
    BASE_S = 1424390400, /* a day begins */
    HOURS = 6,
    HOSTS = 5,
    ITEMS = 2600, /* three pages of ids */
    LIMIT_MAX = 24,
};

/* Hours that have points: four of the first day, two of the second. */
static const int64_t hours[HOURS] = {2, 3, 10, 23, 24, 25};
static const char *const hosts[HOSTS] = {"db1", "db2", "db3", "db4", "db5"};
static const char *const dimensions[] = {"time_us", "tput", "errors"};

struct setup {
    struct world world;
    struct inline_executor executor;
    struct query *query;
    struct query_answer answer;
    struct compact_style style;
    bool fractions, narrow, infinite, one_host, expires;
    bool days; /* there will be coarser runs: bounds are whole minutes */
};

static uint32_t pick(struct setup *s, uint32_t below)
{
    return world_random(&s->world, below);
}

static void keep_answer(void *arg, const struct query_answer *answer)
{
    ((struct setup *)arg)->answer = *answer;
}

static union query_result *ask(struct setup *s, struct query_spec *spec)
{
    uint64_t id;
    spec->what = QUERY_TOPQ;
    spec->environment = &s->world.environment;
    spec->command = "TEST";
    s->answer.status = 1;
    assert_int_equal(query_submit(s->query, spec, keep_answer, s, &id), 0);
    while (inline_run(&s->executor, true))
        ;
    if (s->answer.status != 0)
        print_error("%d %s\n", s->answer.status, s->answer.why);
    assert_int_equal(s->answer.status, 0);
    return s->answer.result;
}

/* ---- a world ---- */

static double random_value(struct setup *s, uint32_t item)
{
    if (pick(s, 40) == 0)
        return NAN;
    if (s->infinite && pick(s, 300) == 0)
        return pick(s, 2) == 0 ? INFINITY : -INFINITY;
    if (s->narrow)
        return (double)pick(s, 4) - 1;
    double value = floor(50000.0 / (item % 997 + 1)) + pick(s, 50) - (pick(s, 8) == 0 ? 3000 : 0);
    return s->fractions ? value / 7 : value;
}

static void write_point(struct setup *s, uint32_t item, int64_t time_ms, uint8_t policy)
{
    char metric[64];
    const char *host = hosts[s->one_host ? 0 : pick(s, HOSTS)];
    sprintf(metric, "host.queries.%c.%08x.%s", item % 5 == 0 ? 'q' : 'c', item,
            dimensions[pick(s, 4) < 3 ? 0 : pick(s, ARRAY_LEN(dimensions))]);
    world_point(&s->world, host, metric, time_ms, random_value(s, item), policy);
}

/* Ids of three pages, in order; few of them get points. */
static void declare_items(struct setup *s)
{
    char metric[64];
    struct catalog_series series;
    for (uint32_t item = 0; item < ITEMS; item++) {
        sprintf(metric, "host.queries.%c.%08x.time_us", item % 5 == 0 ? 'q' : 'c', item);
        assert_int_equal(catalog_resolve(s->world.catalog, slice_str(metric), &series), 0);
    }
}

static void fill(struct setup *s)
{
    struct world *w = &s->world;
    uint32_t writes = 100 + pick(s, 1500), active = 1 + pick(s, 400);
    uint32_t stride = 1 + pick(s, ITEMS / active);
    s->fractions = pick(s, 6) == 0;
    s->narrow = pick(s, 3) == 0;
    s->infinite = pick(s, 12) == 0;
    s->one_host = pick(s, 5) == 0;
    s->expires = pick(s, 4) == 0;
    s->days = s->expires || pick(s, 2) == 0;
    bool quiet = pick(s, 2) == 0; /* hardly any point is written again */
    uint32_t seconds = quiet ? HOUR_S : 1 + pick(s, 40);
    declare_items(s);
    for (uint32_t i = 0; i < writes; i++) {
        uint32_t item = pick(s, active) * stride % ITEMS;
        int64_t second = BASE_S + hours[pick(s, HOURS)] * HOUR_S + pick(s, seconds);
        int64_t time_ms = second * 1000 + (quiet && pick(s, 10) == 0 ? pick(s, 1000) : 0);
        write_point(s, item, time_ms, (uint8_t)pick(s, quiet ? 5 : 6));
    }
    world_seal(w, s->expires ? w->applied : w->applied - pick(s, (uint32_t)w->applied / 2));
}

static void setup_open(struct setup *s, uint32_t seed)
{
    memset(s, 0, sizeof(*s));
    world_init(&s->world, seed);
    inline_init(&s->executor, &s->world.session);
    struct query_config config = {.head = &s->world.head,
                                  .executor = &s->executor.executor,
                                  .deadline_ms = 60000,
                                  .memory_bytes_max = 256 << 20,
                                  .requests_max = 4};
    assert_int_equal(query_create(&config, &s->query), 0);
}

static void setup_init(struct setup *s, uint32_t seed)
{
    setup_open(s, seed);
    fill(s);
    s->style = (struct compact_style){.rank_items_min = pick(s, 3) == 0 ? 1 + pick(s, 80) : 1,
                                      .top_max = pick(s, 4) == 0 ? 1 + pick(s, 200) : 1 << 14,
                                      .row_items_max = 1 + pick(s, 100),
                                      .no_minutes = pick(s, 4) == 0,
                                      .own_items_min = pick(s, 2) == 0 ? 1 + pick(s, 30) : 0};
}

static void setup_fini(struct setup *s)
{
    query_destroy(&s->query);
    world_fini(&s->world);
}

/* An hour that was compacted while it was open: several runs of it, and arrival rows of each part.
 */
static void compact_pieces(struct setup *s, int64_t from_s)
{
    int64_t cuts[5] = {0};
    uint32_t n = 1 + pick(s, 4);
    bool minutes = pick(s, 2) == 0;
    for (uint32_t i = 1; i <= n; i++) {
        cuts[i] = cuts[i - 1] + pick(s, (uint32_t)(HOUR_S * 1000 - cuts[i - 1]));
        cuts[i] -= minutes ? cuts[i] % 60000 : 0;
        world_compact_piece(&s->world, from_s, from_s + HOUR_S, from_s * 1000 + cuts[i - 1],
                            from_s * 1000 + cuts[i], &s->style);
    }
    if (pick(s, 3) == 0) /* its newest points are older than some that are compact */
        world_compact_piece(&s->world, from_s, from_s + HOUR_S, from_s * 1000,
                            (from_s + HOUR_S) * 1000, &s->style);
}

/* Most hours are compacted, some of them with later points beside, some in pieces. */
static void compact(struct setup *s)
{
    struct world *w = &s->world;
    for (uint32_t i = 0; i < HOURS; i++) {
        int64_t from_s = BASE_S + hours[i] * HOUR_S;
        if (!s->expires && pick(s, 6) == 0)
            continue;
        if (!s->expires && pick(s, 3) == 0) {
            compact_pieces(s, from_s);
            continue;
        }
        uint64_t upto = s->expires || pick(s, 2) == 0 ? w->next : w->next - pick(s, 60) % w->next;
        world_compact(w, from_s, from_s + HOUR_S, upto, &s->style);
    }
    if (s->days)
        world_downsample(w, BASE_S, BASE_S + DAY_S, 60, &s->style);
    /* Late points: the day's run does not hold all of this hour any more. */
    uint32_t late = pick(s, HOURS);
    if (s->days && !s->expires && pick(s, 2) == 0)
        world_compact_again(w, BASE_S + hours[late] * HOUR_S, BASE_S + (hours[late] + 1) * HOUR_S,
                            &s->style);
    if (s->expires && pick(s, 3) == 0)
        world_downsample(w, BASE_S, BASE_S + DAY_S, 3600, &s->style);
    if (s->expires) /* a day at a time (ADR 0013) */
        world_expire(w, 1, BASE_S + DAY_S);
}

/* ---- questions ---- */

struct question {
    struct query_spec spec;
    struct slice hosts[HOSTS + 1];
};

static int64_t random_time(struct setup *s, bool whole)
{
    int64_t hour = pick(s, 27), second = pick(s, HOUR_S);
    if (whole || pick(s, 2) == 0)
        second = 0;
    else if (s->days || pick(s, 2) == 0)
        second -= second % 60;
    return (BASE_S + hour * HOUR_S + second) * INT64_C(1000);
}

static void random_range(struct setup *s, int64_t *from_ms, int64_t *to_ms)
{
    bool whole = pick(s, 2) == 0;
    if (pick(s, 3) == 0) {
        *from_ms = BASE_S * INT64_C(1000);
        *to_ms = *from_ms + (pick(s, 2) == 0 ? DAY_S : 27 * HOUR_S) * INT64_C(1000);
        return;
    }
    int64_t a = random_time(s, whole), b = random_time(s, whole);
    *from_ms = a < b ? a : b;
    *to_ms = (a < b ? b : a) + (whole ? HOUR_S : 60) * INT64_C(1000);
}

static void random_question(struct setup *s, struct question *q)
{
    static const char *const patterns[] = {
        "host.queries.*.*.time_us", "host.queries.c.*.time_us", "host.queries.c.*.time_us",
        "host.queries.*.00000001.time_us", "host.queries.c.*.tput"};
    static const char *const matches[] = {"1", "c.", "00f", "zz"};
    static const enum aggregate ranks[] = {AGGREGATE_SUM, AGGREGATE_SUM, AGGREGATE_COUNT,
                                           AGGREGATE_MAX, AGGREGATE_AVG};
    static const uint32_t sparklines[] = {1, 3, 6, 24, 60};
    static const struct slice with[] = {SLICE_LIT("tput"), SLICE_LIT("unknown"),
                                        SLICE_LIT("errors"), SLICE_LIT("time_us")};
    *q = (struct question){0};
    struct query_spec *spec = &q->spec;
    spec->pattern = slice_str(patterns[pick(s, ARRAY_LEN(patterns))]);
    spec->rank = ranks[pick(s, ARRAY_LEN(ranks))];
    spec->limit = pick(s, LIMIT_MAX + 1);
    spec->with = with;
    spec->with_count = pick(s, 3) == 0 ? 1 + pick(s, 4) : 0;
    if (pick(s, 3) == 0)
        spec->sparkline = sparklines[pick(s, ARRAY_LEN(sparklines))];
    if (pick(s, 5) == 0)
        spec->match = slice_str(matches[pick(s, ARRAY_LEN(matches))]);
    random_range(s, &spec->from_ms, &spec->to_ms);
    /* Where seconds have expired, parts can only be made of minutes. */
    int64_t length = spec->to_ms - spec->from_ms, n = spec->sparkline;
    if (s->expires && n > 0 && length / n < 600000 && (length % n != 0 || length / n % 60000 != 0))
        spec->sparkline = 0;
    if (pick(s, 3) == 0)
        random_range(s, &spec->compare_from_ms, &spec->compare_to_ms);
    spec->hosts = q->hosts;
    if (s->style.own_items_min > 0 && pick(s, 2) == 0)
        q->hosts[spec->hosts_count++] = slice_str(hosts[pick(s, HOSTS)]);
    else if (pick(s, 4) == 0)
        for (uint32_t h = 0; h < HOSTS; h++)
            if (pick(s, 2) == 0)
                q->hosts[spec->hosts_count++] = slice_str(hosts[h]);
}

/* ---- answers ---- */

static void assert_value(const struct setup *s, double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return;
    if (s->fractions && fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b))))
        return;
    print_error("%.17g is not %.17g\n", a, b);
    assert_true(false);
}

static void assert_rows(const struct setup *s, const struct query_spec *spec,
                        const struct result_row *a, const struct result_row *b)
{
    assert_value(s, a->value, b->value);
    assert_value(s, a->compared, b->compared);
    for (uint32_t i = 0; i < spec->with_count; i++)
        assert_value(s, a->with[i], b->with[i]);
    for (uint32_t i = 0; i < spec->sparkline; i++)
        assert_value(s, a->sparkline[i], b->sparkline[i]);
}

/* rows + rest = total in each column, to the bit on integers. */
static void check_sums(const struct setup *s, const struct query_spec *spec,
                       const struct result_topq *t)
{
    if (!t->shares || s->fractions || s->infinite)
        return;
    double sum = t->rest.value, compared = t->rest.compared;
    for (uint32_t i = 0; i < t->rows_count; i++) {
        sum += t->rows[i].value;
        compared += isnan(t->rows[i].compared) ? 0 : t->rows[i].compared;
    }
    assert_true(sum == t->total.value);
    assert_true(!t->compares || compared == t->total.compared);
    for (uint32_t k = 0; k < spec->with_count; k++) {
        sum = t->rest.with[k];
        for (uint32_t i = 0; i < t->rows_count; i++)
            sum += t->rows[i].with[k];
        assert_true(sum == t->total.with[k]);
    }
    for (uint32_t k = 0; k < spec->sparkline; k++) {
        sum = t->rest.sparkline[k];
        for (uint32_t i = 0; i < t->rows_count; i++)
            sum += t->rows[i].sparkline[k];
        assert_true(sum == t->total.sparkline[k]);
    }
}

static void assert_answers(const struct setup *s, const struct query_spec *spec,
                           const struct result_topq *a, const struct result_topq *b)
{
    assert_int_equal(a->rows_count, b->rows_count);
    assert_int_equal(a->total_items, b->total_items);
    assert_int_equal(a->rest_items, b->rest_items);
    for (uint32_t i = 0; i < a->rows_count; i++) {
        if (!s->fractions) { /* else what is equal may differ in its last digit */
            assert_true(slice_eq(a->rows[i].item, b->rows[i].item));
            assert_true(slice_eq(a->rows[i].category, b->rows[i].category));
            assert_rows(s, spec, &a->rows[i], &b->rows[i]);
        } else {
            assert_value(s, a->rows[i].value, b->rows[i].value);
        }
    }
    assert_rows(s, spec, &a->rest, &b->rest);
    assert_rows(s, spec, &a->total, &b->total);
    assert_int_equal(a->from_ms, b->from_ms);
    assert_int_equal(a->to_ms, b->to_ms);
    check_sums(s, spec, a);
    check_sums(s, spec, b);
}

static void describe(const struct setup *s, uint32_t seed, const struct query_spec *spec,
                     const char *plan)
{
    print_error("seed %u: %.*s rank %d limit %d hosts %u with %u spark %u match '%.*s' from +%d to "
                "+%d compare +%d +%d plan %s%s%s%s%s\n",
                seed, (int)spec->pattern.n, spec->pattern.p, (int)spec->rank, (int)spec->limit,
                spec->hosts_count, spec->with_count, spec->sparkline, (int)spec->match.n,
                spec->match.p, (int)(spec->from_ms / 1000 - BASE_S),
                (int)(spec->to_ms / 1000 - BASE_S), (int)(spec->compare_from_ms / 1000 - BASE_S),
                (int)(spec->compare_to_ms / 1000 - BASE_S), plan, s->expires ? " expires" : "",
                s->narrow ? " narrow" : "", s->fractions ? " fractions" : "",
                s->infinite ? " infinite" : "");
}

static uint32_t run_case(uint32_t seed, uint32_t *plans)
{
    static const char *const names[] = {"threshold", "scan", "summaries", "fold"};
    struct setup *s = malloc(sizeof(*s));
    struct question questions[ASKED];
    union query_result *before[ASKED];
    setup_init(s, seed);
    for (uint32_t i = 0; i < ASKED; i++) {
        random_question(s, &questions[i]);
        questions[i].spec.hosts = questions[i].hosts;
        before[i] = ask(s, &questions[i].spec);
        assert_string_equal(before[i]->topq.plan, "fold");
    }
    compact(s);
    for (uint32_t i = 0; i < ASKED; i++) {
        union query_result *after = ask(s, &questions[i].spec);
        if (getenv("TOPQ_VERBOSE") != NULL)
            describe(s, seed, &questions[i].spec, after->topq.plan);
        assert_answers(s, &questions[i].spec, &before[i]->topq, &after->topq);
        for (uint32_t p = 0; p < ARRAY_LEN(names); p++)
            plans[p] += strcmp(after->topq.plan, names[p]) == 0;
        query_result_free(&before[i]);
        query_result_free(&after);
    }
    setup_fini(s);
    free(s);
    return 0;
}

static void test_answers_do_not_depend_on_where_points_stand(void **state)
{
    (void)state;
    uint32_t plans[4] = {0};
    const char *only = getenv("TOPQ_SEED");
    for (uint32_t seed = 1; seed <= CASES; seed++)
        if (only == NULL || seed == (uint32_t)atoi(only))
            (void)run_case(seed * 2654435761u, plans);
    print_message("threshold %u, scan %u, summaries %u, fold %u\n", plans[0], plans[1], plans[2],
                  plans[3]);
    for (uint32_t p = 0; p < 4 && only == NULL; p++)
        assert_true(plans[p] > CASES / 5);
}

/* ---- what is gone ---- */

/* An item whose only point was deleted after its hour was compacted is no row, though a list has
 * it, and memory has the difference to it. */
static void test_an_item_without_points_left_is_no_row(void **state)
{
    (void)state;
    struct setup *s = calloc(1, sizeof(*s));
    struct world *w = &s->world;
    setup_open(s, 8);
    s->style = (struct compact_style){1, 1 << 14, 100, false, 0};
    const int64_t time_ms = (BASE_S + 5) * INT64_C(1000);
    world_point(w, "db1", "host.queries.c.00000001.time_us", time_ms, 5, POLICY_LAST);
    world_point(w, "db1", "host.queries.c.00000002.time_us", time_ms, 7, POLICY_LAST);
    world_seal(w, w->applied);
    world_compact(w, BASE_S, BASE_S + HOUR_S, w->next, &s->style);
    world_point(w, "db1", "host.queries.c.00000001.time_us", time_ms, 0, POLICY_ERASE);
    struct query_spec spec = {.pattern = SLICE_LIT("host.queries.c.*.time_us"),
                              .rank = AGGREGATE_SUM,
                              .limit = 10,
                              .from_ms = BASE_S * INT64_C(1000),
                              .to_ms = (BASE_S + HOUR_S) * INT64_C(1000)};
    union query_result *result = ask(s, &spec);
    assert_string_equal(result->topq.plan, "threshold");
    assert_int_equal(result->topq.rows_count, 1);
    assert_true(slice_eq_str(result->topq.rows[0].item, "00000002"));
    assert_int_equal(result->topq.total_items, 1);
    assert_true(result->topq.total.value == 7 && result->topq.rest.value == 0);
    query_result_free(&result);
    setup_fini(s);
    free(s);
}

/* ---- how much is read ---- */

enum { MANY = 40000, MANY_HOURS = 3 };

/* Hours that resemble each other: 40 pages of items in each, each item on one of so many hosts. */
static void fill_many(struct setup *s, uint32_t hosts_count)
{
    struct world *w = &s->world;
    char metric[64];
    for (uint32_t item = 0; item < MANY; item++) {
        sprintf(metric, "host.queries.c.%08x.time_us", item);
        for (int64_t hour = 0; hour < MANY_HOURS; hour++)
            world_point(w, hosts[item % hosts_count], metric,
                        (BASE_S + hour * HOUR_S + item % 3600) * INT64_C(1000),
                        floor(1e9 / (item * 7919u % MANY + 1)) + (double)(item + hour) / 8, 0);
    }
    for (uint32_t i = 0; i < w->points.n; i++)
        w->points.v[i].fresh = true;
    w->next = w->lo = w->applied;
    w->flush_records = 500;
}

static void compact_many(struct setup *s)
{
    struct world *w = &s->world;
    for (int64_t hour = 0; hour < MANY_HOURS; hour++)
        world_compact(w, BASE_S + hour * HOUR_S, BASE_S + (hour + 1) * HOUR_S, w->next, &s->style);
}

static uint64_t rows_of(struct setup *s, struct query_spec spec, const char *plan)
{
    spec.pattern = SLICE_LIT("host.queries.c.*.time_us");
    spec.from_ms = BASE_S * INT64_C(1000);
    spec.to_ms = spec.from_ms + MANY_HOURS * HOUR_S * INT64_C(1000);
    union query_result *result = ask(s, &spec);
    uint64_t rows = result->topq.source.rows;
    assert_string_equal(result->topq.plan, plan);
    query_result_free(&result);
    return rows;
}

/* What a question costs is what its answer costs, not what the category holds: rows read, which no
 * cache can hide. */
static void test_a_few_rows_are_read(void **state)
{
    (void)state;
    struct setup *s = calloc(1, sizeof(*s));
    setup_open(s, 7);
    s->style = (struct compact_style){1, 1 << 14, 1 << 13, false, 0};
    fill_many(s, 1);
    compact_many(s);
    uint64_t pages = (MANY + 1023) / 1024;
    struct query_spec top = {.limit = 5, .rank = AGGREGATE_SUM};
    /* A total and a chunk of each hour, as the rows stand in all of these; and what the snapshot's
     * scans count. */
    assert_true(rows_of(s, top, "threshold") <= MANY_HOURS * (1 + 1) + 8);
    top.sparkline = 3; /* and what the best have by minute, and a sum */
    assert_true(rows_of(s, top, "threshold") <= MANY_HOURS * (1 + 1 + 1 + 1) + 8);
    top.compare_from_ms = BASE_S * INT64_C(1000); /* and a total and a chunk again */
    top.compare_to_ms = top.compare_from_ms + MANY_HOURS * HOUR_S * INT64_C(1000);
    assert_true(rows_of(s, top, "threshold") <= MANY_HOURS * (1 + 1 + 1 + 1 + 1 + 1) + 16);
    struct query_spec avg = {.limit = 5, .rank = AGGREGATE_AVG};
    uint64_t rows = rows_of(s, avg, "scan");
    assert_true(rows >= MANY_HOURS * pages && rows <= MANY_HOURS * (pages + 1 + 5) + 8);
    /* Items that are on few pages. */
    struct query_spec match = {.limit = 5, .rank = AGGREGATE_AVG, .match = SLICE_LIT("00012")};
    assert_true(rows_of(s, match, "scan") <= MANY_HOURS * (1 + 5 + 5) + 8);
    setup_fini(s);
    free(s);
}

/* ---- many points in no run ---- */

enum { LOOSE = 60000, AGAIN = 20000, CUT_S = 3000 };

struct loose {
    double sums[MANY];
    bool has[MANY];
    double last[AGAIN][2]; /* of the host that writes twice */
    bool written[AGAIN][2];
};

/* One host writes each point once, the other some of them again; some stand behind the range. */
static void fill_loose(struct setup *s, struct loose *m)
{
    struct world *w = &s->world;
    char metric[64];
    for (uint32_t n = 0; n < LOOSE; n++) {
        bool again = n % 2 == 1;
        uint32_t item = again ? pick(s, AGAIN) : n / 2 * 7919u % MANY;
        uint32_t second = again ? pick(s, 2) : n % HOUR_S;
        double value = pick(s, 1u << 20);
        sprintf(metric, "host.queries.c.%08x.time_us", item);
        world_point(w, hosts[again], metric, (BASE_S + second) * INT64_C(1000), value, POLICY_LAST);
        w->points.v[w->points.n - 1].fresh = !again || !m->written[item][second];
        if (again) {
            m->last[item][second] = value;
            m->written[item][second] = true;
        } else if (second < CUT_S) {
            m->sums[item] += value;
            m->has[item] = true;
        }
    }
    for (uint32_t item = 0; item < AGAIN; item++)
        for (int i = 0; i < 2; i++)
            if (m->written[item][i]) {
                m->sums[item] += m->last[item][i];
                m->has[item] = true;
            }
    w->flush_records = 240;
}

/* Enough of them that other workers help: in the head, in rows, and in both. */
static void test_many_points_in_no_run(void **state)
{
    (void)state;
    struct setup *s = calloc(1, sizeof(*s));
    struct loose *m = calloc(1, sizeof(*m));
    setup_open(s, 11);
    fill_loose(s, m);
    double total = 0, best = 0;
    uint64_t items = 0;
    for (uint32_t item = 0; item < MANY; item++) {
        total += m->sums[item];
        items += m->has[item];
        best = m->sums[item] > best ? m->sums[item] : best;
    }
    for (uint64_t next = 0; next <= LOOSE; next += LOOSE / 3) {
        s->world.next = s->world.lo = next;
        struct query_spec spec = {.pattern = SLICE_LIT("host.queries.c.*.time_us"),
                                  .rank = AGGREGATE_SUM,
                                  .limit = 10,
                                  .from_ms = BASE_S * INT64_C(1000),
                                  .to_ms = (BASE_S + CUT_S) * INT64_C(1000)};
        union query_result *result = ask(s, &spec);
        assert_string_equal(result->topq.plan, "fold");
        assert_int_equal(result->topq.total_items, items);
        assert_true(result->topq.total.value == total);
        assert_true(result->topq.rows[0].value == best);
        query_result_free(&result);
    }
    setup_fini(s);
    free(m);
    free(s);
}

/* One host of two, with many items: its own lists, and rows of its own for what these lack. */
static void test_one_host_reads_its_own_lists(void **state)
{
    (void)state;
    static const struct slice one[] = {SLICE_LIT("db2")};
    struct setup *s = calloc(1, sizeof(*s));
    setup_open(s, 9);
    s->style = (struct compact_style){1, 1 << 10, 1 << 11, false, 100};
    fill_many(s, 2);
    struct query_spec spec = {.pattern = SLICE_LIT("host.queries.c.*.time_us"),
                              .rank = AGGREGATE_SUM,
                              .limit = 5,
                              .hosts = one,
                              .hosts_count = 1,
                              .from_ms = BASE_S * INT64_C(1000),
                              .to_ms = (BASE_S + MANY_HOURS * HOUR_S) * INT64_C(1000),
                              .sparkline = 3};
    spec.compare_from_ms = spec.from_ms;
    spec.compare_to_ms = spec.from_ms + HOUR_S * INT64_C(1000);
    union query_result *before = ask(s, &spec);
    struct query_spec many = spec;
    many.limit = 2000; /* more than there is in a list: a scan, of memory */
    union query_result *many_before = ask(s, &many);
    compact_many(s);
    union query_result *after = ask(s, &spec), *many_after = ask(s, &many);
    assert_string_equal(after->topq.plan, "threshold");
    assert_string_equal(many_after->topq.plan, "summaries");
    assert_answers(s, &spec, &before->topq, &after->topq);
    assert_answers(s, &many, &many_before->topq, &many_after->topq);
    spec.sparkline = 0;
    spec.compare_to_ms = 0;
    assert_true(rows_of(s, spec, "threshold") <= MANY_HOURS * (2 + 1) + 8);
    query_result_free(&before);
    query_result_free(&after);
    query_result_free(&many_before);
    query_result_free(&many_after);
    setup_fini(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_points_in_no_run),
        cmocka_unit_test(test_answers_do_not_depend_on_where_points_stand),
        cmocka_unit_test(test_an_item_without_points_left_is_no_row),
        cmocka_unit_test(test_a_few_rows_are_read),
        cmocka_unit_test(test_one_host_reads_its_own_lists),
    };
    return cmocka_run_group_tests_name("query/topq", tests, NULL, NULL);
}
