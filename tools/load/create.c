#include "load/create.h"

#include "base/error.h"
#include "load/traffic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 512, COMMAND_BYTES_MAX = 160, INPUT_BYTES = 65536 };

struct creator {
    int fd;
    char line[128];
    size_t line_len;
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "longtail-load: --create: %s: %s\n", what, why);
    return LT_EIO;
}

static int send_batch(struct creator *c, uint32_t first, uint32_t count)
{
    static const char format[] =
        "*4\r\n$9\r\nTS.CREATE\r\n$%d\r\n%s\r\n$16\r\nDUPLICATE_POLICY\r\n$4\r\nLAST\r\n";
    char out[BATCH * COMMAND_BYTES_MAX], key[TRAFFIC_KEY_BYTES + 1];
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        traffic_key(first + i, key);
        len += (size_t)snprintf(out + len, sizeof(out) - len, format, TRAFFIC_KEY_BYTES, key);
    }
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(c->fd, out + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            return fail("write", strerror(errno));
        sent += (size_t)n;
    }
    return 0;
}

static int check_line(const struct creator *c)
{
    bool good = strcmp(c->line, "+OK") == 0 ||
                (c->line[0] == '-' && strstr(c->line, "already exists") != NULL);
    return good ? 0 : fail("the server refuses", c->line);
}

static int read_replies(struct creator *c, uint32_t count)
{
    char input[INPUT_BYTES];
    while (count > 0) {
        ssize_t n = read(c->fd, input, sizeof(input));
        if (n <= 0)
            return fail("read", n == 0 ? "the server closed the connection" : strerror(errno));
        for (ssize_t i = 0; i < n; i++) {
            if (input[i] != '\n') {
                if (input[i] != '\r' && c->line_len < sizeof(c->line) - 1)
                    c->line[c->line_len++] = input[i];
                continue;
            }
            c->line[c->line_len] = '\0';
            c->line_len = 0;
            int err = check_line(c);
            if (err != 0)
                return err;
            count--;
        }
    }
    return 0;
}

int create_series(const struct sockaddr_in *server, uint32_t series)
{
    struct creator c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int err = 0;
    if (c.fd < 0 || connect(c.fd, (const struct sockaddr *)server, sizeof(*server)) != 0)
        err = fail("connect", strerror(errno));
    for (uint32_t first = 0; err == 0 && first < series; first += BATCH) {
        uint32_t count = series - first < BATCH ? series - first : BATCH;
        err = send_batch(&c, first, count);
        if (err == 0)
            err = read_replies(&c, count);
    }
    if (c.fd >= 0)
        close(c.fd);
    return err;
}
