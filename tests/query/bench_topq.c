/* TOPQ over rank rows of many items, in a real database. Not part of `make test`:
 * make build/tests/query/bench_topq && build/tests/query/bench_topq [millions of items] [hours]
 * [shared|disjoint]. LONGTAIL_TEST_MYSQL names a server whose buffer pool holds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "mysql/mysql_storage.h"
#include "port/storage_runs.h"
#include "reactor/pool.h"
#include "reactor/reactor.h"
#include "support_mariadb.h"
#include "support_world.h"
#include "vector/rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENVIRONMENT = 1, BASE_S = 1424390400, HOUR_S = 3600, ROUNDS = 15, WORKERS = 2 };

struct bench {
    struct world world;
    struct storage *storage;
    struct storage_session *session;
    struct storage_fence fence;
    struct reactor *reactor;
    struct pool *pool;
    struct query *query;
    struct query_answer answer;
    uint32_t items;
    uint32_t hours;
    bool disjoint;
    struct catalog_series series;
};

#define MUST(x)                                                                                    \
    do {                                                                                           \
        int must_err = (x);                                                                        \
        if (must_err != 0) {                                                                       \
            fprintf(stderr, "%s: %d\n", #x, must_err);                                             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int make_session(void *arg, void **out)
{
    struct storage_session *s;
    int err = storage_session_create(arg, &s);
    if (err == 0)
        *out = s;
    return err;
}

static void drop_session(void **context)
{
    struct storage_session *s = *context;
    storage_session_destroy(&s);
    *context = NULL;
}

static void declare(struct bench *b)
{
    char metric[64];
    for (uint32_t i = 0; i < b->items; i++) {
        int n = snprintf(metric, sizeof(metric), "host.queries.c.%016llx.time_us",
                         (unsigned long long)i * 0x9e3779b97f4a7c15ull);
        MUST(catalog_resolve(b->world.catalog, slice_make(metric, (size_t)n), &b->series));
    }
}

/* Zipf by a rank that drifts from hour to hour. */
static double value_of(uint32_t item, uint32_t hour, uint32_t items)
{
    uint64_t rank = (item * 2654435761u) % items + 1;
    uint32_t noise = (item * 40503u + hour * 65599u) * 2246822519u >> 22;
    return (double)(uint64_t)(5e8 / (double)rank * (0.7 + noise / 1700.0)) + 40;
}

static int compare_entries(const void *a, const void *b)
{
    const struct rank_entry *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static void put(struct bench *b, const struct storage_run *run, enum storage_rank_kind kind,
                uint32_t number, struct buffer *body)
{
    struct storage_rank rank = {.category = b->series.category,
                                .dimension = b->series.dimension,
                                .host = STORAGE_ALL_HOSTS,
                                .kind = kind,
                                .number = number,
                                .body = buffer_slice(body)};
    MUST(storage_run_put_rank(b->session, ENVIRONMENT, run, &rank));
    buffer_reset(body, body->max);
}

static void put_hour(struct bench *b, uint32_t hour)
{
    struct storage_run like = {.kind = STORAGE_COMPACT,
                               .resolution_s = 1,
                               .range = {BASE_S + hour * HOUR_S, BASE_S + (hour + 1) * HOUR_S}};
    struct storage_run run;
    struct buffer body, set_bytes;
    struct itemset *set;
    struct rank_page *page = calloc(1, sizeof(*page));
    uint32_t count = b->disjoint ? b->items / b->hours : b->items;
    uint32_t first = b->disjoint ? hour * count : 0;
    struct rank_entry *entries = calloc(count, sizeof(*entries));
    struct rank_total total = {.items = count, .hosts = 1000};
    summary_init(&total.summary);
    buffer_init(&body, 1 << 26);
    buffer_init(&set_bytes, 1 << 26);
    MUST(itemset_create(&set));
    MUST(storage_run_create(b->session, &b->fence, ENVIRONMENT, &like, &run));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t item = first + i, n = page->count++;
        double value = value_of(item, hour, b->items);
        entries[i] = (struct rank_entry){item, value, 1};
        page->items[n] = item;
        page->sums[n] = value;
        page->counts[n] = 1 + item % 20;
        page->maxs[n] = value / 2;
        summary_add(&total.summary, 1, value);
        total.summary.count += page->counts[n] - 1;
        MUST(itemset_add(set, item));
        if (i + 1 == count || (item + 1) % RANK_PAGE_ITEMS == 0) {
            MUST(rank_page_encode(item / RANK_PAGE_ITEMS, page, &body));
            put(b, &run, STORAGE_RANK_PAGE, item / RANK_PAGE_ITEMS, &body);
            page->count = 0;
        }
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    total.entries = count < RANK_TOP_MAX ? count : RANK_TOP_MAX;
    uint32_t n;
    for (uint32_t number = 0; (n = rank_chunk_count(number, total.entries)) > 0; number++) {
        MUST(rank_top_encode(&entries[rank_chunk_begin(number)], n, &body));
        put(b, &run, STORAGE_RANK_TOP, number, &body);
    }
    MUST(itemset_encode(set, &set_bytes));
    total.set = buffer_slice(&set_bytes);
    MUST(rank_total_encode(&total, &body));
    put(b, &run, STORAGE_RANK_TOTAL, 0, &body);
    MUST(storage_run_flush(b->session));
    MUST(storage_runs_publish(b->session, &b->fence, ENVIRONMENT, &run, 1, NULL, 0));
    itemset_destroy(&set);
    buffer_fini(&body);
    buffer_fini(&set_bytes);
    free(entries);
    free(page);
}

static void answered(void *arg, const struct query_answer *answer)
{
    struct bench *b = arg;
    b->answer = *answer;
    reactor_stop(b->reactor);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct bench *b, const char *what, struct query_spec spec)
{
    double ms[ROUNDS];
    struct result_topq last = {0};
    spec.what = QUERY_TOPQ;
    spec.environment = &b->world.environment;
    spec.command = "TOPQ";
    spec.pattern = SLICE_LIT("host.queries.c.*.time_us");
    spec.from_ms = BASE_S * INT64_C(1000);
    if (spec.to_ms == 0)
        spec.to_ms = spec.from_ms + (int64_t)b->hours * HOUR_S * 1000;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t id;
        int64_t start = clock_mono_ns();
        MUST(query_submit(b->query, &spec, answered, b, &id));
        reactor_run(b->reactor);
        ms[i] = (double)(clock_mono_ns() - start) / 1e6;
        if (b->answer.status != 0)
            fprintf(stderr, "%s\n", b->answer.why);
        MUST(b->answer.status);
        last = b->answer.result->topq;
        query_result_free(&b->answer.result);
    }
    qsort(ms, ROUNDS, sizeof(*ms), compare_doubles);
    printf("%-28s %-10s p50 %8.1f ms  max %8.1f ms  rows %8llu  MB %8.1f  items %llu\n", what,
           last.plan, ms[ROUNDS / 2], ms[ROUNDS - 1], (unsigned long long)last.source.rows,
           (double)last.source.bytes / 1e6, (unsigned long long)last.total_items);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof(*b));
    b->items = (uint32_t)((argc > 1 ? atof(argv[1]) : 1) * 1e6);
    b->hours = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    b->disjoint = argc > 3 && strcmp(argv[3], "disjoint") == 0;
    if (b->disjoint)
        b->items *= b->hours;
    struct test_mariadb *db = test_mariadb_start();
    if (db == NULL)
        return 77;
    char prefix[32];
    snprintf(prefix, sizeof(prefix), "b%d_", (int)getpid());
    struct mysql_config config = {.address = test_mariadb_address(db),
                                  .user = "root",
                                  .password = "",
                                  .prefix = prefix,
                                  .connect_timeout_ms = 2000,
                                  .timeout_ms = 60000,
                                  .read_timeout_ms = 60000};
    uint32_t environment = ENVIRONMENT;
    struct storage_progress progress;
    world_init(&b->world, 1);
    MUST(mysql_storage_create(&config, &b->storage));
    MUST(storage_session_create(b->storage, &b->session));
    MUST(storage_prepare(b->session, 1, &environment, 1));
    MUST(storage_lease_take(b->session, 0, SLICE_LIT("bench"), 3600000, &progress));
    b->fence = (struct storage_fence){.partition = 0, .epoch = progress.epoch};
    int64_t start = clock_mono_ms();
    declare(b);
    fprintf(stderr, "names %lld ms\n", (long long)(clock_mono_ms() - start));
    for (uint32_t hour = 0; hour < b->hours; hour++)
        put_hour(b, hour);
    fprintf(stderr, "rows %lld ms\n", (long long)(clock_mono_ms() - start));
    MUST(reactor_create(&b->reactor));
    struct pool_config pool = {.name = "bench",
                               .threads = WORKERS,
                               .queue_max = 16,
                               .context_create = make_session,
                               .context_destroy = drop_session,
                               .arg = b->storage};
    MUST(pool_create(b->reactor, &pool, &b->pool));
    struct query_config query = {.head = &b->world.head,
                                 .executor = pool_executor(b->pool),
                                 .deadline_ms = 60000,
                                 .memory_bytes_max = 256 << 20,
                                 .requests_max = 4};
    MUST(query_create(&query, &b->query));
    measure(b, "first", (struct query_spec){.limit = 10, .rank = AGGREGATE_SUM});
    measure(b, "sum, limit 10", (struct query_spec){.limit = 10, .rank = AGGREGATE_SUM});
    measure(b, "sum, limit 100", (struct query_spec){.limit = 100, .rank = AGGREGATE_SUM});
    measure(b, "sum, limit 10, one hour",
            (struct query_spec){
                .limit = 10, .rank = AGGREGATE_SUM, .to_ms = (BASE_S + HOUR_S) * INT64_C(1000)});
    measure(b, "sum, limit 10000", (struct query_spec){.limit = 10000, .rank = AGGREGATE_SUM});
    measure(b, "avg", (struct query_spec){.limit = 10, .rank = AGGREGATE_AVG});
    measure(b, "max", (struct query_spec){.limit = 10, .rank = AGGREGATE_MAX});
    measure(b, "match f1",
            (struct query_spec){.limit = 10, .rank = AGGREGATE_SUM, .match = SLICE_LIT("ff1")});
    struct storage_session *s = b->session;
    query_stop(b->query);
    pool_destroy(&b->pool);
    query_destroy(&b->query);
    reactor_destroy(&b->reactor);
    storage_session_destroy(&s);
    storage_destroy(&b->storage);
    world_fini(&b->world);
    test_mariadb_stop(&db);
    free(b);
    return 0;
}
