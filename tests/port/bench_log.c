/* Latency of one append, from the call to its report, one at a time; beside it the bare library in
 * the same run: LMDB's commit, librdkafka's produce and poll.
 *
 *   make build/tests/port/bench_log
 *   build/tests/port/bench_log local DIR       DIR on the disk in question; DIR/log is made, and
 * left build/tests/port/bench_log kafka HOST:PORT  a topic of its own is made, and left */

#include "base/clock.h"
#include "kafka/kafka.h"
#include "locallog/locallog.h"

#include <librdkafka/rdkafka.h>
#include <lmdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ROUNDS = 2000, WARM = 100, RECORD_BYTES_MAX = 65536 };

static const size_t sizes[] = {100, 4096, 65536};

static char record[RECORD_BYTES_MAX];
/* One way to make a record durable. */
struct arm {
    const char *name;
    void (*append)(void *arg, size_t bytes);
    void *arg;
    double us[ROUNDS];
};

static void stop_if(int failed, const char *what)
{
    if (!failed)
        return;
    fprintf(stderr, "bench_log: %s failed (%d)\n", what, failed);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Turn and turn about, so that a noisy machine is as noisy for both. */
static void race(struct arm *port, struct arm *bare)
{
    struct arm *arms[] = {port, bare};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        for (int i = -WARM; i < ROUNDS; i++)
            for (int a = 0; a < 2; a++) {
                int64_t start = clock_mono_ns();
                arms[a]->append(arms[a]->arg, sizes[s]);
                if (i >= 0)
                    arms[a]->us[i] = (double)(clock_mono_ns() - start) / 1000;
            }
        for (int a = 0; a < 2; a++) {
            qsort(arms[a]->us, ROUNDS, sizeof(arms[a]->us[0]), by_value);
            printf("%-18s %6zu B   p50 %6.0f us   p99 %6.0f us\n", arms[a]->name, sizes[s],
                   arms[a]->us[ROUNDS / 2], arms[a]->us[ROUNDS * 99 / 100]);
        }
    }
}

/* ---- through the port ---- */

static void on_report(void *arg, const struct log_report *report)
{
    stop_if(report->outcome != LOG_STORED, "an append");
    *(int *)arg = 1;
}

static void port_append(void *arg, size_t bytes)
{
    struct log *log = arg;
    int done = 0;
    struct pollfd fd = {.fd = log_event_fd(log), .events = POLLIN};
    for (int64_t until = clock_mono_ms() + 10000;
         log_append(log, 0, slice_make(record, bytes), on_report, &done) != 0;) {
        stop_if(clock_mono_ms() > until, "starting");
        poll(&fd, 1, 10);
        log_dispatch(log);
    }
    while (!done) {
        poll(&fd, 1, -1);
        log_dispatch(log);
    }
}

/* ---- the bare libraries ---- */

static void lmdb_append(void *arg, size_t bytes)
{
    static uint64_t next;
    MDB_env *env = arg;
    MDB_txn *txn;
    MDB_dbi table;
    uint64_t number = __builtin_bswap64(next++);
    MDB_val key = {sizeof(number), &number}, value = {bytes, record};
    stop_if(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    stop_if(mdb_dbi_open(txn, NULL, 0, &table), "table");
    stop_if(mdb_put(txn, table, &key, &value, 0), "put");
    stop_if(mdb_txn_commit(txn), "commit");
}

struct bare_kafka {
    rd_kafka_t *rk;
    const char *topic;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    stop_if(message->err, "a produce");
    *(int *)message->_private = 1;
}

static void librdkafka_append(void *arg, size_t bytes)
{
    struct bare_kafka *k = arg;
    int done = 0;
    stop_if(rd_kafka_producev(k->rk, RD_KAFKA_V_TOPIC(k->topic), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE(record, bytes), RD_KAFKA_V_OPAQUE(&done),
                              RD_KAFKA_V_END),
            "produce");
    while (!done)
        rd_kafka_poll(k->rk, 1000);
}

static rd_kafka_t *bare_producer(const char *brokers)
{
    static const char *const settings[][2] = {{"enable.idempotence", "true"},
                                              {"acks", "all"},
                                              {"linger.ms", "0"},
                                              {"compression.codec", "none"},
                                              {"socket.nagle.disable", "true"}};
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why));
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    stop_if(rk == NULL, "librdkafka");
    return rk;
}

static void bench_local(const char *dir)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s/log", dir);
    struct locallog_config config = {.dir = name,
                                     .partitions = 1,
                                     .map_bytes_max = (uint64_t)1 << 30,
                                     .queue_bytes_max = 64 << 20};
    struct log *log;
    stop_if(locallog_create(&config, &log), "opening the local log");
    MDB_env *env;
    snprintf(name, sizeof(name), "%s/bare", dir);
    mkdir(name, 0700);
    stop_if(mdb_env_create(&env) || mdb_env_set_mapsize(env, (size_t)1 << 30), "LMDB");
    stop_if(mdb_env_open(env, name, 0, 0600), "opening LMDB");
    static struct arm port = {.name = "local log", .append = port_append};
    static struct arm bare = {.name = "bare LMDB commit", .append = lmdb_append};
    port.arg = log;
    bare.arg = env;
    race(&port, &bare);
    mdb_env_close(env);
    log_destroy(&log);
}

static void bench_kafka(const char *brokers)
{
    char topic[64];
    snprintf(topic, sizeof(topic), "bench-%lld", (long long)clock_wall_ms());
    struct kafka_config config = {.brokers = brokers,
                                  .topic = topic,
                                  .partitions = 1,
                                  .replication = 1,
                                  .message_timeout_ms = 5000,
                                  .compression = "none",
                                  .partition_queue_bytes_max = 32 << 20,
                                  .properties = ""};
    struct log *log;
    stop_if(kafka_create(&config, &log), "starting");
    port_append(log, 1); /* the topic is there */
    struct bare_kafka rival = {bare_producer(brokers), topic};
    static struct arm port = {.name = "kafka", .append = port_append};
    static struct arm bare = {.name = "bare librdkafka", .append = librdkafka_append};
    port.arg = log;
    bare.arg = &rival;
    race(&port, &bare);
    rd_kafka_destroy(rival.rk);
    log_destroy(&log);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(record); i++)
        record[i] = (char)rand();
    if (argc == 3 && strcmp(argv[1], "local") == 0)
        bench_local(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "kafka") == 0)
        bench_kafka(argv[2]);
    else
        fprintf(stderr, "usage: bench_log local DIR | bench_log kafka HOST:PORT\n");
    return 0;
}
