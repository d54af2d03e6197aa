#ifndef REACTOR_ADDRESS_H
#define REACTOR_ADDRESS_H

#include "base/attr.h"

#include <sys/socket.h>
#include <sys/un.h>

/* Addresses as text and as sockaddr. Of this folder only. Pure. */

struct address {
    struct sockaddr_storage storage;
    socklen_t n;
};

/* "127.0.0.1:6479", "[::1]:6479", "unix:/path": numbers and paths only, nothing is looked up.
 * 0 or LT_EINVALID. */
MUST_USE int address_parse(const char *text, struct address *out);

/* The same forms; an unnamed unix socket is "unix:". out takes ADDRESS_BYTES_MAX. */
enum { ADDRESS_BYTES_MAX = 128 };
void address_format(const struct address *address, char *out);

/* -1: a unix socket. */
int address_port(const struct address *address);

#endif
