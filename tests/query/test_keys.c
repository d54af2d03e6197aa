#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "query/gather.h"
#include "support_world.h"

#include <stdio.h>
#include <string.h>

/* Which keys there are, in an environment of more items than anybody may gather whole. */

enum { BASE_S = 1424444400, HOSTS = 3, ITEMS = 40 };

struct bench {
    struct world world;
    struct inline_executor executor;
    struct query *query;
    struct query_answer answer;
};

static void bench_open(struct bench *b, uint32_t items)
{
    memset(b, 0, sizeof(*b));
    world_init(&b->world, 3);
    for (uint32_t i = 0; i < items; i++) { /* names that no point has */
        char name[32];
        struct catalog_series series;
        size_t n = (size_t)snprintf(name, sizeof(name), "app.%08x.idle", i + 0x10000000);
        assert_int_equal(catalog_resolve(b->world.catalog, slice_make(name, n), &series), 0);
    }
    for (uint32_t i = 0; i < HOSTS * ITEMS; i++) {
        char host[8], name[32];
        snprintf(host, sizeof(host), "db%u", i % HOSTS);
        snprintf(name, sizeof(name), "app.%08x.%s", i / HOSTS, i % 2 == 0 ? "time" : "rate");
        world_point(&b->world, host, name, BASE_S * INT64_C(1000), i, POLICY_LAST);
    }
    world_seal(&b->world, HOSTS * ITEMS / 2); /* half of it is stored */
    inline_init(&b->executor, &b->world.session);
    struct query_config config = {.head = &b->world.head,
                                  .executor = &b->executor.executor,
                                  .deadline_ms = 60000,
                                  .memory_bytes_max = 8 << 20,
                                  .requests_max = 1};
    assert_int_equal(query_create(&config, &b->query), 0);
}

static void bench_close(struct bench *b)
{
    query_destroy(&b->query);
    world_fini(&b->world);
}

static void keep_answer(void *arg, const struct query_answer *answer)
{
    ((struct bench *)arg)->answer = *answer;
}

/* The status; the answer's keys are to be freed where it is 0. */
static int ask(struct bench *b, struct query_spec spec)
{
    uint64_t id;
    spec.environment = &b->world.environment;
    spec.command = "TEST";
    assert_int_equal(query_submit(b->query, &spec, keep_answer, b, &id), 0);
    while (inline_run(&b->executor, true))
        ;
    return b->answer.status;
}

static uint32_t count_and_free(struct bench *b)
{
    uint32_t count = b->answer.result->list.count;
    query_result_free(&b->answer.result);
    return count;
}

static int find(struct bench *b, const char *filter)
{
    struct slice text = slice_str(filter);
    int err =
        ask(b, (struct query_spec){.what = QUERY_INDEX, .filters = &text, .filters_count = 1});
    return err != 0 ? err : (int)count_and_free(b);
}

static int list(struct bench *b, const char *pattern)
{
    struct query_spec spec = {.what = QUERY_LIST,
                              .limit = UINT32_MAX,
                              .matches = pattern != NULL,
                              .match = slice_str(pattern != NULL ? pattern : "")};
    int err = ask(b, spec);
    return err != 0 ? err : (int)count_and_free(b);
}

static void assert_narrow_questions(struct bench *b)
{
    assert_int_equal(list(b, "db1/*"), ITEMS);
    assert_int_equal(list(b, "db1/app.00000001.*"), 1);
    assert_int_equal(list(b, "db1/*.idle"), 0);
    assert_int_equal(list(b, "db9/*"), 0);
    assert_int_equal(find(b, "host=db1"), ITEMS);
    assert_int_equal(find(b, "host=(db0,db2,db9)"), 2 * ITEMS);
    assert_int_equal(find(b, "host=db9"), 0);
    assert_int_equal(find(b, "item=00000003"), HOSTS);
    assert_int_equal(find(b, "item=(00000003,00000004,nope)"), 2 * HOSTS);
    assert_int_equal(find(b, "item=1fffffff"), 0);
    assert_int_equal(find(b, "metric=app.00000003.time"), 1);
    assert_int_equal(find(b, "metric=(app.00000003.time,app.00000003.rate)"), HOSTS);
    assert_int_equal(find(b, "category=app.*"), HOSTS * ITEMS);
}

static void test_few_items_are_listed_whole(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 1000);
    assert_narrow_questions(&b);
    assert_int_equal(list(&b, NULL), HOSTS * ITEMS);
    assert_int_equal(list(&b, "db[1]/*"), ITEMS);
    assert_int_equal(find(&b, "dimension=time"), HOSTS * ITEMS / 2);
    bench_close(&b);
}

static void test_of_many_items_what_a_question_narrows(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, GATHER_ITEMS_MAX + 1);
    assert_narrow_questions(&b);
    assert_int_equal(list(&b, NULL), LT_EINVALID);
    assert_non_null(strstr(b.answer.why, "host/*"));
    assert_int_equal(list(&b, "db[1]/*"), LT_EINVALID);
    assert_int_equal(list(&b, "*1/*"), LT_EINVALID);
    assert_int_equal(find(&b, "dimension=time"), LT_EINVALID);
    assert_non_null(strstr(b.answer.why, "host="));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_items_are_listed_whole),
        cmocka_unit_test(test_of_many_items_what_a_question_narrows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
