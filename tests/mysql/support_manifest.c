#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mysql/support_manifest.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is there ---- */

static int list_visit(void *arg, const struct storage_run *run)
{
    struct runs *l = arg;
    assert_true(l->n < RUNS_MAX);
    l->v[l->n++] = *run;
    return 0;
}

struct runs runs_list(struct storage_session *s)
{
    struct runs l = {0};
    assert_int_equal(storage_runs(s, ENVIRONMENT, NULL, list_visit, &l), 0);
    return l;
}

const struct storage_run *runs_find(const struct runs *l, uint64_t id)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->v[i].id == id)
            return &l->v[i];
    return NULL;
}

uint32_t runs_in_state(const struct runs *l, enum storage_run_state state)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++)
        n += l->v[i].state == state;
    return n;
}

/* The one text that a statement gives. */
const char *runs_ask(struct fixture *f, const char *sql)
{
    static char text[256];
    if (mysql_query(f->raw, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error(f->raw));
    MYSQL_RES *result = mysql_store_result(f->raw);
    assert_int_equal(mysql_num_rows(result), 1);
    MYSQL_ROW row = mysql_fetch_row(result);
    snprintf(text, sizeof(text), "%s", row[0] != NULL ? row[0] : "NULL");
    mysql_free_result(result);
    return text;
}

unsigned runs_tables(struct fixture *f)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '%s%d'"
             " AND table_name REGEXP '_1_[smh]_'",
             f->prefix, ENVIRONMENT);
    return (unsigned)atoi(runs_ask(f, sql));
}

static unsigned bits(uint32_t x)
{
    return (unsigned)__builtin_popcount(x);
}

/* Each table of a run is entered, and no other is there. */
void assert_no_stray_tables(struct fixture *f)
{
    struct runs l = runs_list(f->s);
    unsigned entered = 0;
    for (uint32_t i = 0; i < l.n; i++)
        entered += bits(l.v[i].tables);
    assert_int_equal(runs_tables(f), entered);
}

struct block one_point(uint64_t lo)
{
    static const uint32_t item = 3;
    static int64_t time_ms;
    static const double value = 7;
    time_ms = hour0_s * 1000;
    return (struct block){.category = 1,
                          .fresh = true,
                          .lo = lo,
                          .count = 1,
                          .items = &item,
                          .times_ms = &time_ms,
                          .values = &value};
}

static char *body_of(uint32_t seed, uint32_t n)
{
    static char body[100000];
    for (uint32_t i = 0; i < n; i++)
        body[i] = (char)((i * 2654435761U + seed) >> 13);
    return body;
}

/* `rows` rows of each table of a compact run. */
int put_rows(struct storage_session *s, const struct storage_run *run, uint32_t rows,
             uint32_t body_bytes)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < rows; i++) {
        struct slice body = slice_make(body_of(i, body_bytes), body_bytes);
        struct storage_pack pack = {.category = 1,
                                    .dimension = 2,
                                    .host = i % 3,
                                    .first_item = 10 * i,
                                    .part = i % 2,
                                    .last_item = 10 * i + 9,
                                    .items = 10,
                                    .points = UINT64_C(5000000000) + i,
                                    .min_ms = -5,
                                    .max_ms = INT64_MAX,
                                    .summaries = slice_upto(body, body_bytes / 8),
                                    .vectors = body};
        struct storage_rank rank = {1, 2, STORAGE_ALL_HOSTS, STORAGE_RANK_PAGE, i, body};
        struct storage_total total = {
            1, 2, 3, run->range.from_s + 60 * i, 4, 1.5, i == 0 ? NAN : -2, i == 0 ? NAN : 1e300};
        uint8_t seconds[BEAT_BYTES] = {(uint8_t)i, 3};
        uint16_t counts[] = {60, (uint16_t)i};
        struct storage_beats beats = {i, 4, run->range.from_s, NULL, NULL, 0};
        if (run->resolution_s == 1)
            beats.bits = seconds;
        else
            beats.counts = counts, beats.counts_count = 2;
        err = storage_run_put_pack(s, ENVIRONMENT, run, &pack);
        if (err == 0)
            err = storage_run_put_rank(s, ENVIRONMENT, run, &rank);
        if (err == 0)
            err = storage_run_put_total(s, ENVIRONMENT, run, &total);
        if (err == 0)
            err = storage_run_put_beats(s, ENVIRONMENT, run, &beats);
    }
    return err == 0 ? storage_run_flush(s) : err;
}
