/* longtail-inspect: looks into the database of a Longtail, for a person at a prompt. Reads only. */

#include "inspect/inspect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "base/number.h"
#include "model/name.h"
#include "mysql/mysql_storage.h"
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_RETRIES = 10 };

static const struct option_spec options_table[] = {
    {.name = "run",
     .type = OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "only this run (see tables); 0: all in force",
     .section = "inspect"},
    {.name = "from",
     .type = OPTION_TEXT,
     .default_text = "0",
     .help = "only runs that end after this, and points from it on; Unix seconds",
     .section = "inspect"},
    {.name = "to",
     .type = OPTION_TEXT,
     .default_text = "9223372036854775",
     .help = "only runs that begin before this, and points before it; Unix seconds",
     .section = "inspect"},
    {.name = "pattern",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "only categories whose name holds this text",
     .section = "inspect"},
};

static const struct {
    const char *name;
    int (*run)(struct inspect *in);
    const char *help;
} commands[] = {
    {"tables", show_tables, "runs and their tables, by range and size"},
    {"rows", show_rows, "what each observation row holds"},
    {"bytes", show_bytes, "bytes a point, by category"},
    {"csv", show_csv, "decoded points or buckets, as CSV"},
    {"verify", verify, "recompute summaries, minutes, ranks and totals from the points"},
};

/* ---- names ---- */

const char *inspect_group_name(struct inspect *in, uint32_t category, uint32_t dimension)
{
    static char name[2 * 512 + 32];
    struct catalog_category info = {0};
    if (!catalog_category_at(in->catalog, category, &info))
        return "?";
    struct slice d = catalog_dimension_name(in->catalog, dimension);
    snprintf(name, sizeof(name), "%.*s%s%.*s", (int)info.name.n, info.name.p,
             dimension > 0 ? "." : "", (int)d.n, d.p);
    return name;
}

const char *inspect_host_name(struct inspect *in, uint32_t host)
{
    static char name[NAME_BYTES_MAX + 1];
    if (host == STORAGE_ALL_HOSTS)
        return "(all)";
    struct slice text = catalog_host_name(in->catalog, host);
    snprintf(name, sizeof(name), "%.*s", (int)text.n, text.p);
    return name;
}

void inspect_series_name(struct inspect *in, uint32_t category, uint32_t dimension, uint32_t host,
                         uint32_t item, char *out, size_t bytes)
{
    struct catalog_category info = {0};
    struct buffer stem, key;
    char name[NAME_BYTES_MAX];
    buffer_init(&stem, 4096);
    buffer_init(&key, 4096);
    if (catalog_category_at(in->catalog, category, &info))
        name_join_stem(info.name, catalog_item_name(in->catalog, category, item, name), &stem);
    name_join_key(slice_str(inspect_host_name(in, host)), buffer_slice(&stem), dimension > 0,
                  catalog_dimension_name(in->catalog, dimension), &key);
    snprintf(out, bytes, "%.*s", (int)key.len, key.data != NULL ? key.data : "");
    buffer_fini(&stem);
    buffer_fini(&key);
}

const char *inspect_run_name(const struct storage_run *run)
{
    static char name[96];
    snprintf(name, sizeof(name), "run %" PRIu64 " (%s, %" PRIu32 " s, %" PRId64 " to %" PRId64 ")",
             run->id, run->kind == STORAGE_ARRIVAL ? "arrival" : "compact", run->resolution_s,
             run->range.from_s, run->range.to_s);
    return name;
}

/* ---- runs and groups ---- */

static bool is_in_force(const struct storage_run *run)
{
    return run->state == STORAGE_OPEN || run->state == STORAGE_CLOSED ||
           run->state == STORAGE_IN_FORCE;
}

bool inspect_takes(const struct inspect *in, const struct storage_run *run)
{
    bool catch_all = storage_is_catch_all(run->range);
    return in->run != 0
               ? run->id == in->run
               : is_in_force(run) &&
                     (catch_all || (run->range.to_s > in->from_s && run->range.from_s < in->to_s));
}

struct block_filter inspect_filter(const struct storage_group *group)
{
    return (struct block_filter){
        .category = group->category,
        .dimensions = &group->dimension,
        .dimensions_count = 1,
        .hosts = &group->host,
        .hosts_count = 1,
        .from_ms = 0,
        .to_ms = INT64_MAX,
        .fresh = true,
    };
}

struct groups {
    VEC(struct storage_group) list;
};

static int collect_group(void *arg, const struct storage_group *group)
{
    struct groups *groups = arg;
    return VEC_PUSH(&groups->list, *group) ? 0 : LT_ENOMEM;
}

static bool is_wanted(struct inspect *in, const struct storage_group *group)
{
    const char *pattern = option_text(in->options, "pattern");
    return *pattern == '\0' ||
           strstr(inspect_group_name(in, group->category, group->dimension), pattern) != NULL;
}

int inspect_groups(struct inspect *in, const struct storage_run *run, inspect_group_visit *visit,
                   void *arg)
{
    struct groups groups = {0};
    int err = storage_run_groups(in->session, run, collect_group, &groups);
    for (uint32_t i = 0; err == 0 && i < groups.list.n; i++)
        if (is_wanted(in, &groups.list.v[i]))
            err = visit(in, run, &groups.list.v[i], arg);
    VEC_FINI(&groups.list);
    return err;
}

static int collect_run(void *arg, const struct storage_run *run)
{
    struct inspect *in = arg;
    return VEC_PUSH(&in->runs, *run) ? 0 : LT_ENOMEM;
}

/* ---- set up ---- */

static int inspect_open(struct inspect *in)
{
    struct mysql_config config;
    const uint32_t environment = INSPECT_ENVIRONMENT;
    struct storage_progress progress;
    in->guard = in->second_guard =
        (struct read_guard){.deadline_mono_ms = INT64_MAX, .memory_bytes_max = SIZE_MAX};
    mysql_config_from(in->options, &config);
    int err = mysql_storage_create(&config, &in->storage);
    if (err == 0)
        err = storage_session_create(in->storage, &in->session);
    if (err == 0)
        err = storage_session_create(in->storage, &in->second);
    if (err == 0)
        err = catalog_create(environment, &in->catalog);
    if (err == 0)
        err = pack_codec_create(&in->pack);
    if (err == 0)
        err = rollup_codec_create(&in->rollup);
    if (err == 0)
        err = minutes_codec_create(&in->minutes);
    struct storage_loader loader = catalog_loader(in->catalog);
    if (err == 0)
        err = storage_load(in->session, 0, &environment, 1, &loader, &progress);
    if (err == 0)
        err = storage_reader_begin(in->session, environment, &in->guard);
    if (err == 0)
        err = storage_reader_begin(in->second, environment, &in->second_guard);
    if (err == 0)
        err = storage_runs(in->session, environment, &in->guard, collect_run, in);
    return err;
}

static void inspect_close(struct inspect *in)
{
    if (in->session != NULL)
        storage_reader_end(in->session);
    if (in->second != NULL)
        storage_reader_end(in->second);
    VEC_FINI(&in->runs);
    rollup_codec_destroy(&in->rollup);
    minutes_codec_destroy(&in->minutes);
    pack_codec_destroy(&in->pack);
    catalog_unref(&in->catalog);
    storage_session_destroy(&in->second);
    storage_session_destroy(&in->session);
    storage_destroy(&in->storage);
}

static int inspect_main(const struct option_set *options, size_t command)
{
    struct inspect in = {.options = options, .run = (uint64_t)option_int(options, "run")};
    if (number_parse_i64(slice_str(option_text(options, "from")), &in.from_s) != 0 ||
        number_parse_i64(slice_str(option_text(options, "to")), &in.to_s) != 0) {
        fprintf(stderr, "longtail-inspect: --from and --to are Unix seconds\n");
        return LT_EINVALID;
    }
    logger_set_level(LOGGER_WARN);
    int err = inspect_open(&in);
    for (int i = 0; err == LT_ERETRY && i < OPEN_RETRIES;
         i++) { /* a server that starts makes tables */
        inspect_close(&in);
        in = (struct inspect){
            .options = options, .run = in.run, .from_s = in.from_s, .to_s = in.to_s};
        err = inspect_open(&in);
    }
    if (err == 0)
        err = commands[command].run(&in);
    if (err != 0)
        fprintf(stderr, "longtail-inspect: %s\n", error_text(err));
    inspect_close(&in);
    return err;
}

static size_t command_of(const char *name)
{
    size_t command = 0;
    while (command < ARRAY_LEN(commands) && strcmp(name, commands[command].name) != 0)
        command++;
    return command;
}

/* arg: a command, or what stands where one should. */
static int run_command(const struct option_set *options, void *arg)
{
    size_t command = command_of(arg);
    if (command < ARRAY_LEN(commands))
        return inspect_main(options, command);
    fprintf(stderr,
            "longtail-inspect: the first argument is a command: tables, rows, bytes, csv or "
            "verify; --help explains them\n");
    return LT_EINVALID;
}

static void usage(void)
{
    printf("Usage: longtail-inspect COMMAND [--option value ...]\n\nLooks into the database of a "
           "Longtail; reads only.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].help);
}

int main(int argc, char **argv)
{
    static char help[] = "--help";
    char *nothing_asked[] = {argv[0], help, NULL};
    const struct tool_options options[] = {{options_table, ARRAY_LEN(options_table)},
                                           {mysql_options_table, mysql_options_table_count}};
    if (argc <= 1)
        argc = 2, argv = nothing_asked;
    const struct tool tool = {"longtail-inspect", usage,       options,
                              ARRAY_LEN(options), run_command, argv[1]};
    bool found = command_of(argv[1]) < ARRAY_LEN(commands);
    return tool_main(&tool, found ? argc - 1 : argc, found ? argv + 1 : argv);
}
