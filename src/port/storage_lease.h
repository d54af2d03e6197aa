#ifndef PORT_STORAGE_LEASE_H
#define PORT_STORAGE_LEASE_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "port/storage_ops.h"

#include <stdint.h>

/* The part of port/storage.h that is about who owns a partition: what that says of sessions and
 * errors holds here. */

/* Takes a partition whose lease has run out by the database's clock, or is `owner`'s own, and
 * raises the epoch. LT_EHELD: another owner has it. */
MUST_USE static inline int storage_lease_take(struct storage_session *s, uint32_t partition,
                                              struct slice owner, int ttl_ms,
                                              struct storage_progress *out)
{
    return s->ops->lease_take(s, partition, owner, ttl_ms, out);
}
/* LT_EFENCED: the epoch is no longer ours. */
MUST_USE static inline int storage_lease_renew(struct storage_session *s, uint32_t partition,
                                               uint64_t epoch, int ttl_ms)
{
    return s->ops->lease_renew(s, partition, epoch, ttl_ms);
}
/* Gives the lease a higher epoch. LT_EFENCED: the epoch is no longer ours. */
MUST_USE static inline int storage_lease_raise(struct storage_session *s, uint32_t partition,
                                               uint64_t epoch, uint64_t to)
{
    return s->ops->lease_raise(s, partition, epoch, to);
}
/* Appends the owner's name; nothing where the lease was given back. */
MUST_USE static inline int storage_lease_owner(struct storage_session *s, uint32_t partition,
                                               struct buffer *out)
{
    return s->ops->lease_owner(s, partition, out);
}
/* Lets another owner take over at once. LT_EFENCED is no error here. */
static inline int storage_lease_release(struct storage_session *s, uint32_t partition,
                                        uint64_t epoch)
{
    return s->ops->lease_release(s, partition, epoch);
}

#endif
