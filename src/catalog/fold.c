#include "catalog/fold.h"

#include "base/error.h"

#include <stdlib.h>

enum { WINDOW_BYTES = 4096, HEX_DIGITS_MAX = 16 };

/* Eight bytes at once: adds 0x20 to those in A … Z. The sums stay within their bytes, because the
 * high bits are off; bytes that had it are none of these. */
static uint64_t fold_word(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low = x & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones;
    uint64_t past_z = low + (0x80 - 'Z' - 1) * ones;
    uint64_t upper = from_a & ~past_z & ~x & 0x80 * ones;
    return x + (upper >> 2);
}

void fold_copy(char *to, const char *from, size_t n)
{
    uint64_t word;
    size_t i = 0;
    for (; i + sizeof(word) <= n; i += sizeof(word)) {
        memcpy(&word, from + i, sizeof(word));
        word = fold_word(word);
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < n; i++)
        to[i] = (char)(from[i] + (from[i] >= 'A' && from[i] <= 'Z' ? 'a' - 'A' : 0));
}

int needle_init(struct needle *needle, struct slice text)
{
    char *folded = malloc(text.n + 1);
    if (folded == NULL)
        return LT_ENOMEM;
    fold_copy(folded, text.p, text.n);
    *needle = (struct needle){.text = folded, .n = text.n};
    needle->is_hex = text.n <= HEX_DIGITS_MAX;
    for (size_t i = 0; i < text.n && needle->is_hex; i++) {
        int digit = fold_digit(folded[i]);
        needle->is_hex = digit >= 0;
        needle->hex = needle->hex << 4 | ((uint64_t)digit & 15);
    }
    return 0;
}

void needle_fini(struct needle *needle)
{
    free(needle->text);
    *needle = (struct needle){0};
}

/* For needles longer than a window, which are longer than any sensible text. */
static bool is_at(const struct needle *needle, const char *p)
{
    char window[WINDOW_BYTES];
    for (size_t at = 0; at < needle->n; at += WINDOW_BYTES) {
        size_t n = needle->n - at < WINDOW_BYTES ? needle->n - at : WINDOW_BYTES;
        fold_copy(window, p + at, n);
        if (memcmp(window, needle->text + at, n) != 0)
            return false;
    }
    return true;
}

bool needle_is_in(const struct needle *needle, struct slice text)
{
    char window[WINDOW_BYTES];
    if (needle->n == 0)
        return true;
    if (needle->n > WINDOW_BYTES / 2) {
        for (size_t at = 0; at + needle->n <= text.n; at++)
            if (is_at(needle, text.p + at))
                return true;
        return false;
    }
    /* Windows overlap by one byte less than the needle: it stands whole in one of them. */
    for (size_t at = 0; at + needle->n <= text.n; at += WINDOW_BYTES - needle->n + 1) {
        size_t n = text.n - at < WINDOW_BYTES ? text.n - at : WINDOW_BYTES;
        fold_copy(window, text.p + at, n);
        if (memmem(window, n, needle->text, needle->n) != NULL)
            return true;
    }
    return false;
}
