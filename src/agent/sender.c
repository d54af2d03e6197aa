#include "agent/sender.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>

enum {
    WINDOW = 64,              /* commands in flight; after a failure one, until one is stored */
    REPLY_TIMEOUT_MS = 10000, /* the server answers within 6 s; after this the connection is dead */
    CONNECT_TIMEOUT_MS = 3000,
    BACKOFF_MIN_MS = 500,
    BACKOFF_MAX_MS = 4000,
    LOG_INTERVAL_MS = 10000,
    SCRATCH_BYTES_MAX = 64 << 20,
};

#define PROBE_ID UINT64_MAX

enum sender_state { DOWN, CONNECTING, GREETING, OPEN, PROBING, STATES };

struct sender {
    struct sender_config config;
    enum sender_state state;
    redisContext *c;
    bool writing; /* hiredis holds bytes that the socket did not take */
    /* When the state ends if nothing happens: retry, time-out, probe. */
    int64_t wake_ms;
    uint32_t failures; /* since the last stored command */
    uint32_t greeted;
    int64_t logged_ms;
    struct buffer scratch;
    uint64_t flight[WINDOW]; /* ids in flight, oldest at flight_first */
    uint32_t flight_first;
    uint32_t flight_count;
};

static void change_state(struct sender *s, enum sender_state to, int64_t wake_ms)
{
    static const bool allowed[STATES][STATES] = {
        [DOWN] = {[DOWN] = true, [CONNECTING] = true},
        [CONNECTING] = {[DOWN] = true, [GREETING] = true},
        [GREETING] = {[DOWN] = true, [OPEN] = true},
        [OPEN] = {[DOWN] = true, [PROBING] = true},
        [PROBING] = {[DOWN] = true, [OPEN] = true},
    };
    if (!allowed[s->state][to])
        abort();
    s->state = to;
    s->wake_ms = wake_ms;
}

int sender_create(const struct sender_config *config, struct sender **out)
{
    struct sender *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return LT_ENOMEM;
    s->config = *config;
    s->logged_ms = -LOG_INTERVAL_MS;
    buffer_init(&s->scratch, SCRATCH_BYTES_MAX);
    *out = s;
    return 0;
}

void sender_destroy(struct sender **sender)
{
    struct sender *s = *sender;
    if (s == NULL)
        return;
    if (s->c != NULL)
        redisFree(s->c);
    buffer_fini(&s->scratch);
    free(s);
    *sender = NULL;
}

/* One line in LOG_INTERVAL_MS: a server that refuses everything must not fill the disk. */
static bool may_log(struct sender *s)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - s->logged_ms < LOG_INTERVAL_MS)
        return false;
    s->logged_ms = now_ms;
    return true;
}

static int64_t backoff_ms(struct sender *s)
{
    int64_t ms = (int64_t)BACKOFF_MIN_MS << (s->failures < 8 ? s->failures : 8);
    s->failures++;
    return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void connection_fail(struct sender *s, const char *why)
{
    if (may_log(s))
        log_warn("sender", "%s:%d: %s; trying again", s->config.address, s->config.port, why);
    if (s->c != NULL)
        redisFree(s->c);
    s->c = NULL;
    s->flight_count = 0;
    s->writing = false;
    outbox_unsend(s->config.outbox);
    change_state(s, DOWN, clock_mono_ms() + backoff_ms(s));
}

static void connection_open(struct sender *s)
{
    change_state(s, CONNECTING, clock_mono_ms() + CONNECT_TIMEOUT_MS);
    s->c = redisConnectNonBlock(s->config.address, s->config.port);
    if (s->c == NULL || s->c->err != 0)
        connection_fail(s, s->c == NULL ? "out of memory" : s->c->errstr);
}

static void append(struct sender *s, struct slice command)
{
    if (redisAppendFormattedCommand(s->c, command.p, command.n) != REDIS_OK)
        connection_fail(s, "out of memory");
    else
        s->writing = true;
}

static void connection_ready(struct sender *s)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (getsockopt(s->c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error != 0) {
        connection_fail(s, strerror(error != 0 ? error : errno));
        return;
    }
    s->greeted = 0;
    change_state(s, GREETING, clock_mono_ms() + REPLY_TIMEOUT_MS);
    append(s, s->config.greeting);
}

/* ---- answers ---- */

static bool starts(const redisReply *reply, const char *word)
{
    return strncmp(reply->str, word, strlen(word)) == 0;
}

static enum outbox_outcome classify(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return OUTBOX_ACKED;
    return starts(reply, "ERR") || starts(reply, "WRONGTYPE") ? OUTBOX_REFUSED : OUTBOX_RETRY;
}

static void on_greeting(struct sender *s, const redisReply *reply)
{
    enum outbox_outcome outcome = classify(reply);
    bool is_auth = s->greeted == 0 && s->config.greeting_has_auth;
    if (outcome == OUTBOX_RETRY || (outcome == OUTBOX_REFUSED && is_auth)) {
        connection_fail(s, reply->str);
        return;
    }
    if (outcome == OUTBOX_REFUSED && may_log(s))
        log_warn("sender", "a category could not be declared: %s", reply->str);
    if (++s->greeted == s->config.greeting_count) {
        log_info("sender", "connected to %s:%d", s->config.address, s->config.port);
        change_state(s, OPEN, INT64_MAX);
    }
}

static void on_answer(struct sender *s, const redisReply *reply)
{
    uint64_t id = s->flight[s->flight_first];
    s->flight_first = (s->flight_first + 1) % WINDOW;
    s->flight_count--;
    if (id == PROBE_ID) {
        if (reply->type == REDIS_REPLY_ERROR)
            s->wake_ms = clock_mono_ms() + backoff_ms(s);
        else
            change_state(s, OPEN, INT64_MAX);
        return;
    }
    enum outbox_outcome outcome = classify(reply);
    outbox_settle(s->config.outbox, id, outcome);
    if (outcome == OUTBOX_ACKED) {
        s->failures = 0;
        return;
    }
    if (may_log(s))
        log_warn("sender", "the server %s: %s",
                 outcome == OUTBOX_REFUSED ? "refuses a command, which is lost"
                                           : "cannot store now, keeping the data",
                 reply->str);
    if (outcome == OUTBOX_RETRY && s->state == OPEN)
        change_state(s, PROBING, clock_mono_ms() + backoff_ms(s));
}

static void read_answers(struct sender *s)
{
    if (redisBufferRead(s->c) != REDIS_OK) {
        connection_fail(s, s->c->errstr);
        return;
    }
    while (s->c != NULL) {
        void *reply = NULL;
        if (redisGetReplyFromReader(s->c, &reply) != REDIS_OK) {
            connection_fail(s, s->c->errstr);
            return;
        }
        if (reply == NULL)
            return;
        if (s->state == GREETING)
            on_greeting(s, reply);
        else if (s->flight_count > 0)
            on_answer(s, reply);
        else
            connection_fail(s, "an answer to nothing");
        freeReplyObject(reply);
        if (s->state == OPEN)
            s->wake_ms = s->flight_count > 0 ? clock_mono_ms() + REPLY_TIMEOUT_MS : INT64_MAX;
    }
}

/* ---- sending ---- */

static void flight_add(struct sender *s, uint64_t id, struct slice command)
{
    s->flight[(s->flight_first + s->flight_count) % WINDOW] = id;
    s->flight_count++;
    append(s, command);
}

static void send_waiting(struct sender *s)
{
    uint32_t window = s->failures > 0 ? 1 : WINDOW;
    while (s->state == OPEN && s->flight_count < window) {
        uint64_t id;
        buffer_reset(&s->scratch, 1 << 20);
        if (!outbox_take(s->config.outbox, &s->scratch, &id))
            return;
        if (s->flight_count == 0)
            s->wake_ms = clock_mono_ms() + REPLY_TIMEOUT_MS;
        flight_add(s, id, buffer_slice(&s->scratch));
    }
}

static void on_wake(struct sender *s)
{
    if (s->state == DOWN)
        connection_open(s);
    else if (s->state != PROBING)
        connection_fail(s, s->state == CONNECTING ? "no connection in time" : "no answer in time");
    else if (s->flight_count > 0)
        connection_fail(s, "no answer in time");
    else {
        s->wake_ms = clock_mono_ms() + REPLY_TIMEOUT_MS;
        flight_add(s, PROBE_ID, SLICE_LIT("*1\r\n$5\r\nREADY\r\n"));
    }
}

static void write_out(struct sender *s)
{
    int done = 0;
    if (redisBufferWrite(s->c, &done) != REDIS_OK)
        connection_fail(s, s->c->errstr);
    else
        s->writing = !done;
}

void sender_run(struct sender *s, short revents)
{
    if (s->state == CONNECTING && (revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
        connection_ready(s);
    else if (s->state > CONNECTING && (revents & (POLLIN | POLLERR | POLLHUP)) != 0)
        read_answers(s);
    if (clock_mono_ms() >= s->wake_ms)
        on_wake(s);
    if (s->state == OPEN)
        send_waiting(s);
    if (s->state > CONNECTING && s->writing)
        write_out(s);
}

int sender_fd(const struct sender *s, short *events_out)
{
    if (s->c == NULL)
        return -1;
    *events_out = s->state == CONNECTING ? POLLOUT : s->writing ? POLLIN | POLLOUT : POLLIN;
    return s->c->fd;
}

int64_t sender_wake_ms(const struct sender *s)
{
    return s->wake_ms;
}
