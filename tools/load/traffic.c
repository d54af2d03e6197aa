#include "load/traffic.h"

#include "base/error.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEX_BYTES = 16,
    HEX_AT = 24, /* in the key */
    HOST_BYTES = 5,
    VALUE_BYTES = 4,
    VALUE_MIN = 1000,
    VALUE_MAX = 9999,
    STEP_MAX = 10,
    TIME_BYTES_MAX = 13,
    /* Numbers drawn ahead of use, so that their walks are in the cache by then. */
    AHEAD = 64,
};

static const char key_text[] = "db001/host.queries.load.0000000000000000.time_us";

struct traffic {
    struct traffic_config config;
    uint16_t *walks; /* each series' value; DRAW_NEW: NULL */
    uint64_t random;
    uint64_t sent;     /* points */
    uint64_t new_base; /* the first number of DRAW_NEW */
    /* The layout. */
    size_t head_bytes, point_bytes;
    size_t head_time_at; /* of COMMAND_OBSERVE; otherwise unused */
    size_t hex_at, time_at, value_at;
    size_t time_bytes;
    /* The time of the last command, as text. */
    int64_t time_ms;
    char time_text[NUMBER_I64_BYTES_MAX];
};

/* ---- numbers ---- */

static uint64_t next_random(struct traffic *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

/* splitmix64's last step, by Sebastiano Vigna (public domain): every number to another one. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static uint16_t first_value(uint64_t mixed)
{
    return (uint16_t)(VALUE_MIN + (mixed >> 32) % (VALUE_MAX - VALUE_MIN + 1));
}

/* Eight hex digits, the last one first, eight at a time: a nibble to a byte, then 0-9 and a-f. */
static void put_hex_half(char *out, uint32_t x)
{
    uint64_t v = x;
    v = (v & 0xffff) | (v & 0xffff0000) << 16;
    v = (v | v << 8) & 0x00ff00ff00ff00ffULL;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fULL;
    uint64_t letters = ((v + 0x0606060606060606ULL) >> 4) & 0x0101010101010101ULL;
    v += 0x3030303030303030ULL + letters * ('a' - '0' - 10);
    memcpy(out, &v, sizeof(v));
}

static void put_hex(char *out, uint64_t mixed)
{
    put_hex_half(out, (uint32_t)mixed);
    put_hex_half(out + HEX_BYTES / 2, (uint32_t)(mixed >> 32));
}

static void put_value(char *out, unsigned x)
{
    unsigned high = x / 100, low = x % 100;
    out[0] = (char)('0' + high / 10);
    out[1] = (char)('0' + high % 10);
    out[2] = (char)('0' + low / 10);
    out[3] = (char)('0' + low % 10);
}

void traffic_key(uint32_t series, char out[TRAFFIC_KEY_BYTES + 1])
{
    memcpy(out, key_text, sizeof(key_text));
    put_hex(out + HEX_AT, mix(series));
}

/* ---- the layout ---- */

static size_t head_text(const struct traffic *t, char *out, size_t cap)
{
    uint32_t points = t->config.points;
    int n = 0;
    switch (t->config.command) {
    case COMMAND_MADD:
        n = snprintf(out, cap, "*%u\r\n$7\r\nTS.MADD\r\n", 1 + 3 * points);
        break;
    case COMMAND_ADD:
        n = snprintf(out, cap, "*4\r\n$6\r\nTS.ADD\r\n");
        break;
    case COMMAND_OBSERVE:
        n = snprintf(out, cap, "*%u\r\n$7\r\nOBSERVE\r\n$%d\r\n%.*s\r\n$10\r\n0000000000\r\n",
                     3 + 2 * points, HOST_BYTES, HOST_BYTES, key_text);
        break;
    }
    return (size_t)n;
}

static size_t point_text(const struct traffic *t, char *out, size_t cap)
{
    int n;
    if (t->config.command == COMMAND_OBSERVE)
        n = snprintf(out, cap, "$%d\r\n%s\r\n$%d\r\n0000\r\n", TRAFFIC_KEY_BYTES - HOST_BYTES - 1,
                     key_text + HOST_BYTES + 1, VALUE_BYTES);
    else
        n = snprintf(out, cap, "$%d\r\n%s\r\n$%d\r\n0000000000000\r\n$%d\r\n0000\r\n",
                     TRAFFIC_KEY_BYTES, key_text, TIME_BYTES_MAX, VALUE_BYTES);
    return (size_t)n;
}

enum { TEXT_BYTES_MAX = 256 };

static void lay_out(struct traffic *t)
{
    char text[TEXT_BYTES_MAX];
    bool observe = t->config.command == COMMAND_OBSERVE;
    t->head_bytes = head_text(t, text, sizeof(text));
    t->point_bytes = point_text(t, text, sizeof(text));
    size_t key_at = strlen("$48\r\n"), value_tail = VALUE_BYTES + strlen("\r\n");
    t->hex_at = key_at + HEX_AT - (observe ? HOST_BYTES + 1 : 0);
    t->value_at = t->point_bytes - value_tail;
    t->time_bytes = observe ? 10 : 13;
    t->head_time_at = t->head_bytes - t->time_bytes - strlen("\r\n");
    t->time_at = t->value_at - strlen("\r\n$4\r\n") - t->time_bytes;
}

size_t traffic_command_bytes(const struct traffic *t)
{
    return t->head_bytes + t->config.points * t->point_bytes;
}

void traffic_template(const struct traffic *t, char *out)
{
    char text[TEXT_BYTES_MAX];
    memcpy(out, text, head_text(t, text, sizeof(text)));
    out += t->head_bytes;
    point_text(t, text, sizeof(text));
    for (uint32_t i = 0; i < t->config.points; i++)
        memcpy(out + i * t->point_bytes, text, t->point_bytes);
}

/* ---- commands ---- */

static void set_time(struct traffic *t, int64_t time_ms)
{
    if (time_ms == t->time_ms)
        return;
    t->time_ms = time_ms;
    number_format_i64(t->config.command == COMMAND_OBSERVE ? time_ms / 1000 : time_ms,
                      t->time_text);
}

/* The numbers of the next points. */
static void draw(struct traffic *t, uint64_t *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        switch (t->config.draw) {
        case DRAW_UNIFORM:
            out[i] = (next_random(t) >> 32) * t->config.series >> 32;
            __builtin_prefetch(&t->walks[out[i]], 1);
            break;
        case DRAW_EACH:
            out[i] = (t->sent + i) % t->config.series;
            break;
        case DRAW_NEW:
            out[i] = t->new_base + t->sent + i;
            break;
        }
    }
}

static unsigned walk(struct traffic *t, uint64_t series)
{
    int x = t->walks[series];
    x += (int)((next_random(t) >> 40) * (2 * STEP_MAX + 1) >> 24) - STEP_MAX;
    if (x < VALUE_MIN)
        x = 2 * VALUE_MIN - x;
    if (x > VALUE_MAX)
        x = 2 * VALUE_MAX - x;
    t->walks[series] = (uint16_t)x;
    return (unsigned)x;
}

static void put_points(struct traffic *t, char *at, uint32_t count)
{
    uint64_t numbers[AHEAD];
    bool timed = t->config.command != COMMAND_OBSERVE;
    draw(t, numbers, count);
    t->sent += count;
    for (uint32_t i = 0; i < count; i++, at += t->point_bytes) {
        uint64_t mixed = mix(numbers[i]);
        put_hex(at + t->hex_at, mixed);
        if (timed)
            memcpy(at + t->time_at, t->time_text, TIME_BYTES_MAX);
        put_value(at + t->value_at, t->walks == NULL ? first_value(mixed) : walk(t, numbers[i]));
    }
}

int64_t traffic_next(struct traffic *t, char *command, int64_t wall_ms)
{
    int64_t pass = (int64_t)(t->sent / t->config.series);
    set_time(t, t->config.advance ? (t->config.start_s + pass) * 1000 : wall_ms);
    if (t->config.command == COMMAND_OBSERVE)
        memcpy(command + t->head_time_at, t->time_text, t->time_bytes);
    char *at = command + t->head_bytes;
    for (uint32_t left = t->config.points; left > 0;) {
        uint32_t n = left < AHEAD ? left : AHEAD;
        put_points(t, at, n);
        at += n * t->point_bytes;
        left -= n;
    }
    return t->time_ms;
}

int traffic_create(const struct traffic_config *config, struct traffic **out)
{
    struct traffic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return LT_ENOMEM;
    t->config = *config;
    t->random = mix(config->seed) | 1;
    /* Above all numbers of known series, and apart for each seed. */
    t->new_base = (config->seed + 1) << 32;
    lay_out(t);
    if (config->draw != DRAW_NEW) {
        t->walks = malloc(config->series * sizeof(t->walks[0]));
        if (t->walks == NULL) {
            free(t);
            return LT_ENOMEM;
        }
        for (uint32_t i = 0; i < config->series; i++)
            t->walks[i] = first_value(mix(i));
    }
    *out = t;
    return 0;
}

void traffic_destroy(struct traffic **traffic)
{
    if (*traffic == NULL)
        return;
    free((*traffic)->walks);
    free(*traffic);
    *traffic = NULL;
}
