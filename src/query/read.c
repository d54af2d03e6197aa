#include "query/read.h"

#include "base/clock.h"
#include "catalog/catalog.h"
#include "catalog/declared.h"
#include "model/name.h"
#include "query/fold.h"
#include "query/match.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRIES_MAX = 3 }; /* where storage asks for the whole transaction to be repeated */

void read_why(struct read *read, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(read->why, sizeof(read->why), format, args);
    va_end(args);
}

bool read_find_series(struct read *read, struct slice key, struct fold_series *out)
{
    struct catalog *catalog = read_catalog(read);
    struct slice host, metric;
    struct catalog_series series;
    name_split_key(key, &host, &metric);
    uint32_t host_id = catalog_find_host(catalog, host);
    if (host_id == CATALOG_NONE || !catalog_find_series(catalog, metric, &series))
        return false;
    *out = (struct fold_series){series.category, series.dimension, host_id, series.item};
    return true;
}

struct catalog_key read_key_of(const struct fold_series *series)
{
    return (struct catalog_key){.host = series->host,
                                .category = series->category,
                                .item = series->item,
                                .dimension = series->dimension};
}

struct fold_series read_series_of(const struct catalog_key *key)
{
    return (struct fold_series){.category = key->category,
                                .dimension = key->dimension,
                                .host = key->host,
                                .item = key->item};
}

void read_recent(int64_t from_ms[READ_WINDOWS])
{
    int64_t now_ms = clock_wall_ms();
    from_ms[0] = now_ms > 3600000 ? now_ms - 3600000 : 0;
    from_ms[1] = now_ms > 86400000 ? now_ms - 86400000 : 0;
    from_ms[2] = 0;
}

static void answer_destroy(struct answer **answer)
{
    if (*answer == NULL)
        return;
    scratch_fini(&(*answer)->memory);
    free(*answer);
    *answer = NULL;
}

void query_result_free(union query_result **result)
{
    if (*result == NULL)
        return;
    struct answer *answer = CONTAINER_OF(*result, struct answer, result);
    answer_destroy(&answer);
    *result = NULL;
}

/* Does a kind of read answer from what there is, and say what is missing? RedisTimeSeries' replies
 * have no place to say so. */
static bool may_be_incomplete(const struct query_spec *spec)
{
    return spec->what == QUERY_RANGE || spec->what == QUERY_TOPQ ||
           spec->what == QUERY_CATEGORIES; /* the catalog is in memory */
}

#define HALTED_WHY                                                                                 \
    "the partition is halted: what the log holds from offset %llu on is not counted; see "         \
    "partition in STATUS"

/* Has the view what the read must see? It had, when the wait ended: LT_EAGAIN where the partition
 * was loaded anew since then. LT_EUNAVAILABLE: it will not have it, and the answer cannot say so.
 */
static int check_bounds(struct read *read, struct head_bounds bounds)
{
    if (bounds.applied >= read->spec->after || (bounds.halted && may_be_incomplete(read->spec)))
        return 0;
    read->wait_for = read->spec->after;
    if (!bounds.halted)
        return LT_EAGAIN;
    read_why(read, HALTED_WHY, (unsigned long long)bounds.applied);
    return LT_EUNAVAILABLE;
}

static struct result_source *source_of(struct read *read)
{
    union query_result *result = &read->answer->result;
    switch (read->spec->what) {
    case QUERY_RANGE:
        return &result->range.source;
    case QUERY_TOPQ:
        return &result->topq.source;
    case QUERY_CATEGORIES:
        return &result->categories.source;
    case QUERY_EXISTS:
        return &result->keys.source;
    case QUERY_LIST:
    case QUERY_INDEX:
    case QUERY_LABELS:
        return &result->list.source;
    case QUERY_MGET:
        return &result->mget.source;
    case QUERY_INFO:
        return &result->info.source;
    case QUERY_DECLARED:
        return &result->keys.source;
    case QUERY_SAMPLES:
        return &result->samples.source;
    case QUERY_POINTS:
    case QUERY_LAST:
        break;
    }
    return &result->points.source;
}

/* What the answer rests on. LT_EUNAVAILABLE, with why, where that is too little. */
static int describe_source(struct read *read)
{
    struct result_source *out = source_of(read);
    struct source *source = &read->source;
    *out = (struct result_source){.complete = true,
                                  .why = "",
                                  .complete_until_ms = source->bounds.applied_ms,
                                  .offset = source->bounds.applied};
    if (source->session == NULL && source->bounds.cleared == 0) {
        read_why(read,
                 "storage does not answer: only points from offset %llu on, which are "
                 "still in memory, are counted",
                 (unsigned long long)source->next);
    } else if (source_has_gap(source)) {
        read_why(read, "storage is behind: offsets %llu to %llu are neither stored nor in memory",
                 (unsigned long long)source->next, (unsigned long long)source->bounds.lo - 1);
        if (!may_be_incomplete(read->spec))
            return LT_EUNAVAILABLE;
    } else if (source->bounds.halted && may_be_incomplete(read->spec)) {
        read_why(read, HALTED_WHY, (unsigned long long)source->bounds.applied);
    } else {
        return 0;
    }
    struct slice why =
        scratch_copy(&read->answer->memory, slice_make(read->why, strlen(read->why) + 1));
    if (why.p == NULL)
        return scratch_error(&read->answer->memory);
    out->complete = false;
    out->why = why.p;
    return 0;
}

static int run_kind(struct read *read)
{
    switch (read->spec->what) {
    case QUERY_RANGE:
        return range_read(read);
    case QUERY_TOPQ:
        return topq_read(read);
    case QUERY_CATEGORIES:
        return categories_read(read);
    case QUERY_EXISTS:
        return exists_read(read);
    case QUERY_LIST:
        return list_read(read);
    case QUERY_INFO:
        return info_read(read);
    case QUERY_SAMPLES:
        return samples_read(read);
    case QUERY_INDEX:
        return index_read(read);
    case QUERY_LABELS:
        return labels_read(read);
    case QUERY_MGET:
        return mget_read(read);
    case QUERY_DECLARED: /* run_declared */
    case QUERY_POINTS:
    case QUERY_LAST:
        break;
    }
    return points_read(read);
}

static int run_once(struct read *read, struct storage_session *session)
{
    const struct tenant_environment *environment = read->spec->environment;
    struct source_config config = {.head = read->head,
                                   .session = session,
                                   .guard = read->guard,
                                   .connection_lock = read->connection_lock,
                                   .environment = environment->id,
                                   .partition = environment->partition};
    atomic_store_explicit(&read->guard->memory_bytes, 0, memory_order_relaxed);
    read->why[0] = '\0';
    int err = source_open(&read->source, &config);
    if (err != 0) {
        read->wait_for = read->source.next;
        return err;
    }
    scratch_init(&read->scratch, read->guard);
    err = check_bounds(read, read->source.bounds);
    if (err != 0)
        goto close;
    read->answer = calloc(1, sizeof(*read->answer));
    err = LT_ENOMEM;
    if (read->answer == NULL)
        goto close;
    scratch_init(&read->answer->memory, read->guard);
    err = describe_source(read);
    if (err == 0)
        err = run_kind(read);
    if (err == 0) {
        source_of(read)->rows = atomic_load(&read->guard->rows);
        source_of(read)->bytes = atomic_load(&read->guard->bytes);
    } else {
        answer_destroy(&read->answer);
    }
close:
    scratch_fini(&read->scratch);
    source_close(&read->source);
    return err;
}

/* The head alone, whose catalog is whole whatever storage does. */
static int run_declared(struct read *read)
{
    int err = head_pin(read->head, read->spec->environment->id, &read->source.view);
    if (err != 0)
        return err;
    struct head_bounds bounds = head_bounds(read->head, read->source.view);
    err = check_bounds(read, bounds);
    if (err != 0)
        goto unpin;
    read->answer = calloc(1, sizeof(*read->answer));
    err = LT_ENOMEM;
    if (read->answer == NULL)
        goto unpin;
    scratch_init(&read->answer->memory, read->guard);
    read->answer->result.keys.source =
        (struct result_source){.complete = true, .why = "", .offset = bounds.applied};
    err = declared_read(read);
    if (err != 0)
        answer_destroy(&read->answer);
unpin:
    head_unpin(read->head, &read->source.view);
    return err;
}

static void explain(struct read *read, int err)
{
    switch (err) {
    case LT_EUNAVAILABLE:
        if (read->why[0] == '\0')
            read_why(read, "storage does not answer: try again, or see STATUS");
        break;
    case LT_ELIMIT:
        read_why(read,
                 "the read needs more than the %zu bytes that query-memory-bytes-max allows: "
                 "narrow its time range, hosts or pattern, or raise that option",
                 read->guard->memory_bytes_max);
        break;
    case LT_ETIMEOUT:
        read_why(read, "%s", QUERY_TIMEOUT_WHY);
        break;
    case LT_ENOTFOUND:
        read_why(read, "this process does not hold the partition of this environment: ask one that "
                       "has the role store or query for it");
        break;
    default:
        if (read->why[0] == '\0')
            read_why(read, "%s", error_text(err));
    }
}

int read_run(struct read *read)
{
    int err = read->spec->what == QUERY_DECLARED ? run_declared(read) : LT_ERETRY;
    for (int tries = 0; tries < TRIES_MAX && err == LT_ERETRY; tries++)
        err = run_once(read, read->session);
    if (err == LT_EUNAVAILABLE && may_be_incomplete(read->spec))
        err = run_once(read, NULL);
    if (err != 0 && err != LT_EAGAIN)
        explain(read, err);
    return err;
}
