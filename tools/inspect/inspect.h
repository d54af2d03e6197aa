#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "base/option.h"
#include "base/vec.h"
#include "catalog/catalog.h"
#include "port/storage.h"
#include "port/storage_reads.h"
#include "port/storage_runs.h"
#include "vector/minutes.h"
#include "vector/pack.h"
#include "vector/rollup.h"

#include <stdint.h>

/* What the commands of longtail-inspect share: an environment's names and runs, read once; and a
 * session that reads them. One thread. */
struct inspect {
    const struct option_set *options;
    struct storage *storage;
    struct storage_session *session, *second; /* second: while the first streams rows */
    struct read_guard guard, second_guard;
    struct catalog *catalog;
    struct pack_codec *pack;
    struct rollup_codec *rollup;
    struct minutes_codec *minutes;
    VEC(struct storage_run) runs;
    uint64_t run; /* --run, 0: all */
    int64_t from_s, to_s;
};

enum { INSPECT_ENVIRONMENT = 1 };
#define INSPECT_BODIES (STORAGE_SUMMARIES | STORAGE_VECTORS | STORAGE_MINUTES)

/* Is the run asked for: its number, its range, and in force? */
bool inspect_takes(const struct inspect *in, const struct storage_run *run);

/* "host.queries.c.*.time_us"; valid until the next call. */
const char *inspect_group_name(struct inspect *in, uint32_t category, uint32_t dimension);
const char *inspect_host_name(struct inspect *in, uint32_t host); /* likewise */
/* The key, as TS.RANGE takes it. */
void inspect_series_name(struct inspect *in, uint32_t category, uint32_t dimension, uint32_t host,
                         uint32_t item, char *out, size_t bytes);

const char *inspect_run_name(const struct storage_run *run); /* valid until the next call */

/* The commands: 0, or an error that was told. */
int show_tables(struct inspect *in);
int show_rows(struct inspect *in);
int show_bytes(struct inspect *in);
int show_csv(struct inspect *in);
int verify(struct inspect *in);

/* Sums of integers agree bit for bit; others nearly, because they depend on the order of addition.
 */
bool verify_same(double a, double b);

/* The best items over all hosts, best first, of which a run should say what they have by minute
 * (vector/rank_minutes.h). complain is told what is wrong. */
struct verify_list {
    uint32_t category, dimension;
    const uint32_t *items;
    uint32_t count;
    void (*complain)(void *arg, const char *text);
    void *arg;
};
int verify_best(struct inspect *in, const struct storage_run *run, const struct verify_list *list,
                uint64_t *rows_out);

/* Of a row's minutes: a text of what is wrong with them, or "". Errors of reading them. */
int verify_minutes(struct inspect *in, const struct storage_run *run,
                   const struct storage_pack *pack, char *wrong, size_t bytes);

/* Each group of a run, with a filter for it alone. */
typedef int inspect_group_visit(struct inspect *in, const struct storage_run *run,
                                const struct storage_group *group, void *arg);
int inspect_groups(struct inspect *in, const struct storage_run *run, inspect_group_visit *visit,
                   void *arg);

/* The filter of one group, all times. Borrows the group. */
struct block_filter inspect_filter(const struct storage_group *group);

#endif
