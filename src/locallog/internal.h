#ifndef LOCALLOG_INTERNAL_H
#define LOCALLOG_INTERNAL_H

#include "base/slice.h"
#include "locallog/format.h"
#include "locallog/locallog.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#define MODULE "local log"

/* ---- one append, from the loop to the committer and back ---- */

struct pending {
    struct pending *next;
    log_done *done;
    void *arg;
    struct log_report report;
    int64_t append_ms;
    size_t value_bytes;
    char value[]; /* format.h: header (filled by the committer), record */
};

struct pending_list {
    struct pending *first;
    struct pending **tail;
    size_t records;
    size_t bytes;
};

void pending_list_init(struct pending_list *list);
void pending_list_push(struct pending_list *list, struct pending *p);
/* Moves all of `from` behind `to`. */
void pending_list_move(struct pending_list *to, struct pending_list *from);

/* ---- the environment ---- */

/* Transactions hold `lock` shared; open, resize and reopen hold it exclusively, because LMDB wants
 * no transaction of this process in flight then. env is NULL while it could not be reopened. */
struct env {
    pthread_rwlock_t lock;
    MDB_env *handle;
    MDB_dbi table;
    char *dir;
    uint64_t bytes_max;
    uint32_t partitions;
    bool read_only;
    int writer_fd;  /* holds the flock; -1 for read_only */
    int reserve_fd; /* a file that only takes up room; -1 for read_only */
};

MUST_USE int env_init(struct env *env, const struct locallog_config *config);
void env_fini(struct env *env);

/* After a failed write of LMDB's root page: closes, opens again, and syncs what is there, so that
 * memory and disk agree before the next transaction. Thread: the committer. */
MUST_USE int env_reopen(struct env *env);

/* True: LMDB refuses everything until env_reopen, and the commit's outcome is not known. */
bool env_is_broken(struct env *env);

/* Room beyond bytes_max, so that a full log can be trimmed (a deletion writes pages first), and
 * back. */
MUST_USE int env_lend(struct env *env);
void env_take_back(struct env *env);

/* A read transaction; takes env->lock until env_read_end. LT_EUNAVAILABLE, LT_ENOMEM. */
MUST_USE int env_read_begin(struct env *env, MDB_txn **out);
void env_read_end(struct env *env, MDB_txn *txn);

/* LT_ECORRUPT, LT_EIO. */
MUST_USE int env_floor(struct env *env, MDB_txn *txn, uint32_t partition, uint64_t *out);
MUST_USE int env_bounds(struct env *env, MDB_txn *txn, uint32_t partition, struct log_bounds *out);

/* LMDB's or errno's code as ours, and for a client's eyes. */
int env_error(int rc);
const char *env_reason(int rc);

/* ---- the log ---- */

/* At most one at a time; the committer works on it between groups, in small transactions. */
struct trim {
    enum trim_state { TRIM_IDLE, TRIM_WANTED, TRIM_DONE } state;
    uint64_t ticket; /* a caller that gave up is told from the next one */
    uint32_t partition;
    uint64_t before;
    int status;
};

struct counters {
    uint64_t records, bytes, commits, failed, unknown;
    int64_t last_commit_us;
    const char *last_error; /* a literal, or LMDB's */
};

struct locallog {
    struct log base;
    struct env env;
    size_t queue_bytes_max;
    int event_fd;
    pthread_t committer;
    bool committer_runs;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;  /* the committer: queue, trim, stop */
    pthread_cond_t news;  /* readers: ends, woken; trim: its state */
    struct pending_list queue;
    struct pending_list reports; /* decided; the loop takes them */
    size_t bytes_held;           /* of appends not yet dispatched */
    bool broken;                 /* refuses appends until reopened */
    bool stop;
    struct trim trim;
    struct counters counters;
    uint32_t readers;
    uint64_t *ends; /* a partition's next offset, committed */

    uint64_t *next; /* the committer's: as ends, with the open group */
};

/* Reads ends and next from the disk. */
MUST_USE int committer_load(struct locallog *l);

/* The committer's thread; its argument is the locallog. */
void *committer_run(void *arg);

int locallog_bounds(struct log *log, uint32_t partition, int timeout_ms, struct log_bounds *out);
int locallog_trim(struct log *log, uint32_t partition, uint64_t before, int timeout_ms);
int locallog_reader_open(struct log *log, uint32_t partition, uint64_t from,
                         struct log_reader **out);
int locallog_reader_next(struct log_reader *reader, int timeout_ms, struct log_record *records,
                         int max);
void locallog_reader_wake(struct log_reader *reader);
void locallog_reader_close(struct log_reader **reader);

#endif
