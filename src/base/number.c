#include "base/number.h"

#include "base/error.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORD_DIGITS = 8 };

static const uint64_t powers_u64[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};

/* The eight characters of a word, the first in its lowest byte, as a number; false: one is no
 * digit. All at once: pairs, fours, eights (Lemire, "Quickly parsing eight digits", 2018). */
static inline bool word_value(uint64_t word, uint64_t *out)
{
    const uint64_t high = 0xf0f0f0f0f0f0f0f0, zeros = 0x3030303030303030;
    uint64_t bad = ((word & high) ^ zeros) | (((word + 0x0606060606060606) & high) ^ zeros);
    uint64_t x = word - zeros;
    x = x * 10 + (x >> 8);
    x = ((x & 0x000000ff000000ff) * 0x000f424000000064 +
         (x >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
        32;
    *out = x;
    return bad == 0;
}

/* The first n, 1 to 8, characters at p as a word, '0' put before them. Nothing else is read. */
static inline uint64_t load_digits(const char *p, size_t n)
{
    uint64_t word;
    uint32_t first, last;
    if (n == WORD_DIGITS) {
        memcpy(&word, p, sizeof(word));
        return le64toh(word);
    }
    if (n >= sizeof(first)) {
        memcpy(&first, p, sizeof(first));
        memcpy(&last, p + n - sizeof(last), sizeof(last));
        word = le32toh(first) | (uint64_t)le32toh(last) << 8 * (n - sizeof(last));
    } else {
        word = (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 * (n / 2) |
               (uint64_t)(unsigned char)p[n - 1] << 8 * (n - 1);
    }
    return word << (64 - 8 * n) | UINT64_C(0x3030303030303030) >> 8 * n;
}

/* Up to 16 digits and nothing else. */
static inline bool short_digits(const char *p, size_t n, uint64_t *out)
{
    uint64_t high, low;
    if (n == 0 || n > 2 * (size_t)WORD_DIGITS)
        return false;
    if (n <= WORD_DIGITS)
        return word_value(load_digits(p, n), out);
    size_t rest = n - WORD_DIGITS;
    if (!word_value(load_digits(p, WORD_DIGITS), &high) ||
        !word_value(load_digits(p + WORD_DIGITS, rest), &low))
        return false;
    *out = high * powers_u64[rest] + low;
    return true;
}

static inline int parse_u64(struct slice s, uint64_t *out)
{
    uint64_t x = 0;
    if (short_digits(s.p, s.n, &x)) {
        *out = x;
        return 0;
    }
    if (s.n <= 2 * (size_t)WORD_DIGITS || s.n > 20)
        return LT_EPARSE;
    x = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, digit, &x))
            return LT_EPARSE;
    }
    *out = x;
    return 0;
}

int number_parse_u64(struct slice s, uint64_t *out)
{
    return parse_u64(s, out);
}

int number_parse_i64(struct slice s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t x;
    if (parse_u64(negative ? slice_from(s, 1) : s, &x) != 0)
        return LT_EPARSE;
    if (x > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return LT_EPARSE;
    *out = negative ? (int64_t)(0 - x) : (int64_t)x;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Checks the grammar, because strtod takes more than we do. */
static bool f64_grammar(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    const char *digits = p;
    while (p < end && is_digit(*p))
        p++;
    size_t count = (size_t)(p - digits);
    if (p < end && *p == '.') {
        p++;
        const char *fraction = p;
        while (p < end && is_digit(*p))
            p++;
        count += (size_t)(p - fraction);
    }
    if (count == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            p++;
        const char *exponent = p;
        while (p < end && is_digit(*p))
            p++;
        if (p == exponent)
            return false;
    }
    return p == end;
}

/* Short decimals exactly: an integer up to 2^53 divided by a power of ten up to 10^22 is correctly
 * rounded by one IEEE division (Clinger 1990). */
static bool f64_fast(struct slice s, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (s.n > 16)
        return false;
    size_t i = s.n > 0 && s.p[0] == '-' ? 1 : 0;
    uint64_t x = 0;
    if (s.n - i <= 15 && short_digits(s.p + i, s.n - i, &x)) {
        /* Signs are hard to foretell: no branch, but for the zero that has one. */
        int64_t k = i > 0 ? -(int64_t)x : (int64_t)x;
        *out = LIKELY(x > 0) ? (double)k : i > 0 ? -0.0 : 0.0;
        return true;
    }
    x = 0;
    size_t digits = 0, fraction = 0;
    bool dot = false;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c == '.' && !dot) {
            dot = true;
        } else if (is_digit(c)) {
            x = x * 10 + (uint64_t)(c - '0');
            digits++;
            fraction += dot;
        } else {
            return false;
        }
    }
    if (digits == 0 || digits > 15)
        return false;
    double value = (double)x / powers[fraction];
    *out = s.p[0] == '-' ? -value : value;
    return true;
}

int number_parse_f64(struct slice s, double *out)
{
    if (f64_fast(s, out))
        return 0;
    if (slice_ieq_str(s, "nan")) {
        *out = NAN;
        return 0;
    }
    /* 800 digits are more than any double needs to be told from its neighbour. */
    char text[832];
    if (s.n == 0 || s.n >= sizeof(text) || !f64_grammar(s.p, s.p + s.n))
        return LT_EPARSE;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double value = strtod(text, NULL);
    if (isinf(value))
        return LT_EPARSE;
    *out = value;
    return 0;
}

size_t number_format_i64(int64_t x, char *out)
{
    char reversed[NUMBER_I64_BYTES_MAX];
    uint64_t rest = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    size_t n = 0, len = 0;
    do {
        reversed[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (x < 0)
        out[len++] = '-';
    while (n > 0)
        out[len++] = reversed[--n];
    out[len] = '\0';
    return len;
}

size_t number_format_f64(double x, char *out)
{
    if (isnan(x)) {
        memcpy(out, "nan", 4);
        return 3;
    }
    if (isinf(x))
        return (size_t)snprintf(out, NUMBER_F64_BYTES_MAX, "%s", x > 0 ? "inf" : "-inf");
    if (x == 0)
        return (size_t)snprintf(out, NUMBER_F64_BYTES_MAX, "%s", signbit(x) ? "-0" : "0");
    if (fabs(x) <= 9007199254740992.0 && x == (double)(int64_t)x)
        return number_format_i64((int64_t)x, out);
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(out, NUMBER_F64_BYTES_MAX, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    return (size_t)len;
}
