#include "agent/agent.h"

#include "base/error.h"
#include "base/number.h"

#include <stdio.h>
#include <unistd.h>

const struct option_spec agent_options[] = {
    {.name = "server",
     .type = OPTION_TEXT,
     .default_text = "127.0.0.1:6479",
     .help = "the longtaild to send to, address:port",
     .section = "agent"},
    {.name = "token",
     .type = OPTION_TEXT,
     .default_text = "",
     .secret = true,
     .help = "what to authenticate with; empty: not at all",
     .section = "agent"},
    {.name = "host",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "the name under which points are stored; empty: this machine's",
     .section = "agent"},
    {.name = "interval",
     .type = OPTION_INT,
     .default_text = "1",
     .min = 1,
     .max = 60,
     .help = "seconds between two measurements",
     .section = "agent"},
    {.name = "ring-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "16mb",
     .min = 16 << 10,
     .max = 1 << 30,
     .help = "what may wait for acknowledgement; then the oldest is dropped and counted",
     .section = "agent"},
    {.name = "procs",
     .type = OPTION_INT,
     .default_text = "10",
     .min = 0,
     .max = 1000,
     .help = "how many of the busiest processes are measured one by one",
     .section = "agent"},
    {.name = "mysql-socket",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "the unix socket of the MySQL to measure",
     .section = "agent"},
    {.name = "mysql-host",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "its address, when it has no socket here; both empty: no MySQL is measured",
     .section = "agent"},
    {.name = "mysql-port",
     .type = OPTION_INT,
     .default_text = "3306",
     .min = 1,
     .max = 65535,
     .help = "its TCP port",
     .section = "agent"},
    {.name = "mysql-user",
     .type = OPTION_TEXT,
     .default_text = "root",
     .help = "a user with SELECT on performance_schema",
     .section = "agent"},
    {.name = "mysql-password",
     .type = OPTION_TEXT,
     .default_text = "",
     .secret = true,
     .help = "that user's password; better in the environment than in a flag",
     .section = "agent"},
};
const size_t agent_options_count = ARRAY_LEN(agent_options);

/* address:port; the last ':' cuts, so that an IPv6 address needs no brackets. */
static int split_server(const char *server, struct agent_config *config, struct agent_texts *texts)
{
    const char *colon = strrchr(server, ':');
    int64_t port;
    if (colon == NULL || colon == server || (size_t)(colon - server) >= sizeof(texts->address) ||
        number_parse_i64(slice_str(colon + 1), &port) != 0 || port < 1 || port > 65535)
        return LT_EINVALID;
    snprintf(texts->address, sizeof(texts->address), "%.*s", (int)(colon - server), server);
    config->server_address = texts->address;
    config->server_port = (int)port;
    return 0;
}

int agent_configure(const struct option_set *options, struct agent_config *config_out,
                    struct agent_texts *texts, struct buffer *message)
{
    struct agent_config config = {
        .token = option_text(options, "token"),
        .interval_s = option_int(options, "interval"),
        .ring_bytes_max = (size_t)option_int(options, "ring-bytes-max"),
        .procs_most = (uint32_t)option_int(options, "procs"),
        .database = {.socket = option_text(options, "mysql-socket"),
                     .host = option_text(options, "mysql-host"),
                     .port = (int)option_int(options, "mysql-port"),
                     .user = option_text(options, "mysql-user"),
                     .password = option_text(options, "mysql-password")},
    };
    config.with_database = config.database.socket[0] != '\0' || config.database.host[0] != '\0';
    const char *server = option_text(options, "server");
    if (split_server(server, &config, texts) != 0) {
        buffer_printf(message, "--server: expected address:port such as 127.0.0.1:6479, got '%s'",
                      server);
        return LT_EINVALID;
    }
    const char *host = option_text(options, "host");
    if (host[0] == '\0' && gethostname(texts->host, sizeof(texts->host) - 1) != 0) {
        buffer_append_str(message, "this machine has no name: give --host");
        return LT_EINVALID;
    }
    config.host = host[0] != '\0' ? host : texts->host;
    if (strchr(config.host, '/') != NULL) {
        buffer_printf(message, "--host: expected a name without '/', got '%s'", config.host);
        return LT_EINVALID;
    }
    *config_out = config;
    return 0;
}
