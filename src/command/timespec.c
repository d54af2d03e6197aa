#include "command/timespec.h"

#include "base/error.h"
#include "base/number.h"

#include <stdio.h>
#include <time.h>

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 7 * 86400;
    default:
        return 0;
    }
}

/* "-1h", "+90s" */
static int parse_offset(struct slice text, int64_t *out)
{
    uint64_t n;
    if (text.n < 3 || (text.p[0] != '-' && text.p[0] != '+'))
        return LT_EPARSE;
    int64_t unit = unit_seconds(text.p[text.n - 1]);
    if (unit == 0 || number_parse_u64(slice_make(text.p + 1, text.n - 2), &n) != 0 ||
        n > UINT32_MAX)
        return LT_EPARSE;
    *out = (text.p[0] == '-' ? -1 : 1) * (int64_t)n * unit;
    return 0;
}

/* n digits at *text, within [min, max]; moves on. */
static bool take_digits(struct slice *text, size_t n, int min, int max, int *out)
{
    uint64_t x;
    if (text->n < n || number_parse_u64(slice_upto(*text, n), &x) != 0)
        return false;
    *text = slice_from(*text, n);
    *out = (int)x;
    return (int)x >= min && (int)x <= max;
}

static bool take_char(struct slice *text, const char *allowed)
{
    if (text->n == 0 || text->p[0] == '\0' || strchr(allowed, text->p[0]) == NULL)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

/* ".000": a fraction that says nothing. Others would have to be rounded, so they are refused. */
static bool skip_zero_fraction(struct slice *text)
{
    if (!take_char(text, "."))
        return true;
    bool any = false;
    while (take_char(text, "0"))
        any = true;
    return any;
}

/* "Z", "+01:00": how far the local time is ahead of UTC. */
static bool take_zone(struct slice *text, int64_t *out_s)
{
    int hours, minutes;
    *out_s = 0;
    if (take_char(text, "Zz"))
        return true;
    int64_t sign = text->n > 0 && text->p[0] == '-' ? -1 : 1;
    if (!take_char(text, "+-") || !take_digits(text, 2, 0, 23, &hours) || !take_char(text, ":") ||
        !take_digits(text, 2, 0, 59, &minutes))
        return false;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int parse_rfc3339(struct slice text, int64_t *out_s)
{
    struct tm tm = {0};
    int year, month;
    int64_t zone_s;
    if (!take_digits(&text, 4, 1970, 2106, &year) || !take_char(&text, "-") ||
        !take_digits(&text, 2, 1, 12, &month) || !take_char(&text, "-") ||
        !take_digits(&text, 2, 1, days_of_month(year, month), &tm.tm_mday) ||
        !take_char(&text, "Tt ") || !take_digits(&text, 2, 0, 23, &tm.tm_hour) ||
        !take_char(&text, ":") || !take_digits(&text, 2, 0, 59, &tm.tm_min) ||
        !take_char(&text, ":") || !take_digits(&text, 2, 0, 59, &tm.tm_sec) ||
        !skip_zero_fraction(&text) || !take_zone(&text, &zone_s) || text.n > 0)
        return LT_EPARSE;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *out_s = timegm(&tm) - zone_s;
    return 0;
}

int timespec_parse(struct slice text, int64_t now_s, int64_t *out_s)
{
    int64_t s = 0;
    uint64_t unix_s;
    int err = 0;
    if (text.n >= 3 && slice_ieq_str(slice_upto(text, 3), "now")) {
        if (text.n > 3)
            err = parse_offset(slice_from(text, 3), &s);
        s += now_s;
    } else if (text.n > 0 && text.p[0] == '-') {
        err = parse_offset(text, &s);
        if (err == 0)
            s += now_s;
    } else if (number_parse_u64(text, &unix_s) == 0) {
        s = unix_s <= UINT32_MAX ? (int64_t)unix_s : -1;
    } else {
        err = parse_rfc3339(text, &s);
    }
    if (err != 0 || s < 0 || s > UINT32_MAX)
        return LT_EPARSE;
    *out_s = s;
    return 0;
}

void timespec_format(int64_t s, char *out)
{
    struct tm tm;
    time_t t = (time_t)s;
    gmtime_r(&t, &tm);
    if (strftime(out, TIMESPEC_BYTES_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}
