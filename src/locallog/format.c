#include "locallog/format.h"

#include "base/error.h"
#include "base/hash.h"

#include <endian.h>
#include <string.h>

static void put_be32(char *p, uint32_t x)
{
    x = htobe32(x);
    memcpy(p, &x, sizeof(x));
}

static void put_be64(char *p, uint64_t x)
{
    x = htobe64(x);
    memcpy(p, &x, sizeof(x));
}

static void put_le32(char *p, uint32_t x)
{
    x = htole32(x);
    memcpy(p, &x, sizeof(x));
}

static void put_le64(char *p, uint64_t x)
{
    x = htole64(x);
    memcpy(p, &x, sizeof(x));
}

static uint32_t get_le32(const char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof(x));
    return le32toh(x);
}

static uint64_t get_le64(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    return le64toh(x);
}

void format_key_write(char out[FORMAT_KEY_BYTES], struct format_key key)
{
    put_be32(out, key.partition);
    out[4] = (char)key.kind;
    put_be64(out + 5, key.offset);
}

int format_key_parse(struct slice bytes, struct format_key *out)
{
    if (bytes.n != FORMAT_KEY_BYTES || (unsigned char)bytes.p[4] > FORMAT_RECORD)
        return LT_ECORRUPT;
    uint32_t partition;
    uint64_t offset;
    memcpy(&partition, bytes.p, sizeof(partition));
    memcpy(&offset, bytes.p + 5, sizeof(offset));
    *out = (struct format_key){be32toh(partition), (enum format_kind)bytes.p[4], be64toh(offset)};
    return 0;
}

void format_record_seal(char *value, size_t value_bytes, uint32_t partition, uint64_t offset,
                        int64_t append_ms)
{
    put_le32(value + 8, FORMAT_VERSION);
    put_le32(value + 12, partition);
    put_le64(value + 16, offset);
    put_le64(value + 24, (uint64_t)append_ms);
    put_le64(value, hash_bytes(slice_make(value + 8, value_bytes - 8)));
}

int format_record_parse(struct slice value, uint32_t partition, uint64_t offset,
                        struct log_record *out)
{
    if (value.n < FORMAT_HEADER_BYTES || get_le64(value.p) != hash_bytes(slice_from(value, 8)))
        return LT_ECORRUPT;
    if (get_le32(value.p + 8) != FORMAT_VERSION)
        return LT_EVERSION;
    if (get_le32(value.p + 12) != partition || get_le64(value.p + 16) != offset)
        return LT_ECORRUPT;
    *out = (struct log_record){.offset = offset,
                               .append_ms = (int64_t)get_le64(value.p + 24),
                               .bytes = slice_from(value, FORMAT_HEADER_BYTES)};
    return 0;
}

void format_floor_write(char out[8], uint64_t floor)
{
    put_le64(out, floor);
}

int format_floor_parse(struct slice value, uint64_t *out)
{
    if (value.n != 8)
        return LT_ECORRUPT;
    *out = get_le64(value.p);
    return 0;
}
