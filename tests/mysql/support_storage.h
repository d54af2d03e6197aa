#ifndef TESTS_MYSQL_SUPPORT_STORAGE_H
#define TESTS_MYSQL_SUPPORT_STORAGE_H

#include "port/storage.h"
#include "port/storage_reads.h"
#include "port/storage_runs.h"
#include "support_mariadb.h"

#include <mysql.h>
#include <stddef.h>
#include <stdint.h>

/* What the tests of mysql/ share: a storage with databases of its own, and points to fill it with.
 */

enum { ENVIRONMENT = 7, PARTITION = 1, PARTITIONS = 2 };
static const int64_t hour0_s = 1424444400;

/* A prefix that no other test uses; valid until the next call. */
const char *fresh_prefix(void);

/* Asserts that all goes well. */
struct storage *storage_open(const char *address, const char *prefix, int timeout_ms);
struct storage_session *session_open(struct storage *storage);
void prepare(struct storage_session *s);

struct storage_range hour_range(unsigned hour); /* after hour0_s */
struct storage_flush flush_of(const struct storage_progress *progress, uint64_t offsets);

struct read_guard guard_of(int64_t deadline_in_ms);

struct fixture {
    struct storage *storage;
    struct storage_session *s; /* writes, as PARTITION's owner */
    struct storage_session *r; /* reads */
    struct storage_progress progress;
    struct storage_fence fence;
    struct read_guard guard; /* a minute */
    const char *address;
    char prefix[32];
    MYSQL *raw; /* a client beside them, in the environment's database */
};

/* With databases of its own. timeout_ms: mysql_storage.h. */
struct fixture *fixture_create(struct test_mariadb *db, int timeout_ms);
void fixture_destroy(struct fixture *f);
void reader_open(struct fixture *f); /* begins its reader; ends it: storage_reader_end */
/* support_crash.h */
int fixture_crash(const struct fixture *f, const char *failpoint);

/* ---- a client that knows nothing of all this ---- */

MYSQL *raw_connect(const struct test_mariadb *db);
/* "%s" in the statement stands for the prefix. */
void raw_exec(MYSQL *raw, const char *format, const char *prefix);

/* Points as they were put in or came out, in that order, whatever blocks they were in. */
struct point {
    uint32_t category, dimension, host, item;
    bool fresh;
    uint64_t lo;
    int64_t time_ms;
    double value;
    uint8_t policy;
};
struct points {
    struct point *v;
    uint32_t n, cap;
};
void points_add(struct points *points, const struct block *block);
int points_visit(void *arg, const struct block *block); /* arg: struct points */
void points_free(struct points *points);
void points_sort(struct points *points); /* by category, dimension, host, fresh; else as they are */
void assert_same_points(const struct points *expected, const struct points *actual);

/* One snapshot of everything of a category; returns its `next`. */
uint64_t scan_all(struct storage_session *s, uint32_t category, bool fresh, struct points *out);

/* A flush of `count` points of category 1, value and item = first … , in hour 0, committed. */
int flush_simple(struct storage_session *s, struct storage_progress *progress, uint32_t first,
                 uint32_t count);
/* All that it wrote. */
extern const struct block_filter simple_filter;

#endif
