#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const hosts[HOSTS] = {"db1", "db2", "db3", ""};
const char *const metrics[METRICS] = {
    "host.queries.c.00000001.time_us",
    "host.queries.c.00000001.tput",
    "host.queries.c.00000002.time_us",
    "host.queries.c.00000002.tput",
    "host.queries.c.00000003.time_us",
    "host.queries.q.00000001.time_us",
    "host.queries.q.0000000a.time_us",
    "host.queries.q.0000000b.errors",
    "host.cpu.user",
    "host.cpu.sys.time_us",
    "host.net.eth0.bytes",
    "host.net.eth1.bytes",
    "plain",
    "host.net.eth0.tput",
};

const int dense[DENSE] = {0, 8, 10};

const char *const collectors[COLLECTORS] = {"queries", "cpu", "net"};

static void model_write(struct model *m, int host, int metric, int64_t time_ms, double value,
                        uint8_t policy)
{
    world_point(&m->world, hosts[host], metrics[metric], time_ms, value, policy);
    uint32_t at = 0, n = m->series[host][metric].n;
    struct model_point *points = m->series[host][metric].v;
    while (at < n && points[at].time_ms < time_ms)
        at++;
    bool present = at < n && points[at].time_ms == time_ms;
    if (policy == POLICY_ERASE) {
        if (present) {
            memmove(&points[at], &points[at + 1], (n - at - 1) * sizeof(*points));
            m->series[host][metric].n--;
        }
        return;
    }
    if (present) {
        points[at].value = policy_fold(policy, points[at].value, value);
        return;
    }
    assert_true(VEC_PUSH(&m->series[host][metric], ((struct model_point){0})));
    points = m->series[host][metric].v;
    memmove(&points[at + 1], &points[at], (n - at) * sizeof(*points));
    points[at] = (struct model_point){time_ms, value};
}

void model_keep_answer(void *arg, const struct query_answer *answer)
{
    struct model *m = arg;
    m->answer = *answer;
}

union query_result *model_ask(struct model *m, struct query_spec *spec)
{
    uint64_t id;
    spec->environment = &m->world.environment;
    spec->command = "TEST";
    m->answer.status = 1;
    assert_int_equal(query_submit(m->query, spec, model_keep_answer, m, &id), 0);
    while (inline_run(&m->executor, true))
        ;
    if (m->answer.status != 0)
        print_error("%d %s\n", m->answer.status, m->answer.why);
    assert_int_equal(m->answer.status, 0);
    return m->answer.result;
}

static double random_value(struct model *m)
{
    if (world_random(&m->world, 12) == 0)
        return NAN;
    if (m->narrow)
        return world_random(&m->world, 3); /* ties */
    return (double)world_random(&m->world, 2000000) - 100000;
}

static void model_fill(struct model *m)
{
    struct world *w = &m->world;
    assert_int_equal(
        catalog_add_rule(w->catalog, SLICE_LIT("host.net.*"), KIND_COUNTER, PRECISION_KEEP), 0);
    uint32_t writes = 1 + world_random(w, 250);
    uint32_t seconds = 1 + world_random(w, SPAN_S);
    m->narrow = world_random(w, 2) == 0;
    if (m->narrow || world_random(w, 2) == 0)
        seconds = 1 + world_random(w, m->narrow ? 3 : 20);
    for (uint32_t i = 0; i < writes; i++) {
        int host = (int)world_random(w, HOSTS), metric = (int)world_random(w, METRICS);
        if (m->narrow && world_random(w, 4) > 0)
            host = 0, metric = 2 * (metric % 3);
        int64_t time_ms = (int64_t)(BASE_S + world_random(w, seconds)) * 1000;
        if (world_random(w, 10) == 0)
            time_ms += world_random(w, 1000);
        model_write(m, host, metric, time_ms, random_value(m),
                    (uint8_t)world_random(w, POLICY_STORED_COUNT));
        uint32_t collector = world_random(w, 3);
        if (world_random(w, 2) == 0 &&
            catalog_find_collector(w->catalog, slice_str(collectors[collector])) != CATALOG_NONE) {
            uint32_t second = world_random(w, seconds);
            m->reported[host][collector][second] = true;
            world_beat(w, hosts[host], collectors[collector], BASE_S + second);
        }
    }
    world_seal(w, world_random(w, (uint32_t)w->applied + 1));
    /* What stands in runs is read as what stands in arrival rows. */
    const struct compact_style style = {
        .rank_items_min = 1 + world_random(w, 3), .top_max = 100, .row_items_max = 1};
    for (int64_t hour = 0; hour < SPAN_S / 3600; hour++)
        if (world_random(w, 3) == 0)
            world_compact(w, BASE_S + hour * 3600, BASE_S + (hour + 1) * 3600,
                          world_random(w, (uint32_t)w->next + 1), &style);
}

static void model_open(struct model *m, uint32_t seed)
{
    memset(m, 0, sizeof(*m));
    world_init(&m->world, seed);
    inline_init(&m->executor, &m->world.session);
    struct query_config config = {.head = &m->world.head,
                                  .executor = &m->executor.executor,
                                  .deadline_ms = 60000,
                                  .memory_bytes_max = 64 << 20,
                                  .requests_max = 4};
    assert_int_equal(query_create(&config, &m->query), 0);
}

void model_init(struct model *m, uint32_t seed)
{
    model_open(m, seed);
    model_fill(m);
}

void model_init_dense(struct model *m, uint32_t seed)
{
    model_open(m, seed);
    struct world *w = &m->world;
    assert_int_equal(
        catalog_add_rule(w->catalog, SLICE_LIT("host.net.*"), KIND_COUNTER, PRECISION_KEEP), 0);
    m->dense = true;
    uint32_t hole = 60 * world_random(w, 100);
    uint64_t first_hour = 0;
    for (uint32_t s = 0; s < SPAN_S; s += 4) {
        for (size_t i = 0; i < ARRAY_LEN(dense) && (s < hole || s >= hole + 1500); i++)
            model_write(m, (int)(i % 2), dense[i], (BASE_S + s) * INT64_C(1000), random_value(m),
                        POLICY_LAST);
        if (s == 3596)
            first_hour = w->applied;
    }
    world_seal(w, (uint32_t)w->applied);
    const struct compact_style style = {
        .rank_items_min = 3, .top_max = 100, .row_items_max = 1 + world_random(w, 3)};
    world_compact(w, BASE_S, BASE_S + 3600, first_hour, &style);
    if (world_random(w, 2) == 0)
        world_compact(w, BASE_S + 3600, BASE_S + 7200, w->next, &style);
}

void model_fini(struct model *m)
{
    query_destroy(&m->query);
    for (int h = 0; h < HOSTS; h++)
        for (int k = 0; k < METRICS; k++)
            VEC_FINI(&m->series[h][k]);
    world_fini(&m->world);
}

void model_random_range(struct model *m, int64_t *from_ms, int64_t *to_ms)
{
    uint32_t a = world_random(&m->world, SPAN_S), b = world_random(&m->world, SPAN_S);
    if (world_random(&m->world, 2) == 0) {
        a %= 20;
        b %= 20;
    }
    *from_ms = (int64_t)(BASE_S + (a < b ? a : b)) * 1000;
    *to_ms = (int64_t)(BASE_S + (a < b ? b : a) + 1) * 1000;
}

int model_key(char *out, int host, int metric)
{
    return sprintf(out, "%s%s%s", hosts[host], hosts[host][0] != '\0' ? "/" : "", metrics[metric]);
}

bool same_double(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}
