#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "mysql/mysql_storage.h"
#include "mysql/support_proxy.h"
#include "mysql/support_storage.h"
#include "port/storage_flush.h"
#include "support_mariadb.h"

#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the storage survives: crashes, cuts, locks, frozen peers, a server that goes away. */

static struct test_mariadb *db;

enum {
    TIMEOUT_MS = 3000
}; /* so a lock is waited for 2 s, a silent transaction is ended after 1 s */

static int setup(void **state)
{
    *state = fixture_create(db, TIMEOUT_MS);
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

/* ---- a flush of everything there is, and how much of it is stored ---- */

static int flush_everything(struct storage_session *s, const struct storage_progress *progress)
{
    struct storage_range range = hour_range(0);
    struct storage_flush flush = flush_of(progress, 10);
    uint32_t item = 3;
    int64_t time_ms = hour0_s * 1000;
    double value = 1;
    uint8_t bits[BEAT_BYTES] = {1};
    struct block block = {.category = 1,
                          .fresh = true,
                          .lo = flush.lo,
                          .count = 1,
                          .items = &item,
                          .times_ms = &time_ms,
                          .values = &value};
    struct beat_block beat = {0, 4, (uint32_t)hour0_s, bits};
    struct storage_name name = {STORAGE_HOST, 0, 0, 0, SLICE_LIT("db1")};
    struct storage_item_text text = {1, 3, SLICE_LIT("SELECT 1")};
    struct storage_watermark watermark = {0, 4, time_ms};
    int err = storage_tables_ensure(s, ENVIRONMENT, &range, 1);
    if (err == 0)
        err = storage_flush_begin(s, &flush);
    if (err == 0)
        err = storage_flush_block(s, ENVIRONMENT, range, &block);
    if (err == 0)
        err = storage_flush_beat(s, ENVIRONMENT, range, &beat);
    if (err == 0)
        err = storage_flush_name(s, ENVIRONMENT, &name);
    if (err == 0)
        err = storage_flush_text(s, ENVIRONMENT, &text);
    if (err == 0)
        err = storage_flush_watermark(s, ENVIRONMENT, &watermark);
    return err == 0 ? storage_flush_commit(s) : err;
}

static int count_items(void *arg, uint32_t environment, uint32_t category, uint32_t first,
                       const struct slice *names, uint32_t count)
{
    *(unsigned *)arg += count;
    return 0;
}
static int count_name(void *arg, uint32_t environment, const struct storage_name *name)
{
    ++*(unsigned *)arg;
    return 0;
}
static int count_text(void *arg, uint32_t environment, const struct storage_item_text *text)
{
    ++*(unsigned *)arg;
    return 0;
}
static int count_watermark(void *arg, uint32_t environment, const struct storage_watermark *w)
{
    ++*(unsigned *)arg;
    return 0;
}
static int count_seen(void *arg, uint32_t environment, const struct storage_seen *seen)
{
    ++*(unsigned *)arg;
    return 0;
}
static int count_beat(void *arg, const struct beat_block *beat)
{
    ++*(unsigned *)arg;
    return 0;
}

/* Of the flush above all five things and the offset are there, or none. */
static void assert_all_or_nothing(struct storage_session *s, const struct storage_progress *before,
                                  bool all)
{
    unsigned count = 0;
    struct storage_loader loader = {
        count_items, count_name, count_watermark, count_text, count_seen, NULL, NULL, &count};
    struct storage_progress now;
    uint32_t environment = ENVIRONMENT;
    assert_int_equal(storage_load(s, PARTITION, &environment, 1, &loader, &now), 0);
    assert_int_equal(count, all ? 3 : 0);
    assert_int_equal(now.next, before->next + (all ? 10 : 0));
    struct points points = {0};
    assert_int_equal(scan_all(s, 1, true, &points), now.next);
    assert_int_equal(points.n, all ? 1 : 0);
    points_free(&points);
    struct read_guard guard = guard_of(5000);
    struct beat_filter filter = {.collector = 4, .to_ms = INT64_MAX};
    uint64_t next;
    count = 0;
    assert_int_equal(storage_snapshot_begin(s, ENVIRONMENT, PARTITION, &guard, &next), 0);
    assert_int_equal(storage_snapshot_scan_beats(s, &filter, count_beat, &count), 0);
    storage_snapshot_end(s);
    assert_int_equal(count, all ? 1 : 0);
}

/* ---- crashes (FAULTS 2) ---- */

/* What the process does that dies. */
static int crash_main(const char *address, const char *prefix, const char *epoch)
{
    struct storage *storage = storage_open(address, prefix, TIMEOUT_MS);
    struct storage_session *s = session_open(storage);
    struct storage_progress progress = {.epoch = strtoull(epoch, NULL, 10)};
    int err = flush_everything(s, &progress);
    storage_session_destroy(&s);
    storage_destroy(&storage);
    return err == 0 ? 0 : 1;
}

static void test_a_crash_leaves_all_or_nothing(void **state)
{
    static const char *const failpoints[] = {
        "ensure.list.before",     "ensure.list.after",      "ensure.begin.before",
        "ensure.begin.after",     "ensure.counter.before",  "ensure.counter.after",
        "ensure.run.before",      "ensure.run.after",       "ensure.run.before:2",
        "ensure.run.after:2",     "ensure.commit.before",   "ensure.commit.after",
        "ensure.create.before",   "ensure.create.after",    "ensure.create.before:2",
        "ensure.create.after:2",  "ensure.manifest.before", "ensure.manifest.before:2",
        "flush.runs.before",      "flush.runs.after",       "ensure.manifest.after",
        "flush.begin.before",     "flush.begin.after",      "flush.fence.before",
        "flush.fence.after",      "flush.arrival.before",   "flush.arrival.after",
        "flush.heartbeat.before", "flush.heartbeat.after",  "flush.catalog.before",
        "flush.catalog.after",    "flush.text.before",      "flush.text.after",
        "flush.watermark.before", "flush.watermark.after",  "flush.commit.before",
        "flush.commit.after",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(failpoints) / sizeof(failpoints[0]); i++) {
        void *fixture;
        setup(&fixture);
        struct fixture *f = fixture;
        int status = fixture_crash(f, failpoints[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            fail_msg("failpoint %s was not passed", failpoints[i]);
        bool all = strcmp(failpoints[i], "flush.commit.after") == 0;
        assert_all_or_nothing(f->s, &f->progress, all);
        /* The successor, which has the offset from the database, goes on. */
        if (!all)
            assert_int_equal(flush_everything(f->s, &f->progress), 0);
        assert_all_or_nothing(f->s, &f->progress, true);
        teardown(&fixture);
    }
    void *fixture;
    setup(&fixture);
    struct fixture *f = fixture;
    assert_int_equal(fixture_crash(f, "no.such.failpoint"), 0);
    assert_all_or_nothing(f->s, &f->progress, true);
    teardown(&fixture);
}

/* ---- cuts around COMMIT (FAULTS 10) ---- */

static void test_a_commit_that_was_cut_is_an_unknown_outcome(void **state)
{
    struct fixture *f = *state;
    struct proxy *proxy = proxy_start(test_mariadb_address(db));
    assert_non_null(proxy);
    struct storage *storage = storage_open(proxy_address(proxy), f->prefix, TIMEOUT_MS);
    struct storage_session *s = session_open(storage);

    /* So that the flush's own COMMIT is the first to pass. */
    struct storage_range range = hour_range(0);
    assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, &range, 1), 0);
    proxy_cut(proxy, PROXY_CUT_REQUEST);
    assert_int_equal(flush_everything(s, &f->progress), LT_EOUTCOME);
    struct storage_progress now;
    assert_int_equal(storage_progress_read(s, PARTITION, &now), 0);
    assert_int_equal(now.next, f->progress.next);
    assert_all_or_nothing(f->s, &f->progress, false);

    proxy_cut(proxy, PROXY_CUT_ANSWER);
    assert_int_equal(flush_everything(s, &f->progress), LT_EOUTCOME);
    assert_int_equal(storage_progress_read(s, PARTITION, &now), 0);
    assert_int_equal(now.next, f->progress.next + 10);
    assert_all_or_nothing(f->s, &f->progress, true);
    assert_int_equal(flush_everything(s, &f->progress), LT_EDIVERGED); /* not twice */

    storage_session_destroy(&s);
    storage_destroy(&storage);
    proxy_stop(&proxy);
}

/* ---- owners ---- */

/* FAULTS 9: the old owner stops in the middle of a flush, and holds the progress row's lock. */
static void test_a_frozen_owner_writes_nothing_and_blocks_nobody_for_long(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(storage_lease_renew(f->s, PARTITION, f->progress.epoch, 1), 0);
    struct storage_range range = hour_range(0);
    struct storage_flush flush = flush_of(&f->progress, 10);
    uint32_t item = 3;
    int64_t time_ms = hour0_s * 1000;
    double value = 1;
    struct block block = {.category = 1,
                          .fresh = true,
                          .lo = flush.lo,
                          .count = 1,
                          .items = &item,
                          .times_ms = &time_ms,
                          .values = &value};
    assert_int_equal(storage_tables_ensure(f->s, ENVIRONMENT, &range, 1), 0);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    assert_int_equal(storage_flush_block(f->s, ENVIRONMENT, range, &block), 0);

    struct storage_session *next = session_open(f->storage);
    struct storage_progress theirs;
    usleep(10000);
    assert_int_equal(storage_lease_take(next, PARTITION, SLICE_LIT("other"), 60000, &theirs), 0);
    assert_int_equal(theirs.next, f->progress.next);

    int err = storage_flush_commit(f->s); /* thawed */
    assert_true(err == LT_EUNAVAILABLE || err == LT_EOUTCOME);
    assert_all_or_nothing(next, &f->progress, false);
    assert_int_equal(flush_everything(f->s, &f->progress), LT_EFENCED);
    assert_int_equal(storage_lease_renew(f->s, PARTITION, f->progress.epoch, 60000), LT_EFENCED);
    assert_int_equal(flush_everything(next, &theirs), 0);
    storage_session_destroy(&next);
}

/* ---- locks (FAULTS 11) ---- */

static void test_a_lock_wait_that_is_too_long_is_a_retry(void **state)
{
    struct fixture *f = *state;
    MYSQL *raw = f->raw;
    raw_exec(raw, "START TRANSACTION", "");
    raw_exec(raw, "SELECT * FROM `%smeta`.progress_1 FOR UPDATE", f->prefix);
    assert_int_equal(flush_everything(f->s, &f->progress), LT_ERETRY);
    raw_exec(raw, "ROLLBACK", "");
    assert_all_or_nothing(f->s, &f->progress, false);
    assert_int_equal(flush_everything(f->s, &f->progress), 0);
    assert_all_or_nothing(f->s, &f->progress, true);
}

struct flusher {
    struct fixture *f;
    int err;
};

static void *flusher_run(void *arg)
{
    struct flusher *flusher = arg;
    flusher->err = flush_everything(flusher->f->s, &flusher->f->progress);
    return NULL;
}

/* Until a transaction waits for a lock. The table shows the past while it is asked more often than
 * every 100 ms. */
static void wait_for_a_waiter(MYSQL *raw)
{
    for (my_ulonglong waiting = 0; waiting == 0;) {
        usleep(150000);
        static const char sql[] = "SELECT 1 FROM information_schema.innodb_trx"
                                  " WHERE trx_state = 'LOCK WAIT'";
        assert_int_equal(mysql_query(raw, sql), 0);
        MYSQL_RES *result = mysql_store_result(raw);
        waiting = mysql_num_rows(result);
        mysql_free_result(result);
    }
}

static void test_a_deadlock_is_a_retry_of_the_whole_flush(void **state)
{
    struct fixture *f = *state;
    MYSQL *raw = f->raw;
    MYSQL *watch = raw_connect(db);
    /* Much was changed here, so that the flush is the victim. */
    raw_exec(raw, "CREATE TABLE ballast (id INT PRIMARY KEY)", "");
    raw_exec(raw, "START TRANSACTION", "");
    raw_exec(raw, "INSERT INTO ballast VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)", "");
    raw_exec(raw, "INSERT INTO watermark_1 VALUES (0, 4, 1)", "");
    struct flusher flusher = {.f = f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flusher_run, &flusher), 0);
    wait_for_a_waiter(watch);
    raw_exec(raw, "SELECT * FROM `%smeta`.progress_1 FOR UPDATE", f->prefix);
    pthread_join(thread, NULL);
    assert_int_equal(flusher.err, LT_ERETRY);
    raw_exec(raw, "ROLLBACK", "");
    assert_all_or_nothing(f->s, &f->progress, false);
    assert_int_equal(flush_everything(f->s, &f->progress), 0);
    mysql_close(watch);
}

/* ---- reads that have to end ---- */

/* More than sockets buffer, so that the server is still at it. It may take its time: a machine that
 * others slow down is no fault. */
static void flush_bulky(struct fixture *f)
{
    enum { COUNT = 2000000, PATIENT_MS = 60000 };
    struct storage *storage = storage_open(f->address, f->prefix, PATIENT_MS);
    struct storage_session *s = session_open(storage);
    assert_int_equal(flush_simple(s, &f->progress, 0, COUNT), 0);
    storage_session_destroy(&s);
    storage_destroy(&storage);
}

struct slow_reader {
    struct fixture *f;
    struct read_guard guard;
    unsigned blocks;
    int err;
};

static int slow_visit(void *arg, const struct block *block)
{
    ++*(unsigned *)arg;
    usleep(5000);
    return 0;
}

static int read_everything(struct storage_session *s, struct read_guard *guard, unsigned *blocks)
{
    uint64_t next;
    int err = storage_snapshot_begin(s, ENVIRONMENT, PARTITION, guard, &next);
    if (err == 0)
        err = storage_snapshot_scan(s, &simple_filter, slow_visit, blocks);
    storage_snapshot_end(s);
    return err;
}

static void *slow_reader_run(void *arg)
{
    struct slow_reader *reader = arg;
    reader->err = read_everything(reader->f->s, &reader->guard, &reader->blocks);
    return NULL;
}

static void test_a_read_is_interrupted_from_another_session(void **state)
{
    struct fixture *f = *state;
    flush_bulky(f);
    struct storage_session *other = session_open(f->storage);
    struct slow_reader reader = {.f = f, .guard = guard_of(60000)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, slow_reader_run, &reader), 0);
    const char *statement = NULL;
    while (statement == NULL || strcmp(statement, "read.arrival") != 0 || reader.guard.rows < 3) {
        usleep(1000);
        statement = atomic_load(&reader.guard.statement);
    }
    assert_int_equal(storage_interrupt(other, atomic_load(&reader.guard.connection)), 0);
    pthread_join(thread, NULL);
    assert_int_equal(reader.err, LT_ECANCELLED);
    assert_true(reader.guard.rows >= 3 && reader.guard.bytes > 0);
    assert_int_equal(reader.guard.connection, 0);
    assert_null(atomic_load(&reader.guard.statement));
    assert_int_equal(storage_interrupt(other, 999999999), 0); /* gone by now */
    /* The connection goes on. */
    struct read_guard guard = guard_of(60000);
    reader.blocks = 0;
    assert_int_equal(read_everything(f->s, &guard, &reader.blocks), 0);
    assert_int_equal(reader.blocks, 62); /* 2,000,000 points, 32,768 a row */
    storage_session_destroy(&other);
}

static void test_a_read_ends_at_its_deadline_or_when_cancelled(void **state)
{
    struct fixture *f = *state;
    flush_bulky(f);
    unsigned blocks = 0;
    struct read_guard guard = guard_of(100);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(read_everything(f->s, &guard, &blocks), LT_ETIMEOUT);
    assert_true(clock_mono_ms() - start_ms < 1000);
    assert_true(blocks > 0);
    guard = guard_of(5000);
    guard.cancelled = true;
    assert_int_equal(read_everything(f->s, &guard, &blocks), LT_ECANCELLED);
    guard = guard_of(-1);
    assert_int_equal(read_everything(f->s, &guard, &blocks), LT_ETIMEOUT);
    guard = guard_of(60000);
    assert_int_equal(read_everything(f->s, &guard, &blocks), 0);
}

/* A statement that waits in the server: ended there, by its own time limit, and the connection
 * stays. */
static void test_the_server_itself_ends_a_statement_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(flush_everything(f->s, &f->progress), 0);
    MYSQL *raw = f->raw;
    struct storage_session *reader = session_open(f->storage);
    unsigned blocks = 0;
    struct read_guard guard = guard_of(5000);
    assert_int_equal(read_everything(reader, &guard, &blocks), 0);
    raw_exec(raw, "LOCK TABLES manifest_4 WRITE", "");
    guard = guard_of(400);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(read_everything(reader, &guard, &blocks), LT_ETIMEOUT);
    assert_true(clock_mono_ms() - start_ms < 800);
    raw_exec(raw, "UNLOCK TABLES", "");
    guard = guard_of(5000);
    assert_int_equal(read_everything(reader, &guard, &blocks), 0);
    storage_session_destroy(&reader);
}

/* ---- the server goes away (FAULTS 12) ---- */

static void test_a_frozen_server_holds_no_read_beyond_its_deadline(void **state)
{
    struct fixture *f = *state;
    if (!test_mariadb_is_private(db))
        skip();
    assert_int_equal(flush_everything(f->s, &f->progress), 0);
    unsigned blocks = 0;
    struct read_guard guard = guard_of(5000);
    assert_int_equal(read_everything(f->s, &guard, &blocks), 0);
    test_mariadb_freeze(db, true);
    guard = guard_of(300);
    int64_t start_ms = clock_mono_ms();
    int err = read_everything(f->s, &guard, &blocks);
    int64_t took_ms = clock_mono_ms() - start_ms;
    test_mariadb_freeze(db, false);
    assert_int_equal(err, LT_ETIMEOUT);
    assert_true(took_ms < 1500);
    /* Nor when it freezes after the rows. */
    guard = guard_of(5000);
    uint64_t next;
    assert_int_equal(storage_snapshot_begin(f->s, ENVIRONMENT, PARTITION, &guard, &next), 0);
    test_mariadb_freeze(db, true);
    start_ms = clock_mono_ms();
    storage_snapshot_end(f->s);
    took_ms = clock_mono_ms() - start_ms;
    test_mariadb_freeze(db, false);
    assert_true(took_ms < 2500);
    assert_int_equal(read_everything(f->s, &guard, &blocks), 0);
}

static void test_a_killed_server_is_unavailable_until_it_is_back(void **state)
{
    struct fixture *f = *state;
    if (!test_mariadb_is_private(db))
        skip();
    struct storage_session *reader = session_open(f->storage);
    struct read_guard guard = guard_of(5000);
    uint64_t next;
    assert_int_equal(flush_everything(f->s, &f->progress), 0);
    struct storage_progress progress = f->progress;
    progress.next += 10;
    struct storage_flush flush = flush_of(&progress, 10);
    assert_int_equal(storage_snapshot_begin(reader, ENVIRONMENT, PARTITION, &guard, &next), 0);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    struct storage_watermark watermark = {5, 4, 1};
    assert_int_equal(storage_flush_watermark(f->s, ENVIRONMENT, &watermark), 0);
    test_mariadb_kill(db);

    unsigned blocks = 0;
    assert_int_equal(storage_flush_commit(f->s), LT_EUNAVAILABLE); /* before any COMMIT */
    assert_int_equal(storage_snapshot_scan(reader, &simple_filter, slow_visit, &blocks),
                     LT_EUNAVAILABLE);
    storage_snapshot_end(reader);
    assert_int_equal(storage_snapshot_begin(reader, ENVIRONMENT, PARTITION, &guard, &next),
                     LT_EUNAVAILABLE);
    assert_int_equal(storage_flush_begin(f->s, &flush), LT_EUNAVAILABLE);
    struct storage_progress now;
    assert_int_equal(storage_progress_read(f->s, PARTITION, &now), LT_EUNAVAILABLE);

    assert_true(test_mariadb_restart(db));
    assert_all_or_nothing(f->s, &f->progress, true);
    assert_int_equal(storage_flush_begin(f->s, &flush), 0);
    storage_flush_abort(f->s);
    guard = guard_of(5000);
    assert_int_equal(read_everything(reader, &guard, &blocks), 0);
    assert_int_equal(blocks, 1);
    storage_session_destroy(&reader);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "crash") == 0)
        return crash_main(argv[2], argv[3], argv[4]);
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
#define FAULT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_leaves_all_or_nothing),
        FAULT(test_a_commit_that_was_cut_is_an_unknown_outcome),
        FAULT(test_a_frozen_owner_writes_nothing_and_blocks_nobody_for_long),
        FAULT(test_a_lock_wait_that_is_too_long_is_a_retry),
        FAULT(test_a_deadlock_is_a_retry_of_the_whole_flush),
        FAULT(test_a_read_is_interrupted_from_another_session),
        FAULT(test_a_read_ends_at_its_deadline_or_when_cancelled),
        FAULT(test_the_server_itself_ends_a_statement_at_the_deadline),
        FAULT(test_a_frozen_server_holds_no_read_beyond_its_deadline),
        FAULT(test_a_killed_server_is_unavailable_until_it_is_back),
    };
    int failed = cmocka_run_group_tests_name("mysql: faults", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
