#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port/support_conformance.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

/* ---- the ledger ---- */

struct ticket {
    struct ledger *ledger;
    uint32_t partition;
    uint64_t number;
    uint64_t hash;
    int64_t start_ms;
};

static void on_report(void *arg, const struct log_report *report)
{
    struct ticket *t = arg;
    struct ledger *l = t->ledger;
    uint32_t p = t->partition;
    assert_int_equal(report->partition, p);
    assert_int_equal(l->reported[p]++, t->number);
    switch (report->outcome) {
    case LOG_STORED:
        if (l->last_offset[p] != UINT64_MAX)
            assert_true(report->offset > l->last_offset[p]);
        l->last_offset[p] = report->offset;
        l->stored++;
        assert_true(VEC_PUSH(&l->kept, ((struct kept){p, report->offset, t->hash})));
        break;
    case LOG_FAILED:
    case LOG_UNKNOWN:
        assert_non_null(report->reason);
        snprintf(l->reason, sizeof(l->reason), "%s", report->reason);
        *(report->outcome == LOG_FAILED ? &l->failed : &l->unknown) += 1;
        break;
    }
    l->pending--;
    int64_t took_ms = clock_mono_ms() - t->start_ms;
    if (took_ms > l->slowest_ms)
        l->slowest_ms = took_ms;
    free(t);
}

int ledger_append(struct ledger *l, uint32_t partition, struct slice record)
{
    struct ticket *t = malloc(sizeof(*t));
    *t = (struct ticket){l, partition, l->appended[partition], hash_bytes(record), clock_mono_ms()};
    if (t->number == 0)
        l->last_offset[partition] = UINT64_MAX;
    int status = log_append(l->log, partition, record, on_report, t);
    if (status != 0) {
        free(t);
        return status;
    }
    l->appended[partition]++;
    l->pending++;
    return 0;
}

void ledger_turn(struct ledger *l, int timeout_ms)
{
    struct pollfd fd = {.fd = log_event_fd(l->log), .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) > 0)
        log_dispatch(l->log);
}

bool ledger_settle(struct ledger *l, int timeout_ms)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    while (l->pending > 0 && clock_mono_ms() < until)
        ledger_turn(l, (int)(until - clock_mono_ms()));
    return l->pending == 0;
}

/* Checks partition p's records in [start, end); the count of those that were not reported as
 * stored. */
static uint64_t verify_partition(struct ledger *l, uint32_t p, struct log_bounds bounds)
{
    struct log_reader *reader;
    assert_int_equal(log_reader_open(l->log, p, bounds.start, &reader), 0);
    uint64_t others = 0, next = bounds.start;
    uint32_t k = 0;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (next < bounds.end && clock_mono_ms() < until) {
        struct log_record record;
        int n = log_reader_next(l->log, reader, 200, &record, 1);
        assert_true(n >= 0);
        if (n == 0)
            continue;
        assert_int_equal(record.offset, next++);
        while (k < l->kept.n && l->kept.v[k].partition != p)
            k++;
        if (k == l->kept.n || l->kept.v[k].offset != record.offset)
            others++;
        else
            assert_true(l->kept.v[k++].hash == hash_bytes(record.bytes));
    }
    log_reader_close(l->log, &reader);
    assert_int_equal(next, bounds.end);
    for (; k < l->kept.n; k++) /* none is missing */
        assert_int_not_equal(l->kept.v[k].partition, p);
    return others;
}

void ledger_verify(struct ledger *l)
{
    uint64_t others = 0;
    for (uint32_t p = 0; p < HARNESS_PARTITIONS; p++) {
        struct log_bounds bounds;
        assert_int_equal(log_bounds(l->log, p, PATIENCE_MS, &bounds), 0);
        others += verify_partition(l, p, bounds);
    }
    assert_true(others <= l->unknown);
}

void ledger_close(struct ledger *l)
{
    log_destroy(&l->log);
    assert_null(l->log);
    VEC_FINI(&l->kept);
}

void ledger_store(struct ledger *l, uint32_t partition, const char *prefix, int count)
{
    uint64_t before = l->stored;
    for (int i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s%d", prefix, i);
        assert_int_equal(ledger_append(l, partition, slice_str(text)), 0);
    }
    assert_true(ledger_settle(l, PATIENCE_MS));
    assert_int_equal(l->stored - before, count);
}

void expect_records(struct log *log, uint32_t partition, uint64_t from, const char *prefix,
                    int first, int count)
{
    struct log_reader *reader;
    assert_int_equal(log_reader_open(log, partition, from, &reader), 0);
    int got = 0;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (got < count && clock_mono_ms() < until) {
        struct log_record records[7];
        int n = log_reader_next(log, reader, 200, records, count - got < 7 ? count - got : 7);
        assert_true(n >= 0);
        for (int i = 0; i < n; i++, got++) {
            char text[64];
            snprintf(text, sizeof(text), "%s%d", prefix, first + got);
            assert_int_equal(records[i].offset, from + (uint64_t)got);
            assert_true(slice_eq_str(records[i].bytes, text));
            assert_true(llabs(clock_wall_ms() - records[i].append_ms) < 60000);
        }
    }
    assert_int_equal(got, count);
    log_reader_close(log, &reader);
    assert_null(reader);
}

static int read_status(struct log *log, uint32_t partition, uint64_t from)
{
    struct log_reader *reader;
    assert_int_equal(log_reader_open(log, partition, from, &reader), 0);
    struct log_record record;
    int status = log_reader_next(log, reader, PATIENCE_MS, &record, 1);
    if (status == LT_ETRIMMED || status == LT_ECORRUPT) /* sticky */
        assert_int_equal(log_reader_next(log, reader, 10, &record, 1), status);
    log_reader_close(log, &reader);
    return status;
}

static struct ledger begin(void **state)
{
    struct harness *h = *state;
    h->fresh(h);
    struct ledger l = {.log = h->open(h)};
    assert_non_null(l.log);
    return l;
}

static void finish(void **state, struct ledger *l)
{
    struct harness *h = *state;
    ledger_close(l);
    h->clean(h);
}

/* ---- writing ---- */

static void test_offsets_are_dense_from_zero_in_each_partition(void **state)
{
    struct ledger l = begin(state);
    for (uint64_t i = 0; i < 5; i++)
        for (uint32_t p = 0; p < HARNESS_PARTITIONS; p++) {
            ledger_store(&l, p, "r", 1);
            assert_int_equal(l.last_offset[p], i);
        }
    struct log_bounds bounds;
    assert_int_equal(log_bounds(l.log, 1, PATIENCE_MS, &bounds), 0);
    assert_int_equal(bounds.start, 0);
    assert_int_equal(bounds.end, 5);
    finish(state, &l);
}

static void test_ten_thousand_appends_are_reported_once_and_in_order(void **state)
{
    struct ledger l = begin(state);
    int next[2] = {0};
    for (int i = 0; i < 10000; i++) {
        uint32_t p = (uint32_t)i * 7 % 10 < 3;
        char text[64];
        snprintf(text, sizeof(text), "many-%d", next[p]);
        int status;
        while ((status = ledger_append(&l, p, slice_str(text))) == LT_EBUSY)
            ledger_turn(&l, 100);
        assert_int_equal(status, 0);
        next[p]++;
        if (i % 16 == 0)
            ledger_turn(&l, 0);
    }
    assert_true(ledger_settle(&l, PATIENCE_MS));
    assert_int_equal(l.stored, 10000);
    for (uint32_t p = 0; p < 2; p++) {
        assert_int_equal(l.last_offset[p], next[p] - 1);
        expect_records(l.log, p, 0, "many-", 0, next[p]);
    }
    finish(state, &l);
}

static void test_a_record_has_a_largest_size(void **state)
{
    struct ledger l = begin(state);
    char *big = malloc(LOG_RECORD_BYTES_MAX + 1);
    for (size_t i = 0; i <= LOG_RECORD_BYTES_MAX; i++)
        big[i] = (char)rand();
    assert_int_equal(ledger_append(&l, 0, slice_make(big, LOG_RECORD_BYTES_MAX + 1)), LT_ELIMIT);
    assert_int_equal(ledger_append(&l, 0, slice_make(big, LOG_RECORD_BYTES_MAX)), 0);
    assert_int_equal(ledger_append(&l, 0, slice_make(big, 0)), 0);
    assert_true(ledger_settle(&l, PATIENCE_MS));
    assert_int_equal(l.stored, 2);

    struct log_reader *reader;
    assert_int_equal(log_reader_open(l.log, 0, 0, &reader), 0);
    struct log_record record;
    assert_int_equal(log_reader_next(l.log, reader, PATIENCE_MS, &record, 1), 1);
    assert_true(slice_eq(record.bytes, slice_make(big, LOG_RECORD_BYTES_MAX)));
    assert_int_equal(log_reader_next(l.log, reader, PATIENCE_MS, &record, 1), 1);
    assert_int_equal(record.bytes.n, 0);
    log_reader_close(l.log, &reader);
    free(big);
    finish(state, &l);
}

static void test_a_full_queue_says_busy_and_recovers(void **state)
{
    struct harness *h = *state;
    struct ledger l = begin(state);
    char *big = calloc(1, 900000);
    int status = 0, taken = 0;
    for (; status == 0 && taken < 1000; taken += status == 0)
        status = ledger_append(&l, 0, slice_make(big, 900000));
    assert_int_equal(status, LT_EBUSY);
    if (h->credits_per_partition)
        assert_int_equal(ledger_append(&l, 1, SLICE_LIT("not starved")), 0);
    assert_true(ledger_settle(&l, PATIENCE_MS));
    assert_int_equal(l.stored, taken + (h->credits_per_partition ? 1 : 0));
    ledger_store(&l, 0, "again", 1);
    free(big);
    finish(state, &l);
}

struct chain {
    struct log *log;
    int left;
};

static void on_chain(void *arg, const struct log_report *report)
{
    struct chain *c = arg;
    assert_int_equal(report->outcome, LOG_STORED);
    if (--c->left > 0)
        assert_int_equal(log_append(c->log, 0, SLICE_LIT("x"), on_chain, c), 0);
}

static void test_a_report_may_append(void **state)
{
    struct ledger l = begin(state);
    struct chain c = {l.log, 20};
    assert_int_equal(log_append(l.log, 0, SLICE_LIT("x"), on_chain, &c), 0);
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (c.left > 0 && clock_mono_ms() < until)
        ledger_turn(&l, 100);
    assert_int_equal(c.left, 0);
    finish(state, &l);
}

static void test_destroy_reports_what_is_in_flight(void **state)
{
    struct harness *h = *state;
    struct ledger l = begin(state);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ledger_append(&l, (uint32_t)i % 2, SLICE_LIT("going")), 0);
    log_destroy(&l.log);
    assert_int_equal(l.pending, 0);
    assert_int_equal(l.stored + l.unknown + l.failed, 100);
    l.log = h->open(h);
    ledger_verify(&l);
    finish(state, &l);
}

/* ---- reading ---- */

static void test_replay_starts_anywhere(void **state)
{
    struct ledger l = begin(state);
    ledger_store(&l, 1, "replay-", 300);
    ledger_store(&l, 0, "other-", 10);
    ledger_store(&l, 2, "other-", 10);
    const int from[] = {0, 1, 150, 299, 300};
    for (size_t i = 0; i < ARRAY_LEN(from); i++)
        expect_records(l.log, 1, (uint64_t)from[i], "replay-", from[i], 300 - from[i]);
    finish(state, &l);
}

struct waiting {
    struct log *log;
    struct log_reader *reader;
    int timeout_ms;
    int result;
    int64_t took_ms;
    char text[64];
};

static void *wait_in_thread(void *arg)
{
    struct waiting *w = arg;
    struct log_record record;
    int64_t start = clock_mono_ms();
    w->result = log_reader_next(w->log, w->reader, w->timeout_ms, &record, 1);
    w->took_ms = clock_mono_ms() - start;
    if (w->result == 1)
        snprintf(w->text, sizeof(w->text), "%.*s", (int)record.bytes.n, record.bytes.p);
    return NULL;
}

static void test_a_reader_at_the_end_waits_and_gets_what_comes(void **state)
{
    struct ledger l = begin(state);
    ledger_store(&l, 0, "before", 3);
    struct waiting w = {.log = l.log, .timeout_ms = PATIENCE_MS};
    assert_int_equal(log_reader_open(l.log, 0, 3, &w.reader), 0);
    pthread_t thread;
    pthread_create(&thread, NULL, wait_in_thread, &w);
    usleep(150000);
    ledger_store(&l, 0, "after", 1);
    pthread_join(thread, NULL);
    assert_int_equal(w.result, 1);
    assert_string_equal(w.text, "after0");
    assert_true(w.took_ms < 3000);
    log_reader_close(l.log, &w.reader);
    finish(state, &l);
}

static void test_a_reader_returns_at_its_timeout_and_when_woken(void **state)
{
    struct ledger l = begin(state);
    ledger_store(&l, 0, "x", 1);
    struct waiting w = {.log = l.log, .timeout_ms = 120};
    assert_int_equal(log_reader_open(l.log, 0, 1, &w.reader), 0);
    wait_in_thread(&w);
    assert_int_equal(w.result, 0);
    assert_true(w.took_ms >= 100 && w.took_ms < 2000);

    w.timeout_ms = PATIENCE_MS;
    pthread_t thread;
    pthread_create(&thread, NULL, wait_in_thread, &w);
    usleep(100000);
    log_reader_wake(l.log, w.reader);
    pthread_join(thread, NULL);
    assert_int_equal(w.result, 0);
    assert_true(w.took_ms < 2000);

    /* It goes on as before. */
    ledger_store(&l, 0, "later", 1);
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    do
        wait_in_thread(&w);
    while (w.result == 0 && clock_mono_ms() < until);
    assert_int_equal(w.result, 1);
    assert_string_equal(w.text, "later0");
    log_reader_close(l.log, &w.reader);
    finish(state, &l);
}

static void test_an_offset_above_the_end_is_refused(void **state)
{
    struct ledger l = begin(state);
    ledger_store(&l, 0, "x", 3);
    assert_int_equal(read_status(l.log, 0, 4), LT_ETRIMMED);
    assert_int_equal(read_status(l.log, 0, 1000), LT_ETRIMMED);
    assert_int_equal(read_status(l.log, 1, 1), LT_ETRIMMED);
    finish(state, &l);
}

static void test_trim_forgets_and_offsets_go_on(void **state)
{
    struct harness *h = *state;
    if (!h->trims) {
        print_message("[ SKIPPED  ] %s: this server cannot trim\n", h->name);
        skip();
    }
    struct ledger l = begin(state);
    ledger_store(&l, 0, "t-", 700);
    ledger_store(&l, 1, "u-", 20);
    assert_int_equal(log_trim(l.log, 0, 600, PATIENCE_MS), 0);
    struct log_bounds bounds;
    assert_int_equal(log_bounds(l.log, 0, PATIENCE_MS, &bounds), 0);
    assert_int_equal(bounds.start, 600);
    assert_int_equal(bounds.end, 700);
    assert_int_equal(read_status(l.log, 0, 599), LT_ETRIMMED);
    expect_records(l.log, 0, 600, "t-", 600, 100);
    expect_records(l.log, 1, 0, "u-", 0, 20);
    assert_int_equal(log_trim(l.log, 0, 10, PATIENCE_MS), 0); /* trimmed already */
    assert_int_equal(log_trim(l.log, 0, 701, PATIENCE_MS), LT_EINVALID);

    assert_int_equal(log_trim(l.log, 0, 700, PATIENCE_MS), 0);
    log_destroy(&l.log);
    l.log = h->open(h);
    assert_int_equal(log_bounds(l.log, 0, PATIENCE_MS, &bounds), 0);
    assert_int_equal(bounds.start, 700);
    assert_int_equal(bounds.end, 700);
    ledger_store(&l, 0, "v-", 1);
    assert_int_equal(l.last_offset[0], 700);
    expect_records(l.log, 0, 700, "v-", 0, 1);
    finish(state, &l);
}

/* ---- surviving ---- */

static void test_a_restart_goes_on_where_it_was(void **state)
{
    struct harness *h = *state;
    struct ledger l = begin(state);
    ledger_store(&l, 0, "first-", 50);
    log_destroy(&l.log);
    l.log = h->open(h);
    ledger_store(&l, 0, "second-", 50);
    assert_int_equal(l.last_offset[0], 99);
    expect_records(l.log, 0, 0, "first-", 0, 50);
    expect_records(l.log, 0, 50, "second-", 0, 50);
    finish(state, &l);
}

static void test_damaged_bytes_are_never_handed_out(void **state)
{
    struct harness *h = *state;
    if (h->corrupt == NULL) {
        print_message("[ SKIPPED  ] %s: its storage cannot be reached from here\n", h->name);
        skip();
    }
    struct ledger l = begin(state);
    ledger_store(&l, 0, "good-", 5);
    assert_int_equal(ledger_append(&l, 0, SLICE_LIT("the-record-to-be-damaged")), 0);
    assert_true(ledger_settle(&l, PATIENCE_MS));
    log_destroy(&l.log);
    h->corrupt(h, SLICE_LIT("the-record-to-be-damaged"));
    l.log = h->open(h);
    expect_records(l.log, 0, 0, "good-", 0, 5);
    /* Found out, or cut off by the server's own recovery. */
    struct log_bounds bounds;
    assert_int_equal(log_bounds(l.log, 0, PATIENCE_MS, &bounds), 0);
    if (bounds.end == 6)
        assert_int_equal(read_status(l.log, 0, 5), LT_ECORRUPT);
    else
        assert_int_equal(bounds.end, 5);
    finish(state, &l);
}

int conformance_run(struct harness *h)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_are_dense_from_zero_in_each_partition),
        cmocka_unit_test(test_ten_thousand_appends_are_reported_once_and_in_order),
        cmocka_unit_test(test_a_record_has_a_largest_size),
        cmocka_unit_test(test_a_full_queue_says_busy_and_recovers),
        cmocka_unit_test(test_a_report_may_append),
        cmocka_unit_test(test_destroy_reports_what_is_in_flight),
        cmocka_unit_test(test_replay_starts_anywhere),
        cmocka_unit_test(test_a_reader_at_the_end_waits_and_gets_what_comes),
        cmocka_unit_test(test_a_reader_returns_at_its_timeout_and_when_woken),
        cmocka_unit_test(test_an_offset_above_the_end_is_refused),
        cmocka_unit_test(test_trim_forgets_and_offsets_go_on),
        cmocka_unit_test(test_a_restart_goes_on_where_it_was),
        cmocka_unit_test(test_damaged_bytes_are_never_handed_out),
    };
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tests[i].initial_state = h;
    return _cmocka_run_group_tests(h->name, tests, ARRAY_LEN(tests), NULL, NULL);
}
