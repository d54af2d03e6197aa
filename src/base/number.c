#include "base/number.h"

#include "base/error.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORD_DIGITS = 8 };

/* From 1 to 10^19, the largest of 64 bits. */
static const uint64_t powers_of_ten[] = {1ull,
                                         10ull,
                                         100ull,
                                         1000ull,
                                         10000ull,
                                         100000ull,
                                         1000000ull,
                                         10000000ull,
                                         100000000ull,
                                         1000000000ull,
                                         10000000000ull,
                                         100000000000ull,
                                         1000000000000ull,
                                         10000000000000ull,
                                         100000000000000ull,
                                         1000000000000000ull,
                                         10000000000000000ull,
                                         100000000000000000ull,
                                         1000000000000000000ull,
                                         10000000000000000000ull};

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
    *out = high * powers_of_ten[rest] + low;
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

/* Up to 15 digits. Signs are hard to foretell: no branch, but for the zero that has one. */
static inline bool f64_integer(struct slice s, double *out)
{
    uint64_t x;
    if (UNLIKELY(s.n == 0))
        return false;
    size_t sign = s.p[0] == '-';
    if (UNLIKELY(s.n - sign > 15 || !short_digits(s.p + sign, s.n - sign, &x)))
        return false;
    int64_t k = sign != 0 ? -(int64_t)x : (int64_t)x;
    *out = LIKELY(x > 0) ? (double)k : sign != 0 ? -0.0 : 0.0;
    return true;
}

/* Short decimals exactly: an integer up to 2^53 divided by a power of ten up to 10^22 is correctly
 * rounded by one IEEE division (Clinger 1990). */
static bool f64_decimal(struct slice s, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (s.n > 16)
        return false;
    uint64_t x = 0;
    size_t digits = 0, fraction = 0;
    bool dot = false;
    for (size_t i = s.n > 0 && s.p[0] == '-' ? 1 : 0; i < s.n; i++) {
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

/* Apart from the others: its memory on the stack would cost them, too. */
COLD static int f64_slowly(struct slice s, double *out)
{
    if (slice_ieq_str(s, "nan") || slice_ieq_str(s, "-nan")) { /* as printf writes them */
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

int number_parse_f64(struct slice s, double *out)
{
    if (LIKELY(f64_integer(s, out)) || f64_decimal(s, out))
        return 0;
    return f64_slowly(s, out);
}

/* How many digits x has: its bits times log10(2) are that or one less (Anderson, "Bit Twiddling
 * Hacks"). */
static inline size_t digits_of(uint64_t x)
{
    x |= 1; /* 0 has a digit, too; no power of ten but the first lies between x and x | 1 */
    size_t n = (size_t)(64 - __builtin_clzll(x)) * 1233 >> 12;
    return n + (x >= powers_of_ten[n]);
}

size_t number_format_i64(int64_t x, char *out)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    uint64_t rest = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    out[0] = '-';
    size_t len = (x < 0) + digits_of(rest);
    char *at = out + len;
    for (*at = '\0'; rest >= 100; rest /= 100)
        memcpy(at -= 2, pairs + 2 * (rest % 100), 2);
    if (rest >= 10)
        memcpy(at - 2, pairs + 2 * rest, 2);
    else
        at[-1] = (char)('0' + rest);
    return len;
}

/* ---- doubles as text ---- */

/* Most values that are printed are of everyday size, where all arithmetic is exact: x is f / 2^k,
 * and so the nearest integer to x * 10^s is f * 10^s, which fits 128 bits, shifted right. That
 * integer's digits are a text of x, and whether it parses back to x is a comparison of the same
 * products (as Steele and White 1990 do with big integers). The others are left to printf and
 * strtod, 20 times slower. */
struct decimal {
    uint64_t digits; /* x is about digits / 10^places */
    int places;
};

enum {
    MANTISSA_BITS = 53,
    DECIMAL_PLACES_MAX = 22, /* 2^53 * 10^22 < 2^127 */
    DIGITS_MIN = 15,         /* what any decimal keeps on its way through a double */
    DIGITS_MAX = 17,         /* what any double needs */
};

#define DECIMAL_MIN 1e-4 /* from here on %g has an exponent */
#define DECIMAL_MAX 1e15

static unsigned __int128 power_of_ten(int n)
{
    enum { HALF = 17 };
    return n <= HALF ? powers_of_ten[n]
                     : (unsigned __int128)powers_of_ten[HALF] * powers_of_ten[n - HALF];
}

/* x = f / 2^k to so many places. False: the text would not parse back to x. */
static bool decimal_at(uint64_t f, int k, int places, uint64_t *out)
{
    unsigned __int128 unit = power_of_ten(places); /* the last bit of f */
    unsigned __int128 x = f * unit, one = (unsigned __int128)1 << k;
    unsigned __int128 digits = x >> k, rest = x & (one - 1);
    if (2 * rest > one || (2 * rest == one && (digits & 1) != 0))
        digits++;
    unsigned __int128 back = digits << k;
    unsigned __int128 off = 2 * (back > x ? back - x : x - back);
    *out = (uint64_t)digits;
    /* Doubles below a power of two are twice as dense, but such x are exact in few digits. */
    return off < unit || (off == unit && (f & 1) == 0);
}

/* The digits before the point of x, DECIMAL_MIN <= x < DECIMAL_MAX; of 0.001 it is -2. */
static int digits_before_point(double x)
{
    int n = 0;
    if (x >= 1) {
        while (x >= (double)powers_of_ten[n])
            n++;
        return n;
    }
    /* These are above what they stand for: the next double below 0.1 is below a tenth. */
    static const double tenths[] = {0.1, 0.01, 0.001, 0.0001};
    while (x < tenths[n])
        n++;
    return -n;
}

static bool decimal_of(double x, struct decimal *out)
{
    if (x < DECIMAL_MIN || x >= DECIMAL_MAX)
        return false;
    int exponent;
    uint64_t f = (uint64_t)ldexp(frexp(x, &exponent), MANTISSA_BITS);
    int before = digits_before_point(x);
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        out->places = digits - before;
        if (out->places > DECIMAL_PLACES_MAX)
            return false;
        if (decimal_at(f, MANTISSA_BITS - exponent, out->places, &out->digits))
            return true;
    }
    return false;
}

/* As "12.345", without zeros at the end. */
static size_t decimal_put(struct decimal d, char *out)
{
    while (d.places > 0 && d.digits % 10 == 0) {
        d.digits /= 10;
        d.places--;
    }
    char reversed[NUMBER_F64_BYTES_MAX];
    size_t n = 0, len = 0;
    for (; d.digits > 0 || d.places >= 0; d.digits /= 10, d.places--) {
        if (d.places == 0 && n > 0)
            reversed[n++] = '.';
        reversed[n++] = (char)('0' + d.digits % 10);
    }
    while (n > 0)
        out[len++] = reversed[--n];
    out[len] = '\0';
    return len;
}

static size_t format_slowly(double x, char *out)
{
    int len = 0;
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        len = snprintf(out, NUMBER_F64_BYTES_MAX, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    return (size_t)len;
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
    struct decimal decimal;
    if (!decimal_of(fabs(x), &decimal))
        return format_slowly(x, out);
    out[0] = '-';
    return decimal_put(decimal, out + (x < 0)) + (x < 0);
}
