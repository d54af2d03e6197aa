/* longtaild: builds the parts, connects ports to adapters, runs the loop. The only place that knows
 * all of them. */

#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "base/option.h"
#include "command/decide.h"
#include "command/server.h"
#include "command_table.h"
#include "ingest/ingest.h"
#include "jobs/jobs.h"
#include "kafka/kafka.h"
#include "locallog/locallog.h"
#include "mysql/mysql_storage.h"
#include "query/query.h"
#include "reactor/pool.h"
#include "reactor/reactor.h"
#include "store/store.h"
#include "tenant/tenant.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION "0.1.0"

enum {
    TICK_MS = 50,         /* deadlines of reads are noticed this late at most */
    DRAIN_MS = 8000,      /* TERM: for what is in flight; longer than the log's own time limit */
    JOBS_STOP_MS = 2000,  /* TERM: for the statement in hand; what it was part of is done again */
    STORE_STOP_MS = 5000, /* TERM: for the last flush */
    PROVIDERS_MAX = 16,
    PARTITION_PROVIDERS_MAX = 8,
};

enum role { ROLE_INGEST = 1, ROLE_STORE = 2, ROLE_QUERY = 4, ROLE_JOBS = 8 };

static const struct option_spec main_options[] = {
    {.name = "roles",
     .type = OPTION_TEXT,
     .default_text = "ingest,store,query,jobs",
     .help =
         "what this process does: ingest takes writes, store flushes to the tables, query reads, "
         "jobs tidies up",
     .section = "process"},
    {.name = "log",
     .type = OPTION_TEXT,
     .default_text = "local",
     .help = "where a write is durable before it is acknowledged: local (this machine) or kafka",
     .section = "process"},
    {.name = "workers",
     .type = OPTION_INT,
     .default_text = "4",
     .min = 1,
     .max = 256,
     .help = "threads that read, each with a database connection of its own",
     .section = "query"},
    {.name = "worker-queue-max",
     .type = OPTION_INT,
     .default_text = "1024",
     .min = 1,
     .max = 1000000,
     .help = "reads that wait for a worker; above it they are answered BUSY",
     .section = "query"},
    {.name = "log-level",
     .type = OPTION_TEXT,
     .default_text = "info",
     .help = "debug, info, warn or error",
     .section = "process"},
};

struct process {
    const struct option_set *options;
    unsigned roles;
    struct reactor *reactor;
    struct tenant *tenant;
    struct log *log;
    struct storage *storage;
    struct store *store;
    struct jobs *jobs;
    struct ingest *ingest;
    struct pool *workers, *control;
    struct query *query;
    struct decide *decide;
    struct command_deps deps;
    struct server *server;
    struct reactor_watch *log_watch, *head_watch, *jobs_watch;
    struct reactor_timer *tick;
    struct status_provider providers[PROVIDERS_MAX];
    uint32_t providers_count;
    char node[300];
    bool draining;
};

/* ---- options ---- */

static const struct {
    const struct option_spec *specs;
    const size_t *count;
} option_tables[] = {
    {tenant_options, &tenant_options_count},
    {server_options, &server_options_count},
    {ingest_options, &ingest_options_count},
    {store_options, &store_options_count},
    {query_options, &query_options_count},
    {kafka_options, &kafka_options_count},
    {jobs_options, &jobs_options_count},
    {locallog_options, &locallog_options_count},
    {mysql_options_table, &mysql_options_table_count},
};

static int declare_options(struct option_set *options)
{
    int err = option_set_add(options, main_options, ARRAY_LEN(main_options));
    for (size_t i = 0; err == 0 && i < ARRAY_LEN(option_tables); i++)
        err = option_set_add(options, option_tables[i].specs, *option_tables[i].count);
    return err;
}

static int parse_roles(const char *text, unsigned *out, struct buffer *message)
{
    static const struct {
        const char *name;
        enum role role;
    } roles[] = {
        {"ingest", ROLE_INGEST}, {"store", ROLE_STORE}, {"query", ROLE_QUERY}, {"jobs", ROLE_JOBS}};
    struct slice rest = slice_str(text);
    *out = 0;
    for (;;) {
        size_t n = slice_find(rest, ',');
        size_t i = 0;
        while (i < ARRAY_LEN(roles) && !slice_ieq_str(slice_upto(rest, n), roles[i].name))
            i++;
        if (i == ARRAY_LEN(roles)) {
            buffer_printf(
                message,
                "--roles: '%.*s' is no role, expected a list of ingest, store, query, jobs", (int)n,
                rest.p);
            return LT_EINVALID;
        }
        *out |= (unsigned)roles[i].role;
        if (n == rest.n)
            return 0;
        rest = slice_from(rest, n + 1);
    }
}

static int set_log_level(const char *text, struct buffer *message)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(text, levels[i]) == 0) {
            logger_set_level((enum logger_level)i);
            return 0;
        }
    }
    buffer_printf(message, "--log-level: '%s', expected debug, info, warn or error", text);
    return LT_EINVALID;
}

/* ---- building ---- */

static void add_provider(struct process *p, const char *section,
                         void (*write)(void *arg, struct status_sink *sink), void *arg)
{
    if (p->providers_count < PROVIDERS_MAX)
        p->providers[p->providers_count++] = (struct status_provider){section, write, arg};
}

static void on_log_event(void *arg)
{
    log_dispatch(arg);
}

static void on_head_event(void *arg)
{
    head_dispatch(arg);
}

static int build_log(struct process *p, struct buffer *message)
{
    const char *kind = option_text(p->options, "log");
    int err;
    if (strcmp(kind, "kafka") == 0) {
        struct kafka_config config;
        kafka_config_load(&config, p->options);
        config.partitions = tenant_partitions(p->tenant);
        err = kafka_create(&config, &p->log);
        if (err == 0)
            add_provider(p, "log", kafka_status, p->log);
    } else if (strcmp(kind, "local") == 0) {
        struct locallog_config config = {.partitions = tenant_partitions(p->tenant),
                                         .read_only = (p->roles & ROLE_INGEST) == 0};
        locallog_config_load(&config, p->options);
        err = locallog_create(&config, &p->log);
        if (err == 0)
            add_provider(p, "log", locallog_status, p->log);
    } else {
        buffer_printf(message, "--log: '%s', expected local or kafka", kind);
        return LT_EINVALID;
    }
    if (err == 0)
        err =
            reactor_watch_fd(p->reactor, log_event_fd(p->log), on_log_event, p->log, &p->log_watch);
    return err;
}

static void name_node(struct process *p)
{
    const char *node = option_text(p->options, "node");
    char host[200] = "localhost";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    if (*node != '\0')
        snprintf(p->node, sizeof(p->node), "%s", node);
    else
        snprintf(p->node, sizeof(p->node), "%s %.64s", host, option_text(p->options, "listen"));
}

/* The local log has one process that writes to it. */
static bool may_append(const struct process *p)
{
    return (p->roles & ROLE_INGEST) != 0 || strcmp(option_text(p->options, "log"), "kafka") == 0;
}

static int build_store(struct process *p)
{
    struct mysql_config mysql;
    mysql_config_from(p->options, &mysql);
    int err = mysql_storage_create(&mysql, &p->storage);
    if (err != 0)
        return err;
    name_node(p);
    bool local = strcmp(option_text(p->options, "log"), "local") == 0;
    struct store_config config = {
        .log = p->log,
        .storage = p->storage,
        .tenant = p->tenant,
        .node = p->node,
        .flushes = (p->roles & ROLE_STORE) != 0,
        .flush_interval_ms = option_int(p->options, "flush-interval"),
        .flush_bytes = (size_t)option_int(p->options, "flush-bytes"),
        .head_bytes_max = (size_t)option_int(p->options, "head-bytes-max"),
        .novelty_bytes_max = (size_t)option_int(p->options, "novelty-bytes-max"),
        .lease_ms = option_int(p->options, "lease"),
        .retention_ms = option_int(p->options, "keep-1s"),
        .items_max = (uint64_t)option_int(p->options, "items-max"),
        .log_keep_ms = local ? option_int(p->options, "log-keep") : 0,
        .appends = may_append(p),
    };
    err = store_create(&config, &p->store);
    if (err == 0)
        err = reactor_watch_fd(p->reactor, head_event_fd(store_head(p->store)), on_head_event,
                               store_head(p->store), &p->head_watch);
    if (err != 0)
        return err;
    struct status_provider partitions[PARTITION_PROVIDERS_MAX];
    uint32_t n = store_providers(p->store, partitions, PARTITION_PROVIDERS_MAX);
    for (uint32_t i = 0; i < n; i++)
        add_provider(p, partitions[i].section, partitions[i].write, partitions[i].arg);
    return 0;
}

static int session_context(void *arg, void **out)
{
    struct storage_session *session;
    int err = storage_session_create(arg, &session);
    if (err == 0)
        *out = session;
    return err;
}

static void session_context_destroy(void **context)
{
    struct storage_session *session = *context;
    *context = NULL;
    storage_session_destroy(&session);
}

static void on_tick(void *arg)
{
    struct process *p = arg;
    if (p->query != NULL)
        query_tick(p->query, clock_mono_ms());
    if (p->store != NULL)
        store_tick(p->store);
    if (p->decide != NULL)
        decide_turn(p->decide);
}

static int build_query(struct process *p)
{
    struct pool_config workers = {
        .name = "worker",
        .threads = (uint32_t)option_int(p->options, "workers"),
        .queue_max = (uint32_t)option_int(p->options, "worker-queue-max"),
        .context_create = session_context,
        .context_destroy = session_context_destroy,
        .arg = p->storage,
    };
    int err = pool_create(p->reactor, &workers, &p->workers);
    if (err != 0)
        return err;
    struct pool_config control = workers;
    control.name = "control";
    control.threads = 1;
    err = pool_create(p->reactor, &control, &p->control);
    if (err != 0)
        return err;
    struct query_config config = {0};
    query_config_load(&config, p->options);
    config.head = store_head(p->store);
    config.executor = pool_executor(p->workers);
    config.control = pool_executor(p->control);
    err = query_create(&config, &p->query);
    if (err == 0)
        add_provider(p, "query", query_status, p->query);
    return err;
}

static void on_jobs_event(void *arg)
{
    jobs_dispatch(arg);
}

static bool owns(void *arg, uint32_t partition, uint64_t *epoch_out)
{
    return store_fence(arg, partition, epoch_out);
}

static struct catalog *catalog_of(void *arg, uint32_t environment)
{
    return store_catalog(arg, environment);
}

static int append_for_jobs(void *arg, uint32_t partition, struct slice record, log_done *done,
                           void *done_arg)
{
    return log_append(arg, partition, record, done, done_arg);
}

/* Jobs work under the store's lease: a process that flushes nothing owns nothing, and has none. */
static int build_jobs(struct process *p)
{
    if ((p->roles & ROLE_STORE) == 0) {
        log_warn("main", "--roles: jobs run where the role store is: this process has none to do");
        return 0;
    }
    struct jobs_config config = {
        .storage = p->storage,
        .tenant = p->tenant,
        .fence = owns,
        .fence_arg = p->store,
        .catalog = catalog_of,
        .catalog_arg = p->store,
        .append = may_append(p) ? append_for_jobs : NULL,
        .append_arg = p->log,
    };
    jobs_config_load(&config, p->options);
    config.limits.keep_1s_ms = option_int(p->options, "keep-1s");
    config.limits.read_deadline_ms = option_int(p->options, "query-deadline");
    int err = jobs_create(&config, &p->jobs);
    if (err == 0)
        err = reactor_watch_fd(p->reactor, jobs_event_fd(p->jobs), on_jobs_event, p->jobs,
                               &p->jobs_watch);
    if (err == 0)
        add_provider(p, "jobs", jobs_status, p->jobs);
    return err;
}

/* The store is built after ingest, or not at all. */
static bool items_full(void *arg, uint32_t environment)
{
    const struct process *p = arg;
    return p->store != NULL && store_items_full(p->store, environment);
}

static struct catalog *items_of(void *arg, uint32_t environment)
{
    const struct process *p = arg;
    return store_catalog(p->store, environment);
}

static enum declares declares(void *arg, uint32_t environment)
{
    return store_declares(((const struct process *)arg)->store, environment);
}

static uint64_t applied_by(void *arg, uint32_t partition)
{
    const struct process *p = arg;
    uint64_t applied;
    bool applies = p->store != NULL && store_applied(p->store, partition, &applied);
    return applies ? applied : PACE_NOBODY;
}

static int build_ingest(struct process *p)
{
    struct ingest_config config;
    ingest_config_load(&config, p->options);
    config.log = p->log;
    config.tenant = p->tenant;
    config.items_full = items_full;
    config.catalog = items_of;
    config.items_arg = p;
    config.applied = applied_by;
    config.applied_arg = p;
    int err = ingest_create(&config, &p->ingest);
    if (err == 0)
        add_provider(p, "ingest", ingest_status, p->ingest);
    return err;
}

/* Deciding takes the lease, the log and reads. */
static int build_decide(struct process *p)
{
    const struct decide_config config = {
        .ingest = p->ingest,
        .store = p->store,
        .query = p->query,
        .tenant = p->tenant,
        .deadline_ms = option_int(p->options, "query-deadline"),
    };
    int err = decide_create(&config, &p->decide);
    if (err == 0)
        add_provider(p, "decide", decider_status, decide_decider(p->decide));
    return err;
}

static int build_server(struct process *p)
{
    p->deps = (struct command_deps){
        .options = p->options,
        .tenant = p->tenant,
        .ingest = p->ingest,
        .decide = p->decide,
        .store = p->store,
        .query = p->query,
        .head = p->store == NULL ? NULL : store_head(p->store),
        .jobs = p->jobs,
        .declares = p->store == NULL ? NULL : declares,
        .catalog = p->store == NULL ? NULL : items_of,
        .catalog_arg = p,
        .madd_needs_keys = !option_bool(p->options, "madd-creates"),
        .providers = p->providers,
        .providers_count = p->providers_count,
        .started_wall_ms = clock_wall_ms(),
        .version = VERSION,
    };
    struct server_config config = {
        .reactor = p->reactor, .deps = &p->deps, .table = command_table_default};
    return server_create(&config, &p->server);
}

/* ---- the end ---- */

static void on_drained(void *arg)
{
    struct process *p = arg;
    reactor_stop(p->reactor);
}

/* The first TERM drains: no new clients, every write that is in flight gets its answer. The second
 * one leaves at once: the log has what was acknowledged. */
static void on_signal(void *arg, int number)
{
    struct process *p = arg;
    if (p->draining) {
        log_warn("main", "second signal: leaving at once");
        _exit(EXIT_FAILURE);
    }
    log_info("main", "signal %d: draining", number);
    p->draining = true;
    if (p->jobs != NULL)
        jobs_end(p->jobs);
    server_drain(p->server, DRAIN_MS, on_drained, p);
}

/* Against the order of building; the threads that use a part are gone before the part is. */
static void teardown(struct process *p)
{
    if (p->query != NULL)
        query_stop(p->query);
    if (p->decide != NULL)
        decide_stop(p->decide);
    pool_destroy(&p->workers);
    pool_destroy(&p->control);
    query_destroy(&p->query);
    reactor_timer_destroy(&p->tick);
    bool stopped = p->jobs == NULL || jobs_stop(p->jobs, JOBS_STOP_MS);
    stopped = (p->store == NULL || store_stop(p->store, STORE_STOP_MS)) && stopped;
    if (!stopped) {
        log_warn("main", "the database does not answer: leaving without it; the log has all that "
                         "was acknowledged");
        _exit(EXIT_SUCCESS);
    }
    reactor_unwatch(&p->jobs_watch);
    jobs_destroy(&p->jobs);
    store_destroy(&p->store);
    reactor_unwatch(&p->head_watch);
    reactor_unwatch(&p->log_watch);
    log_destroy(&p->log); /* answers what is still in flight */
    ingest_destroy(&p->ingest);
    decide_destroy(&p->decide);
    server_destroy(&p->server);
    storage_destroy(&p->storage);
    tenant_destroy(&p->tenant);
    reactor_destroy(&p->reactor);
}

static int build(struct process *p, struct buffer *message)
{
    int err = set_log_level(option_text(p->options, "log-level"), message);
    if (err == 0)
        err = parse_roles(option_text(p->options, "roles"), &p->roles, message);
    if (err == 0)
        err = tenant_create(option_text(p->options, "password"), &p->tenant);
    if (err == 0)
        err = reactor_create(&p->reactor);
    if (err == 0)
        err = build_log(p, message);
    if (err == 0 && (p->roles & ROLE_INGEST) != 0)
        err = build_ingest(p);
    if (err == 0 && (p->roles & (ROLE_STORE | ROLE_QUERY)) != 0)
        err = build_store(p);
    if (err == 0 && (p->roles & ROLE_QUERY) != 0)
        err = build_query(p);
    if (err == 0 && (p->roles & ROLE_INGEST) != 0 && (p->roles & ROLE_STORE) != 0 &&
        p->query != NULL)
        err = build_decide(p);
    if (err == 0 && (p->roles & ROLE_JOBS) != 0)
        err = build_jobs(p);
    if (err == 0)
        err = build_server(p);
    if (err == 0)
        err = reactor_timer_create(p->reactor, on_tick, p, &p->tick);
    if (err == 0)
        err = reactor_on_signal(p->reactor, on_signal, p);
    if (err == 0 && p->store != NULL)
        err = store_start(p->store);
    if (err == 0 && p->jobs != NULL)
        err = jobs_start(p->jobs);
    return err;
}

static int serve(const struct option_set *options, struct buffer *message)
{
    struct process *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return LT_ENOMEM;
    p->options = options;
    int err = build(p, message);
    if (err == 0) {
        reactor_timer_start(p->tick, TICK_MS, TICK_MS);
        log_info("main", "longtaild " VERSION " serves on %s", option_text(options, "listen"));
        reactor_run(p->reactor);
    }
    teardown(p);
    free(p);
    if (err == 0)
        log_info("main", "stopped");
    return err;
}

static void print_help(const struct option_set *options)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    option_help(options, &text);
    printf("Usage: longtaild [--option value ...]\n\n"
           "A time-series server for people who watch databases: speaks RESP, acknowledges by its "
           "log,\n"
           "stores in MySQL.\n\n%.*s",
           (int)text.len, text.data);
    buffer_fini(&text);
}

int main(int argc, char **argv)
{
    struct option_set *options = NULL;
    struct buffer message;
    const char *stop_at = NULL;
    buffer_init(&message, 64 << 10);
    int err = option_set_create(&options);
    if (err == 0)
        err = declare_options(options);
    if (err == 0)
        err = option_set_load(options, argc, argv, environ, &message, &stop_at);
    if (err == 0 && stop_at == NULL)
        err = serve(options, &message);
    else if (err == 0 && strcmp(stop_at, "--version") == 0)
        puts("longtaild " VERSION);
    else if (err == 0)
        print_help(options);
    if (err != 0)
        fprintf(stderr, "longtaild: %.*s\n",
                message.len > 0 ? (int)message.len : (int)strlen(error_text(err)),
                message.len > 0 ? message.data : error_text(err));
    option_set_destroy(&options);
    buffer_fini(&message);
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
