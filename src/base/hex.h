#ifndef BASE_HEX_H
#define BASE_HEX_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Lower case hex digits as bytes, the first digit in the high half; of an odd number the last
 * byte's low half is 0. Sixteen digits at a time in one register. Pure. */

typedef uint8_t hex_digits __attribute__((vector_size(16)));
typedef uint16_t hex_pairs __attribute__((vector_size(16))); /* of two digits */
typedef uint8_t hex_packed __attribute__((vector_size(8)));

/* In memory a pair's first digit comes first. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HEX_JOIN(pair)  ((pair) << 4 | (pair) >> 8)
#define HEX_SPLIT(byte) ((byte) >> 4 | (byte) << 8)
#else
#define HEX_JOIN(pair)  ((pair) >> 4 | (pair))
#define HEX_SPLIT(byte) ((byte) << 4 | (byte))
#endif

/* Bytes of that many digits. */
static inline uint32_t hex_bytes(uint32_t digits)
{
    return (digits + 1) / 2;
}

/* False where one of the sixteen is no digit; out then holds anything. */
MUST_USE static inline bool hex_pack16(char *out, const char *text)
{
    hex_digits x;
    memcpy(&x, text, sizeof(x));
    hex_digits decimal = x - '0', letter = x - 'a';
    hex_digits is_decimal = (hex_digits)(decimal <= 9), is_letter = (hex_digits)(letter <= 5);
    hex_digits digits = (decimal & is_decimal) | ((letter + 10) & is_letter);
    hex_digits good = is_decimal | is_letter;
    hex_pairs pairs = (hex_pairs)digits;
    hex_packed bytes = __builtin_convertvector(HEX_JOIN(pairs) & 0xff, hex_packed);
    memcpy(out, &bytes, sizeof(bytes));
    uint64_t all[2];
    memcpy(all, &good, sizeof(all));
    return (all[0] & all[1]) == UINT64_MAX;
}

/* The inverse. */
static inline void hex_unpack16(char *out, const char *bytes)
{
    hex_packed packed;
    memcpy(&packed, bytes, sizeof(packed));
    hex_pairs pairs = __builtin_convertvector(packed, hex_pairs);
    hex_digits digits = (hex_digits)(HEX_SPLIT(pairs) & 0x0f0f);
    digits += '0' + ((hex_digits)(digits > 9) & ('a' - '9' - 1));
    memcpy(out, &digits, sizeof(digits));
}

/* Packs `digits` characters into hex_bytes(digits) bytes; up to 8 are overwritten behind them.
 * False: one is no digit, and out holds anything. */
MUST_USE static inline bool hex_pack(char *out, const char *text, uint32_t digits)
{
    for (; digits >= 16; digits -= 16, text += 16, out += 8)
        if (!hex_pack16(out, text))
            return false;
    if (digits == 0)
        return true;
    char padded[16];
    memset(padded, '0', sizeof(padded));
    for (uint32_t i = 0; i < digits; i++)
        padded[i] = text[i];
    return hex_pack16(out, padded);
}

/* Writes `digits` characters; bytes holds hex_bytes(digits). */
static inline void hex_unpack(char *out, const char *bytes, uint32_t digits)
{
    for (; digits >= 16; digits -= 16, bytes += 8, out += 16)
        hex_unpack16(out, bytes);
    if (digits == 0)
        return;
    char packed[8] = {0}, text[16];
    for (uint32_t i = 0; i < hex_bytes(digits); i++)
        packed[i] = bytes[i];
    hex_unpack16(text, packed);
    for (uint32_t i = 0; i < digits; i++)
        out[i] = text[i];
}

#endif
