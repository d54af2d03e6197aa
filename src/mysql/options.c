#include "mysql/mysql_storage.h"

const struct option_spec mysql_options_table[] = {
    {.name = "mysql",
     .type = OPTION_TEXT,
     .default_text = "unix:/run/mysqld/mysqld.sock",
     .help = "the MariaDB server: unix:/path/to/socket, host or host:port",
     .section = "mysql"},
    {.name = "mysql-user",
     .type = OPTION_TEXT,
     .default_text = "longtail",
     .help = "its user, with all privileges on databases of the prefix",
     .section = "mysql"},
    {.name = "mysql-password",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "that user's password",
     .section = "mysql",
     .secret = true},
    {.name = "mysql-prefix",
     .type = OPTION_TEXT,
     .default_text = "lt_",
     .help = "what the names of all databases begin with: letters, digits and '_'",
     .section = "mysql"},
    {.name = "mysql-connect-timeout",
     .type = OPTION_DURATION_MS,
     .default_text = "3s",
     .min = 100,
     .max = 60000,
     .help = "how long a connection may take",
     .section = "mysql"},
    {.name = "mysql-timeout",
     .type = OPTION_DURATION_MS,
     .default_text = "30s",
     .min = 1000,
     .max = 600000,
     .help = "how long a statement of a flush may take; half of it for a lock, a third for a flush "
             "that says nothing",
     .section = "mysql"},
    {.name = "mysql-read-timeout",
     .type = OPTION_DURATION_MS,
     .default_text = "6s",
     .min = 1000,
     .max = 600000,
     .help = "how long the server may be silent in the middle of a read's rows",
     .section = "mysql"},
};
const size_t mysql_options_table_count = ARRAY_LEN(mysql_options_table);

void mysql_config_from(const struct option_set *set, struct mysql_config *out)
{
    *out = (struct mysql_config){
        .address = option_text(set, "mysql"),
        .user = option_text(set, "mysql-user"),
        .password = option_text(set, "mysql-password"),
        .prefix = option_text(set, "mysql-prefix"),
        .connect_timeout_ms = (int)option_int(set, "mysql-connect-timeout"),
        .timeout_ms = (int)option_int(set, "mysql-timeout"),
        .read_timeout_ms = (int)option_int(set, "mysql-read-timeout"),
    };
}
