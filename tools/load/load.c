/* longtail-load: writes points to a server that speaks RESP, checks every reply, and says what it
 * saw. Loopback only, unless --remote yes. Also against RedisTimeSeries, with --create yes. */

#include "base/clock.h"
#include "base/error.h"
#include "base/option.h"
#include "load/clients.h"
#include "load/create.h"
#include "load/report.h"
#include "tool.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 20000, DEPTH_MAX = 1024, POINTS_MAX = 10000 };

#define NUMBER(name_, default_, min_, max_, help_)                                                 \
    {                                                                                              \
        .name = name_, .type = OPTION_INT, .default_text = default_, .min = min_, .max = max_,     \
        .help = help_, .section = "load"                                                           \
    }
#define TEXT(name_, default_, help_)                                                               \
    {                                                                                              \
        .name = name_, .type = OPTION_TEXT, .default_text = default_, .help = help_,               \
        .section = "load"                                                                          \
    }
#define YES_NO(name_, help_)                                                                       \
    {                                                                                              \
        .name = name_, .type = OPTION_BOOL, .default_text = "no", .help = help_, .section = "load" \
    }

static const struct option_spec options_table[] = {
    TEXT("server", "127.0.0.1:6479", "address and port"),
    TEXT("command", "ts.madd", "ts.madd, ts.add or observe"),
    NUMBER("points", "100", 1, POINTS_MAX, "points a command (ts.add: always 1)"),
    NUMBER("connections", "64", 1, CONNECTIONS_MAX, "clients"),
    NUMBER("depth", "1", 1, DEPTH_MAX, "commands in flight, a connection"),
    NUMBER("series", "1000000", 1, 100000000, "distinct series; 48-byte names"),
    TEXT("draw", "uniform",
         "which series a point has: uniform (any), each (one after the other, then again from the "
         "first: a pass), new (a name never seen before; --series is not looked at)"),
    TEXT("times", "now",
         "which time: now (when it is sent), advance (each pass over the series a second later "
         "than the one before)"),
    NUMBER("start", "0", 0, 4294967295, "first second of --times advance; 0: now"),
    NUMBER("rate", "0", 0, 1000000000,
           "points a second, whether replies come or not: latency then counts from when a command "
           "was due. 0: as fast as replies come"),
    NUMBER("seconds", "10", 1, 86400, "how long"),
    NUMBER("warm-up", "1", 0, 600, "seconds before counting begins"),
    NUMBER("count", "0", 0, 100000000000,
           "points to send, instead of --seconds and --warm-up; 0: no limit"),
    NUMBER("seed", "0", 0, 2000000000,
           "the same seed sends the same points; 0: one from the clock, which the report says"),
    YES_NO("create",
           "first TS.CREATE each series with DUPLICATE_POLICY LAST: RedisTimeSeries needs it"),
    YES_NO("json", "report one JSON object"),
    YES_NO("remote", "allow a server that is not on loopback"),
};

/* The place of text in a list of words, or -1. */
static int choose(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return (int)i;
    }
    return -1;
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

static int refuse(const char *expected)
{
    fprintf(stderr, "longtail-load: expected %s\n", expected);
    return LT_EINVALID;
}

static int read_traffic(const struct option_set *options, struct traffic_config *out)
{
    static const char *const commands[] = {"ts.madd", "ts.add", "observe"};
    static const char *const draws[] = {"uniform", "each", "new"};
    static const char *const times[] = {"now", "advance"};
    int command = choose(option_text(options, "command"), commands, ARRAY_LEN(commands));
    int draw = choose(option_text(options, "draw"), draws, ARRAY_LEN(draws));
    int time = choose(option_text(options, "times"), times, ARRAY_LEN(times));
    if (command < 0)
        return refuse("--command ts.madd, ts.add or observe");
    if (draw < 0)
        return refuse("--draw uniform, each or new");
    if (time < 0)
        return refuse("--times now or advance");
    *out = (struct traffic_config){
        .command = (enum command)command,
        .points = command == COMMAND_ADD ? 1 : (uint32_t)option_int(options, "points"),
        .series = (uint32_t)option_int(options, "series"),
        .draw = (enum draw)draw,
        .advance = time == 1,
        .start_s = option_int(options, "start"),
        .seed = (uint64_t)option_int(options, "seed"),
    };
    if (out->start_s == 0)
        out->start_s = clock_wall_ms() / 1000;
    if (out->start_s < 1000000000)
        return refuse("--start 1000000000 or later");
    if (out->draw == DRAW_EACH && out->series % out->points != 0)
        return refuse("--series to be a multiple of --points where --draw is each");
    if (out->seed == 0)
        out->seed = 1 + (uint64_t)clock_mono_ns() / 1000 % 2000000000;
    return 0;
}

static void read_clients(const struct option_set *options, const struct traffic_config *traffic,
                         struct clients_config *out)
{
    uint64_t count = (uint64_t)option_int(options, "count");
    out->connections = (uint32_t)option_int(options, "connections");
    out->depth = (uint32_t)option_int(options, "depth");
    out->commands_per_s = (double)option_int(options, "rate") / traffic->points;
    out->commands_max = (count + traffic->points - 1) / traffic->points;
    out->warm_up_ns = count > 0 ? 0 : option_int(options, "warm-up") * 1000000000;
    out->duration_ns = option_int(options, "seconds") * 1000000000;
}

static int run(const struct option_set *options, const struct traffic_config *traffic_config,
               struct clients_config *config, struct clients_result *result)
{
    struct clients *clients = NULL;
    int err = traffic_create(traffic_config, &config->traffic);
    if (err == 0)
        err = reply_check_create(traffic_config->command, traffic_config->points, &config->check);
    if (err == 0 && option_bool(options, "create"))
        err = create_series(&config->server, traffic_config->series);
    if (err == 0)
        err = clients_open(config, &clients);
    if (err == 0)
        err = clients_run(clients, result);
    clients_close(&clients);
    return err;
}

static int load_main(const struct option_set *options, void *arg)
{
    struct traffic_config traffic;
    struct clients_config config = {0};
    struct clients_result *result = calloc(1, sizeof(*result));
    int err = result == NULL ? LT_ENOMEM : read_traffic(options, &traffic);
    if (err == 0 && parse_server(options, &config.server) != 0)
        err = refuse("--server to be an address on loopback and a port, like 127.0.0.1:6479");
    if (err == 0) {
        read_clients(options, &traffic, &config);
        err = run(options, &traffic, &config, result);
    }
    if (err == 0) {
        const struct reply_counts *counts = reply_counts(config.check);
        struct report report = {.command = option_text(options, "command"),
                                .draw = option_text(options, "draw"),
                                .times = option_text(options, "times"),
                                .points = traffic.points,
                                .connections = config.connections,
                                .depth = config.depth,
                                .series = traffic.series,
                                .seed = traffic.seed,
                                .points_per_s = (double)option_int(options, "rate"),
                                .result = result,
                                .counts = counts};
        (option_bool(options, "json") ? report_json : report_text)(&report);
        if (counts->errors > 0 || counts->wrong > 0 || result->unanswered > 0)
            err = LT_EIO;
    }
    traffic_destroy(&config.traffic);
    reply_check_destroy(&config.check);
    free(result);
    return err;
}

static void usage(void)
{
    printf("Usage: longtail-load [--option value ...]\n\n"
           "Writes points to a server that speaks RESP, checks every reply, and says what it saw.\n"
           "Status 0 only if every reply was there, good and right.\n");
}

int main(int argc, char **argv)
{
    static const struct tool_options options = {options_table, ARRAY_LEN(options_table)};
    static const struct tool tool = {"longtail-load", usage, &options, 1, load_main, NULL};
    return tool_main(&tool, argc, argv);
}
