#include "load/reply.h"

#include "base/error.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reply_check {
    enum command command;
    uint32_t points;
    struct reply_counts counts;
    bool has_partition;
    int64_t partition;
    /* The good reply for expected_ms. OBSERVE has none. */
    char *expected;
    size_t expected_bytes, head_bytes, element_bytes;
    int64_t expected_ms;
};

enum { TIME_DIGITS = 13, ELEMENT_BYTES = TIME_DIGITS + 3 };

int reply_check_create(enum command command, uint32_t points, struct reply_check **out)
{
    struct reply_check *check = calloc(1, sizeof(*check));
    if (check == NULL)
        return LT_ENOMEM;
    check->command = command;
    check->points = points;
    if (command != COMMAND_OBSERVE) {
        char head[NUMBER_I64_BYTES_MAX + 4] = "";
        if (command == COMMAND_MADD)
            snprintf(head, sizeof(head), "*%u\r\n", points);
        check->head_bytes = strlen(head);
        check->expected_bytes = check->head_bytes + (size_t)points * ELEMENT_BYTES;
        check->expected = malloc(check->expected_bytes + 1);
        if (check->expected == NULL) {
            free(check);
            return LT_ENOMEM;
        }
        memcpy(check->expected, head, check->head_bytes);
        for (uint32_t i = 0; i < points; i++)
            memcpy(check->expected + check->head_bytes + (size_t)i * ELEMENT_BYTES,
                   ":0000000000000\r\n", ELEMENT_BYTES);
    }
    *out = check;
    return 0;
}

void reply_check_destroy(struct reply_check **check)
{
    if (*check == NULL)
        return;
    free((*check)->expected);
    free(*check);
    *check = NULL;
}

const struct reply_counts *reply_counts(const struct reply_check *check)
{
    return &check->counts;
}

static void expect(struct reply_check *check, int64_t time_ms)
{
    if (check->expected_ms == time_ms)
        return;
    char text[NUMBER_I64_BYTES_MAX];
    number_format_i64(time_ms, text);
    char *at = check->expected + check->head_bytes + 1;
    for (uint32_t i = 0; i < check->points; i++, at += ELEMENT_BYTES)
        memcpy(at, text, TIME_DIGITS);
    check->expected_ms = time_ms;
}

/* ---- what differs ---- */

static void count(uint64_t *counter, char *first, const struct reply_reader *r)
{
    if ((*counter)++ == 0)
        memcpy(first, r->line, sizeof(r->line));
}

static void count_error(struct reply_check *check, const struct reply_reader *r)
{
    count(&check->counts.errors, check->counts.first_error, r);
}

static void count_wrong(struct reply_check *check, const struct reply_reader *r)
{
    count(&check->counts.wrong, check->counts.first_wrong, r);
}

static void take_receipt(struct reply_check *check, struct reply_reader *r)
{
    int64_t partition, offset;
    char *colon = strchr(r->line, ':');
    bool good = colon != NULL &&
                number_parse_i64(slice_make(r->line, (size_t)(colon - r->line)), &partition) == 0 &&
                number_parse_i64(slice_str(colon + 1), &offset) == 0 && partition >= 0 &&
                offset >= 0 && !(check->has_partition && partition != check->partition) &&
                !(r->has_offset && offset < r->offset);
    if (!good) {
        count_wrong(check, r);
        return;
    }
    check->has_partition = r->has_offset = true;
    check->partition = partition;
    r->offset = offset;
    r->acked = check->points;
}

static void take_integer(struct reply_check *check, struct reply_reader *r, int64_t time_ms)
{
    int64_t x;
    if (check->command != COMMAND_OBSERVE && number_parse_i64(slice_str(r->line + 1), &x) == 0 &&
        x == time_ms)
        r->acked++;
    else
        count_wrong(check, r);
}

/* A whole line, or a bulk string's body. False: not RESP. */
static bool take_line(struct reply_check *check, struct reply_reader *r, int64_t time_ms)
{
    bool inside = r->elements_left > 0;
    int64_t n = 0;
    if (r->in_body) {
        r->in_body = false;
        if (check->command == COMMAND_OBSERVE && !inside)
            take_receipt(check, r);
        else
            count_wrong(check, r);
    } else {
        switch (r->line[0]) {
        case '*':
            if (inside || number_parse_i64(slice_str(r->line + 1), &n) != 0 || n > UINT32_MAX)
                return false;
            if (check->command != COMMAND_MADD || n != check->points)
                count_wrong(check, r);
            r->elements_left = n < 0 ? 0 : (uint32_t)n;
            return true;
        case '$':
            if (number_parse_i64(slice_str(r->line + 1), &n) != 0 || n < -1)
                return false;
            if (n >= 0) {
                r->in_body = true;
                r->body_left = (uint64_t)n + 2;
                return true;
            }
            count_wrong(check, r);
            break;
        case '-':
            count_error(check, r);
            break;
        case ':':
            take_integer(check, r, time_ms);
            break;
        case '+':
            count_wrong(check, r);
            break;
        default:
            return false;
        }
    }
    if (inside)
        r->elements_left--;
    return true;
}

/* Keeps a byte of a line or body; what is longer than the line's room is cut. */
static void keep(struct reply_reader *r, char byte)
{
    if (byte != '\r' && byte != '\n' && r->line_len < REPLY_LINE_BYTES - 1)
        r->line[r->line_len++] = byte;
}

static enum reply_state parse(struct reply_check *check, struct reply_reader *r, int64_t time_ms,
                              const char *p, size_t n, size_t *taken_out)
{
    for (size_t i = 0; i < n; i++) {
        keep(r, p[i]);
        bool complete = r->in_body ? --r->body_left == 0 : p[i] == '\n';
        if (!complete)
            continue;
        r->line[r->line_len] = '\0';
        r->line_len = 0;
        if (!take_line(check, r, time_ms))
            return REPLY_GARBAGE;
        if (r->elements_left == 0 && !r->in_body) {
            *taken_out = i + 1;
            return REPLY_DONE;
        }
    }
    *taken_out = n;
    return REPLY_MORE;
}

enum reply_state reply_take(struct reply_check *check, struct reply_reader *r, int64_t time_ms,
                            const char *p, size_t n, size_t *taken_out, uint32_t *acked_out)
{
    if (!r->parsing && check->expected != NULL) {
        expect(check, time_ms);
        size_t left = check->expected_bytes - r->matched;
        size_t here = n < left ? n : left;
        if (LIKELY(memcmp(p, check->expected + r->matched, here) == 0)) {
            r->matched += (uint32_t)here;
            *taken_out = here;
            if (here < left)
                return REPLY_MORE;
            r->matched = 0;
            *acked_out = check->points;
            check->counts.points_acked += check->points;
            return REPLY_DONE;
        }
        /* What came before was as expected, so the parser is given that again. */
        size_t taken;
        if (parse(check, r, time_ms, check->expected, r->matched, &taken) != REPLY_MORE)
            return REPLY_GARBAGE;
        r->parsing = true;
    }
    enum reply_state state = parse(check, r, time_ms, p, n, taken_out);
    if (state == REPLY_DONE) {
        *acked_out = r->acked < check->points ? r->acked : check->points;
        check->counts.points_acked += *acked_out;
        r->acked = r->matched = 0;
        r->parsing = false;
    }
    return state;
}
