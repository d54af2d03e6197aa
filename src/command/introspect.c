#include "base/number.h"
#include "command/module.h"
#include "command/session.h"
#include "command_table.h"

#include <fnmatch.h>
#include <stdio.h>

/* COMMAND and HELP: the table, told in Redis' shapes, so that redis-cli hints and clients can plan.
 */

/* ---- COMMAND, COMMAND INFO: ten elements a command ---- */

static const struct {
    uint32_t flag;
    const char *name;     /* among the flags */
    const char *category; /* among the ACL categories */
} flag_names[] = {
    {COMMAND_WRITE, "write", "@write"},          {COMMAND_READONLY, "readonly", "@read"},
    {COMMAND_ADMIN, "admin", "@admin"},          {COMMAND_FAST, "fast", "@fast"},
    {COMMAND_NO_AUTH, "no_auth", "@connection"}, {COMMAND_NO_MULTI, "no_multi", NULL},
};

static bool moves_keys(const struct command_spec *spec)
{
    return spec->keys.keyword != NULL || spec->keys.counted;
}

static void reply_flags(struct resp_writer reply, const struct command_spec *spec)
{
    uint32_t count = moves_keys(spec);
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        count += (spec->flags & flag_names[i].flag) != 0;
    resp_set(reply, count);
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        if ((spec->flags & flag_names[i].flag) != 0)
            resp_simple(reply, slice_str(flag_names[i].name));
    if (moves_keys(spec))
        resp_simple(reply, SLICE_LIT("movablekeys"));
}

static bool in_category(const struct command_spec *spec, struct slice category)
{
    if (slice_ieq_str(category, "@slow"))
        return (spec->flags & COMMAND_FAST) == 0;
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        if (flag_names[i].category != NULL && slice_ieq_str(category, flag_names[i].category))
            return (spec->flags & flag_names[i].flag) != 0;
    return false;
}

static void reply_categories(struct resp_writer reply, const struct command_spec *spec)
{
    uint32_t count = (spec->flags & COMMAND_FAST) == 0;
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        count += flag_names[i].category != NULL && (spec->flags & flag_names[i].flag) != 0;
    resp_set(reply, count);
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        if (flag_names[i].category != NULL && (spec->flags & flag_names[i].flag) != 0)
            resp_simple(reply, slice_str(flag_names[i].category));
    if ((spec->flags & COMMAND_FAST) == 0)
        resp_simple(reply, SLICE_LIT("@slow"));
}

static uint32_t count_words(const char *text)
{
    uint32_t count = *text != '\0';
    for (; *text != '\0'; text++)
        count += *text == ' ';
    return count;
}

static void reply_words(struct resp_writer reply, const char *text)
{
    struct slice rest = slice_str(text);
    for (uint32_t i = count_words(text); i > 0; i--) {
        size_t blank = slice_find(rest, ' ');
        resp_simple(reply, slice_upto(rest, blank));
        rest = slice_from(rest, blank < rest.n ? blank + 1 : blank);
    }
}

static void reply_keys(struct resp_writer reply, const struct command_keys *keys)
{
    if (keys->start == 0) {
        resp_array(reply, 0);
        return;
    }
    resp_array(reply, 1);
    resp_map(reply, 3);
    resp_bulk_str(reply, "flags");
    resp_set(reply, count_words(keys->flags));
    reply_words(reply, keys->flags);
    resp_bulk_str(reply, "begin_search");
    resp_map(reply, 2);
    resp_pair_text(reply, "type", keys->keyword != NULL ? "keyword" : "index");
    resp_bulk_str(reply, "spec");
    if (keys->keyword != NULL) {
        resp_map(reply, 2);
        resp_pair_text(reply, "keyword", keys->keyword);
        resp_pair_integer(reply, "startfrom", keys->start);
    } else {
        resp_map(reply, 1);
        resp_pair_integer(reply, "index", keys->start);
    }
    resp_bulk_str(reply, "find_keys");
    resp_map(reply, 2);
    resp_pair_text(reply, "type", keys->counted ? "keynum" : "range");
    resp_bulk_str(reply, "spec");
    resp_map(reply, 3);
    resp_pair_integer(reply, keys->counted ? "keynumidx" : "lastkey", keys->last);
    if (keys->counted)
        resp_pair_integer(reply, "firstkey", 1);
    resp_pair_integer(reply, "keystep", keys->step);
    if (!keys->counted)
        resp_pair_integer(reply, "limit", 0);
}

static void reply_command(struct resp_writer reply, const struct command_spec *spec)
{
    const struct command_keys *keys = &spec->keys;
    bool fixed = keys->start > 0 && !moves_keys(spec);
    resp_array(reply, 10);
    resp_bulk_str(reply, spec->name);
    resp_integer(reply, spec->arity);
    reply_flags(reply, spec);
    resp_integer(reply, fixed ? keys->start : 0);
    resp_integer(reply, !fixed ? 0 : keys->last < 0 ? keys->last : keys->start + keys->last);
    resp_integer(reply, fixed ? keys->step : 0);
    reply_categories(reply, spec);
    resp_array(reply, 0); /* tips: none */
    reply_keys(reply, keys);
    resp_array(reply, spec->subcommands.count);
    for (uint32_t i = 0; i < spec->subcommands.count; i++)
        reply_command(reply, &spec->subcommands.specs[i]);
}

void introspect_command(struct command_call *call)
{
    struct command_table table = call->session->all->table;
    resp_array(call->reply, table.count);
    for (uint32_t i = 0; i < table.count; i++)
        reply_command(call->reply, &table.specs[i]);
}

void introspect_count(struct command_call *call)
{
    resp_integer(call->reply, call->session->all->table.count);
}

void introspect_info(struct command_call *call)
{
    if (call->argc == 2) {
        introspect_command(call);
        return;
    }
    resp_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++) {
        const struct command_spec *spec = table_find_full(call->session->all->table, call->argv[i]);
        if (spec == NULL)
            resp_null_array(call->reply);
        else
            reply_command(call->reply, spec);
    }
}

/* ---- COMMAND DOCS: a map for each command ---- */

static void reply_arguments(struct resp_writer reply, const struct command_argument *arguments,
                            uint32_t count)
{
    resp_array(reply, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct command_argument *a = &arguments[i];
        const char *flags = (a->flags & COMMAND_ARGUMENT_OPTIONAL) == 0
                                ? ((a->flags & COMMAND_ARGUMENT_MULTIPLE) == 0 ? "" : "multiple")
                            : (a->flags & COMMAND_ARGUMENT_MULTIPLE) == 0 ? "optional"
                                                                          : "optional multiple";
        bool plain = a->arguments_count == 0;
        bool displayed = plain && strcmp(a->type, "pure-token") != 0;
        resp_map(reply,
                 2u + displayed + (a->key >= 0) + (a->token != NULL) + (*flags != '\0') + !plain);
        resp_pair_text(reply, "name", a->name);
        resp_pair_text(reply, "type", a->type);
        if (displayed)
            resp_pair_text(reply, "display_text", a->name);
        if (a->key >= 0)
            resp_pair_integer(reply, "key_spec_index", a->key);
        if (a->token != NULL)
            resp_pair_text(reply, "token", a->token);
        if (*flags != '\0') {
            resp_bulk_str(reply, "flags");
            resp_set(reply, count_words(flags));
            reply_words(reply, flags);
        }
        if (!plain) {
            resp_bulk_str(reply, "arguments");
            reply_arguments(reply, a->arguments, a->arguments_count);
        }
    }
}

static void reply_docs(struct resp_writer reply, const struct command_spec *spec)
{
    bool has_arguments = spec->arguments_count > 0, has_subcommands = spec->subcommands.count > 0;
    resp_bulk_str(reply, spec->name);
    resp_map(reply, 4u + has_arguments + has_subcommands);
    resp_pair_text(reply, "summary", spec->summary);
    resp_pair_text(reply, "since", spec->since);
    resp_pair_text(reply, "group", spec->group);
    resp_pair_text(reply, "complexity", spec->complexity);
    if (has_arguments) {
        resp_bulk_str(reply, "arguments");
        reply_arguments(reply, spec->arguments, spec->arguments_count);
    }
    if (has_subcommands) {
        resp_bulk_str(reply, "subcommands");
        resp_map(reply, spec->subcommands.count);
        for (uint32_t i = 0; i < spec->subcommands.count; i++)
            reply_docs(reply, &spec->subcommands.specs[i]);
    }
}

void introspect_docs(struct command_call *call)
{
    struct command_table table = call->session->all->table;
    if (call->argc == 2) {
        resp_map(call->reply, table.count);
        for (uint32_t i = 0; i < table.count; i++)
            reply_docs(call->reply, &table.specs[i]);
        return;
    }
    uint32_t known = 0;
    for (uint32_t i = 2; i < call->argc; i++)
        known += table_find_full(table, call->argv[i]) != NULL;
    resp_map(call->reply, known);
    for (uint32_t i = 2; i < call->argc; i++) {
        const struct command_spec *spec = table_find_full(table, call->argv[i]);
        if (spec != NULL)
            reply_docs(call->reply, spec);
    }
}

/* ---- COMMAND LIST ---- */

enum { PATTERN_BYTES_MAX = 128 };

struct list_filter {
    struct slice category;           /* p NULL: none */
    char pattern[PATTERN_BYTES_MAX]; /* "": none */
    bool none;                       /* a module that is not here */
};

static bool list_matches(const struct list_filter *filter, const struct command_spec *spec)
{
    if (filter->none)
        return false;
    if (filter->category.p != NULL) {
        char name[PATTERN_BYTES_MAX];
        snprintf(name, sizeof(name), "@%.*s", (int)filter->category.n, filter->category.p);
        return in_category(spec, slice_str(name));
    }
    return filter->pattern[0] == '\0' || fnmatch(filter->pattern, spec->name, FNM_CASEFOLD) == 0;
}

/* Counts the matches; tells them where reply is given. */
static uint32_t list(struct command_table table, const struct list_filter *filter,
                     const struct resp_writer *reply)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table.count; i++) {
        const struct command_spec *spec = &table.specs[i];
        if (list_matches(filter, spec)) {
            count++;
            if (reply != NULL)
                resp_bulk_str(*reply, spec->name);
        }
        count += list(spec->subcommands, filter, reply);
    }
    return count;
}

static bool parse_list_filter(const struct slice *argv, uint32_t argc, struct list_filter *filter)
{
    *filter = (struct list_filter){0};
    if (argc == 2)
        return true;
    if (argc != 5 || !slice_ieq_str(argv[2], "FILTERBY") || argv[4].n >= PATTERN_BYTES_MAX - 1)
        return false;
    if (slice_ieq_str(argv[3], "ACLCAT")) {
        filter->category = argv[4];
        return true;
    }
    if (slice_ieq_str(argv[3], "MODULE")) {
        snprintf(filter->pattern, sizeof(filter->pattern), "ts.*");
        filter->none = !slice_ieq_str(argv[4], MODULE_NAME);
        return true;
    }
    snprintf(filter->pattern, sizeof(filter->pattern), "%.*s", (int)argv[4].n, argv[4].p);
    return slice_ieq_str(argv[3], "PATTERN");
}

void introspect_list(struct command_call *call)
{
    struct command_table table = call->session->all->table;
    struct list_filter filter;
    if (!parse_list_filter(call->argv, call->argc, &filter)) {
        resp_error_printf(call->reply, "ERR syntax error, expected: %s", call->spec->syntax);
        return;
    }
    resp_array(call->reply, list(table, &filter, NULL));
    (void)list(table, &filter, &call->reply);
}

/* ---- COMMAND GETKEYS ---- */

/* The index of the first key, or argc or more. */
static uint32_t first_key(const struct command_keys *keys, const struct slice *argv, uint32_t argc)
{
    uint32_t at = (uint32_t)keys->start;
    if (keys->keyword == NULL)
        return at + keys->counted;
    while (at < argc && !slice_ieq_str(argv[at], keys->keyword))
        at++;
    return at + 1;
}

/* The index of the last key; argc: there are fewer arguments than it says. */
static uint32_t last_key(const struct command_keys *keys, const struct slice *argv, uint32_t argc,
                         uint32_t first)
{
    int64_t count;
    if (!keys->counted)
        return keys->last >= 0 ? first + (uint32_t)keys->last : argc - (uint32_t)-keys->last;
    bool good = number_parse_i64(argv[first - 1], &count) == 0 && count >= 1 &&
                count <= (int64_t)(argc - first);
    return good ? first + (uint32_t)count - 1 : argc;
}

void introspect_getkeys(struct command_call *call)
{
    const struct slice *argv = call->argv + 2;
    uint32_t argc = call->argc - 2;
    const struct command_spec *spec = table_find(call->session->all->table, argv[0]);
    if (spec != NULL && spec->subcommands.count > 0 && argc > 1)
        spec = table_find(spec->subcommands, argv[1]);
    if (spec == NULL || !spec_takes(spec, argc)) {
        resp_error(
            call->reply,
            spec == NULL
                ? SLICE_LIT("ERR Invalid command specified: COMMAND LIST names those there are")
                : SLICE_LIT("ERR Invalid number of arguments specified for "
                            "command"));
        return;
    }
    const struct command_keys *keys = &spec->keys;
    uint32_t first = keys->start > 0 ? first_key(keys, argv, argc) : argc;
    if (first >= argc) {
        resp_error(call->reply, SLICE_LIT("ERR The command has no key arguments"));
        return;
    }
    uint32_t last = last_key(keys, argv, argc, first);
    if (last == argc) {
        resp_error(call->reply, SLICE_LIT("ERR Invalid arguments specified for command"));
        return;
    }
    uint32_t step = (uint32_t)keys->step;
    resp_array(call->reply, last < first ? 0 : (last - first) / step + 1);
    for (uint32_t i = first; i <= last; i += step)
        resp_bulk(call->reply, argv[i]);
}

/* ---- MODULE LIST ---- */

void introspect_modules(struct command_call *call)
{
    module_reply_list(call->reply, call->session->all->table);
}

/* ---- HELP of every container ---- */

void introspect_help(struct command_call *call)
{
    const struct command_spec *container = table_find(call->session->all->table, call->argv[0]);
    uint32_t count = container->subcommands.count;
    resp_array(call->reply, 1 + 2 * count);
    resp_simple(call->reply, slice_str(container->summary));
    for (uint32_t i = 0; i < count; i++) {
        const struct command_spec *spec = &container->subcommands.specs[i];
        char line[256];
        int n = snprintf(line, sizeof(line), "    %s", spec->summary);
        resp_simple(call->reply, slice_str(spec->syntax));
        resp_simple(call->reply,
                    slice_make(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1));
    }
}
