#include "record/pack.h"

#include <msgpack.h>

static int write_piece(void *out, const char *piece, size_t n)
{
    buffer_append(out, piece, n);
    return 0; /* the buffer keeps the error, its user asks once */
}

void pack_array(struct buffer *out, uint32_t count)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_piece);
    msgpack_pack_array(&packer, count);
}

void pack_uint(struct buffer *out, uint64_t x)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_piece);
    msgpack_pack_uint64(&packer, x);
}

void pack_int(struct buffer *out, int64_t x)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_piece);
    msgpack_pack_int64(&packer, x);
}

void pack_bytes_header(struct buffer *out, uint32_t n)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_piece);
    msgpack_pack_bin(&packer, n);
}

void pack_bytes(struct buffer *out, struct slice bytes)
{
    pack_bytes_header(out, (uint32_t)bytes.n);
    buffer_append_slice(out, bytes);
}
