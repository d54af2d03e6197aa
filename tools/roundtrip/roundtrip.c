/* longtail-roundtrip: what one synchronous append costs without Longtail: librdkafka alone on a
 * topic, or LMDB alone in a folder; one record at a time. Benchmarks put our own latency beside it,
 * measured in the same run. */

#include "base/clock.h"
#include "base/error.h"
#include "base/option.h"
#include "base/vec.h"
#include "tool.h"

#include <librdkafka/rdkafka.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, MAP_BYTES = 1 << 30, ROUNDS_WARM = 50 };

static const struct option_spec options_table[] = {
    {.name = "kafka",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "a broker's address and port; records go to partition 0 of --topic",
     .section = "roundtrip"},
    {.name = "topic",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "a topic that is there",
     .section = "roundtrip"},
    {.name = "local",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "a folder for an LMDB file, on the disk in question",
     .section = "roundtrip"},
    {.name = "bytes",
     .type = OPTION_INT,
     .default_text = "100",
     .min = 1,
     .max = BYTES_MAX,
     .help = "of a record, random",
     .section = "roundtrip"},
    {.name = "seconds",
     .type = OPTION_INT,
     .default_text = "2",
     .min = 1,
     .max = 3600,
     .help = "how long",
     .section = "roundtrip"},
};

/* One way to make a record durable. */
struct appender {
    int (*append)(struct appender *a);
    char *record;
    size_t bytes;
    rd_kafka_t *producer;
    const char *topic;
    MDB_env *env;
    uint64_t next;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "longtail-roundtrip: %s: %s\n", what, why);
    return LT_EIO;
}

/* ---- librdkafka ---- */

struct delivery {
    bool done;
    rd_kafka_resp_err_t error;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct delivery *delivery = message->_private;
    delivery->done = true;
    delivery->error = message->err;
}

static int kafka_append(struct appender *a)
{
    struct delivery delivery = {0};
    rd_kafka_resp_err_t error = rd_kafka_producev(
        a->producer, RD_KAFKA_V_TOPIC(a->topic), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(a->record, a->bytes),
        RD_KAFKA_V_OPAQUE(&delivery), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return fail("produce", rd_kafka_err2str(error));
    while (!delivery.done)
        rd_kafka_poll(a->producer, 1000);
    return delivery.error == 0 ? 0 : fail("delivery", rd_kafka_err2str(delivery.error));
}

/* As longtaild's own producer has them (src/kafka/conf.c). */
static int kafka_open(struct appender *a, const char *brokers)
{
    const char *const settings[][2] = {{"bootstrap.servers", brokers},
                                       {"enable.idempotence", "true"},
                                       {"acks", "all"},
                                       {"linger.ms", "0"},
                                       {"compression.codec", "none"},
                                       {"socket.nagle.disable", "true"},
                                       {"message.timeout.ms", "10000"}};
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why)) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return fail(settings[i][0], why);
        }
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    a->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (a->producer == NULL) {
        rd_kafka_conf_destroy(conf);
        return fail("librdkafka", why);
    }
    a->append = kafka_append;
    return 0;
}

/* ---- LMDB ---- */

/* The newest record replaces one long gone: the file does not grow with the run's length. */
static int local_append(struct appender *a)
{
    enum { KEPT = 256 };
    MDB_txn *txn;
    MDB_dbi table;
    uint64_t number = a->next++ % KEPT;
    MDB_val key = {sizeof(number), &number}, value = {a->bytes, a->record};
    int err = mdb_txn_begin(a->env, NULL, 0, &txn);
    if (err != 0)
        return fail("begin", mdb_strerror(err));
    err = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &table);
    if (err == 0)
        err = mdb_put(txn, table, &key, &value, 0);
    if (err != 0) {
        mdb_txn_abort(txn);
        return fail("put", mdb_strerror(err));
    }
    err = mdb_txn_commit(txn);
    return err == 0 ? 0 : fail("commit", mdb_strerror(err));
}

static int local_open(struct appender *a, const char *folder)
{
    int err = mdb_env_create(&a->env);
    if (err == 0)
        err = mdb_env_set_mapsize(a->env, MAP_BYTES);
    if (err == 0)
        err = mdb_env_open(a->env, folder, 0, 0600);
    a->append = local_append;
    return err == 0 ? 0 : fail(folder, mdb_strerror(err));
}

/* ---- the run ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int measure(struct appender *a, int64_t seconds)
{
    VEC(int64_t) rounds = {0};
    int err = 0;
    for (int i = 0; err == 0 && i < ROUNDS_WARM; i++)
        err = a->append(a);
    int64_t begin = clock_mono_ns(), before = begin, now = begin;
    while (err == 0 && now - begin < seconds * 1000000000) {
        err = a->append(a);
        now = clock_mono_ns();
        if (err == 0 && !VEC_PUSH(&rounds, now - before))
            err = LT_ENOMEM;
        before = now;
    }
    if (err == 0) {
        qsort(rounds.v, rounds.n, sizeof(rounds.v[0]), by_value);
        printf("{\"bytes\": %zu, \"seconds\": %.3f, \"rounds\": %zu, \"rounds_per_s\": %.1f, "
               "\"p50_ms\": %.6f, \"p90_ms\": %.6f, \"p99_ms\": %.6f, \"max_ms\": %.6f}\n",
               a->bytes, (double)(now - begin) / 1e9, (size_t)rounds.n,
               (double)rounds.n * 1e9 / (double)(now - begin), (double)rounds.v[rounds.n / 2] / 1e6,
               (double)rounds.v[rounds.n * 9 / 10] / 1e6,
               (double)rounds.v[rounds.n * 99 / 100] / 1e6, (double)rounds.v[rounds.n - 1] / 1e6);
    }
    VEC_FINI(&rounds);
    return err;
}

static int roundtrip_main(const struct option_set *options, void *arg)
{
    const char *brokers = option_text(options, "kafka"), *folder = option_text(options, "local");
    struct appender a = {.topic = option_text(options, "topic"),
                         .bytes = (size_t)option_int(options, "bytes")};
    if ((*brokers == '\0') == (*folder == '\0') || (*brokers != '\0' && *a.topic == '\0'))
        return fail("expected", "--kafka and --topic, or --local");
    a.record = malloc(a.bytes);
    if (a.record == NULL)
        return LT_ENOMEM;
    for (size_t i = 0; i < a.bytes; i++)
        a.record[i] = (char)random();
    int err = *brokers != '\0' ? kafka_open(&a, brokers) : local_open(&a, folder);
    if (err == 0)
        err = measure(&a, option_int(options, "seconds"));
    if (a.producer != NULL)
        rd_kafka_destroy(a.producer);
    if (a.env != NULL)
        mdb_env_close(a.env);
    free(a.record);
    return err;
}

static void usage(void)
{
    printf("Usage: longtail-roundtrip --kafka HOST:PORT --topic NAME | --local DIR\n\n"
           "How long one synchronous append takes without Longtail, as a line of JSON.\n");
}

int main(int argc, char **argv)
{
    static const struct tool_options options = {options_table, ARRAY_LEN(options_table)};
    static const struct tool tool = {"longtail-roundtrip", usage, &options, 1,
                                     roundtrip_main,       NULL};
    return tool_main(&tool, argc, argv);
}
