#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "mysql/support_manifest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A job that dies at any statement leaves old or new, and the next one cleans up. */

static struct test_mariadb *db;

/* A job from its beginning: drops what another has left behind, closes the hour, copies it into a
 * new arrival run and a coarser one, publishes both, drops what they were made from, and notes it.
 */
static int job(struct storage_session *s, const struct storage_fence *fence)
{
    struct storage_range range = hour_range(0);
    struct runs l = runs_list(s);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < l.n; i++)
        if (l.v[i].state == STORAGE_BUILDING || l.v[i].state == STORAGE_LEFT)
            err = storage_run_drop(s, fence, ENVIRONMENT, l.v[i].id);
    l = runs_list(s);
    if (err != 0 || runs_in_state(&l, STORAGE_IN_FORCE) > 0)
        return err; /* done by the one that died */
    uint32_t closed;
    err = storage_runs_close(s, fence, ENVIRONMENT, range, &closed);
    struct storage_run made[2] = {
        {.kind = STORAGE_ARRIVAL, .resolution_s = 1, .range = range},
        {.kind = STORAGE_COMPACT, .resolution_s = 60, .range = range},
    };
    for (unsigned i = 0; err == 0 && i < 2; i++)
        err = storage_run_create(s, fence, ENVIRONMENT, &made[i], &made[i]);
    struct block block = one_point(5);
    if (err == 0)
        err = storage_run_put_block(s, ENVIRONMENT, &made[0], &block);
    if (err == 0)
        err = put_rows(s, &made[1], 2, 1000);
    uint64_t out = 1;
    if (err == 0)
        err = storage_runs_publish(s, fence, ENVIRONMENT, made, 2, &out, 1);
    if (err == 0)
        err = storage_run_drop(s, fence, ENVIRONMENT, out);
    return err == 0 ? storage_note_put(s, fence, ENVIRONMENT, SLICE_LIT("job"), SLICE_LIT("done"))
                    : err;
}

static int crash_main(const char *address, const char *prefix, const char *epoch)
{
    struct storage *storage = storage_open(address, prefix, RUNS_TIMEOUT_MS);
    struct storage_session *s = session_open(storage);
    struct storage_fence fence = {PARTITION, strtoull(epoch, NULL, 10)};
    int err = job(s, &fence);
    storage_session_destroy(&s);
    storage_destroy(&storage);
    return err == 0 ? 0 : 1;
}

/* Old: ten points, no coarser run in force. New: the one point that the copy has, and one. */
static bool assert_old_or_new(struct fixture *f)
{
    struct points seen = {0};
    (void)scan_all(f->s, 1, true, &seen);
    struct runs l = runs_list(f->s);
    bool is_new = runs_in_state(&l, STORAGE_IN_FORCE) == 1;
    assert_int_equal(seen.n, is_new ? 1 : 10);
    assert_int_equal(runs_in_state(&l, STORAGE_OPEN) + runs_in_state(&l, STORAGE_CLOSED), 1);
    points_free(&seen);
    return is_new;
}

static void test_a_crash_leaves_old_or_new(void **state)
{
    static const struct {
        const char *name;
        unsigned times; /* how often the job passes it */
    } statements[] = {
        {"runs.list", 2},   {"close.begin", 1},  {"close.fence", 1},    {"close.list", 1},
        {"runs.close", 1},  {"close.commit", 1}, {"run.begin", 2},      {"run.fence", 2},
        {"run.counter", 2}, {"run.create", 4},   {"run.commit", 2},     {"run.table", 5},
        {"run.enter", 5},   {"run.block", 1},    {"run.pack", 1},       {"run.rank", 1},
        {"run.total", 1},   {"run.beats", 1},    {"publish.begin", 1},  {"publish.fence", 1},
        {"publish.out", 1}, {"publish.in", 2},   {"publish.commit", 1}, {"drop.begin", 2},
        {"drop.fence", 2},  {"drop.list", 1},    {"drop.table", 2},     {"drop.row", 1},
        {"drop.commit", 2}, {"note.begin", 1},   {"note.fence", 1},     {"note.put", 1},
        {"note.commit", 1},
    };
    (void)state;
    unsigned crashes = 0;
    bool was_new = false;
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        for (unsigned time = 1; time <= 2 * statements[i].times; time++) {
            char failpoint[64];
            snprintf(failpoint, sizeof(failpoint), "%s.%s:%u", statements[i].name,
                     time % 2 == 1 ? "before" : "after", (time + 1) / 2);
            struct fixture *f = fixture_create(db, RUNS_TIMEOUT_MS);
            assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
            int status = fixture_crash(f, failpoint);
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                fail_msg("failpoint %s was not passed", failpoint);
            bool is_new = assert_old_or_new(f);
            was_new = strcmp(failpoint, "publish.commit.after:1") == 0 || was_new;
            if (was_new != is_new)
                fail_msg("after %s it is %s", failpoint, is_new ? "new" : "old");
            /* The next owner. */
            assert_int_equal(job(f->s, &f->fence), 0);
            assert_true(assert_old_or_new(f));
            struct runs l = runs_list(f->s);
            assert_int_equal(l.n, 2);
            assert_no_stray_tables(f);
            fixture_destroy(f);
            crashes++;
        }
    assert_int_equal(crashes, 108);
    struct fixture *f = fixture_create(db, RUNS_TIMEOUT_MS);
    assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
    assert_int_equal(fixture_crash(f, "run.table.before:6"), 0); /* once more than it is passed */
    assert_true(assert_old_or_new(f));
    fixture_destroy(f);
}

/* A run that was being built when its job died: whoever drops it may die too. */
static void test_a_crash_in_a_drop_is_made_good(void **state)
{
    static const char *const failpoints[] = {
        "drop.begin.before:1", "drop.fence.after:1",  "drop.list.after:1",
        "drop.leave.before:1", "drop.leave.after:1",  "drop.commit.before:1",
        "drop.commit.after:1", "drop.table.before:1", "drop.table.after:1",
        "drop.table.after:2",  "drop.table.after:4",  "drop.fence.after:2",
        "drop.row.before:1",   "drop.row.after:1",    "drop.commit.before:2",
        "drop.commit.after:2",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failpoints); i++) {
        struct fixture *f = fixture_create(db, RUNS_TIMEOUT_MS);
        assert_int_equal(flush_simple(f->s, &f->progress, 0, 10), 0);
        struct storage_run like = {
            .kind = STORAGE_COMPACT, .resolution_s = 60, .range = hour_range(0)};
        struct storage_run left;
        assert_int_equal(storage_run_create(f->s, &f->fence, ENVIRONMENT, &like, &left), 0);
        assert_int_equal(put_rows(f->s, &left, 2, 1000), 0);
        int status = fixture_crash(f, failpoints[i]);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            fail_msg("failpoint %s was not passed", failpoints[i]);
        assert_false(assert_old_or_new(f));
        assert_int_equal(job(f->s, &f->fence), 0);
        assert_true(assert_old_or_new(f));
        struct runs l = runs_list(f->s);
        assert_int_equal(l.n, 2);
        assert_null(runs_find(&l, left.id));
        assert_no_stray_tables(f);
        fixture_destroy(f);
    }
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "crash") == 0)
        return crash_main(argv[2], argv[3], argv[4]);
    db = test_mariadb_start();
    if (db == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_leaves_old_or_new),
        cmocka_unit_test(test_a_crash_in_a_drop_is_made_good),
    };
    int failed = cmocka_run_group_tests_name("mysql: runs, crashes", tests, NULL, NULL);
    test_mariadb_stop(&db);
    return failed;
}
