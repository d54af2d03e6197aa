/* longtail-load: writes points as fast as a server acknowledges them, checks every reply, and says
 * what it saw. One thread, epoll, raw sockets. Loopback only, unless --remote yes.
 *
 *   connections x depth commands in flight; a command's latency is from its first byte handed to
 * the kernel to its reply's last byte; an error reply is counted, its first one is printed. */

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "base/option.h"
#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 20000,
    DEPTH_MAX = 1024,
    REPLY_BYTES = 256 * 1024,
    KEY_BYTES = 48,
    /* Latencies: 64 linear steps within each power of two of microseconds. */
    STEPS = 64,
    BUCKETS = 40 * STEPS,
};

static const struct option_spec options_table[] = {
    {.name = "server",
     .type = OPTION_TEXT,
     .default_text = "127.0.0.1:6479",
     .help = "address and port",
     .section = "load"},
    {.name = "command",
     .type = OPTION_TEXT,
     .default_text = "ts.madd",
     .help = "ts.madd, ts.add or observe",
     .section = "load"},
    {.name = "points",
     .type = OPTION_INT,
     .default_text = "100",
     .min = 1,
     .max = 10000,
     .help = "points a command (ts.add: always 1)",
     .section = "load"},
    {.name = "connections",
     .type = OPTION_INT,
     .default_text = "64",
     .min = 1,
     .max = CONNECTIONS_MAX,
     .help = "clients",
     .section = "load"},
    {.name = "depth",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = DEPTH_MAX,
     .help = "commands in flight, a connection",
     .section = "load"},
    {.name = "series",
     .type = OPTION_INT,
     .default_text = "1000000",
     .min = 1,
     .max = 100000000,
     .help = "distinct series, drawn uniformly; 48-byte names",
     .section = "load"},
    {.name = "seconds",
     .type = OPTION_INT,
     .default_text = "10",
     .min = 1,
     .max = 3600,
     .help = "how long",
     .section = "load"},
    {.name = "warm-up",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 0,
     .max = 600,
     .help = "seconds before counting begins",
     .section = "load"},
    {.name = "remote",
     .type = OPTION_BOOL,
     .default_text = "no",
     .help = "allow a server that is not on loopback",
     .section = "load"},
};

enum command { COMMAND_MADD, COMMAND_ADD, COMMAND_OBSERVE };

struct connection {
    int fd;
    char *out; /* the commands that are not sent yet */
    size_t out_len, out_sent, out_cap;
    int64_t *sent_ns; /* ring of depth */
    unsigned head, in_flight;
    /* The reply being read. */
    char line[128];
    size_t line_len;
    uint64_t skip;     /* bytes of a bulk string still to come */
    unsigned elements; /* of an array still to come */
    bool failed;
};

struct load {
    enum command command;
    unsigned points, connections_count, depth;
    uint32_t series;
    struct connection *connections;
    int32_t *walks; /* each series' value */
    uint64_t seed;
    int epoll_fd;
    int64_t start_ns, end_ns;
    bool stopping;
    unsigned in_flight;
    uint64_t commands, errors, latencies[BUCKETS];
    char first_error[sizeof(((struct connection *)0)->line)];
    char reply[REPLY_BYTES];
};

extern char **environ;

static uint64_t next_random(struct load *l)
{
    l->seed ^= l->seed << 13;
    l->seed ^= l->seed >> 7;
    l->seed ^= l->seed << 17;
    return l->seed;
}

/* ---- requests ---- */

static char *put(char *p, const char *text)
{
    size_t n = strlen(text);
    memcpy(p, text, n);
    return p + n;
}

static char *put_bulk(char *p, const char *text, size_t n)
{
    *p++ = '$';
    p += number_format_i64((int64_t)n, p);
    p = put(p, "\r\n");
    memcpy(p, text, n);
    return put(p + n, "\r\n");
}

static char *put_number(char *p, int64_t x)
{
    char text[NUMBER_I64_BYTES_MAX];
    return put_bulk(p, text, number_format_i64(x, text));
}

/* Series i has the hex digits of a mix of i: they look random and need no table. */
static void put_hex(char *out, uint32_t series)
{
    uint64_t x = (series + 1) * 0x9e3779b97f4a7c15ULL;
    x ^= x >> 29;
    for (int i = 15; i >= 0; i--, x >>= 4)
        out[i] = "0123456789abcdef"[x & 15];
}

static char *put_point(struct load *l, char *p, int64_t now_ms)
{
    uint32_t series = (uint32_t)(next_random(l) % l->series);
    l->walks[series] += (int32_t)(next_random(l) % 21) - 10;
    char key[KEY_BYTES + 1] = "db001/host.queries.load.0000000000000000.time_us";
    put_hex(key + 24, series);
    if (l->command == COMMAND_OBSERVE) {
        p = put_bulk(p, key + 6, KEY_BYTES - 6);
    } else {
        p = put_bulk(p, key, KEY_BYTES);
        p = put_number(p, now_ms);
    }
    return put_number(p, l->walks[series]);
}

static char *put_command(struct load *l, char *p)
{
    int64_t now_ms = clock_wall_ms();
    *p++ = '*';
    switch (l->command) {
    case COMMAND_MADD:
        p += number_format_i64(1 + 3 * (int64_t)l->points, p);
        p = put(p, "\r\n$7\r\nTS.MADD\r\n");
        break;
    case COMMAND_ADD:
        p = put(p, "4\r\n$6\r\nTS.ADD\r\n");
        break;
    case COMMAND_OBSERVE:
        p += number_format_i64(3 + 2 * (int64_t)l->points, p);
        p = put(p, "\r\n$7\r\nOBSERVE\r\n$5\r\ndb001\r\n");
        p = put_number(p, now_ms / 1000);
        break;
    }
    for (unsigned i = 0; i < l->points; i++)
        p = put_point(l, p, now_ms);
    return p;
}

static void watch(struct load *l, struct connection *c, bool writable)
{
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static int fail(struct connection *c, const char *what)
{
    fprintf(stderr, "longtail-load: %s: %s\n", what, strerror(errno));
    c->failed = true;
    return LT_EIO;
}

static int flush_out(struct load *l, struct connection *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = write(c->fd, c->out + c->out_sent, c->out_len - c->out_sent);
        if (n < 0 && errno == EAGAIN) {
            watch(l, c, true);
            return 0;
        }
        if (n < 0)
            return fail(c, "write");
        c->out_sent += (size_t)n;
    }
    c->out_len = c->out_sent = 0;
    return 0;
}

static int fill(struct load *l, struct connection *c)
{
    if (c->out_len > 0)
        return 0; /* the rest of an earlier write leaves first */
    while (!l->stopping && c->in_flight < l->depth) {
        char *end = put_command(l, c->out + c->out_len);
        c->out_len = (size_t)(end - c->out);
        c->sent_ns[(c->head + c->in_flight) % l->depth] = clock_mono_ns();
        c->in_flight++;
        l->in_flight++;
    }
    return flush_out(l, c);
}

/* ---- replies ---- */

static unsigned bucket_of(int64_t ns)
{
    uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
    if (us < STEPS)
        return (unsigned)us;
    unsigned power = 63 - (unsigned)__builtin_clzll(us);
    unsigned bucket = (power - 5) * STEPS + (unsigned)(us >> (power - 6)) - STEPS;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double bucket_ms(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket / 1000.0;
    unsigned power = bucket / STEPS + 5;
    return (double)((uint64_t)(bucket % STEPS + STEPS) << (power - 6)) / 1000.0;
}

static void reply_done(struct load *l, struct connection *c)
{
    int64_t now = clock_mono_ns();
    int64_t sent = c->sent_ns[c->head];
    c->head = (c->head + 1) % l->depth;
    c->in_flight--;
    l->in_flight--;
    if (sent < l->start_ns || now > l->end_ns)
        return;
    l->commands++;
    l->latencies[bucket_of(now - sent)]++;
}

static void count_error(struct load *l, const struct connection *c)
{
    if (l->errors++ == 0)
        memcpy(l->first_error, c->line, sizeof(l->first_error));
}

/* One line of a reply is complete. */
static void take_line(struct load *l, struct connection *c)
{
    bool inside = c->elements > 0;
    if (inside)
        c->elements--;
    switch (c->line[0]) {
    case '*':
        c->elements = (unsigned)strtoul(c->line + 1, NULL, 10);
        if (c->elements != l->points)
            count_error(l, c);
        break;
    case '$':
        c->skip = strtoul(c->line + 1, NULL, 10) + 2;
        break;
    case '-':
        count_error(l, c);
        break;
    default:
        break;
    }
    if (c->elements == 0 && c->skip == 0)
        reply_done(l, c);
}

static void take_bytes(struct load *l, struct connection *c, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (c->skip > 0) {
            uint64_t step = c->skip < n - i ? c->skip : n - i;
            c->skip -= step;
            i += step - 1;
            if (c->skip == 0 && c->elements == 0)
                reply_done(l, c);
        } else if (p[i] != '\n') {
            if (c->line_len < sizeof(c->line) - 1)
                c->line[c->line_len++] = p[i];
        } else {
            c->line[c->line_len] = '\0';
            take_line(l, c);
            c->line_len = 0;
        }
    }
}

static int on_readable(struct load *l, struct connection *c)
{
    ssize_t n = read(c->fd, l->reply, sizeof(l->reply));
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return fail(c, n == 0 ? "the server closed a connection" : "read");
    take_bytes(l, c, l->reply, (size_t)n);
    return fill(l, c);
}

/* ---- the run ---- */

static int open_connection(struct load *l, struct connection *c, const struct sockaddr_in *to)
{
    int one = 1;
    size_t cap = (size_t)l->depth * (64 + (size_t)l->points * 128);
    c->out = malloc(cap);
    c->sent_ns = calloc(l->depth, sizeof(c->sent_ns[0]));
    if (c->out == NULL || c->sent_ns == NULL)
        return LT_ENOMEM;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
        return fail(c, "connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0 ? 0 : fail(c, "epoll_ctl");
}

static int turn(struct load *l)
{
    struct epoll_event events[256];
    int n = epoll_wait(l->epoll_fd, events, ARRAY_LEN(events), 100);
    int err = 0;
    for (int i = 0; err == 0 && i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0) {
            err = flush_out(l, c);
            if (err == 0 && c->out_len == 0)
                watch(l, c, false);
        }
        if (err == 0 && (events[i].events & ~(uint32_t)EPOLLOUT) != 0)
            err = on_readable(l, c);
    }
    return err;
}

static int run(struct load *l, int64_t seconds, int64_t warm_up)
{
    enum { LAST_REPLIES_MS = 10000 };
    int err = 0;
    for (unsigned i = 0; err == 0 && i < l->connections_count; i++)
        err = fill(l, &l->connections[i]);
    l->start_ns = clock_mono_ns() + warm_up * 1000000000;
    l->end_ns = l->start_ns + seconds * 1000000000;
    while (err == 0 && clock_mono_ns() < l->end_ns)
        err = turn(l);
    l->stopping = true;
    int64_t give_up = clock_mono_ms() + LAST_REPLIES_MS;
    while (err == 0 && l->in_flight > 0 && clock_mono_ms() < give_up)
        err = turn(l);
    if (err == 0 && l->in_flight > 0)
        fprintf(stderr, "longtail-load: %u commands have no reply\n", l->in_flight);
    return err;
}

static double percentile(const struct load *l, double share)
{
    uint64_t want = (uint64_t)((double)l->commands * share), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += l->latencies[i];
        if (seen > want)
            return bucket_ms(i);
    }
    return 0;
}

static void report(const struct load *l, const char *command, int64_t seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    double points = (double)(l->commands * l->points) / (double)seconds;
    printf("%s x %u, %u connections x %u deep, %u series: %.0f points/s, %.0f commands/s; "
           "p50 %.3f ms, p90 %.3f, p99 %.3f, p99.9 %.3f; %llu errors; own CPU %.2f s\n",
           command, l->points, l->connections_count, l->depth, l->series, points,
           (double)l->commands / (double)seconds, percentile(l, .5), percentile(l, .9),
           percentile(l, .99), percentile(l, .999), (unsigned long long)l->errors, cpu);
    if (l->errors > 0)
        printf("first error: %s\n", l->first_error);
}

static int parse_command(const char *text, enum command *out)
{
    static const char *const names[] = {"ts.madd", "ts.add", "observe"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *out = (enum command)i;
            return 0;
        }
    }
    return LT_EINVALID;
}

static int parse_server(const struct option_set *options, struct sockaddr_in *out)
{
    char text[64];
    snprintf(text, sizeof(text), "%s", option_text(options, "server"));
    char *colon = strrchr(text, ':');
    if (colon == NULL)
        return LT_EINVALID;
    *colon = '\0';
    *out = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    if (inet_pton(AF_INET, text, &out->sin_addr) != 1)
        return LT_EINVALID;
    bool loopback = ntohl(out->sin_addr.s_addr) >> 24 == 127;
    return loopback || option_bool(options, "remote") ? 0 : LT_EINVALID;
}

static int load_main(const struct option_set *options, void *arg)
{
    struct load *l = calloc(1, sizeof(*l));
    struct sockaddr_in to;
    if (l == NULL)
        return LT_ENOMEM;
    const char *command = option_text(options, "command");
    if (parse_command(command, &l->command) != 0 || parse_server(options, &to) != 0) {
        fprintf(stderr, "longtail-load: --command takes ts.madd, ts.add or observe; --server takes "
                        "an address on loopback and a port, like 127.0.0.1:6479\n");
        free(l);
        return LT_EINVALID;
    }
    l->points = l->command == COMMAND_ADD ? 1 : (unsigned)option_int(options, "points");
    l->connections_count = (unsigned)option_int(options, "connections");
    l->depth = (unsigned)option_int(options, "depth");
    l->series = (uint32_t)option_int(options, "series");
    l->seed = 0x2545f4914f6cdd1dULL ^ (uint64_t)clock_mono_ns();
    l->walks = calloc(l->series, sizeof(l->walks[0]));
    l->connections = calloc(l->connections_count, sizeof(l->connections[0]));
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = l->walks == NULL || l->connections == NULL ? LT_ENOMEM : 0;
    for (unsigned i = 0; err == 0 && i < l->connections_count; i++)
        err = open_connection(l, &l->connections[i], &to);
    int64_t seconds = option_int(options, "seconds");
    if (err == 0)
        err = run(l, seconds, option_int(options, "warm-up"));
    if (err == 0)
        report(l, command, seconds);
    if (err == 0 && l->errors > 0)
        err = LT_EIO;
    for (unsigned i = 0; l->connections != NULL && i < l->connections_count; i++) {
        free(l->connections[i].out);
        free(l->connections[i].sent_ns);
    }
    free(l->connections);
    free(l->walks);
    free(l);
    return err;
}

static void usage(void)
{
    printf("Usage: longtail-load [--option value ...]\n");
}

int main(int argc, char **argv)
{
    static const struct tool_options options = {options_table, ARRAY_LEN(options_table)};
    static const struct tool tool = {"longtail-load", usage, &options, 1, load_main, NULL};
    return tool_main(&tool, argc, argv);
}
