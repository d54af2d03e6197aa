#include "reactor/address.h"

#include "base/error.h"
#include "base/number.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const char unix_prefix[] = "unix:";
enum { UNIX_PREFIX_BYTES = sizeof(unix_prefix) - 1 };

static int parse_unix(const char *path, struct address *out)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(sun.sun_path))
        return LT_EINVALID;
    memcpy(sun.sun_path, path, n + 1);
    memcpy(&out->storage, &sun, sizeof(sun));
    out->n = sizeof(sun);
    return 0;
}

static int parse_inet(struct slice host, uint16_t port, struct address *out)
{
    char text[INET6_ADDRSTRLEN];
    bool six = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (six)
        host = slice_make(host.p + 1, host.n - 2);
    if (host.n >= sizeof(text))
        return LT_EINVALID;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(six ? AF_INET6 : AF_INET, text,
                  six ? (void *)&sin6.sin6_addr : (void *)&sin.sin_addr) != 1)
        return LT_EINVALID;
    out->n = six ? sizeof(sin6) : sizeof(sin);
    memcpy(&out->storage, six ? (void *)&sin6 : (void *)&sin, out->n);
    return 0;
}

int address_parse(const char *text, struct address *out)
{
    if (strncmp(text, unix_prefix, UNIX_PREFIX_BYTES) == 0)
        return parse_unix(text + UNIX_PREFIX_BYTES, out);
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || number_parse_u64(slice_str(colon + 1), &port) != 0 || port > UINT16_MAX)
        return LT_EINVALID;
    return parse_inet(slice_make(text, (size_t)(colon - text)), (uint16_t)port, out);
}

void address_format(const struct address *address, char *out)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->storage.ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const void *)&address->storage;
        inet_ntop(AF_INET, &sin->sin_addr, host, sizeof(host));
        snprintf(out, ADDRESS_BYTES_MAX, "%s:%d", host, ntohs(sin->sin_port));
    } else if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const void *)&address->storage;
        inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof(host));
        snprintf(out, ADDRESS_BYTES_MAX, "[%s]:%d", host, ntohs(sin6->sin6_port));
    } else {
        const struct sockaddr_un *sun = (const void *)&address->storage;
        bool named = address->n > offsetof(struct sockaddr_un, sun_path);
        snprintf(out, ADDRESS_BYTES_MAX, "%s%s", unix_prefix, named ? sun->sun_path : "");
    }
}

int address_port(const struct address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&address->storage)->sin_port);
    if (address->storage.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&address->storage)->sin6_port);
    return -1;
}
