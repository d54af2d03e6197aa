#include "base/arena.h"
#include "base/clock.h"
#include "base/vec.h"
#include "command/module.h"
#include "command/read_request.h"
#include "command/session.h"
#include "command_table.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* How the server is: INFO for tools, STATUS for people, both from the same lines. And TIME. */

/* The level of Redis whose protocol and replies this server keeps to: tools gate on it. */
#define REDIS_VERSION "7.0.0"

/* ---- the lines ---- */

struct line {
    struct slice name;
    struct slice text; /* p NULL: a number */
    int64_t number;
};

struct section {
    const char *name;
    uint32_t first, count; /* of its lines */
};

/* A sink that keeps what it is told. */
struct lines {
    struct status_sink sink; /* first: providers hand it back */
    struct arena arena;
    VEC(struct line) lines;
    VEC(struct section) sections;
    struct buffer names; /* of all sections, asked for or not */
    bool failed;         /* out of memory */
};

static void keep(struct lines *lines, struct line line)
{
    if (line.name.p == NULL || !VEC_PUSH(&lines->lines, line))
        lines->failed = true;
    else
        lines->sections.v[lines->sections.n - 1].count++;
}

static void keep_number(struct status_sink *sink, const char *name, int64_t value)
{
    struct lines *lines = (struct lines *)sink;
    keep(lines, (struct line){.name = arena_copy(&lines->arena, slice_str(name)), .number = value});
}

static void keep_text(struct status_sink *sink, const char *name, const char *value)
{
    struct lines *lines = (struct lines *)sink;
    struct slice text = arena_copy(&lines->arena, slice_str(value));
    if (text.p == NULL)
        lines->failed = true;
    else
        keep(lines,
             (struct line){.name = arena_copy(&lines->arena, slice_str(name)), .text = text});
}

static void lines_init(struct lines *lines)
{
    *lines = (struct lines){.sink = {keep_number, keep_text}};
    arena_init(&lines->arena);
    buffer_init(&lines->names, SIZE_MAX);
}

static void lines_fini(struct lines *lines)
{
    arena_fini(&lines->arena);
    VEC_FINI(&lines->lines);
    VEC_FINI(&lines->sections);
    buffer_fini(&lines->names);
}

/* ---- the server's own sections ---- */

static void write_server(void *arg, struct status_sink *sink)
{
    const struct command_deps *deps = ((const struct sessions *)arg)->deps;
    struct utsname os;
    char system[sizeof(os.sysname) + sizeof(os.release) + sizeof(os.machine) + 3] = "unknown";
    if (uname(&os) == 0)
        snprintf(system, sizeof(system), "%s %s %s", os.sysname, os.release, os.machine);
    int64_t uptime_s = (clock_wall_ms() - deps->started_wall_ms) / 1000;
    sink->text(sink, "redis_version", REDIS_VERSION);
    sink->text(sink, "longtail_version", deps->version);
    sink->text(sink, "redis_mode", "standalone");
    sink->text(sink, "os", system);
    sink->number(sink, "arch_bits", (int64_t)sizeof(void *) * 8);
    sink->number(sink, "process_id", getpid());
    sink->number(sink, "tcp_port", ((const struct sessions *)arg)->port);
    sink->number(sink, "uptime_in_seconds", uptime_s > 0 ? uptime_s : 0);
    sink->number(sink, "uptime_in_days", uptime_s > 0 ? uptime_s / 86400 : 0);
    sink->text(sink, "role_ingest", deps->ingest != NULL ? "yes" : "no");
    sink->text(sink, "role_query", deps->query != NULL ? "yes" : "no");
    sink->text(sink, "role_jobs", deps->jobs != NULL ? "yes" : "no");
}

static void write_clients(void *arg, struct status_sink *sink)
{
    const struct sessions *all = arg;
    int64_t blocked = 0, waiting = 0;
    for (const struct session *s = all->first; s != NULL; s = s->next) {
        blocked += s->blocking != NULL;
        waiting += s->replies.open;
    }
    sink->number(sink, "connected_clients", all->count);
    sink->number(sink, "maxclients", option_int(all->deps->options, "clients-max"));
    sink->number(sink, "blocked_clients", blocked);
    sink->number(sink, "replies_waiting", waiting);
}

static void write_stats(void *arg, struct status_sink *sink)
{
    const struct sessions *all = arg;
    sink->number(sink, "total_connections_received", (int64_t)all->connections);
    sink->number(sink, "total_commands_processed", (int64_t)all->commands);
    sink->number(sink, "instantaneous_ops_per_sec", (int64_t)all->rate);
    sink->number(sink, "total_error_replies", (int64_t)all->usage.errors_all);
    sink->number(sink, "expired_keys", 0); /* no key goes because of its age, or for want of room */
    sink->number(sink, "evicted_keys", 0);
    sink->number(sink, "commands_refused", (int64_t)all->refused);
    sink->number(sink, "protocol_errors", (int64_t)all->errors_protocol);
    sink->number(sink, "auth_failures", (int64_t)all->auth_failures);
    sink->number(sink, "client_output_buffer_limit_disconnections", (int64_t)all->cut_slow);
}

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL || fscanf(statm, "%*s %lld", &pages) != 1)
        pages = 0;
    if (statm != NULL)
        fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static void write_memory(void *arg, struct status_sink *sink)
{
    struct rusage usage = {0};
    char human[32];
    int64_t resident = resident_bytes();
    (void)getrusage(RUSAGE_SELF, &usage);
    snprintf(human, sizeof(human), "%.2fM", (double)resident / (1 << 20));
    sink->number(sink, "used_memory", resident);
    sink->text(sink, "used_memory_human", human);
    sink->number(sink, "used_memory_rss", resident);
    sink->number(sink, "used_memory_peak", (int64_t)usage.ru_maxrss * 1024);
    sink->number(sink, "total_system_memory",
                 (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE));
    sink->number(sink, "maxmemory", 0);
    sink->text(sink, "maxmemory_policy", "noeviction");
}

static void write_seconds(struct status_sink *sink, const char *name, struct timeval time)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld.%06ld", (long long)time.tv_sec, (long)time.tv_usec);
    sink->text(sink, name, text);
}

static void write_cpu(void *arg, struct status_sink *sink)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    write_seconds(sink, "used_cpu_sys", usage.ru_stime);
    write_seconds(sink, "used_cpu_user", usage.ru_utime);
}

/* What clients ask before they begin: is it a master, alone, and done with loading? Writes are
 * taken from the first moment on; reads wait by themselves (READY says how far they are). */
static void write_persistence(void *arg, struct status_sink *sink)
{
    sink->number(sink, "loading", 0);
    sink->number(sink, "rdb_bgsave_in_progress", 0); /* nothing is saved: the log has it */
    sink->number(sink, "aof_enabled", 0);
    sink->number(sink, "aof_rewrite_in_progress", 0);
}

static void write_replication(void *arg, struct status_sink *sink)
{
    sink->text(sink, "role", "master");
    sink->number(sink, "connected_slaves", 0);
}

static void write_cluster(void *arg, struct status_sink *sink)
{
    sink->number(sink, "cluster_enabled", 0);
}

static void write_modules(void *arg, struct status_sink *sink)
{
    char text[128];
    if (!module_is_whole(((const struct sessions *)arg)->table))
        return;
    snprintf(text, sizeof(text),
             "name=" MODULE_NAME ",ver=%d,api=1,filters=0,usedby=[],using=[],options=[]",
             MODULE_VERSION);
    sink->text(sink, "module", text);
}

/* How many keys there are is not known without reading them: DBSIZE counts. */
static void write_keyspace(void *arg, struct status_sink *sink)
{
}

/* ---- which sections ---- */

/* As in Redis: told where somebody asks for it, or for all. */
static bool is_by_default(const char *section)
{
    return strcmp(section, "commandstats") != 0;
}

static bool asked_for(const struct command_call *call, const char *section)
{
    if (call->argc == 1)
        return is_by_default(section);
    for (uint32_t i = 1; i < call->argc; i++) {
        struct slice word = call->argv[i];
        /* "partition" asks for "partition 0" too. */
        size_t n = slice_find(slice_str(section), ' ');
        if (slice_ieq_str(word, section) || slice_ieq_str(word, "all") ||
            slice_ieq_str(word, "everything") ||
            (slice_ieq_str(word, "default") && is_by_default(section)) ||
            (word.n == n && strncasecmp(word.p, section, n) == 0))
            return true;
    }
    return false;
}

static void collect_from(struct lines *lines, const struct command_call *call,
                         const struct status_provider *provider)
{
    struct section section = {.name = provider->section, .first = lines->lines.n};
    buffer_printf(&lines->names, "%s%s", lines->names.len > 0 ? ", " : "", provider->section);
    if (lines->failed || !asked_for(call, provider->section))
        return;
    if (!VEC_PUSH(&lines->sections, section)) {
        lines->failed = true;
        return;
    }
    provider->write(provider->arg, &lines->sink);
}

/* false: out of memory, and the reply says so. */
static bool collect(struct lines *lines, struct command_call *call)
{
    struct sessions *all = call->session->all;
    const struct status_provider own[] = {{"server", write_server, all},
                                          {"clients", write_clients, all},
                                          {"memory", write_memory, all},
                                          {"persistence", write_persistence, all},
                                          {"stats", write_stats, all},
                                          {"replication", write_replication, all},
                                          {"CPU", write_cpu, all},
                                          {"modules", write_modules, all},
                                          {"commandstats", usage_write_commands, &all->usage},
                                          {"errorstats", usage_write_errors, &all->usage},
                                          {"cluster", write_cluster, all},
                                          {"keyspace", write_keyspace, all}};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        collect_from(lines, call, &own[i]);
    for (uint32_t i = 0; i < call->deps->providers_count; i++)
        collect_from(lines, call, &call->deps->providers[i]);
    if (lines->failed)
        resp_error(call->reply, SLICE_LIT("ERR out of memory while the status was collected"));
    return !lines->failed;
}

/* ---- INFO ---- */

/* Clients make one dictionary of all lines: where there are several sections of a kind ("partition
 * 0"), a name alone would be overwritten by the next one's. */
static void append_info_name(struct buffer *out, const char *section, struct slice name)
{
    if (strchr(section, ' ') != NULL) {
        for (const char *c = section; *c != '\0'; c++)
            buffer_append(out, *c == ' ' ? "_" : c, 1);
        buffer_append(out, "_", 1);
    }
    buffer_append_slice(out, name);
}

static void append_info(struct buffer *out, const struct lines *lines)
{
    for (uint32_t i = 0; i < lines->sections.n; i++) {
        const struct section *section = &lines->sections.v[i];
        buffer_printf(out, "%s# %c%s\r\n", i > 0 ? "\r\n" : "", section->name[0] & ~0x20,
                      section->name + 1);
        for (uint32_t j = section->first; j < section->first + section->count; j++) {
            const struct line *line = &lines->lines.v[j];
            append_info_name(out, section->name, line->name);
            buffer_append_str(out, ":");
            if (line->text.p != NULL)
                buffer_append_slice(out, line->text);
            else
                buffer_printf(out, "%lld", (long long)line->number);
            buffer_append_str(out, "\r\n");
        }
    }
}

void status_info(struct command_call *call)
{
    struct lines lines;
    struct buffer text;
    lines_init(&lines);
    buffer_init(&text, call->session->all->output_bytes_max);
    if (collect(&lines, call)) {
        append_info(&text, &lines);
        if (text.error != 0)
            resp_error(call->reply, SLICE_LIT("ERR out of memory while INFO was composed"));
        else
            resp_verbatim(call->reply, buffer_slice(&text));
    }
    buffer_fini(&text);
    lines_fini(&lines);
}

/* ---- STATUS ---- */

/* redis-cli shows simple strings without quotes, one a line: a page to read. */
static void reply_page(struct resp_writer reply, const struct lines *lines)
{
    resp_array(reply, lines->sections.n + lines->lines.n);
    for (uint32_t i = 0; i < lines->sections.n; i++) {
        const struct section *section = &lines->sections.v[i];
        char text[512];
        snprintf(text, sizeof(text), "# %s", section->name);
        resp_simple(reply, slice_str(text));
        for (uint32_t j = section->first; j < section->first + section->count; j++) {
            const struct line *line = &lines->lines.v[j];
            if (line->text.p != NULL)
                snprintf(text, sizeof(text), "%.*s: %.*s", (int)line->name.n, line->name.p,
                         (int)line->text.n, line->text.p);
            else
                snprintf(text, sizeof(text), "%.*s: %lld", (int)line->name.n, line->name.p,
                         (long long)line->number);
            resp_simple(reply, slice_str(text));
        }
    }
}

static void reply_maps(struct resp_writer reply, const struct lines *lines)
{
    resp_map(reply, lines->sections.n);
    for (uint32_t i = 0; i < lines->sections.n; i++) {
        const struct section *section = &lines->sections.v[i];
        resp_bulk_str(reply, section->name);
        resp_map(reply, section->count);
        for (uint32_t j = section->first; j < section->first + section->count; j++) {
            const struct line *line = &lines->lines.v[j];
            resp_bulk(reply, line->name);
            if (line->text.p != NULL)
                resp_bulk(reply, line->text);
            else
                resp_integer(reply, line->number);
        }
    }
}

void status_status(struct command_call *call)
{
    struct lines lines;
    lines_init(&lines);
    if (collect(&lines, call)) {
        if (lines.sections.n == 0)
            resp_error_printf(call->reply, "ERR there is no section '%.*s': expected %.*s or all",
                              READ_QUOTE(call->argv[1]), (int)lines.names.len, lines.names.data);
        else if (call->reply.version == 2)
            reply_page(call->reply, &lines);
        else
            reply_maps(call->reply, &lines);
    }
    lines_fini(&lines);
}

/* ---- TIME ---- */

void status_time(struct command_call *call)
{
    struct timespec now;
    char text[24];
    clock_gettime(CLOCK_REALTIME, &now);
    resp_array(call->reply, 2);
    snprintf(text, sizeof(text), "%lld", (long long)now.tv_sec);
    resp_bulk_str(call->reply, text);
    snprintf(text, sizeof(text), "%ld", now.tv_nsec / 1000);
    resp_bulk_str(call->reply, text);
}
