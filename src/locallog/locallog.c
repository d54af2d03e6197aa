#include "locallog/internal.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/logger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What an append costs beside its bytes, roughly, so that many tiny ones are bounded too. */
enum { PENDING_OVERHEAD_BYTES = sizeof(struct pending) + 16 };

void pending_list_init(struct pending_list *list)
{
    *list = (struct pending_list){.tail = &list->first};
}

void pending_list_push(struct pending_list *list, struct pending *p)
{
    p->next = NULL;
    *list->tail = p;
    list->tail = &p->next;
    list->records++;
    list->bytes += p->value_bytes - FORMAT_HEADER_BYTES;
}

void pending_list_move(struct pending_list *to, struct pending_list *from)
{
    if (from->first == NULL)
        return;
    *to->tail = from->first;
    to->tail = from->tail;
    to->records += from->records;
    to->bytes += from->bytes;
    pending_list_init(from);
}

/* ---- append and dispatch: the loop ---- */

static int locallog_append(struct log *log, uint32_t partition, struct slice record, log_done *done,
                           void *arg)
{
    struct locallog *l = (struct locallog *)log;
    if (partition >= log->partitions)
        return LT_EINVALID;
    if (record.n > LOG_RECORD_BYTES_MAX)
        return LT_ELIMIT;
    size_t value_bytes = FORMAT_HEADER_BYTES + record.n;
    struct pending *p = malloc(sizeof(*p) + value_bytes);
    if (p == NULL)
        return LT_ENOMEM;
    *p = (struct pending){.done = done,
                          .arg = arg,
                          .report = {.partition = partition},
                          .append_ms = clock_wall_ms(),
                          .value_bytes = value_bytes};
    memcpy(p->value + FORMAT_HEADER_BYTES, record.p, record.n);

    int status = 0;
    size_t held = value_bytes + PENDING_OVERHEAD_BYTES;
    pthread_mutex_lock(&l->lock);
    if (l->broken || l->env.read_only)
        status = LT_EUNAVAILABLE;
    else if (l->bytes_held + held > l->queue_bytes_max)
        status = LT_EBUSY;
    if (status == 0) {
        l->bytes_held += held;
        pending_list_push(&l->queue, p);
        if (l->queue.records == 1)
            pthread_cond_signal(&l->work);
    }
    pthread_mutex_unlock(&l->lock);
    if (status != 0)
        free(p);
    return status;
}

static int locallog_event_fd(const struct log *log)
{
    return ((const struct locallog *)log)->event_fd;
}

static void locallog_dispatch(struct log *log)
{
    struct locallog *l = (struct locallog *)log;
    uint64_t drained;
    ssize_t ignored = read(l->event_fd, &drained, sizeof(drained));
    (void)ignored; /* nothing there is fine */
    struct pending_list reports;
    pending_list_init(&reports);
    pthread_mutex_lock(&l->lock);
    pending_list_move(&reports, &l->reports);
    for (struct pending *p = reports.first; p != NULL; p = p->next)
        l->bytes_held -= p->value_bytes + PENDING_OVERHEAD_BYTES;
    pthread_mutex_unlock(&l->lock);
    while (reports.first != NULL) {
        struct pending *p = reports.first;
        reports.first = p->next;
        p->done(p->arg, &p->report);
        free(p);
    }
}

/* ---- life cycle ---- */

/* What is queued is committed first, so that every report is the truth. */
static void locallog_destroy(struct log **log)
{
    struct locallog *l = (struct locallog *)*log;
    *log = NULL;
    assert(l->readers == 0);
    if (l->committer_runs) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->committer, NULL);
    }
    locallog_dispatch(&l->base);
    env_fini(&l->env);
    close(l->event_fd);
    pthread_cond_destroy(&l->news);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    free(l->next);
    free(l->ends);
    free(l);
}

static const struct log_ops locallog_ops = {
    .append = locallog_append,
    .event_fd = locallog_event_fd,
    .dispatch = locallog_dispatch,
    .bounds = locallog_bounds,
    .trim = locallog_trim,
    .reader_open = locallog_reader_open,
    .reader_next = locallog_reader_next,
    .reader_wake = locallog_reader_wake,
    .reader_close = locallog_reader_close,
    .destroy = locallog_destroy,
};

static void init_sync(struct locallog *l)
{
    pthread_mutex_init(&l->lock, NULL);
    cond_init(&l->work);
    cond_init(&l->news);
    pending_list_init(&l->queue);
    pending_list_init(&l->reports);
}

int locallog_create(const struct locallog_config *config, struct log **out)
{
    if (config->partitions == 0)
        return LT_EINVALID;
    int status = LT_ENOMEM;
    struct locallog *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return status;
    l->base = (struct log){.ops = &locallog_ops, .partitions = config->partitions};
    l->queue_bytes_max = config->queue_bytes_max;
    l->ends = calloc(config->partitions, sizeof(l->ends[0]));
    l->next = calloc(config->partitions, sizeof(l->next[0]));
    if (l->ends == NULL || l->next == NULL)
        goto fail_arrays;
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0) {
        status = LT_EIO;
        goto fail_arrays;
    }
    status = env_init(&l->env, config);
    if (status != 0)
        goto fail_env;
    init_sync(l);
    struct log *log = &l->base;
    status = committer_load(l);
    if (status != 0)
        goto fail_load;
    if (!config->read_only) {
        status = pthread_create(&l->committer, NULL, committer_run, l) == 0 ? 0 : LT_ENOMEM;
        if (status != 0)
            goto fail_load;
        l->committer_runs = true;
    }
    log_info(MODULE, "%s%s, %u partitions, at most %llu MiB", config->dir,
             config->read_only ? " (read only)" : "", config->partitions,
             (unsigned long long)(config->map_bytes_max >> 20));
    *out = log;
    return 0;

fail_load:
    locallog_destroy(&log);
    return status;
fail_env:
    close(l->event_fd);
fail_arrays:
    free(l->next);
    free(l->ends);
    free(l);
    return status;
}

void locallog_status(void *arg, struct status_sink *sink)
{
    struct locallog *l = arg;
    pthread_mutex_lock(&l->lock);
    struct counters c = l->counters;
    size_t held = l->bytes_held;
    bool broken = l->broken;
    pthread_mutex_unlock(&l->lock);
    sink->text(sink, "adapter", "local");
    sink->text(sink, "dir", l->env.dir);
    sink->text(sink, "state", l->env.read_only ? "read only" : broken ? "reopening" : "ready");
    sink->number(sink, "records", (int64_t)c.records);
    sink->number(sink, "bytes", (int64_t)c.bytes);
    sink->number(sink, "commits", (int64_t)c.commits);
    sink->number(sink, "last_commit_us", c.last_commit_us);
    sink->number(sink, "queue_bytes", (int64_t)held);
    sink->number(sink, "failed", (int64_t)c.failed);
    sink->number(sink, "unknown", (int64_t)c.unknown);
    sink->text(sink, "last_error", c.last_error != NULL ? c.last_error : "");
}
