#include "store/store.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/logger.h"
#include "catalog/declared.h"
#include "store/partition.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 1000 }; /* for the statement that runs when the time is over */

const struct option_spec store_options[] = {
    {.name = "node",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "this process' name in leases; a restart under the same name takes its lease back at "
             "once (default: host name and first listen address)",
     .section = "store"},
    {.name = "flush-interval",
     .type = OPTION_DURATION_MS,
     .default_text = "10s",
     .min = 10,
     .max = 3600000,
     .help = "points wait in memory at most this long before they go to the tables",
     .section = "store"},
    {.name = "flush-bytes",
     .type = OPTION_BYTES,
     .default_text = "64mb",
     .min = 65536,
     .max = INT64_C(1) << 40,
     .help = "a flush begins early at this size",
     .section = "store"},
    {.name = "head-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "1gb",
     .min = 1 << 20,
     .max = INT64_C(1) << 44,
     .help = "memory of points not stored yet, a partition; above it the log is not read further",
     .section = "store"},
    {.name = "novelty-bytes-max",
     .type = OPTION_BYTES,
     .default_text = "256mb",
     .min = 1 << 16,
     .max = INT64_C(1) << 44,
     .help = "memory that remembers each series' newest time, so that sums need not look back",
     .section = "store"},
    {.name = "lease",
     .type = OPTION_DURATION_MS,
     .default_text = "10s",
     .min = 500,
     .max = 600000,
     .help = "a partition whose owner is silent for this long may be taken over",
     .section = "store"},
    {.name = "keep-1s",
     .type = OPTION_DURATION_MS,
     .default_text = "3d",
     .min = 3600000,
     .max = INT64_C(400) * 86400000,
     .help = "retention of 1-second data; older points go to the catch-all table",
     .section = "store"},
    {.name = "items-max",
     .type = OPTION_INT,
     .default_text = "50000000",
     .min = 0,
     .max = INT64_C(1) << 40,
     .help = "items of an environment (0: no limit): above it, a process that knows the catalog "
             "(roles store, query) refuses to write a new one. 30 bytes of memory each",
     .section = "store"},
    {.name = "log-keep",
     .type = OPTION_DURATION_MS,
     .default_text = "24h",
     .min = 0,
     .max = INT64_C(400) * 86400000,
     .help = "the local log keeps stored records this long (0: for ever); keep it longer than the "
             "oldest backup. Kafka's retention is the topic's",
     .section = "store"},
};
const size_t store_options_count = ARRAY_LEN(store_options);

static int partition_init(struct partition *p, struct store *store, uint32_t number)
{
    p->store = store;
    p->number = number;
    atomic_store(&p->wake_at, UINT64_MAX);
    atomic_store(&p->catch_up, UINT64_MAX);
    if (pthread_mutex_init(&p->lock, NULL) != 0)
        return LT_ENOMEM;
    cond_init(&p->changed);
    int err = newest_init(&p->newest);
    return err != 0 ? err : record_reader_create(&p->decoder);
}

int store_create(const struct store_config *config, struct store **out)
{
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return LT_ENOMEM;
    store->head.ops = &store_head_ops;
    store->config = *config;
    int err = LT_EIO;
    store->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (store->event_fd < 0)
        goto fail_store;
    err = LT_ENOMEM;
    store->partitions_count = tenant_partitions(config->tenant);
    store->partitions = calloc(store->partitions_count, sizeof(store->partitions[0]));
    if (store->partitions == NULL)
        goto fail_fd;
    for (uint32_t i = 0; i < store->partitions_count; i++) {
        err = partition_init(&store->partitions[i], store, i);
        if (err != 0)
            goto fail_partitions;
    }
    const struct tenant_environment *environments;
    uint32_t count = tenant_environments(config->tenant, &environments);
    store->items_full = calloc(count == 0 ? 1 : count, sizeof(store->items_full[0]));
    err = LT_ENOMEM;
    store->declares = calloc(count == 0 ? 1 : count, sizeof(store->declares[0]));
    if (store->items_full == NULL || store->declares == NULL)
        goto fail_flags;
    for (uint32_t i = 0; i < store->partitions_count; i++)
        partition_forget_declares(&store->partitions[i]);
    *out = store;
    return 0;

fail_flags:
    free(store->items_full);
    free(store->declares);
fail_partitions:
    free(store->partitions);
fail_fd:
    close(store->event_fd);
fail_store:
    free(store);
    return err;
}

int store_start(struct store *store)
{
    for (uint32_t i = 0; i < store->partitions_count; i++) {
        struct partition *p = &store->partitions[i];
        if (pthread_create(&p->owner_thread, NULL, owner_main, p) != 0)
            return LT_ENOMEM;
        p->owner_running = true;
    }
    return 0;
}

static void request_stop(struct store *store, int64_t until)
{
    for (uint32_t i = 0; i < store->partitions_count; i++) {
        struct partition *p = &store->partitions[i];
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        p->stop_mono_ms = until;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
    }
}

bool store_stop(struct store *store, int64_t timeout_ms)
{
    request_stop(store, clock_mono_ms() + timeout_ms);
    int64_t until_ms = clock_wall_ms() + timeout_ms + STOP_GRACE_MS;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    bool stopped = true;
    for (uint32_t i = 0; i < store->partitions_count; i++) {
        struct partition *p = &store->partitions[i];
        if (p->owner_running && pthread_timedjoin_np(p->owner_thread, NULL, &until) == 0)
            p->owner_running = false;
        stopped = stopped && !p->owner_running;
    }
    return stopped;
}

void store_destroy(struct store **store)
{
    struct store *s = *store;
    *store = NULL;
    if (s == NULL)
        return;
    request_stop(s, clock_mono_ms());
    for (uint32_t i = 0; i < s->partitions_count; i++) {
        struct partition *p = &s->partitions[i];
        if (p->owner_running)
            pthread_join(p->owner_thread, NULL);
        announcement_forget(p);
        VEC_FINI(&p->segments);
        newest_fini(&p->newest);
        record_reader_destroy(&p->decoder);
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
    }
    free(s->partitions);
    free(s->items_full);
    free(s->declares);
    close(s->event_fd);
    free(s);
}

struct head *store_head(struct store *store)
{
    return &store->head;
}

bool store_fence(struct store *store, uint32_t partition, uint64_t *epoch_out)
{
    if (partition >= store->partitions_count)
        return false;
    struct partition *p = &store->partitions[partition];
    pthread_mutex_lock(&p->lock);
    bool owns = p->state == PARTITION_OWNING;
    if (owns)
        *epoch_out = p->epoch;
    pthread_mutex_unlock(&p->lock);
    return owns;
}

/* The environment, and where it stands among the tenant's; NULL: it is none of them. */
static const struct tenant_environment *find_environment(const struct store *store, uint32_t id,
                                                         uint32_t *place_out)
{
    const struct tenant_environment *environments;
    uint32_t count = tenant_environments(store->config.tenant, &environments);
    for (*place_out = 0; *place_out < count; ++*place_out)
        if (environments[*place_out].id == id)
            return &environments[*place_out];
    return NULL;
}

bool store_items_full(const struct store *store, uint32_t environment)
{
    uint32_t place;
    return find_environment(store, environment, &place) != NULL &&
           atomic_load_explicit(&store->items_full[place], memory_order_relaxed);
}

/* Will it be known soon? */
COLD static enum declares not_known(struct partition *p)
{
    pthread_mutex_lock(&p->lock);
    bool loads = p->state == PARTITION_STARTING || (p->loaded && p->state != PARTITION_HALTED);
    pthread_mutex_unlock(&p->lock);
    int64_t since_ms = atomic_load(&p->unknown_mono_ms);
    bool log_answers = atomic_load(&p->catch_up) != 0 || atomic_load(&p->tail_verified);
    bool soon = loads && log_answers && clock_mono_ms() - since_ms < STORE_SOON_MS;
    return soon ? DECLARES_SOON : DECLARES_UNKNOWN;
}

enum declares store_declares(struct store *store, uint32_t environment)
{
    uint32_t place;
    const struct tenant_environment *found = find_environment(store, environment, &place);
    if (found == NULL)
        return DECLARES_UNKNOWN;
    uint8_t says = atomic_load_explicit(&store->declares[place], memory_order_acquire);
    return LIKELY(says < DECLARES_SOON) ? (enum declares)says
                                        : not_known(&store->partitions[found->partition]);
}

void partition_note_declares(struct partition *p, struct catalog *catalog)
{
    uint32_t place;
    enum declares says = catalog_decides(catalog) ? DECLARES_SOME : DECLARES_NOTHING;
    if (find_environment(p->store, catalog_environment(catalog), &place) != NULL)
        atomic_store(&p->store->declares[place], (uint8_t)says);
}

void partition_forget_declares(struct partition *p)
{
    const struct tenant_environment *environments;
    uint32_t count = tenant_environments(p->store->config.tenant, &environments);
    bool known = false;
    for (uint32_t i = 0; i < count; i++) {
        if (environments[i].partition != p->number)
            continue;
        known |= atomic_exchange(&p->store->declares[i], DECLARES_SOON) != DECLARES_SOON;
    }
    if (known)
        atomic_store(&p->unknown_mono_ms, clock_mono_ms());
}

bool store_applied(const struct store *store, uint32_t partition, uint64_t *applied_out)
{
    if (partition >= store->partitions_count)
        return false;
    const struct partition *p = &store->partitions[partition];
    *applied_out = atomic_load(&p->applied);
    return atomic_load(&p->applies);
}

/* ---- status ---- */

static void write_state(struct partition *p, struct status_sink *sink)
{
    char why[sizeof(p->why)];
    pthread_mutex_lock(&p->lock);
    enum partition_state state = p->state;
    memcpy(why, p->why, sizeof(why));
    uint32_t segments = p->segments.n;
    size_t bytes = partition_head_bytes(p);
    uint64_t lo = p->segments.n > 0 ? p->segments.v[0]->lo : 0;
    uint64_t items = 0, catalogs_bytes = 0;
    for (uint32_t i = 0; i < p->generation.environments_count; i++) {
        if (p->generation.environments[i].partition != p->number)
            continue;
        items += catalog_items(p->generation.catalogs[i]);
        catalogs_bytes += catalog_bytes(p->generation.catalogs[i]);
    }
    pthread_mutex_unlock(&p->lock);
    sink->text(sink, "state", partition_state_text(state));
    if (why[0] != '\0')
        sink->text(sink, "trouble", why);
    sink->number(sink, "stored_offset", (int64_t)lo);
    sink->number(sink, "head_segments", segments);
    sink->number(sink, "head_bytes", (int64_t)bytes);
    sink->number(sink, "catalog_items", (int64_t)items);
    sink->number(sink, "catalog_items_max", (int64_t)p->store->config.items_max);
    sink->number(sink, "catalog_bytes", (int64_t)catalogs_bytes);
    sink->number(sink, "novelty_bytes", (int64_t)atomic_load(&p->stats.novelty_bytes));
}

static void write_partition(void *arg, struct status_sink *sink)
{
    struct partition *p = arg;
    struct partition_stats *stats = &p->stats;
    write_state(p, sink);
    uint64_t applied = atomic_load(&p->applied);
    uint64_t end = atomic_load(&stats->log_end);
    sink->number(sink, "applied_offset", (int64_t)applied);
    sink->number(sink, "log_start", (int64_t)atomic_load(&stats->log_start));
    sink->number(sink, "log_end", (int64_t)end);
    sink->number(sink, "lag_records", end > applied ? (int64_t)(end - applied) : 0);
    sink->number(sink, "complete_until_ms", atomic_load(&p->applied_ms));
    sink->number(sink, "records", (int64_t)atomic_load(&stats->records));
    sink->number(sink, "points", (int64_t)atomic_load(&stats->points));
    sink->number(sink, "points_of_replaced_owners", (int64_t)atomic_load(&stats->rejected));
    sink->number(sink, "forgotten_items", (int64_t)atomic_load(&stats->forgotten));
    sink->number(sink, "quarantined_records", (int64_t)atomic_load(&stats->quarantined));
    if (atomic_load(&stats->quarantined) > 0)
        sink->number(sink, "quarantined_last_offset",
                     (int64_t)atomic_load(&stats->quarantined_offset));
    sink->number(sink, "flushes", (int64_t)atomic_load(&stats->flushes));
    sink->number(sink, "flushed_points", (int64_t)atomic_load(&stats->flushed_points));
    sink->number(sink, "flush_retries", (int64_t)atomic_load(&stats->flush_retries));
    sink->number(sink, "flush_last_ms", atomic_load(&stats->flush_ms));
    sink->number(sink, "flush_last_at_ms", atomic_load(&stats->flush_wall_ms));
}

uint32_t store_providers(struct store *store, struct status_provider *out, uint32_t max)
{
    uint32_t n = 0;
    for (; n < store->partitions_count && n < max; n++)
        out[n] = (struct status_provider){"partition", write_partition, &store->partitions[n]};
    return n;
}
