#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port/support_conformance.h"

#include "base/clock.h"
#include "base/error.h"
#include "kafka/kafka.h"
#include "support_status.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The suite runs against librdkafka's mock cluster (real TCP, injected errors), and, where
 * LONGTAIL_TEST_KAFKA=host:port names one, against a real broker. */

enum { API_PRODUCE = 0, BROKERS = 3, PATIENCE_MS = 10000 };

struct server {
    rd_kafka_t *rk; /* the mock cluster's host; NULL: a real broker */
    rd_kafka_mock_cluster_t *mock;
    char topic[64];
    int topics;
    struct kafka_config config;
};

static void start_mock(struct server *s)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why));
    s->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(s->rk);
    s->mock = rd_kafka_mock_cluster_new(s->rk, BROKERS);
    assert_non_null(s->mock);
    s->config.brokers = rd_kafka_mock_cluster_bootstraps(s->mock);
}

static void stop_mock(struct server *s)
{
    rd_kafka_mock_cluster_destroy(s->mock);
    rd_kafka_destroy(s->rk);
}

static void kafka_fresh(struct harness *h)
{
    struct server *s = h->context;
    snprintf(s->topic, sizeof(s->topic), "t-%d-%d-%lld", (int)getpid(), s->topics++,
             (long long)clock_wall_ms());
    const char *brokers = s->config.brokers;
    s->config = (struct kafka_config){.brokers = brokers,
                                      .topic = s->topic,
                                      .partitions = HARNESS_PARTITIONS,
                                      .replication = 1,
                                      .message_timeout_ms = 5000,
                                      .compression = "lz4",
                                      .partition_queue_bytes_max = 4 << 20,
                                      .properties = ""};
    if (s->mock != NULL) /* the mock cannot be asked to create topics */
        assert_int_equal(rd_kafka_mock_topic_create(s->mock, s->topic, HARNESS_PARTITIONS, 1), 0);
}

static struct status_line state_of(struct log *log)
{
    return status_line(kafka_status, log, "state");
}

static struct log *kafka_open(struct harness *h)
{
    struct server *s = h->context;
    struct ledger l = {0};
    assert_int_equal(kafka_create(&s->config, &l.log), 0);
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (strcmp(state_of(l.log).text, "ready") != 0 && clock_mono_ms() < until)
        ledger_turn(&l, 100);
    assert_string_equal(state_of(l.log).text, "ready");
    return l.log;
}

static void kafka_clean(struct harness *h)
{
    (void)h; /* topics go with the broker */
}

static struct server mock_server;
static struct harness mock = {.name = "kafka, mock cluster",
                              .context = &mock_server,
                              .fresh = kafka_fresh,
                              .open = kafka_open,
                              .clean = kafka_clean,
                              .credits_per_partition = true};

/* ---- faults ---- */

static struct ledger begin(int message_timeout_ms)
{
    kafka_fresh(&mock);
    mock_server.config.message_timeout_ms = message_timeout_ms;
    struct ledger l = {.log = kafka_open(&mock)};
    for (uint32_t p = 0; p < HARNESS_PARTITIONS; p++)
        assert_int_equal(
            rd_kafka_mock_partition_set_leader(mock_server.mock, mock_server.topic, (int32_t)p, 1),
            0);
    ledger_store(&l, 0, "first-", 1);
    l.slowest_ms = 0;
    return l;
}

static void finish(struct ledger *l)
{
    ledger_verify(l);
    ledger_close(l);
}

static void fail_produce(rd_kafka_resp_err_t err, size_t count)
{
    rd_kafka_resp_err_t errors[1000];
    for (size_t i = 0; i < count; i++)
        errors[i] = err;
    rd_kafka_mock_push_request_errors_array(mock_server.mock, API_PRODUCE, count, errors);
}

/* Appends are taken again, and stored. */
static void expect_recovery(struct ledger *l, int within_ms)
{
    int64_t until = clock_mono_ms() + within_ms;
    uint64_t stored = l->stored;
    while (l->stored == stored && clock_mono_ms() < until) {
        if (l->pending == 0 && ledger_append(l, 0, SLICE_LIT("again")) == LT_EUNAVAILABLE)
            ledger_turn(l, 50);
        ledger_turn(l, 100);
    }
    assert_true(l->stored > stored);
    assert_true(ledger_settle(l, PATIENCE_MS));
}

static void test_too_few_replicas_is_never_ok(void **state)
{
    (void)state;
    struct ledger l = begin(2000);
    fail_produce(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 1000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ledger_append(&l, 0, SLICE_LIT("no")), 0);
    assert_true(ledger_settle(&l, 3000));
    assert_int_equal(l.failed, 10);
    rd_kafka_mock_clear_request_errors(mock_server.mock, API_PRODUCE);
    expect_recovery(&l, PATIENCE_MS);
    expect_records(l.log, 0, 0, "first-", 0, 1);
    finish(&l);
}

static void test_a_broker_that_is_down_gives_no_ok(void **state)
{
    (void)state;
    struct ledger l = begin(2000);
    rd_kafka_mock_broker_set_down(mock_server.mock, -1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ledger_append(&l, (uint32_t)i % 3, SLICE_LIT("no")), 0);
    assert_true(ledger_settle(&l, 3000));
    assert_int_equal(l.stored, 1);
    assert_int_equal(l.failed + l.unknown, 10);
    rd_kafka_mock_broker_set_up(mock_server.mock, -1);
    expect_recovery(&l, PATIENCE_MS);
    finish(&l);
}

static void test_a_broker_slower_than_the_timeout_is_unknown(void **state)
{
    (void)state;
    struct ledger l = begin(2000);
    rd_kafka_mock_broker_set_rtt(mock_server.mock, -1, 4000);
    assert_int_equal(ledger_append(&l, 0, SLICE_LIT("perhaps")), 0);
    assert_true(ledger_settle(&l, 3000));
    assert_int_equal(l.unknown, 1);
    rd_kafka_mock_broker_set_rtt(mock_server.mock, -1, 0);
    expect_recovery(&l, PATIENCE_MS);
    assert_true(l.last_offset[0] >= 2); /* it was stored indeed */
    finish(&l);
}

static void test_a_fatal_error_rebuilds_the_producer(void **state)
{
    (void)state;
    struct ledger l = begin(5000);
    for (int round = 1; round <= 3; round++) {
        fail_produce(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
        uint64_t before = l.stored;
        for (int i = 0; i < 50; i++) { /* the error may come before the last of them */
            int status = ledger_append(&l, (uint32_t)i % 2, SLICE_LIT("x"));
            assert_true(status == 0 || (status == LT_EUNAVAILABLE && i > 0));
        }
        int64_t start = clock_mono_ms();
        assert_true(ledger_settle(&l, 3000));
        rd_kafka_mock_clear_request_errors(mock_server.mock, API_PRODUCE);
        expect_recovery(&l, 2000);
        assert_true(clock_mono_ms() - start < 2000);
        assert_int_equal(status_line(kafka_status, l.log, "producer_rebuilds").number, round);
        assert_true(l.stored - before < 51);
    }
    finish(&l);
}

static void test_the_leader_may_move(void **state)
{
    (void)state;
    struct ledger l = begin(5000);
    for (int i = 0; i < 300; i++) {
        if (i % 20 == 0)
            rd_kafka_mock_partition_set_leader(mock_server.mock, mock_server.topic, 0,
                                               1 + i / 20 % BROKERS);
        char text[32];
        snprintf(text, sizeof(text), "m-%d", i);
        assert_int_equal(ledger_append(&l, 0, slice_str(text)), 0);
        ledger_turn(&l, 2);
    }
    assert_true(ledger_settle(&l, PATIENCE_MS));
    assert_int_equal(l.failed, 0);
    assert_true(l.stored > 250);
    finish(&l);
}

/* Several batches are in flight; the first is refused, and the second accepted (a real broker that
 * has just become leader does so, since it knows no sequence of this producer yet).
 * librdkafka 2.0.2 then takes the first for stored. It is not, and must not be called so. */
static void test_an_implied_acknowledgement_is_no_ok(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct ledger l = begin(5000);
        rd_kafka_mock_broker_set_rtt(mock_server.mock, -1, 30);
        fail_produce(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 1);
        char *big = malloc(900000);
        for (int i = 0; i < 4; i++) {
            memset(big, 'a' + i, 900000);
            assert_int_equal(ledger_append(&l, 0, slice_make(big, 900000)), 0);
        }
        assert_true(ledger_settle(&l, PATIENCE_MS));
        rd_kafka_mock_broker_set_rtt(mock_server.mock, -1, 0);
        free(big);
        finish(&l);
    }
}

static void test_a_dead_partition_starves_no_other(void **state)
{
    (void)state;
    struct ledger l = begin(2000);
    rd_kafka_mock_partition_set_leader(mock_server.mock, mock_server.topic, 1, -1);
    char *big = calloc(1, 500000);
    int status = 0;
    int64_t until = clock_mono_ms() + 1500;
    struct ledger dead = {.log = l.log}; /* counts apart */
    int taken = 0;
    while (status == 0 && clock_mono_ms() < until) {
        status = ledger_append(&dead, 1, slice_make(big, 500000));
        taken += status == 0;
    }
    assert_int_equal(status, LT_EBUSY);
    for (int i = 0; i < 50; i++) {
        int64_t start = clock_mono_ms();
        ledger_store(&l, 0, "alive-", 1);
        assert_true(clock_mono_ms() - start < 500);
    }
    assert_true(ledger_settle(&dead, 4000));
    assert_int_equal(dead.failed + dead.unknown, taken);
    assert_true(dead.slowest_ms < 3000);
    free(big);
    rd_kafka_mock_partition_set_leader(mock_server.mock, mock_server.topic, 1, 2);
    finish(&l);
}

static void test_a_reader_outlives_an_outage(void **state)
{
    (void)state;
    struct ledger l = begin(5000);
    struct log_reader *reader;
    struct log_record record;
    assert_int_equal(log_reader_open(l.log, 0, 0, &reader), 0);
    assert_int_equal(log_reader_next(l.log, reader, PATIENCE_MS, &record, 1), 1);
    for (int round = 0; round < 2; round++) {
        rd_kafka_mock_broker_set_down(mock_server.mock, -1);
        int n = log_reader_next(l.log, reader, 700, &record, 1);
        assert_true(n == 0 || n == LT_EUNAVAILABLE);
        rd_kafka_mock_broker_set_up(mock_server.mock, -1);
        expect_recovery(&l, PATIENCE_MS);
        int64_t until = clock_mono_ms() + PATIENCE_MS;
        while ((n = log_reader_next(l.log, reader, 500, &record, 1)) <= 0 &&
               clock_mono_ms() < until)
            assert_true(n == 0 || n == LT_EUNAVAILABLE);
        assert_int_equal(n, 1);
        assert_true(slice_eq_str(record.bytes, "again"));
    }
    log_reader_close(l.log, &reader);
    finish(&l);
}

static void test_without_a_broker_appends_are_unavailable(void **state)
{
    (void)state;
    kafka_fresh(&mock);
    struct kafka_config config = mock_server.config;
    config.brokers = "127.0.0.1:1";
    struct ledger l = {0};
    assert_int_equal(kafka_create(&config, &l.log), 0);
    for (int i = 0; i < 5; i++) {
        ledger_turn(&l, 50);
        assert_int_equal(ledger_append(&l, 0, SLICE_LIT("x")), LT_EUNAVAILABLE);
    }
    assert_string_equal(state_of(l.log).text, "connecting");
    struct log_bounds bounds;
    int status = log_bounds(l.log, 0, 200, &bounds);
    assert_true(status == LT_EUNAVAILABLE || status == LT_ETIMEOUT);
    int64_t start = clock_mono_ms();
    log_destroy(&l.log);
    assert_true(clock_mono_ms() - start < 5000);
}

static void test_bad_settings_are_refused_at_start(void **state)
{
    (void)state;
    kafka_fresh(&mock);
    struct log *log = NULL;
    const char *const bad[] = {"no.such.setting=1", "linger.ms", "linger.ms=x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        mock_server.config.properties = bad[i];
        assert_int_equal(kafka_create(&mock_server.config, &log), LT_EINVALID);
    }
    mock_server.config.properties = ",metadata.max.age.ms=60000,";
    log = kafka_open(&mock);
    log_destroy(&log);
}

static int run_faults(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_few_replicas_is_never_ok),
        cmocka_unit_test(test_a_broker_that_is_down_gives_no_ok),
        cmocka_unit_test(test_a_broker_slower_than_the_timeout_is_unknown),
        cmocka_unit_test(test_a_fatal_error_rebuilds_the_producer),
        cmocka_unit_test(test_the_leader_may_move),
        cmocka_unit_test(test_an_implied_acknowledgement_is_no_ok),
        cmocka_unit_test(test_a_dead_partition_starves_no_other),
        cmocka_unit_test(test_a_reader_outlives_an_outage),
        cmocka_unit_test(test_without_a_broker_appends_are_unavailable),
        cmocka_unit_test(test_bad_settings_are_refused_at_start),
    };
    return cmocka_run_group_tests_name("kafka, faults", tests, NULL, NULL);
}

int main(void)
{
    start_mock(&mock_server);
    int failed = conformance_run(&mock) + run_faults();
    stop_mock(&mock_server);

    const char *brokers = getenv("LONGTAIL_TEST_KAFKA");
    if (brokers == NULL || *brokers == '\0') {
        print_message("[ SKIPPED  ] a real broker: LONGTAIL_TEST_KAFKA=host:port is not set\n");
        return failed;
    }
    static struct server real_server;
    real_server.config.brokers = brokers;
    struct harness real = mock;
    real.name = "kafka, real broker";
    real.context = &real_server;
    real.trims = true;
    return failed + conformance_run(&real);
}
