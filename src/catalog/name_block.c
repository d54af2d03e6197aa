#include "catalog/name_block.h"

#include "base/error.h"
#include "base/hex.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

enum {
    DIGITS_MIN = 8, /* shorter ones are cheap as text, and as often words */
    DIGITS_MAX = 32,
    DIGITS_A_WORD = 16,
    RUN_BYTES = 16384, /* names are searched in runs of about this size */
};

void name_block_fini(struct name_block *b)
{
    free(b->bytes);
    free(b->ends);
    *b = (struct name_block){0};
}

/* ---- hex as binary ---- */

/* The name's digits, or 0: it is none that can be given back from its binary form. */
static unsigned pack_hex(struct slice name, char out[DIGITS_MAX / 2])
{
    if (name.n < DIGITS_MIN || name.n > DIGITS_MAX || !hex_pack(out, name.p, (uint32_t)name.n))
        return 0;
    return (unsigned)name.n;
}

static struct slice unpack_hex(const struct name_block *b, uint32_t i, char *out)
{
    hex_unpack(out, b->bytes + (size_t)i * hex_bytes(b->digits), b->digits);
    return slice_make(out, b->digits);
}

/* ---- growing ---- */

/* Small blocks are many (a category of one item each), so they start small. */
static uint32_t next_cap(uint32_t cap, uint32_t need, uint32_t most)
{
    uint32_t want = cap * 2 < most ? cap * 2 : most;
    return want < need ? need : want;
}

static bool reserve_bytes(struct name_block *b, uint32_t need, uint32_t most)
{
    if (need <= b->bytes_cap)
        return true;
    uint32_t cap = next_cap(b->bytes_cap, need, most);
    char *grown = realloc(b->bytes, cap);
    if (grown == NULL)
        return false;
    b->bytes = grown;
    b->bytes_cap = cap;
    return true;
}

static bool reserve_ends(struct name_block *b, uint32_t need)
{
    if (need <= b->ends_cap)
        return true;
    uint32_t cap = next_cap(b->ends_cap, need, NAME_BLOCK_ITEMS);
    uint32_t *grown = realloc(b->ends, cap * sizeof(b->ends[0]));
    if (grown == NULL)
        return false;
    b->ends = grown;
    b->ends_cap = cap;
    return true;
}

/* From binary to text, once in a block's life. */
static int become_text(struct name_block *b)
{
    struct name_block text = {.count = b->count};
    uint32_t total = (uint32_t)b->count * b->digits;
    if (!reserve_bytes(&text, total, total) || !reserve_ends(&text, b->count)) {
        name_block_fini(&text);
        return LT_ENOMEM;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        unpack_hex(b, i, text.bytes + (size_t)i * b->digits);
        text.ends[i] = (i + 1) * b->digits;
    }
    name_block_fini(b);
    *b = text;
    return 0;
}

static int add_text(struct name_block *b, struct slice name)
{
    uint32_t at = b->count > 0 ? b->ends[b->count - 1] : 0;
    uint32_t end = at + (uint32_t)name.n;
    if (!reserve_bytes(b, end, UINT32_MAX) || !reserve_ends(b, b->count + 1u))
        return LT_ENOMEM;
    if (name.n > 0)
        memcpy(b->bytes + at, name.p, name.n);
    b->ends[b->count++] = end;
    /* A full block gives back what it reserved too much. */
    char *fit = b->count == NAME_BLOCK_ITEMS && end > 0 ? realloc(b->bytes, end) : NULL;
    if (fit != NULL) {
        b->bytes = fit;
        b->bytes_cap = end;
    }
    return 0;
}

int name_block_add(struct name_block *b, struct slice name)
{
    char packed[DIGITS_MAX / 2];
    assert(b->count < NAME_BLOCK_ITEMS && name.n <= NAME_BYTES_MAX);
    unsigned digits = pack_hex(name, packed);
    if (b->count == 0)
        b->digits = (uint8_t)digits;
    if (b->digits != digits && b->digits != 0) {
        int err = become_text(b);
        if (err != 0)
            return err;
    }
    if (b->digits == 0)
        return add_text(b, name);
    uint32_t width = hex_bytes(digits);
    if (!reserve_bytes(b, (b->count + 1u) * width, NAME_BLOCK_ITEMS * width))
        return LT_ENOMEM;
    memcpy(b->bytes + (size_t)b->count * width, packed, width);
    b->count++;
    return 0;
}

/* ---- closing up ---- */

/* A block that shrank keeps no more than it needs; where that fails, it has it all the same. */
static void fit(struct name_block *b, uint32_t bytes)
{
    char *fewer = bytes > 0 ? realloc(b->bytes, bytes) : NULL;
    if (fewer != NULL) {
        b->bytes = fewer;
        b->bytes_cap = bytes;
    }
    uint32_t *ends = b->ends != NULL ? realloc(b->ends, b->count * sizeof(b->ends[0])) : NULL;
    if (ends != NULL) {
        b->ends = ends;
        b->ends_cap = b->count;
    }
}

void name_block_keep(struct name_block *b, const uint64_t *keep)
{
    uint32_t width = hex_bytes(b->digits), kept = 0, at = 0;
    for (uint32_t i = 0, from = 0, end; i < b->count; i++, from = end) {
        end = b->digits != 0 ? from + width : b->ends[i];
        if ((keep[i / 64] >> i % 64 & 1) == 0)
            continue;
        if (end > from)
            memmove(b->bytes + at, b->bytes + from, end - from);
        at += end - from;
        if (b->digits == 0)
            b->ends[kept] = at;
        kept++;
    }
    if (kept == 0) {
        name_block_fini(b);
        return;
    }
    b->count = (uint16_t)kept;
    fit(b, at);
}

/* ---- reading ---- */

static uint32_t start_of(const struct name_block *b, uint32_t i)
{
    return i > 0 ? b->ends[i - 1] : 0;
}

static struct slice text_of(const struct name_block *b, uint32_t i)
{
    uint32_t at = start_of(b, i);
    return slice_make(b->bytes != NULL ? b->bytes + at : "", b->ends[i] - at);
}

struct slice name_block_get(const struct name_block *b, uint32_t i, char out[NAME_BYTES_MAX])
{
    return b->digits != 0 ? unpack_hex(b, i, out) : text_of(b, i);
}

bool name_block_is(const struct name_block *b, uint32_t i, struct slice name)
{
    char packed[DIGITS_MAX / 2];
    if (b->digits == 0)
        return slice_eq(text_of(b, i), name);
    uint32_t width = hex_bytes(b->digits);
    return name.n == b->digits && pack_hex(name, packed) == b->digits &&
           memcmp(b->bytes + (size_t)i * width, packed, width) == 0;
}

/* ---- searching ---- */

static void set_bit(uint64_t *bits, uint32_t i)
{
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

#define EACH_DIGIT 0x1111111111111111u

/* The low bits of x's digits that are `digit`. */
static uint64_t digits_equal(uint64_t x, unsigned digit)
{
    uint64_t y = x ^ EACH_DIGIT * digit;
    y |= y >> 1;
    y |= y >> 2;
    return ~y & EACH_DIGIT;
}

/* Names of up to 16 digits are one number each, shifted to the left end. A place where the needle
 * may begin is a digit's low bit; all places are tried at once, digit after digit of the needle,
 * and two digits leave few of them. */
static void match_numbers(const struct name_block *b, uint32_t count, const struct needle *needle,
                          uint64_t *bits)
{
    uint32_t width = hex_bytes(b->digits);
    unsigned n = (unsigned)needle->n;
    uint64_t places = EACH_DIGIT << 4 * (DIGITS_A_WORD - b->digits + n - 1);
    unsigned first = needle->hex >> 4 * (n - 1) & 15;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t x = 0;
        if (width == sizeof(x))
            memcpy(&x, b->bytes + (size_t)i * sizeof(x), sizeof(x));
        else
            memcpy(&x, b->bytes + (size_t)i * width, width);
        x = be64toh(x);
        uint64_t found = places & digits_equal(x, first);
        for (unsigned at = 1; at < n; at++) {
            found &= digits_equal(x, needle->hex >> 4 * (n - 1 - at) & 15) << 4 * at;
            if (at > 1 && found == 0)
                break;
        }
        bits[i / 64] |= (uint64_t)(found != 0) << i % 64;
    }
}

/* Names [from, to) stand folded and back to back in run, the first at base in ends' terms. */
static void match_run(const char *run, const uint32_t *ends, uint32_t base, uint32_t from,
                      uint32_t to, const struct needle *needle, uint64_t *bits)
{
    size_t total = ends[to - 1] - base, at = 0;
    uint32_t i = from;
    while (at < total) {
        const char *hit = memmem(run + at, total - at, needle->text, needle->n);
        if (hit == NULL)
            return;
        at = (size_t)(hit - run);
        while (ends[i] - base <= at)
            i++;
        if (at + needle->n <= ends[i] - base) {
            set_bit(bits, i);
            at = ends[i] - base;
        } else {
            at++; /* it stood across two names */
        }
    }
}

static void match_text(const struct name_block *b, uint32_t count, const struct needle *needle,
                       uint64_t *bits)
{
    char run[RUN_BYTES + NAME_BYTES_MAX];
    for (uint32_t from = 0, to; from < count; from = to) {
        uint32_t base = start_of(b, from);
        for (to = from + 1; to < count && b->ends[to - 1] - base < RUN_BYTES;)
            to++;
        if (b->ends[to - 1] > base) {
            fold_copy(run, b->bytes + base, b->ends[to - 1] - base);
            match_run(run, b->ends, base, from, to, needle, bits);
        }
    }
}

/* Binary names of more digits than a number has: as text, run by run. */
static void match_long_hex(const struct name_block *b, uint32_t count, const struct needle *needle,
                           uint64_t *bits)
{
    enum { NAMES = 256 };
    char run[NAMES * DIGITS_MAX];
    uint32_t ends[NAMES] = {0};
    for (uint32_t from = 0; from < count; from += NAMES) {
        uint32_t n = count - from < NAMES ? count - from : NAMES;
        for (uint32_t i = 0; i < n; i++) {
            unpack_hex(b, from + i, run + (size_t)i * b->digits);
            ends[i] = (i + 1) * b->digits;
        }
        match_run(run, ends, 0, 0, n, needle, bits + from / 64);
    }
}

void name_block_match(const struct name_block *b, uint32_t count, const struct needle *needle,
                      uint64_t *bits)
{
    if (needle->n == 0) {
        for (uint32_t i = 0; i < count; i++)
            set_bit(bits, i);
    } else if (b->digits == 0) {
        match_text(b, count, needle, bits);
    } else if (needle->n > b->digits) {
        return;
    } else if (b->digits > DIGITS_A_WORD) {
        match_long_hex(b, count, needle, bits);
    } else if (needle->is_hex) {
        match_numbers(b, count, needle, bits);
    }
}
