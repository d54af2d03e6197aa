#include "agent/agent.h"

#include "agent/machine.h"
#include "agent/outbox.h"
#include "agent/sample.h"
#include "agent/sender.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/logger.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mysql.h>

enum {
    TRIES_MAX = 5,
    COMMAND_BYTES_MAX = 1 << 20,
    DRAIN_MS = 5000,
    REPORT_INTERVAL_MS = 10000,
};

/* Which categories are not gauges. A category has one kind, so levels stand in others. */
static const char *const delta_categories[] = {
    "host.cpu.total", "host.disk.*", "host.net.*", "host.procs.*", "host.mysql", "host.queries.q.*",
};

struct agent {
    struct agent_config config;
    struct outbox *outbox;
    struct machine *machine;
    struct database *database; /* NULL: none is measured */
    struct sender *sender;
    struct buffer greeting;
    int wake_fd; /* the database's thread has pushed something */
    int stop_fd; /* ends the database's thread */
    int64_t reported_ms;
    struct outbox_stats reported;
};

/* A collector's way to the outbox, or to a stream. One a thread. */
struct delivery {
    struct agent *agent;
    int64_t second;
    FILE *out; /* NULL: to the outbox */
    struct buffer command;
};

/* ---- from sample to outbox ---- */

static uint64_t text_key(struct slice stem, struct slice text)
{
    return hash_u64(hash_bytes(stem)) ^ hash_bytes(text);
}

static void deliver(struct delivery *v, uint64_t text)
{
    if (v->command.error != 0)
        log_warn("agent", "a command could not be composed and is lost: %s",
                 error_text(v->command.error));
    else if (v->out != NULL)
        fwrite(v->command.data, 1, v->command.len, v->out);
    else
        outbox_push(v->agent->outbox, buffer_slice(&v->command), text);
    buffer_reset(&v->command, COMMAND_BYTES_MAX);
}

static void emit(void *arg, const struct sample *sample)
{
    struct delivery *v = arg;
    struct slice host = slice_str(v->agent->config.host);
    for (size_t at = 0; at < sample->lines.len;) {
        at = v->out != NULL ? sample_text(sample, at, host, v->second, &v->command)
                            : sample_command(sample, at, host, v->second, &v->command);
        deliver(v, OUTBOX_NO_TEXT);
    }
}

static void send_text(struct delivery *v, struct slice stem, struct slice text, uint64_t key)
{
    if (v->out != NULL) {
        buffer_printf(&v->command, "ITEM TEXT %.*s \"%.*s\"\n", (int)stem.n, stem.p, (int)text.n,
                      text.p);
    } else {
        buffer_append_str(&v->command, "*4\r\n$4\r\nITEM\r\n$4\r\nTEXT\r\n");
        sample_bulk(&v->command, stem);
        sample_bulk(&v->command, text);
    }
    deliver(v, key);
}

/* A process: pids are used again, so what counts is the pair of pid and name. */
static void name_process(void *arg, struct slice stem, struct slice text)
{
    struct delivery *v = arg;
    uint64_t key = text_key(stem, text);
    if (v->out != NULL || outbox_wants_text(v->agent->outbox, key))
        send_text(v, stem, text, key);
}

/* A digest always means the same text: it is asked for by the stem alone, so that the text need not
 * be fetched to find out. */
static bool digest_wanted(void *arg, struct slice stem)
{
    struct delivery *v = arg;
    return v->out != NULL || outbox_wants_text(v->agent->outbox, text_key(stem, SLICE_LIT("")));
}

static void name_digest(void *arg, struct slice stem, struct slice text)
{
    send_text(arg, stem, text, text_key(stem, SLICE_LIT("")));
}

static void delivery_init(struct delivery *v, struct agent *agent, FILE *out)
{
    *v = (struct delivery){.agent = agent, .out = out};
    buffer_init(&v->command, COMMAND_BYTES_MAX);
}

/* ---- the wall clock's seconds ---- */

/* Milliseconds until the next second to be measured; 0 and *second_out when it is now. A clock that
 * is set shows as another second and nothing else. */
static int64_t until_due(int64_t interval_s, int64_t last_second, int64_t *second_out)
{
    int64_t now_ms = clock_wall_ms();
    int64_t second = now_ms / 1000;
    if (second != last_second && second % interval_s == 0) {
        *second_out = second;
        return 0;
    }
    int64_t next = (second / interval_s + 1) * interval_s;
    return next * 1000 - now_ms;
}

static void *database_main(void *arg)
{
    struct agent *a = arg;
    struct delivery v;
    delivery_init(&v, a, NULL);
    mysql_thread_init();
    int64_t last = clock_wall_ms() / 1000;
    for (;;) {
        int64_t wait_ms = until_due(a->config.interval_s, last, &v.second);
        struct pollfd stop = {.fd = a->stop_fd, .events = POLLIN};
        if (poll(&stop, 1, (int)wait_ms) > 0)
            break;
        if (wait_ms > 0)
            continue;
        last = v.second;
        database_collect(a->database, emit, digest_wanted, name_digest, &v);
        eventfd_write(a->wake_fd, 1);
    }
    mysql_thread_end();
    buffer_fini(&v.command);
    return NULL;
}

/* ---- the loop ---- */

/* What was lost, by reason, once in a while: silence would be a lie, a line each second a flood. */
static void report_losses(struct agent *a, bool now)
{
    int64_t now_ms = clock_mono_ms();
    struct outbox_stats s = outbox_stats(a->outbox);
    const struct outbox_stats *r = &a->reported;
    uint64_t full = s.lost_full - r->lost_full;
    uint64_t tries = s.lost_tries - r->lost_tries;
    uint64_t refused = s.lost_refused - r->lost_refused;
    if ((full | tries | refused) == 0 || (!now && now_ms - a->reported_ms < REPORT_INTERVAL_MS))
        return;
    log_warn("agent",
             "lost commands: %" PRIu64 " because the ring was full, %" PRIu64
             " after %d tries, %" PRIu64 " refused; %" PRIu32 " wait",
             full, tries, TRIES_MAX, refused, s.held);
    a->reported = s;
    a->reported_ms = now_ms;
}

/* Waits for the first of: the connection, the database's thread, stop, wait_ms. true: stop. */
static bool wait_and_send(struct agent *a, int stop_fd, int64_t wait_ms)
{
    struct pollfd fds[3] = {
        {.fd = stop_fd, .events = POLLIN}, {.fd = a->wake_fd, .events = POLLIN}, {.fd = -1}};
    fds[2].fd = sender_fd(a->sender, &fds[2].events);
    int64_t sender_ms = sender_wake_ms(a->sender) - clock_mono_ms();
    int64_t ms = sender_ms < wait_ms ? sender_ms : wait_ms;
    if (poll(fds, 3, ms > 0 ? (int)ms : 0) < 0 && errno != EINTR)
        log_warn("agent", "poll: %s", strerror(errno));
    if ((fds[1].revents & POLLIN) != 0) {
        eventfd_t count;
        eventfd_read(a->wake_fd, &count);
    }
    sender_run(a->sender, fds[2].revents);
    report_losses(a, false);
    return (fds[0].revents & POLLIN) != 0;
}

static void drain(struct agent *a, int stop_fd)
{
    int64_t end_ms = clock_mono_ms() + DRAIN_MS;
    int64_t left_ms;
    while (outbox_stats(a->outbox).held > 0 && (left_ms = end_ms - clock_mono_ms()) > 0) {
        if (wait_and_send(a, stop_fd, left_ms)) {
            log_warn("agent", "stopped again: leaving at once");
            break;
        }
    }
    report_losses(a, true);
    uint32_t held = outbox_stats(a->outbox).held;
    if (held > 0)
        log_warn("agent", "leaving with %" PRIu32 " commands that were not acknowledged", held);
}

static void measure_and_send(struct agent *a, int stop_fd)
{
    struct delivery v;
    delivery_init(&v, a, NULL);
    int64_t last = clock_wall_ms() / 1000;
    int64_t wait_ms;
    do {
        wait_ms = until_due(a->config.interval_s, last, &v.second);
        if (wait_ms == 0) {
            last = v.second;
            machine_collect(a->machine, emit, name_process, &v);
        }
    } while (!wait_and_send(a, stop_fd, wait_ms));
    buffer_fini(&v.command);
}

int agent_run(struct agent *a, int stop_fd)
{
    pthread_t thread = 0;
    bool threaded = a->database != NULL;
    if (threaded && pthread_create(&thread, NULL, database_main, a) != 0)
        return LT_ENOMEM;
    measure_and_send(a, stop_fd);
    eventfd_t signals;
    eventfd_read(stop_fd, &signals);
    if (threaded) {
        eventfd_write(a->stop_fd, 1);
        pthread_join(thread, NULL);
    }
    drain(a, stop_fd);
    return 0;
}

int agent_once(struct agent *a, FILE *out)
{
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL)
        return LT_EIO;
    struct delivery v;
    delivery_init(&v, a, nowhere);
    int64_t last = clock_wall_ms() / 1000;
    for (int reading = 0; reading < 2;) {
        int64_t wait_ms = until_due(a->config.interval_s, last, &v.second);
        if (wait_ms > 0) {
            poll(NULL, 0, (int)wait_ms);
            continue;
        }
        last = v.second;
        v.out = reading++ == 0 ? nowhere : out;
        machine_collect(a->machine, emit, name_process, &v);
        if (a->database != NULL)
            database_collect(a->database, emit, digest_wanted, name_digest, &v);
    }
    buffer_fini(&v.command);
    fclose(nowhere);
    return fflush(out) == 0 ? 0 : LT_EIO;
}

/* ---- life ---- */

static uint32_t compose_greeting(struct agent *a)
{
    uint32_t count = 0;
    buffer_init(&a->greeting, 64 << 10);
    if (a->config.token[0] != '\0') {
        buffer_append_str(&a->greeting, "*2\r\n$4\r\nAUTH\r\n");
        sample_bulk(&a->greeting, slice_str(a->config.token));
        count++;
    }
    for (size_t i = 0; i < ARRAY_LEN(delta_categories); i++, count++) {
        buffer_append_str(&a->greeting, "*5\r\n$8\r\nCATEGORY\r\n$3\r\nADD\r\n");
        sample_bulk(&a->greeting, slice_str(delta_categories[i]));
        buffer_append_str(&a->greeting, "$4\r\nKIND\r\n$5\r\ndelta\r\n");
    }
    return count;
}

int agent_create(const struct agent_config *config, struct agent **out)
{
    struct agent *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return LT_ENOMEM;
    a->config = *config;
    a->reported_ms = -REPORT_INTERVAL_MS;
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->stop_fd = eventfd(0, EFD_CLOEXEC);
    uint32_t greeting_count = compose_greeting(a);
    int status = LT_EIO;
    if (a->wake_fd < 0 || a->stop_fd < 0)
        goto fail;
    status = a->greeting.error;
    if (status != 0)
        goto fail;
    status = outbox_create(config->ring_bytes_max, TRIES_MAX, &a->outbox);
    if (status != 0)
        goto fail;
    status = machine_create(config->procs_most, &a->machine);
    if (status != 0)
        goto fail;
    if (config->with_database)
        status = database_create(&config->database, &a->database);
    if (status != 0)
        goto fail;
    struct sender_config sender = {.address = config->server_address,
                                   .port = config->server_port,
                                   .outbox = a->outbox,
                                   .greeting = buffer_slice(&a->greeting),
                                   .greeting_count = greeting_count,
                                   .greeting_has_auth = config->token[0] != '\0'};
    status = sender_create(&sender, &a->sender);
    if (status != 0)
        goto fail;
    *out = a;
    return 0;

fail:
    agent_destroy(&a);
    return status;
}

void agent_destroy(struct agent **agent)
{
    struct agent *a = *agent;
    if (a == NULL)
        return;
    sender_destroy(&a->sender);
    database_destroy(&a->database);
    machine_destroy(&a->machine);
    outbox_destroy(&a->outbox);
    buffer_fini(&a->greeting);
    if (a->wake_fd >= 0)
        close(a->wake_fd);
    if (a->stop_fd >= 0)
        close(a->stop_fd);
    free(a);
    *agent = NULL;
}
