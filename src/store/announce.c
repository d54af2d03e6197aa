#include "store/partition.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"
#include "record/control.h"

#include <inttypes.h>
#include <stdlib.h>

/* An owner tells the log its epoch before it decides anything: docs/adr/0022-decided-points.md. */

enum { AGAIN_MS = 500, RECORD_BYTES_MAX = 64 };

struct announcement {    /* on its way: the log's report frees it */
    struct partition *p; /* NULL: gone */
    uint64_t epoch;
};

static void on_report(void *arg, const struct log_report *report)
{
    struct announcement *a = arg;
    struct partition *p = a->p;
    if (p != NULL) {
        p->announcing = NULL;
        if (report->outcome == LOG_STORED) {
            p->announced = a->epoch;
            p->announced_at = report->offset;
        } else {
            log_warn("store", "partition %u: the log does not take epoch %" PRIu64 ": %s",
                     p->number, a->epoch, report->reason);
            p->announce_mono_ms = clock_mono_ms() + AGAIN_MS;
        }
    }
    free(a);
}

void announcement_forget(struct partition *p)
{
    if (p->announcing != NULL)
        p->announcing->p = NULL;
    p->announcing = NULL;
}

/* An environment of the partition: a record has one. */
static uint32_t environment_of(const struct partition *p)
{
    const struct tenant_environment *environments;
    uint32_t count = tenant_environments(p->store->config.tenant, &environments);
    for (uint32_t i = 0; i < count; i++)
        if (environments[i].partition == p->number)
            return environments[i].id;
    return 0;
}

static void announce(struct partition *p, uint64_t epoch)
{
    struct announcement *a = calloc(1, sizeof(*a));
    struct buffer record;
    if (a == NULL)
        return;
    *a = (struct announcement){p, epoch};
    buffer_init(&record, RECORD_BYTES_MAX);
    int err = record_write_epoch(&record, environment_of(p), clock_wall_ms(), epoch);
    if (err == 0)
        err = log_append(p->store->config.log, p->number, buffer_slice(&record), on_report, a);
    buffer_fini(&record);
    p->announce_mono_ms = clock_mono_ms() + AGAIN_MS;
    if (err != 0)
        free(a);
    else
        p->announcing = a;
}

void store_tick(struct store *store)
{
    for (uint32_t i = 0; store->config.appends && i < store->partitions_count; i++) {
        struct partition *p = &store->partitions[i];
        uint64_t epoch;
        if (p->announcing == NULL && store_fence(store, i, &epoch) && epoch != p->announced &&
            clock_mono_ms() >= p->announce_mono_ms)
            announce(p, epoch);
    }
}
