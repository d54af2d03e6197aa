#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mysql/support_runs.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct storage_run run_begin(struct storage_session *s, const struct storage_progress *progress,
                             enum storage_run_kind kind, uint32_t resolution_s,
                             struct storage_range range)
{
    struct storage_fence fence = {PARTITION, progress->epoch};
    struct storage_run like = {.kind = kind, .resolution_s = resolution_s, .range = range};
    struct storage_run run;
    assert_int_equal(storage_run_create(s, &fence, ENVIRONMENT, &like, &run), 0);
    return run;
}

struct looked_for {
    uint64_t id; /* 0: by the others */
    enum storage_run_kind kind;
    struct storage_range range;
    struct storage_run found;
};

static int look(void *arg, const struct storage_run *run)
{
    struct looked_for *wanted = arg;
    bool in_force = run->state == STORAGE_OPEN || run->state == STORAGE_CLOSED ||
                    run->state == STORAGE_IN_FORCE;
    if (wanted->id > 0
            ? run->id == wanted->id
            : in_force && run->kind == wanted->kind && run->range.from_s == wanted->range.from_s &&
                  run->id > wanted->found.id)
        wanted->found = *run;
    return 0;
}

void run_publish(struct storage_session *s, const struct storage_progress *progress,
                 struct storage_run *run)
{
    struct storage_fence fence = {PARTITION, progress->epoch};
    assert_int_equal(storage_run_flush(s), 0);
    assert_int_equal(storage_runs_publish(s, &fence, ENVIRONMENT, run, 1, NULL, 0), 0);
    struct looked_for wanted = {.id = run->id};
    assert_int_equal(storage_runs(s, ENVIRONMENT, NULL, look, &wanted), 0);
    assert_true(wanted.found.id > 0);
    *run = wanted.found;
}

struct storage_run run_find(struct storage_session *s, enum storage_run_kind kind,
                            struct storage_range range)
{
    struct looked_for wanted = {.kind = kind, .range = range};
    assert_int_equal(storage_runs(s, ENVIRONMENT, NULL, look, &wanted), 0);
    assert_true(wanted.found.id > 0);
    return wanted.found;
}

uint64_t server_counts(const char *address, const char *like)
{
    MYSQL *raw = mysql_init(NULL);
    assert_non_null(
        mysql_real_connect(raw, NULL, "root", "", NULL, 0, address + strlen("unix:"), 0));
    char sql[100];
    snprintf(sql, sizeof(sql), "SHOW GLOBAL STATUS LIKE '%s'", like);
    assert_int_equal(mysql_query(raw, sql), 0);
    MYSQL_RES *result = mysql_store_result(raw);
    uint64_t sum = 0;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        sum += strtoull(row[1], NULL, 10);
    mysql_free_result(result);
    mysql_close(raw);
    return sum;
}
