/* The story of ../README.md, told by hiredis: HOST PORT PROTOCOL T. With hiredis 0.14 (RESP2)
 * and 1.x. */

#include <errno.h>
#include <hiredis/hiredis.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef REDIS_REPLY_MAP /* 0.14 knows RESP2 only */
#define REDIS_REPLY_DOUBLE 7
#define REDIS_REPLY_MAP    9
#define REDIS_REPLY_SET    10
#endif

#define SERIES(item) "host.queries.q." item ".time_us"
#define ITEM_1       "1374c6821ead6f47"
#define ITEM_2       "2486d7932fbe7058"
#define ITEM_3       "3597e8a43fcf8169"

static const char *host;
static int port;
static int protocol;
static long long t;
static redisContext *connection;
static char failure[512]; /* why the step failed; "" where it has not */

/* ---- talking ---- */

static bool connect_once(void)
{
    if (connection != NULL)
        redisFree(connection);
    connection = redisConnectWithTimeout(host, port, (struct timeval){.tv_sec = 5});
    if (connection == NULL || connection->err != 0)
        return false;
    redisSetTimeout(connection, (struct timeval){.tv_sec = 10});
    if (protocol == 2)
        return true;
    redisReply *hello = redisCommand(connection, "HELLO %d", protocol);
    bool good = hello != NULL && hello->type != REDIS_REPLY_ERROR;
    if (hello != NULL)
        freeReplyObject(hello);
    return good;
}

static void connect_again(void)
{
    time_t deadline = time(NULL) + 60;
    while (!connect_once() && time(NULL) < deadline)
        usleep(20000);
}

static bool unanswered(const redisReply *reply)
{
    return reply == NULL ||
           (reply->type == REDIS_REPLY_ERROR &&
            (strncmp(reply->str, "KAFKA", 5) == 0 || strncmp(reply->str, "BUSY", 4) == 0 ||
             strncmp(reply->str, "LOADING", 7) == 0));
}

/* One command, sent once. NULL where no answer came; the connection is a new one then. */
static redisReply *ask_va(const char *format, va_list words)
{
    redisReply *reply = redisvCommand(connection, format, words);
    if (reply == NULL)
        connect_again();
    return reply;
}

static redisReply *ask(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    redisReply *reply = ask_va(format, words);
    va_end(words);
    return reply;
}

/* Repeats the command until it is answered: repeating must be harmless. NULL after 60 s. */
static redisReply *ask_until_answered(const char *format, ...)
{
    for (time_t deadline = time(NULL) + 60; time(NULL) < deadline; usleep(20000)) {
        va_list words;
        va_start(words, format);
        redisReply *reply = ask_va(format, words);
        va_end(words);
        if (!unanswered(reply))
            return reply;
        if (reply != NULL)
            freeReplyObject(reply);
    }
    return NULL;
}

/* ---- judging replies: each prints why not into `failure`, once a step, and frees the reply ----
 */

static void fail(const char *expected, const redisReply *reply)
{
    if (failure[0] != '\0')
        return;
    if (reply == NULL)
        snprintf(failure, sizeof failure, "expected %s, no answer came", expected);
    else if (reply->str != NULL)
        snprintf(failure, sizeof failure, "expected %s, came %s", expected, reply->str);
    else
        snprintf(failure, sizeof failure, "expected %s, came type %d, integer %lld, %zu elements",
                 expected, reply->type, reply->integer, reply->elements);
}

static void drop(redisReply *reply)
{
    if (reply != NULL)
        freeReplyObject(reply);
}

static bool is_text(const redisReply *reply, const char *text)
{
    return reply != NULL && reply->str != NULL && reply->type != REDIS_REPLY_ERROR &&
           strcmp(reply->str, text) == 0;
}

static bool is_number(const redisReply *reply, long long number)
{
    return reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer == number;
}

/* A value is a simple string in RESP2 and a double in RESP3. */
static bool is_value(const redisReply *reply, double value)
{
    int type = protocol == 3 ? REDIS_REPLY_DOUBLE : REDIS_REPLY_STATUS;
    return reply != NULL && reply->type == type && strtod(reply->str, NULL) == value;
}

static bool is_point(const redisReply *reply, long long at, double value)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           is_number(reply->element[0], at) && is_value(reply->element[1], value);
}

static void want_text(redisReply *reply, const char *text)
{
    if (!is_text(reply, text))
        fail(text, reply);
    drop(reply);
}

static void want_number(redisReply *reply, long long number)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%lld", number);
    if (!is_number(reply, number))
        fail(expected, reply);
    drop(reply);
}

static void want_error(redisReply *reply, const char *words)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || strstr(reply->str, words) == NULL)
        fail(words, reply);
    drop(reply);
}

static void want_point(redisReply *reply, long long at, double value)
{
    if (!is_point(reply, at, value))
        fail("another point", reply);
    drop(reply);
}

struct point {
    long long at;
    double value;
};

static bool are_points(const redisReply *reply, size_t count, const struct point *points)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_point(reply->element[i], t + points[i].at, points[i].value))
            return false;
    return true;
}

static void want_points(redisReply *reply, size_t count, const struct point *points)
{
    if (!are_points(reply, count, points))
        fail("other points", reply);
    drop(reply);
}

/* Whether the array or set holds exactly these texts, in any order. */
static void want_texts(redisReply *reply, size_t count, const char *const *texts)
{
    int type = protocol == 3 ? REDIS_REPLY_SET : REDIS_REPLY_ARRAY;
    bool good = reply != NULL && reply->type == type && reply->elements == count;
    for (size_t i = 0; good && i < count; i++) {
        size_t found = 0;
        for (size_t j = 0; j < count; j++)
            found += is_text(reply->element[j], texts[i]);
        good = found == 1;
    }
    if (!good)
        fail("other keys", reply);
    drop(reply);
}

/* The value of a name in a map, or in the flat array that RESP2 has for it. */
static const redisReply *field(const redisReply *map, const char *name)
{
    for (size_t i = 0; map != NULL && i + 1 < map->elements; i += 2)
        if (is_text(map->element[i], name))
            return map->element[i + 1];
    return NULL;
}

/* TS.MGET and TS.MRANGE: the last element of a key's row. */
static const redisReply *row(const redisReply *rows, const char *key)
{
    if (rows == NULL)
        return NULL;
    const redisReply *of_key = NULL;
    if (rows->type == REDIS_REPLY_MAP)
        of_key = field(rows, key);
    for (size_t i = 0; rows->type == REDIS_REPLY_ARRAY && i < rows->elements; i++)
        if (rows->element[i]->elements == 3 && is_text(rows->element[i]->element[0], key))
            of_key = rows->element[i];
    return of_key == NULL || of_key->elements == 0 ? NULL : of_key->element[of_key->elements - 1];
}

static size_t row_count(const redisReply *rows)
{
    return rows == NULL ? 0 : rows->type == REDIS_REPLY_MAP ? rows->elements / 2 : rows->elements;
}

/* ---- the steps ---- */

static const struct point three[] = {{0, 20.5}, {1000, 21.5}, {2000, 22.5}};
static const struct point backwards[] = {{2000, 22.5}, {1000, 21.5}, {0, 20.5}};
static const char *const temps[] = {"story:temp:1", "story:temp:2"};

static void step_connect(void)
{
    want_text(ask("PING"), "PONG");
    want_text(ask("ECHO hello"), "hello");
}

static void step_protocol(void)
{
    redisReply *info = ask("CLIENT INFO");
    char wanted[16];
    snprintf(wanted, sizeof wanted, " resp=%d", protocol);
    if (info == NULL || info->str == NULL || strstr(info->str, wanted) == NULL)
        fail(wanted, info);
    drop(info);
}

static void step_create(void)
{
    want_text(ask("TS.CREATE story:temp:1 RETENTION 86400000 DUPLICATE_POLICY LAST LABELS kind "
                  "temp room a"),
              "OK");
    want_text(ask("TS.CREATE story:temp:2 RETENTION 86400000 DUPLICATE_POLICY LAST LABELS kind "
                  "temp room b"),
              "OK");
}

static void step_create_twice(void)
{
    want_error(ask("TS.CREATE story:temp:1"), "key already exists");
}

static void step_add(void)
{
    want_number(ask("TS.ADD story:temp:1 %lld 20.5", t), t);
    want_number(ask("TS.ADD story:temp:1 %lld 21.5", t + 1000), t + 1000);
}

static void step_add_now(void)
{
    redisReply *reply = ask("TS.ADD story:now * 1");
    long long now = (long long)time(NULL) * 1000;
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER || llabs(reply->integer - now) > 60000)
        fail("a time near now", reply);
    drop(reply);
}

static void step_add_declares(void)
{
    want_number(ask("TS.ADD story:hum:1 %lld 40 LABELS kind hum room a", t), t);
}

static void step_madd(void)
{
    redisReply *reply =
        ask("TS.MADD story:temp:1 %lld 22.5 story:temp:2 %lld 10.5 story:temp:2 %lld 11.5",
            t + 2000, t, t + 60000);
    if (reply == NULL || reply->elements != 3 || !is_number(reply->element[0], t + 2000) ||
        !is_number(reply->element[1], t) || !is_number(reply->element[2], t + 60000))
        fail("three times", reply);
    drop(reply);
}

static void step_madd_part(void)
{
    redisReply *reply =
        ask("TS.MADD story:temp:2 %lld 12.5 story:temp:2 %lld abc", t + 61000, t + 62000);
    if (reply == NULL || reply->elements != 2 || !is_number(reply->element[0], t + 61000) ||
        reply->element[1]->type != REDIS_REPLY_ERROR)
        fail("a time and an error", reply);
    drop(reply);
}

static void step_get(void)
{
    want_point(ask("TS.GET story:temp:1"), t + 2000, 22.5);
}

static void step_get_missing(void)
{
    want_error(ask("TS.GET story:none"), "the key does not exist");
}

static void step_range(void)
{
    want_points(ask("TS.RANGE story:temp:1 - +"), 3, three);
}

static void step_range_count(void)
{
    want_points(ask("TS.RANGE story:temp:1 - + COUNT 2"), 2, three);
}

static void step_range_value(void)
{
    want_points(ask("TS.RANGE story:temp:1 - + FILTER_BY_VALUE 21 22"), 1, &three[1]);
}

static void step_range_buckets(void)
{
    want_points(ask("TS.RANGE story:temp:2 - + AGGREGATION avg 60000"), 2,
                (struct point[]){{0, 10.5}, {60000, 12}});
}

static void step_revrange(void)
{
    want_points(ask("TS.REVRANGE story:temp:1 - +"), 3, backwards);
}

static void step_mget(void)
{
    redisReply *rows = ask("TS.MGET FILTER kind=temp");
    if (row_count(rows) != 2 || !is_point(row(rows, temps[0]), t + 2000, 22.5) ||
        !is_point(row(rows, temps[1]), t + 61000, 12.5))
        fail("the last points of two keys", rows);
    drop(rows);
}

static void step_mrange(void)
{
    redisReply *rows = ask("TS.MRANGE %lld %lld FILTER kind=temp", t, t + 59999);
    if (row_count(rows) != 2 || !are_points(row(rows, temps[0]), 3, three) ||
        !are_points(row(rows, temps[1]), 1, (struct point[]){{0, 10.5}}))
        fail("the points of two keys", rows);
    drop(rows);
}

static void step_mrange_group(void)
{
    redisReply *rows =
        ask("TS.MRANGE %lld %lld FILTER kind=temp GROUPBY kind REDUCE max", t, t + 59999);
    if (row_count(rows) != 1 || !are_points(row(rows, "kind=temp"), 3, three))
        fail("one group with three points", rows);
    drop(rows);
}

static void step_queryindex(void)
{
    want_texts(ask("TS.QUERYINDEX kind=temp"), 2, temps);
}

/* The label's value: labels are pairs in RESP2, a map in RESP3. */
static const redisReply *label(const redisReply *labels, const char *name)
{
    if (labels == NULL || labels->type == REDIS_REPLY_MAP)
        return field(labels, name);
    for (size_t i = 0; i < labels->elements; i++)
        if (labels->element[i]->elements == 2 && is_text(labels->element[i]->element[0], name))
            return labels->element[i]->element[1];
    return NULL;
}

static void step_info(void)
{
    redisReply *info = ask("TS.INFO story:temp:1");
    if (!is_number(field(info, "totalSamples"), 3) ||
        !is_number(field(info, "retentionTime"), 86400000) ||
        !is_text(label(field(info, "labels"), "room"), "a"))
        fail("totalSamples 3, retentionTime 86400000, room a", info);
    drop(info);
}

static void step_alter(void)
{
    want_text(ask("TS.ALTER story:temp:1 LABELS kind temp room c"), "OK");
    want_texts(ask("TS.QUERYINDEX room=c"), 1, temps);
}

static void step_incrby(void)
{
    want_number(ask("TS.INCRBY story:level 2 TIMESTAMP %lld", t), t);
    want_number(ask("TS.INCRBY story:level 3 TIMESTAMP %lld", t + 1000), t + 1000);
    want_number(ask("TS.DECRBY story:level 1 TIMESTAMP %lld", t + 2000), t + 2000);
    want_point(ask("TS.GET story:level"), t + 2000, 4);
}

static void step_block(void)
{
    want_text(ask("TS.CREATE story:block DUPLICATE_POLICY BLOCK"), "OK");
    want_number(ask("TS.ADD story:block %lld 1", t), t);
    want_error(ask("TS.ADD story:block %lld 2", t), "DUPLICATE_POLICY");
    want_point(ask("TS.GET story:block"), t, 1);
}

static void step_ignore(void)
{
    want_text(ask("TS.CREATE story:calm DUPLICATE_POLICY LAST IGNORE 10000 1"), "OK");
    want_number(ask("TS.ADD story:calm %lld 1", t), t);
    want_number(ask("TS.ADD story:calm %lld 1.5", t + 1000), t);
}

static void step_del(void)
{
    want_number(ask("TS.DEL story:temp:2 %lld %lld", t + 61000, t + 61000), 1);
}

static void step_rule(void)
{
    want_text(ask("TS.CREATE story:raw"), "OK");
    want_text(ask("TS.CREATE story:avg"), "OK");
    want_text(ask("TS.CREATERULE story:raw story:avg AGGREGATION avg 60000"), "OK");
    want_number(ask("TS.ADD story:raw %lld 1", t), t);
    want_number(ask("TS.ADD story:raw %lld 3", t + 1000), t + 1000);
    want_number(ask("TS.ADD story:raw %lld 10", t + 60000), t + 60000);
    want_points(ask("TS.RANGE story:avg - +"), 1, (struct point[]){{0, 2}});
    want_text(ask("TS.DELETERULE story:raw story:avg"), "OK");
}

static void step_observe(void)
{
    redisReply *reply = ask("OBSERVE story1 %lld %s 600 %s 300 %s 100", t / 1000, SERIES(ITEM_1),
                            SERIES(ITEM_2), SERIES(ITEM_3));
    int partition, end = 0;
    long long offset;
    if (reply == NULL || reply->type != REDIS_REPLY_STRING ||
        sscanf(reply->str, "%d:%lld%n", &partition, &offset, &end) != 2 || reply->str[end] != '\0')
        fail("a receipt", reply);
    drop(reply);
}

/* A cell of FORMAT flat: a number, a double or its text. */
static double cell(const redisReply *reply)
{
    if (reply == NULL)
        return NAN;
    return reply->type == REDIS_REPLY_INTEGER ? (double)reply->integer
           : reply->str == NULL               ? NAN
                                              : strtod(reply->str, NULL);
}

static size_t column(const redisReply *header, const char *name)
{
    for (size_t i = 0; i < header->elements; i++)
        if (is_text(header->element[i], name))
            return i;
    return 0;
}

static void step_topq(void)
{
    static const double values[] = {600, 300, 100, 1000};
    redisReply *rows =
        ask("TOPQ %lld %lld host.queries.q.*.time_us LIMIT 2 FORMAT flat", t / 1000, t / 1000 + 60);
    bool good = rows != NULL && rows->elements == 5;
    size_t item = good ? column(rows->element[0], "item") : 0,
           value = good ? column(rows->element[0], "time_us") : 0;
    for (size_t i = 0; good && i < 4; i++)
        good = cell(rows->element[i + 1]->element[value]) == values[i];
    if (!good || !is_text(rows->element[1]->element[item], ITEM_1) ||
        !is_text(rows->element[2]->element[item], ITEM_2))
        fail("600, 300, and 100 of 1000", rows);
    drop(rows);
}

static void step_draw(void)
{
    redisReply *rows = ask("RANGE %lld %lld STEP 1 FORMAT flat KEYS story1/%s", t / 1000,
                           t / 1000 + 1, SERIES(ITEM_1));
    if (rows == NULL || rows->elements != 2 || rows->element[1]->elements < 2 ||
        cell(rows->element[1]->element[0]) != (double)(t / 1000) ||
        cell(rows->element[1]->element[1]) != 600)
        fail("a header and 600", rows);
    drop(rows);
}

static void step_errors(void)
{
    want_error(ask("NOSUCH"), "unknown command");
    want_error(ask("TS.ADD story:temp:1"), "wrong number of arguments");
    want_error(ask("TS.ADD story:temp:1 %lld abc", t), "invalid value");
    want_error(ask("TS.ADD story:temp:1 when 1"), "invalid timestamp");
    want_text(ask("PING"), "PONG");
}

static void step_pipeline(void)
{
    for (int i = 0; i <= 100; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        redisAppendCommand(connection, "TS.ADD story:pipe %lld %s", t + i * 1000,
                           i == 50 ? "x" : value);
    }
    for (int i = 0; i <= 100; i++) {
        redisReply *reply = NULL;
        if (redisGetReply(connection, (void **)&reply) != REDIS_OK) {
            fail("101 replies", NULL);
            connect_again();
            return;
        }
        if (i == 50)
            want_error(reply, "invalid value");
        else
            want_number(reply, t + i * 1000);
    }
    redisReply *reply = ask("TS.RANGE story:pipe - +");
    if (reply == NULL || reply->elements != 100)
        fail("100 points", reply);
    drop(reply);
}

static void step_transaction(void)
{
    want_text(ask("MULTI"), "OK");
    want_text(ask("TS.ADD story:tx %lld 1", t), "QUEUED");
    want_text(ask("TS.ADD story:tx %lld 2", t + 1000), "QUEUED");
    redisReply *reply = ask("EXEC");
    if (reply == NULL || reply->elements != 2 || !is_number(reply->element[0], t) ||
        !is_number(reply->element[1], t + 1000))
        fail("two times", reply);
    drop(reply);
}

static void step_keys(void)
{
    want_number(ask("EXISTS story:temp:1"), 1);
    want_text(ask("TYPE story:temp:1"), "TSDB-TYPE");
    size_t found[2] = {0}, other = 0;
    char cursor[32] = "0";
    do {
        redisReply *page = ask("SCAN %s MATCH story:temp:*", cursor);
        if (page == NULL || page->elements != 2) {
            fail("a page of SCAN", page);
            drop(page);
            return;
        }
        snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
        for (size_t i = 0; i < page->element[1]->elements; i++) {
            const redisReply *key = page->element[1]->element[i];
            if (is_text(key, temps[0]))
                found[0]++;
            else if (is_text(key, temps[1]))
                found[1]++;
            else
                other++;
        }
        drop(page);
    } while (strcmp(cursor, "0") != 0);
    if (found[0] != 1 || found[1] != 1 || other != 0)
        snprintf(failure, sizeof failure, "SCAN found the keys %zu and %zu times, and %zu others",
                 found[0], found[1], other);
}

static void step_drop(void)
{
    want_number(ask("DEL story:hum:1"), 1);
    want_number(ask("EXISTS story:hum:1"), 0);
}

static void await_line(void)
{
    char c = '\0';
    while (c != '\n' && read(STDIN_FILENO, &c, 1) == 1)
        ;
}

static void step_restart(void)
{
    puts("ask restart");
    await_line();
    want_point(ask_until_answered("TS.GET story:temp:1"), t + 2000, 22.5);
    want_number(ask_until_answered("TS.ADD story:restart %lld 1", t), t);
}

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {
    {"connect", step_connect},
    {"protocol", step_protocol},
    {"create", step_create},
    {"create-twice", step_create_twice},
    {"add", step_add},
    {"add-now", step_add_now},
    {"add-declares", step_add_declares},
    {"madd", step_madd},
    {"madd-part", step_madd_part},
    {"get", step_get},
    {"get-missing", step_get_missing},
    {"range", step_range},
    {"range-count", step_range_count},
    {"range-value", step_range_value},
    {"range-buckets", step_range_buckets},
    {"revrange", step_revrange},
    {"mget", step_mget},
    {"mrange", step_mrange},
    {"mrange-group", step_mrange_group},
    {"queryindex", step_queryindex},
    {"info", step_info},
    {"alter", step_alter},
    {"incrby", step_incrby},
    {"block", step_block},
    {"ignore", step_ignore},
    {"del", step_del},
    {"rule", step_rule},
    {"observe", step_observe},
    {"topq", step_topq},
    {"draw", step_draw},
    {"errors", step_errors},
    {"pipeline", step_pipeline},
    {"transaction", step_transaction},
    {"keys", step_keys},
    {"drop", step_drop},
    {"restart", step_restart},
};

/* ---- the stream ---- */

static void stream_add(int i, long long at)
{
    want_number(ask_until_answered("TS.ADD story:stream:add %lld %d", at, i), at);
}

/* Whether the key has a point at that time. */
static bool is_stored(const char *key, long long at)
{
    redisReply *reply = ask_until_answered("TS.RANGE %s %lld %lld", key, at, at);
    bool stored = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1;
    drop(reply);
    return stored;
}

/* Repeating would count twice: where no answer came, it reads back first. */
static void stream_once(const char *key, const char *command, long long at)
{
    for (time_t deadline = time(NULL) + 60; time(NULL) < deadline;) {
        redisReply *reply = ask(command);
        if (!unanswered(reply)) {
            want_number(reply, at);
            return;
        }
        drop(reply);
        if (is_stored(key, at))
            return;
    }
    fail("an answer", NULL);
}

static void stream_sum(int i, long long at)
{
    char command[128];
    snprintf(command, sizeof command, "TS.ADD story:stream:sum %lld %d ON_DUPLICATE SUM", at,
             i + 1);
    stream_once("story:stream:sum", command, at);
}

static void stream_count(int i, long long at)
{
    char command[128];
    snprintf(command, sizeof command, "TS.INCRBY story:stream:count 1 TIMESTAMP %lld", at);
    stream_once("story:stream:count", command, at);
    (void)i;
}

static bool line_waits(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

static void stream(void)
{
    static struct {
        const char *name;
        void (*write)(int i, long long at);
        int wrote;
        char failure[sizeof failure];
    } parts[] = {{.name = "add", .write = stream_add},
                 {.name = "sum", .write = stream_sum},
                 {.name = "count", .write = stream_count}};
    int left = 50;
    for (int i = 0; left > 0 || i < 150; i++) {
        if (i == 50)
            puts("ask kill");
        if (i >= 50 && line_waits())
            left--;
        for (size_t p = 0; p < 3; p++) {
            if (parts[p].failure[0] != '\0')
                continue;
            failure[0] = '\0';
            parts[p].write(i, t + i * 1000LL);
            parts[p].wrote += failure[0] == '\0';
            memcpy(parts[p].failure, failure, sizeof failure);
        }
    }
    for (size_t p = 0; p < 3; p++) {
        printf("wrote story:stream:%s %d\n", parts[p].name, parts[p].wrote);
        printf(parts[p].failure[0] == '\0' ? "ok stream-%s\n" : "not ok stream-%s: %s\n",
               parts[p].name, parts[p].failure);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: story HOST PORT PROTOCOL T\n");
        return 2;
    }
    host = argv[1];
    port = atoi(argv[2]);
    protocol = atoi(argv[3]);
    t = atoll(argv[4]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN); /* a lost connection is an error, not an end */
    connect_again();
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        failure[0] = '\0';
        steps[i].run();
        if (failure[0] == '\0')
            printf("ok %s\n", steps[i].name);
        else
            printf("not ok %s: %s\n", steps[i].name, failure);
    }
    stream();
    redisFree(connection);
    return 0;
}
