#ifndef PORT_HEAD_H
#define PORT_HEAD_H

#include "base/attr.h"
#include "model/block.h"

#include <stddef.h>
#include <stdint.h>

/* The newest points, as readers see them. Implemented by store/; used by query/ and command/.
 *
 * The cut (DESIGN section 4): a reader first pins a view, then opens a storage snapshot, reads that
 * snapshot's `next`, and scans the view from exactly that offset. Flushed segments stay in memory
 * until the views that pinned them are gone, so nothing is missed, and nothing is counted twice. */

struct catalog; /* catalog/catalog.h */
struct head;
struct head_view;

struct head_bounds {
    uint64_t lo;        /* the oldest offset that the view can supply */
    uint64_t applied;   /* all offsets below this are in the view */
    int64_t applied_ms; /* append time of the last one applied, 0: none */
    uint64_t cleared;   /* the environment's points of offsets below this are gone, stored or not */
    bool halted;        /* nothing more is applied until a person has mended the log */
};

/* status: 0, or why the offset was not reached (LT_ECANCELLED, LT_ECLOSED). */
typedef void head_waited(void *arg, int status);

struct head_wait {
    uint32_t partition;
    uint64_t offset;  /* waits until applied >= offset */
    bool ends_halted; /* ... or until the partition is halted: the view's bounds tell which */
    head_waited *done;
    void *arg;
    struct head_wait *next; /* the head's */
};

struct head_ops {
    int (*pin)(struct head *head, uint32_t environment, struct head_view **out);
    void (*unpin)(struct head_view **view);
    struct head_bounds (*bounds)(const struct head_view *view);
    struct catalog *(*catalog)(const struct head_view *view);
    int (*scan)(struct head_view *view, uint64_t from_offset, const struct block_filter *filter,
                block_visit *visit, void *arg);
    int (*scan_beats)(struct head_view *view, uint64_t from_offset,
                      const struct beat_filter *filter, beat_visit *visit, void *arg);
    bool (*wait)(struct head *head, struct head_wait *wait);
    void (*wait_cancel)(struct head *head, struct head_wait *wait);
    int (*event_fd)(const struct head *head);
    void (*dispatch)(struct head *head);
};

struct head {
    const struct head_ops *ops;
};

/* Thread: any. Takes a short lock. LT_EUNAVAILABLE: nothing is loaded yet (storage does not
 * answer). LT_ENOTFOUND: the partition is not consumed by this process. */
MUST_USE static inline int head_pin(struct head *head, uint32_t environment, struct head_view **out)
{
    return head->ops->pin(head, environment, out);
}

/* Thread: any. Clears *view. */
static inline void head_unpin(struct head *head, struct head_view **view)
{
    if (*view != NULL)
        head->ops->unpin(view);
}

static inline struct head_bounds head_bounds(struct head *head, const struct head_view *view)
{
    return head->ops->bounds(view);
}

/* The catalog of the view's environment: valid while the view is pinned. */
static inline struct catalog *head_catalog(struct head *head, const struct head_view *view)
{
    return head->ops->catalog(view);
}

/* Thread: any, one at a time for a view. Never blocks on the consumer: what is appended meanwhile
 * is cut off. Points with offset >= from_offset and below the view's applied. */
MUST_USE static inline int head_scan(struct head *head, struct head_view *view,
                                     uint64_t from_offset, const struct block_filter *filter,
                                     block_visit *visit, void *arg)
{
    return head->ops->scan(view, from_offset, filter, visit, arg);
}

MUST_USE static inline int head_scan_beats(struct head *head, struct head_view *view,
                                           uint64_t from_offset, const struct beat_filter *filter,
                                           beat_visit *visit, void *arg)
{
    return head->ops->scan_beats(view, from_offset, filter, visit, arg);
}

/* Thread: loop. True: passed already, done is not called. False: done is called once, on the loop.
 * *wait must live until then. */
MUST_USE static inline bool head_wait_for(struct head *head, struct head_wait *wait)
{
    return head->ops->wait(head, wait);
}

/* Thread: loop. Forgets a wait without calling done. */
static inline void head_wait_cancel(struct head *head, struct head_wait *wait)
{
    head->ops->wait_cancel(head, wait);
}

/* As log_event_fd and log_dispatch. */
static inline int head_event_fd(const struct head *head)
{
    return head->ops->event_fd(head);
}

static inline void head_dispatch(struct head *head)
{
    head->ops->dispatch(head);
}

#endif
