#ifndef RECORD_UNPACK_H
#define RECORD_UNPACK_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdint.h>

/* Reads msgpack elements one by one from bytes that nobody vouches for. msgpack-c's own unpacker
 * makes a tree of objects and allocates by the counts that stand in the input; this one allocates
 * nothing. Each is false where the next element is of another type, or the input ends; at has no
 * meaning then. */
struct unpack {
    const unsigned char *at;
    const unsigned char *end;
};

MUST_USE bool unpack_array(struct unpack *in, uint32_t *count);
MUST_USE bool unpack_int(struct unpack *in, int64_t *x); /* within int64 */
MUST_USE bool unpack_u32(struct unpack *in, uint32_t *x);
MUST_USE bool unpack_bytes(struct unpack *in, struct slice *bytes); /* bin; points into the input */

static inline size_t unpack_rest(const struct unpack *in)
{
    return (size_t)(in->end - in->at);
}

#endif
