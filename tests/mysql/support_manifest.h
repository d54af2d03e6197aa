#ifndef TESTS_MYSQL_SUPPORT_MANIFEST_H
#define TESTS_MYSQL_SUPPORT_MANIFEST_H

#include "mysql/support_storage.h"
#include "port/storage_runs.h"

#include <stdbool.h>
#include <stdint.h>

/* What the tests of runs share: what is in the manifest, and rows. */

/* Long for a machine that others slow down; a test waits for half of it, for a lock. */
enum { RUNS_TIMEOUT_MS = 15000, RUNS_MAX = 64 };

struct runs {
    struct storage_run v[RUNS_MAX];
    uint32_t n;
};

/* All runs of the environment. */
struct runs runs_list(struct storage_session *s);
const struct storage_run *runs_find(const struct runs *runs, uint64_t id); /* or NULL */
uint32_t runs_in_state(const struct runs *runs, enum storage_run_state state);

/* The one text that a statement gives; until the next call. */
const char *runs_ask(struct fixture *f, const char *sql);
unsigned runs_tables(struct fixture *f); /* that there are */
/* Each table of a run is entered, and no other is there. */
void assert_no_stray_tables(struct fixture *f);

/* One point of category 1, item 3, in hour 0. */
struct block one_point(uint64_t lo);
/* `rows` rows of each table of a compact run, flushed. */
int put_rows(struct storage_session *s, const struct storage_run *run, uint32_t rows,
             uint32_t body_bytes);

#endif
