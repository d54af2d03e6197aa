#include "store/partition.h"

#include "base/error.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* port/head.h on top of the partitions' segments. */

struct head_view {
    struct catalog *catalog;
    uint32_t environment;
    struct head_bounds bounds;
    uint32_t count;
    struct segment *segments[]; /* oldest first */
};

static struct store *store_of(struct head *head)
{
    return (struct store *)head;
}

static struct partition *partition_at(struct store *store, uint32_t number)
{
    return number < store->partitions_count ? &store->partitions[number] : NULL;
}

size_t partition_head_bytes(struct partition *p)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < p->segments.n; i++)
        bytes += atomic_load_explicit(&p->segments.v[i]->bytes, memory_order_relaxed);
    return bytes;
}

static struct catalog *catalog_of(const struct generation *g, uint32_t environment)
{
    for (uint32_t i = 0; i < g->environments_count; i++)
        if (g->environments[i].id == environment)
            return g->catalogs[i];
    return NULL;
}

/* Under lock. The log was looked at, and does not continue what is stored. */
static bool is_halted(const struct partition *p)
{
    return p->state == PARTITION_HALTED && atomic_load(&p->catch_up) == 0;
}

static struct head_view *view_create(struct partition *p, uint32_t environment)
{
    uint32_t n = p->segments.n;
    struct head_view *view = malloc(sizeof(*view) + n * sizeof(view->segments[0]));
    if (view == NULL)
        return NULL;
    view->environment = environment;
    view->catalog = catalog_ref(catalog_of(&p->generation, environment));
    view->count = n;
    for (uint32_t i = 0; i < n; i++)
        view->segments[i] = segment_ref(p->segments.v[i]);
    view->bounds.applied = atomic_load(&p->applied);
    view->bounds.applied_ms = atomic_load(&p->applied_ms);
    view->bounds.lo = p->segments.v[0]->lo;
    view->bounds.halted = is_halted(p);
    view->bounds.cleared = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct segment *s = view->segments[i];
        if (atomic_load(&s->clears) == environment && s->lo < view->bounds.applied)
            view->bounds.cleared = s->lo + 1;
    }
    return view;
}

static int head_pin_view(struct head *head, uint32_t environment, struct head_view **out)
{
    struct store *store = store_of(head);
    const struct tenant_environment *e = tenant_find(store->config.tenant, environment);
    struct partition *p = e == NULL ? NULL : partition_at(store, e->partition);
    if (p == NULL)
        return LT_ENOTFOUND;
    pthread_mutex_lock(&p->lock);
    struct head_view *view = NULL;
    int err = LT_EUNAVAILABLE;
    if (p->loaded) {
        view = view_create(p, environment);
        err = view == NULL ? LT_ENOMEM : 0;
    }
    pthread_mutex_unlock(&p->lock);
    if (err == 0)
        *out = view;
    return err;
}

struct catalog *store_catalog(struct store *store, uint32_t environment)
{
    const struct tenant_environment *e = tenant_find(store->config.tenant, environment);
    struct partition *p = e == NULL ? NULL : partition_at(store, e->partition);
    if (p == NULL)
        return NULL;
    pthread_mutex_lock(&p->lock);
    struct catalog *catalog =
        p->loaded ? catalog_ref(catalog_of(&p->generation, environment)) : NULL;
    pthread_mutex_unlock(&p->lock);
    return catalog;
}

static void head_unpin_view(struct head_view **view)
{
    struct head_view *v = *view;
    *view = NULL;
    for (uint32_t i = 0; i < v->count; i++)
        segment_unref(&v->segments[i]);
    catalog_unref(&v->catalog);
    free(v);
}

static struct head_bounds view_bounds(const struct head_view *view)
{
    return view->bounds;
}

static struct catalog *view_catalog(const struct head_view *view)
{
    return view->catalog;
}

static int view_scan(struct head_view *view, uint64_t from, const struct block_filter *filter,
                     block_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < view->count; i++)
        err = segment_scan(view->segments[i], view->environment, from, view->bounds.applied, filter,
                           visit, arg);
    return err;
}

static int view_scan_beats(struct head_view *view, uint64_t from, const struct beat_filter *filter,
                           beat_visit *visit, void *arg)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < view->count; i++)
        err = segment_scan_beats(view->segments[i], view->environment, from, view->bounds.applied,
                                 filter, visit, arg);
    return err;
}

/* ---- waiting, on the loop ---- */

/* While storage is out of reach and nothing is loaded, waiting is pointless: the pin says so. */
static bool wait_is_over(struct partition *p, const struct head_wait *wait)
{
    pthread_mutex_lock(&p->lock);
    uint64_t applied = atomic_load(&p->applied);
    bool over = p->loaded ? applied >= wait->offset && applied >= atomic_load(&p->catch_up)
                          : p->state == PARTITION_UNREACHABLE;
    over |= p->loaded && wait->ends_halted && is_halted(p);
    pthread_mutex_unlock(&p->lock);
    return over;
}

static void arm_wake(struct store *store, uint32_t partition)
{
    uint64_t lowest = UINT64_MAX;
    for (struct head_wait *w = store->waits; w != NULL; w = w->next)
        if (w->partition == partition && w->offset < lowest)
            lowest = w->offset;
    atomic_store(&store->partitions[partition].wake_at, lowest);
}

static bool head_wait_begin(struct head *head, struct head_wait *wait)
{
    struct store *store = store_of(head);
    struct partition *p = partition_at(store, wait->partition);
    if (p == NULL || wait_is_over(p, wait))
        return true;
    wait->next = store->waits;
    store->waits = wait;
    arm_wake(store, wait->partition);
    /* The tail may have passed the offset between the look and the arming: look once more. */
    if (wait_is_over(p, wait)) {
        head_wait_cancel(head, wait);
        return true;
    }
    return false;
}

static void head_wait_forget(struct head *head, struct head_wait *wait)
{
    struct store *store = store_of(head);
    for (struct head_wait **at = &store->waits; *at != NULL; at = &(*at)->next) {
        if (*at == wait) {
            *at = wait->next;
            arm_wake(store, wait->partition);
            return;
        }
    }
}

static int head_fd(const struct head *head)
{
    return ((const struct store *)head)->event_fd;
}

static struct head_wait *take_finished(struct store *store)
{
    for (struct head_wait **at = &store->waits; *at != NULL; at = &(*at)->next) {
        struct head_wait *wait = *at;
        if (wait_is_over(&store->partitions[wait->partition], wait)) {
            *at = wait->next;
            return wait;
        }
    }
    return NULL;
}

static void head_dispatch_waits(struct head *head)
{
    struct store *store = store_of(head);
    uint64_t count;
    ssize_t n = read(store->event_fd, &count, sizeof(count));
    (void)n; /* nothing there is fine: the list tells */
    struct head_wait *wait;
    /* One by one: a callback may add and cancel waits. */
    while ((wait = take_finished(store)) != NULL)
        wait->done(wait->arg, 0);
    for (uint32_t i = 0; i < store->partitions_count; i++)
        arm_wake(store, i);
}

void partition_wake_waiters(struct partition *p, uint64_t applied)
{
    uint64_t wake_at = atomic_load(&p->wake_at);
    if (wake_at == UINT64_MAX || wake_at > applied)
        return;
    atomic_store(&p->wake_at, UINT64_MAX); /* once: the loop arms it again */
    uint64_t one = 1;
    ssize_t n = write(p->store->event_fd, &one, sizeof(one));
    (void)n; /* an eventfd that is full is readable already */
}

void partition_drop_head(struct partition *p)
{
    pthread_mutex_lock(&p->lock);
    p->loaded = false;
    atomic_store(&p->catch_up, UINT64_MAX);
    partition_forget_declares(p);
    for (uint32_t i = 0; i < p->segments.n; i++)
        segment_unref(&p->segments.v[i]);
    p->segments.n = 0;
    struct generation old = p->generation;
    p->generation = (struct generation){0};
    newest_reset(&p->newest);
    pthread_mutex_unlock(&p->lock);
    generation_fini(&old);
}

const struct head_ops store_head_ops = {
    .pin = head_pin_view,
    .unpin = head_unpin_view,
    .bounds = view_bounds,
    .catalog = view_catalog,
    .scan = view_scan,
    .scan_beats = view_scan_beats,
    .wait = head_wait_begin,
    .wait_cancel = head_wait_forget,
    .event_fd = head_fd,
    .dispatch = head_dispatch_waits,
};
