#ifndef TESTS_MYSQL_SUPPORT_RUNS_H
#define TESTS_MYSQL_SUPPORT_RUNS_H

#include "mysql/support_storage.h"
#include "port/storage_reads.h"
#include "port/storage_runs.h"

/* Runs made by hand. Each asserts that all goes well. */

/* A BUILDING run. */
struct storage_run run_begin(struct storage_session *s, const struct storage_progress *progress,
                             enum storage_run_kind kind, uint32_t resolution_s,
                             struct storage_range range);
/* Writes the rest of its rows and puts it in force; *run is as the manifest then has it. */
void run_publish(struct storage_session *s, const struct storage_progress *progress,
                 struct storage_run *run);
/* The only run in force, or the newest of them, of a range and kind. */
struct storage_run run_find(struct storage_session *s, enum storage_run_kind kind,
                            struct storage_range range);

/* The server's counters of these names, added up. */
uint64_t server_counts(const char *address, const char *like);

#endif
