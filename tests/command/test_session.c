#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/vec.h"
#include "command/session.h"

#include <stdio.h>
#include <stdlib.h>

/* Sessions with a table of their own and a connection that is two buffers. Random pipelines of
 * commands that answer at once, later, or block, or are answered together, are cut into random
 * pieces and answered in random order; the replies must be those of running the commands one after
 * another, and no read may run while an earlier write waits. */

struct conn {
    struct buffer input, output;
    int64_t idle_ms;
    bool blocked, closed, lingers;
};

struct test {
    struct conn conn;
    struct sessions all;
    struct session *session;
    struct command_deps deps;
    struct tenant *tenant;
    struct ingest *ingest;
    VEC(struct slot *) open;
    uint32_t ran;      /* commands so far: their numbers come in this order */
    uint32_t writes;   /* of them, waiting */
    uint32_t blocking; /* open blocking slots */
    uint32_t gone;     /* on_gone calls */
    uint32_t together; /* so many commands of this name, */
    uint32_t taken;    /* ... of which so many are answered by another one's slot */
    struct slot *gone_slot;
};

/* Handlers have no argument of their own; the tests run one at a time. */
static struct test *now;

/* ---- the connection ---- */

void conn_write(struct conn *conn, struct slice bytes)
{
    assert_false(conn->closed);
    buffer_append_slice(&conn->output, bytes);
}

void conn_block(struct conn *conn, bool blocked)
{
    conn->blocked = blocked;
}

void conn_close(struct conn *conn, const char *why, bool after_output)
{
    conn->closed = true;
    conn->lingers = after_output;
}

void conn_trust(struct conn *conn)
{
}

size_t conn_output_bytes(const struct conn *conn)
{
    return conn->output.len;
}

int64_t conn_idle_ms(const struct conn *conn)
{
    return conn->idle_ms;
}

const char *conn_address(const struct conn *conn)
{
    return "test";
}

uint64_t ingest_acked(const struct ingest *ingest, uint32_t partition)
{
    return 7;
}

/* ---- the commands: each is followed by its number ---- */

static void begin(struct command_call *call)
{
    char expected[16];
    snprintf(expected, sizeof(expected), "%u", now->ran);
    assert_true(slice_eq_str(call->argv[1], expected));
    assert_int_equal(now->blocking, 0);
    now->ran++;
}

static void run_now(struct command_call *call)
{
    begin(call);
    resp_integer(call->reply, now->ran - 1);
}

static void keep_slot(struct slot *slot)
{
    assert_non_null(slot);
    slot->arg = (void *)(uintptr_t)(now->ran - 1);
    assert_true(VEC_PUSH(&now->open, slot));
}

static void run_later(struct command_call *call)
{
    begin(call);
    keep_slot(call_defer(call));
    now->writes += (call->spec->flags & COMMAND_WRITE) != 0;
}

/* Looks at some of those behind it, and takes some of these. */
static void run_together(struct command_call *call)
{
    begin(call);
    struct slot *slot = call_defer(call);
    keep_slot(slot);
    now->writes++;
    size_t bytes[8];
    uint32_t seen = 0, most = rand() % 8;
    const struct slice *argv;
    while (seen < most && (argv = call_peek(call, &bytes[seen])) != NULL) {
        char expected[16];
        snprintf(expected, sizeof(expected), "%u", now->ran + seen);
        assert_true(slice_ieq_str(argv[0], "together") && slice_eq_str(argv[1], expected));
        seen++;
    }
    assert_true(seen == 0 || !session_in_transaction(call->session));
    uint32_t taken = seen - (uint32_t)rand() % (seen + 1);
    if (taken > 0)
        call_take(call, slot, taken, bytes[taken - 1]);
    now->ran += taken;
    now->together += 1 + taken;
    now->taken += taken;
}

static void on_gone(void *arg)
{
    now->gone++;
}

static void run_read(struct command_call *call)
{
    if (session_writes_pending(call->session)) {
        assert_true(now->writes > 0);
        call_again_after_writes(call);
        return;
    }
    assert_int_equal(now->writes, 0);
    assert_int_equal(call_after(call), 7);
    begin(call);
    now->blocking++;
    struct slot *slot = call_defer_blocking(call);
    keep_slot(slot);
    if (rand() % 8 == 0) { /* some reads are answered before the handler returns */
        now->open.n--;
        now->blocking--;
        resp_integer(slot_reply(slot), now->ran - 1);
        slot_send(slot);
        return;
    }
    void *number = slot->arg;
    slot_on_gone(slot, on_gone, number);
}

static void run_multi(struct command_call *call)
{
    assert_int_equal(transaction_create(1 << 20, &call->session->queueing), 0);
    resp_simple(call->reply, SLICE_LIT("OK"));
}

static void run_exec(struct command_call *call)
{
    call->session->executing = call->session->queueing;
    call->session->queueing = NULL;
    resp_array(call->reply, call->session->executing->commands.n);
}

static void run_quit(struct command_call *call)
{
    begin(call);
    resp_simple(call->reply, SLICE_LIT("BYE"));
    session_drain(call->session, "quit");
}

#define SPEC(text, function, takes)                                                                \
    .word = {text, sizeof(text) - 1}, .name = text, .handler = function, .arity = takes,           \
    .syntax = text " number"

enum { TOGETHER = 6 };
static const struct command_spec specs[] = {
    {SPEC("exec", run_exec, 1), .flags = COMMAND_MULTI_NOW},
    {SPEC("later", run_later, 2)},
    {SPEC("multi", run_multi, 1), .flags = COMMAND_MULTI_NOW},
    {SPEC("now", run_now, 2)},
    {SPEC("quit", run_quit, 2), .flags = COMMAND_MULTI_NOW},
    {SPEC("read", run_read, 2), .flags = COMMAND_READONLY},
    {SPEC("together", run_together, 2), .flags = COMMAND_WRITE},
    {SPEC("write", run_later, 2), .flags = COMMAND_WRITE | COMMAND_ROLE_INGEST},
};

/* ---- driving ---- */

static void set_up(struct test *t)
{
    memset(t, 0, sizeof(*t));
    now = t;
    buffer_init(&t->conn.input, 1 << 24);
    buffer_init(&t->conn.output, 1 << 24);
    assert_int_equal(tenant_create(NULL, &t->tenant), 0);
    /* Never looked into: it only says that the process has the role. */
    t->deps = (struct command_deps){.tenant = t->tenant, .ingest = (struct ingest *)t};
    t->all = (struct sessions){.deps = &t->deps, .table = {specs, ARRAY_LEN(specs)}};
    list_init(&t->all.answered);
    t->all.output_bytes_max = 1 << 24;
    t->all.transaction_bytes_max = 1 << 20;
    t->all.limits[false] = resp_limits_untrusted;
    t->all.limits[true] = resp_limits_trusted;
    slot_pool_init(&t->all.slots, 1 << 24);
    assert_int_equal(usage_init(&t->all.usage, t->all.table), 0);
    assert_int_equal(session_create(&t->all, &t->conn, &t->session), 0);
}

static void tear_down(struct test *t)
{
    assert_int_equal(t->all.count, 0);
    usage_fini(&t->all.usage);
    slot_pool_fini(&t->all.slots); /* asserts that all slots came back */
    VEC_FINI(&t->open);
    buffer_fini(&t->conn.input);
    buffer_fini(&t->conn.output);
    tenant_destroy(&t->tenant);
}

/* As the reactor: shows what is unread while the session takes some of it. */
static void offer(struct test *t)
{
    long used = 1;
    while (used > 0 && t->conn.input.len > 0 && !t->conn.blocked && !t->conn.closed) {
        used = session_input(t->session, buffer_slice(&t->conn.input));
        buffer_consume(&t->conn.input, (size_t)used);
    }
}

static void answer(struct test *t, uint32_t i)
{
    struct slot *slot = t->open.v[i];
    t->open.v[i] = t->open.v[--t->open.n];
    bool blocking = slot->on_gone != NULL;
    t->blocking -= blocking;
    t->writes -= slot->writes;
    struct resp_writer w = slot_reply(slot);
    for (uint32_t j = 0; j < slot->commands; j++)
        resp_integer(w, (int64_t)(uintptr_t)slot->arg + j);
    slot_send(slot);
}

static void answer_any(struct test *t)
{
    if (t->open.n > 0)
        answer(t, (uint32_t)rand() % t->open.n);
    if (rand() % 3 == 0)
        sessions_flush(&t->all); /* a turn ends */
    offer(t);
}

static void add_command(struct buffer *stream, const char *name, uint32_t number)
{
    if (rand() % 4 == 0)
        buffer_printf(stream, "%s %u\r\n", name, number);
    else
        buffer_printf(stream, "*2\r\n$%zu\r\n%s\r\n$%d\r\n%u\r\n", strlen(name), name,
                      snprintf(NULL, 0, "%u", number), number);
}

/* Appends random commands or a transaction and what they will answer. */
static void add_random(struct buffer *stream, struct buffer *expected, uint32_t *number)
{
    static const char *const names[] = {"now", "later", "write", "write", "read", "together"};
    if (rand() % 10 > 0) {
        const char *name = names[rand() % 6];
        uint32_t count = *name == 't' ? 1 + (uint32_t)rand() % 12 : 1;
        for (; count > 0; count--) {
            add_command(stream, name, *number);
            buffer_printf(expected, ":%u\r\n", (*number)++);
            if (rand() % 20 == 0)
                buffer_append_str(stream, "*0\r\n"); /* nothing to run, nothing to answer */
        }
        return;
    }
    uint32_t count = (uint32_t)rand() % 6;
    buffer_append_str(stream, "multi\r\n");
    buffer_append_str(expected, "+OK\r\n");
    for (uint32_t i = 0; i < count; i++) {
        add_command(stream, names[rand() % 6], *number + i);
        buffer_append_str(expected, "+QUEUED\r\n");
    }
    buffer_append_str(stream, "exec\r\n");
    buffer_printf(expected, "*%u\r\n", count);
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(expected, ":%u\r\n", (*number)++);
}

static void test_random_pipelines(void **state)
{
    (void)state;
    enum { ROUNDS = 300, COMMANDS = 60 };
    uint32_t taken = 0;
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        struct test t;
        struct buffer stream, expected;
        uint32_t number = 0;
        srand(seed);
        set_up(&t);
        buffer_init(&stream, 1 << 20);
        buffer_init(&expected, 1 << 20);
        while (number < COMMANDS)
            add_random(&stream, &expected, &number);
        size_t sent = 0;
        bool hangs_up = seed % 3 == 0;
        size_t hang_up_at = hangs_up ? (size_t)rand() % stream.len : SIZE_MAX;
        while ((sent < stream.len || t.open.n > 0) && sent < hang_up_at) {
            if (sent < stream.len && rand() % 2 == 0) {
                size_t n = (size_t)rand() % (rand() % 4 == 0 ? 400 : 40) + 1;
                n = n < stream.len - sent ? n : stream.len - sent;
                buffer_append(&t.conn.input, stream.data + sent, n);
                sent += n;
                offer(&t);
            } else {
                answer_any(&t);
            }
        }
        sessions_flush(&t.all);
        size_t n = t.conn.output.len;
        assert_true(n <= expected.len);
        assert_true(slice_eq(buffer_slice(&t.conn.output), slice_make(expected.data, n)));
        const struct usage_command *c = usage_of(&t.all.usage, &specs[TOGETHER]);
        assert_int_equal(c->calls, t.together);
        assert_in_range(c->timed, t.together / USAGE_TIMED, t.together);
        taken += t.taken;
        if (!hangs_up) {
            assert_int_equal(n, expected.len);
            assert_int_equal(t.conn.input.len, 0);
        }
        uint32_t blocking = t.blocking;
        session_gone(t.session);
        assert_int_equal(t.gone, blocking);
        while (t.open.n > 0) /* owed all the same */
            answer(&t, (uint32_t)rand() % t.open.n);
        buffer_fini(&stream);
        buffer_fini(&expected);
        tear_down(&t);
    }
    assert_true(taken > ROUNDS);
}

static void send_text(struct test *t, const char *text)
{
    buffer_append_str(&t->conn.input, text);
    offer(t);
}

static void expect_output(struct test *t, const char *text)
{
    sessions_flush(&t->all);
    buffer_append(&t->conn.output, "", 1);
    assert_string_equal(t->conn.output.data, text);
    buffer_reset(&t->conn.output, SIZE_MAX);
}

static void test_quit_waits_for_earlier_replies(void **state)
{
    (void)state;
    struct test t;
    set_up(&t);
    send_text(&t, "write 0\r\nwrite 1\r\nquit 2\r\nnow 3\r\n");
    assert_false(t.conn.closed);
    answer(&t, 1);
    assert_int_equal(t.conn.output.len, 0);
    answer(&t, 0);
    expect_output(&t, ":0\r\n:1\r\n+BYE\r\n");
    assert_true(t.conn.closed);
    assert_int_equal(t.ran, 3);
    session_gone(t.session);
    tear_down(&t);
}

static void test_draining_waits_for_who_is_busy_only(void **state)
{
    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        struct test t;
        set_up(&t);
        t.conn.idle_ms = quiet ? SESSION_QUIET_MS : SESSION_QUIET_MS - 1;
        session_drain(t.session, "shutdown");
        assert_true(t.conn.closed);
        assert_int_equal(t.conn.lingers, !quiet);
        session_gone(t.session);
        tear_down(&t);
    }
}

static void test_what_is_malformed_closes_after_earlier_replies(void **state)
{
    (void)state;
    struct test t;
    set_up(&t);
    send_text(&t, "write 0\r\n*1\r\n!\r\n");
    assert_false(t.conn.closed);
    answer(&t, 0);
    assert_true(t.conn.closed);
    assert_non_null(strstr(t.conn.output.data, ":0\r\n-ERR Protocol error: "));
    session_gone(t.session);
    tear_down(&t);
}

/* An error is each one's, and counted so. */
static void test_commands_that_are_answered_together(void **state)
{
    (void)state;
    struct test t;
    set_up(&t);
    srand(5);
    for (uint32_t i = 0; i < 8; i++)
        buffer_printf(&t.conn.input, "*2\r\n$8\r\nTogether\r\n$1\r\n%u\r\n", i);
    send_text(&t, "now 8\r\n");
    assert_in_range(t.open.n, 2, 6);
    assert_int_equal(t.open.n + t.taken, 8);
    assert_true(t.open.v[0]->commands > 1);
    struct usage_command *counts = usage_of(&t.all.usage, &specs[TOGETHER]);
    uint32_t failed = 0;
    while (t.open.n > 0) {
        struct slot *slot = t.open.v[--t.open.n]; /* the last one first */
        struct resp_writer w = slot_reply(slot);
        failed += slot->commands;
        for (uint32_t i = 0; i < slot->commands; i++)
            resp_error(w, SLICE_LIT("BUSY"));
        slot_send(slot);
        assert_int_equal(counts->failed, failed);
        assert_int_equal(t.all.usage.errors_all, failed);
    }
    expect_output(&t,
                  "-BUSY\r\n-BUSY\r\n-BUSY\r\n-BUSY\r\n-BUSY\r\n-BUSY\r\n-BUSY\r\n-BUSY\r\n:8\r\n");
    session_gone(t.session);
    tear_down(&t);
}

static void test_refusals(void **state)
{
    (void)state;
    struct test t;
    set_up(&t);
    send_text(&t, "nope a b\r\n");
    expect_output(&t, "-ERR unknown command 'nope', with args beginning with: 'a' 'b' \r\n");
    send_text(&t, "laterr 1\r\n");
    expect_output(&t, "-ERR unknown command 'laterr', with args beginning with: '1' - did you mean "
                      "later number\r\n");
    send_text(&t, "NOW\r\n");
    expect_output(&t, "-ERR wrong number of arguments for 'now' command, expected: now number\r\n");
    t.deps.ingest = NULL;
    send_text(&t, "write 0\r\n");
    expect_output(&t, "-ERR 'write' needs the role ingest, which this process does not have\r\n");
    send_text(&t, "multi\r\nnow\r\n");
    assert_true(t.session->queueing->broken);
    t.session->environment = NULL;
    buffer_reset(&t.conn.output, SIZE_MAX);
    send_text(&t, "now 0\r\n");
    expect_output(&t, "-NOAUTH Authentication required.\r\n");
    assert_int_equal(t.ran, 0);
    session_gone(t.session);
    tear_down(&t);
}

static void test_a_client_with_too_many_open_replies_waits(void **state)
{
    (void)state;
    struct test t;
    set_up(&t);
    char text[32];
    for (uint32_t i = 0; i <= SESSION_SLOTS_MAX; i++) {
        snprintf(text, sizeof(text), "later %u\r\n", i);
        buffer_append_str(&t.conn.input, text);
    }
    offer(&t);
    assert_int_equal(t.ran, SESSION_SLOTS_MAX);
    assert_true(t.conn.blocked);
    while (t.conn.blocked) {
        /* In order, from the front: the others would not make room. */
        struct slot *first = t.session->replies.first;
        resp_integer(slot_reply(first), 0);
        slot_send(first);
    }
    assert_int_equal(t.session->replies.open, SESSION_SLOTS_MAX / 2);
    offer(&t);
    assert_int_equal(t.ran, SESSION_SLOTS_MAX + 1);
    session_gone(t.session);
    while (t.all.slots.made > 0 && t.session->replies.open > 1) {
        struct slot *first = t.session->replies.first;
        slot_send(first);
    }
    slot_send(t.session->replies.first);
    t.open.n = 0;
    tear_down(&t);
}

static void test_who_does_not_read_is_cut(void **state)
{
    (void)state;
    struct test t;
    set_up(&t);
    t.all.output_bytes_max = 100;
    send_text(&t, "later 0\r\n");
    for (uint32_t i = 1; !t.conn.closed; i++) {
        char text[32];
        assert_true(i < 100);
        snprintf(text, sizeof(text), "now %u\r\n", i);
        send_text(&t, text);
    }
    assert_int_equal(t.all.cut_slow, 1);
    answer(&t, 0);
    session_gone(t.session);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_pipelines),
        cmocka_unit_test(test_quit_waits_for_earlier_replies),
        cmocka_unit_test(test_draining_waits_for_who_is_busy_only),
        cmocka_unit_test(test_what_is_malformed_closes_after_earlier_replies),
        cmocka_unit_test(test_commands_that_are_answered_together),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_client_with_too_many_open_replies_waits),
        cmocka_unit_test(test_who_does_not_read_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
