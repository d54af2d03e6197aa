#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mysql/support_storage.h"

#include "base/vec.h"
#include "model/kind.h"
#include "mysql/mysql_storage.h"
#include "port/storage_flush.h"
#include "support_crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *fresh_prefix(void)
{
    static char prefix[32];
    static unsigned count;
    snprintf(prefix, sizeof(prefix), "t%d_%u_", (int)getpid(), count++);
    return prefix;
}

struct storage *storage_open(const char *address, const char *prefix, int timeout_ms)
{
    struct mysql_config config = {
        .address = address,
        .user = "root",
        .password = "",
        .prefix = prefix,
        .connect_timeout_ms = 2000,
        .timeout_ms = timeout_ms,
        .read_timeout_ms = 6000,
    };
    struct storage *storage = NULL;
    assert_int_equal(mysql_storage_create(&config, &storage), 0);
    return storage;
}

struct storage_session *session_open(struct storage *storage)
{
    struct storage_session *s = NULL;
    assert_int_equal(storage_session_create(storage, &s), 0);
    return s;
}

void prepare(struct storage_session *s)
{
    uint32_t environment = ENVIRONMENT;
    assert_int_equal(storage_prepare(s, PARTITIONS, &environment, 1), 0);
}

struct storage_range hour_range(unsigned hour)
{
    int64_t from_s = hour0_s + (int64_t)hour * 3600;
    return (struct storage_range){from_s, from_s + 3600};
}

struct storage_flush flush_of(const struct storage_progress *progress, uint64_t offsets)
{
    return (struct storage_flush){
        .partition = PARTITION,
        .epoch = progress->epoch,
        .lo = progress->next,
        .hi = progress->next + offsets,
        .checksum = progress->next * 31 + 1,
    };
}

struct read_guard guard_of(int64_t deadline_in_ms)
{
    return (struct read_guard){.deadline_mono_ms = clock_mono_ms() + deadline_in_ms,
                               .memory_bytes_max = SIZE_MAX};
}

struct fixture *fixture_create(struct test_mariadb *db, int timeout_ms)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->prefix, sizeof(f->prefix), "%s", fresh_prefix());
    f->address = test_mariadb_address(db);
    f->storage = storage_open(f->address, f->prefix, timeout_ms);
    f->s = session_open(f->storage);
    f->r = session_open(f->storage);
    prepare(f->s);
    assert_int_equal(storage_lease_take(f->s, PARTITION, SLICE_LIT("me"), 60000, &f->progress), 0);
    f->fence = (struct storage_fence){PARTITION, f->progress.epoch};
    f->guard = guard_of(60000);
    f->raw = raw_connect(db);
    char database[64];
    snprintf(database, sizeof(database), "%s%d", f->prefix, ENVIRONMENT);
    assert_int_equal(mysql_select_db(f->raw, database), 0);
    return f;
}

void fixture_destroy(struct fixture *f)
{
    storage_session_destroy(&f->s);
    storage_session_destroy(&f->r);
    storage_destroy(&f->storage);
    mysql_close(f->raw);
    free(f);
}

void reader_open(struct fixture *f)
{
    assert_int_equal(storage_reader_begin(f->r, ENVIRONMENT, &f->guard), 0);
}

int fixture_crash(const struct fixture *f, const char *failpoint)
{
    return crash_at(failpoint, f->address, f->prefix, f->progress.epoch);
}

MYSQL *raw_connect(const struct test_mariadb *db)
{
    MYSQL *raw = mysql_init(NULL);
    assert_non_null(raw);
    assert_non_null(mysql_real_connect(raw, NULL, "root", "", NULL, 0,
                                       test_mariadb_address(db) + strlen("unix:"), 0));
    return raw;
}

void raw_exec(MYSQL *raw, const char *format, const char *prefix)
{
    char sql[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sql, sizeof(sql), format, prefix);
#pragma GCC diagnostic pop
    if (mysql_query(raw, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error(raw));
    mysql_free_result(mysql_store_result(raw));
}

void points_add(struct points *points, const struct block *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        struct point point = {
            .category = block->category,
            .dimension = block->dimension,
            .host = block->host,
            .item = block->items[i],
            .fresh = block->fresh,
            .lo = block->lo,
            .time_ms = block->times_ms[i],
            .value = block->values[i],
            .policy = block->policies != NULL ? block->policies[i] : POLICY_LAST,
        };
        assert_true(VEC_PUSH(points, point));
    }
}

int points_visit(void *arg, const struct block *block)
{
    points_add(arg, block);
    return 0;
}

void points_free(struct points *points)
{
    VEC_FINI(points);
}

static int key_order(const struct point *a, const struct point *b)
{
    if (a->category != b->category)
        return a->category < b->category ? -1 : 1;
    if (a->dimension != b->dimension)
        return a->dimension < b->dimension ? -1 : 1;
    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    return (int)a->fresh - (int)b->fresh;
}

static void merge(struct point *v, struct point *spare, uint32_t n)
{
    if (n < 2)
        return;
    uint32_t half = n / 2;
    merge(v, spare, half);
    merge(v + half, spare, n - half);
    memcpy(spare, v, n * sizeof(v[0]));
    for (uint32_t i = 0, a = 0, b = half; i < n; i++)
        v[i] =
            a < half && (b == n || key_order(&spare[a], &spare[b]) <= 0) ? spare[a++] : spare[b++];
}

void points_sort(struct points *points)
{
    if (points->n == 0)
        return;
    struct point *spare = malloc(points->n * sizeof(spare[0]));
    assert_non_null(spare);
    merge(points->v, spare, points->n); /* qsort would not keep equal ones in order */
    free(spare);
}

void assert_same_points(const struct points *expected, const struct points *actual)
{
    assert_int_equal(expected->n, actual->n);
    for (uint32_t i = 0; i < expected->n; i++) {
        const struct point *a = &expected->v[i];
        const struct point *b = &actual->v[i];
        assert_int_equal(key_order(a, b), 0);
        assert_int_equal(a->item, b->item);
        assert_int_equal(a->lo, b->lo);
        assert_int_equal(a->time_ms, b->time_ms);
        assert_memory_equal(&a->value, &b->value, sizeof(a->value));
        assert_int_equal(a->policy, b->policy);
    }
}

uint64_t scan_all(struct storage_session *s, uint32_t category, bool fresh, struct points *out)
{
    static const uint32_t dimensions[] = {0, 1, 2, 3};
    struct read_guard guard = guard_of(20000);
    struct block_filter filter = {
        .category = category,
        .dimensions = dimensions,
        .dimensions_count = 4,
        .from_ms = 0,
        .to_ms = INT64_MAX,
        .fresh = fresh,
    };
    uint64_t next = UINT64_MAX;
    assert_int_equal(storage_snapshot_begin(s, ENVIRONMENT, PARTITION, &guard, &next), 0);
    assert_int_equal(storage_snapshot_scan(s, &filter, points_visit, out), 0);
    storage_snapshot_end(s);
    return next;
}

int flush_simple(struct storage_session *s, struct storage_progress *progress, uint32_t first,
                 uint32_t count)
{
    struct storage_range range = hour_range(0);
    uint32_t *items = malloc(count * sizeof(items[0]));
    int64_t *times_ms = malloc(count * sizeof(times_ms[0]));
    double *values = malloc(count * sizeof(values[0]));
    assert_true(items != NULL && times_ms != NULL && values != NULL);
    for (uint32_t i = 0; i < count; i++) {
        items[i] = first + i;
        times_ms[i] = hour0_s * 1000 + i * 2654435761U % 3600000; /* so that they do not compress */
        values[i] = first + i;
    }
    struct storage_flush flush = flush_of(progress, 10);
    struct block block = {.category = 1,
                          .fresh = true,
                          .lo = flush.lo,
                          .count = count,
                          .items = items,
                          .times_ms = times_ms,
                          .values = values};
    int err = storage_tables_ensure(s, ENVIRONMENT, &range, 1);
    if (err == 0)
        err = storage_flush_begin(s, &flush);
    if (err == 0)
        err = storage_flush_block(s, ENVIRONMENT, range, &block);
    if (err == 0)
        err = storage_flush_commit(s);
    if (err == 0) {
        progress->next = flush.hi;
        progress->checksum = flush.checksum;
    }
    free(items);
    free(times_ms);
    free(values);
    return err;
}

const struct block_filter simple_filter = {.category = 1,
                                           .dimensions = &(const uint32_t){0},
                                           .dimensions_count = 1,
                                           .to_ms = INT64_MAX,
                                           .fresh = true};
