#ifndef LOAD_CREATE_H
#define LOAD_CREATE_H

#include "base/attr.h"

#include <netinet/in.h>
#include <stdint.h>

/* Makes the known series on a server whose TS.MADD writes only to series that are there, as
 * RedisTimeSeries does: TS.CREATE key DUPLICATE_POLICY LAST, over one connection, pipelined. What
 * exists already is well. LT_EIO (said on stderr). */
MUST_USE int create_series(const struct sockaddr_in *server, uint32_t series);

#endif
