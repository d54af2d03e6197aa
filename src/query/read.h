#ifndef QUERY_READ_H
#define QUERY_READ_H

#include "query/query.h"
#include "query/scratch.h"
#include "query/source.h"

/* One request on a worker. Filled by query.c, run once or several times, one at a time. */

enum { READ_WHY_BYTES = 256, READ_HELPERS_MAX = 3 };
#define QUERY_TIMEOUT_WHY                                                                          \
    "the read took longer than query-deadline allows: narrow its time range, hosts or pattern"

struct read {
    /* in */
    struct head *head;
    struct storage_session *session;
    const struct query_spec *spec;
    struct read_guard *guard;
    pthread_mutex_t *connection_lock;
    struct executor *executor;                   /* whose workers may help (crew.h); NULL: nobody */
    struct read_guard helpers[READ_HELPERS_MAX]; /* theirs: children of guard */
    /* out */
    struct answer *answer; /* when read_run returned 0; the caller's then */
    uint64_t wait_for;     /* with LT_EAGAIN: run again when the head has applied this */
    char why[READ_WHY_BYTES];
    /* while it runs */
    struct source source;
    struct scratch scratch; /* dies with the run */
};

/* What query_result_free gets back from its member. */
struct answer {
    struct scratch memory;
    union query_result result;
};

/* 0, LT_EAGAIN, or an error with why as a text for the client. Blocks. */
MUST_USE int read_run(struct read *read);

void read_why(struct read *read, const char *format, ...) PRINTF_LIKE(2, 3);

/* The series that a key names, as numbers; false: its host or its metric was never seen. That both
 * are known does not mean that they have met. */
struct fold_series;
bool read_find_series(struct read *read, struct slice key, struct fold_series *out);

/* The key of a series, in *key; stem is for this. False: its item was forgotten meanwhile. The
 * caller checks both buffers' errors. */
struct catalog;
struct buffer;
bool read_put_key(struct catalog *catalog, const struct fold_series *series, struct buffer *stem,
                  struct buffer *key);

/* A series as the catalog names it, and as reads do. */
struct catalog_key;
struct catalog_key read_key_of(const struct fold_series *series);
struct fold_series read_series_of(const struct catalog_key *key);

/* What is declared of the series; false: nothing. */
struct catalog_declared;
bool read_declared(struct read *read, const struct fold_series *series,
                   struct catalog_declared *out);

/* A series' last point is nearly always a recent one: who looks for it looks through the last hour
 * first, then the last day, then all. A window reaches from its start up to the end of time, so
 * that what is found in it is the last point, wherever else there are points. */
enum { READ_WINDOWS = 3 };
void read_recent(int64_t from_ms_out[READ_WINDOWS]);

/* Has the series a point, in the head or in a table? 1, 0 or an error. */
MUST_USE int read_has_points(struct read *read, const struct fold_series *series);

/* The kinds of read: source is open; fill answer->result. */
MUST_USE int range_read(struct read *read);
MUST_USE int topq_read(struct read *read);
MUST_USE int points_read(struct read *read);
MUST_USE int exists_read(struct read *read);
MUST_USE int list_read(struct read *read);
MUST_USE int info_read(struct read *read);
/* Without a source. */
MUST_USE int declared_read(struct read *read);
MUST_USE int samples_read(struct read *read);
MUST_USE int categories_read(struct read *read);

static inline struct catalog *read_catalog(struct read *read)
{
    return head_catalog(read->head, read->source.view);
}

#endif
