#include "locallog/internal.h"

#include "base/error.h"
#include "base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENV_READERS_MAX = 512, ENV_LEND_BYTES = 1 << 20, ENV_LEND_BYTES_MIN = 1 << 16 };

int env_error(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case ENOMEM:
        return LT_ENOMEM;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        return LT_EFULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return LT_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return LT_EVERSION;
    case MDB_PANIC:
    case MDB_READERS_FULL:
        return LT_EUNAVAILABLE;
    default:
        return LT_EIO;
    }
}

const char *env_reason(int rc)
{
    switch (rc) {
    case MDB_MAP_FULL:
        return "the local log is full (local-log-bytes-max) until flushed data is trimmed";
    case ENOSPC:
    case EDQUOT:
        return "the local log's disk is full";
    case EIO: /* LMDB's code for a short write, too */
        return "the local log's disk is full or fails";
    default:
        return mdb_strerror(rc);
    }
}

/* An entry in a directory is durable when the directory is synced. LMDB does not do that. */
static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return rc;
}

static int make_dir(const char *dir)
{
    if (mkdir(dir, 0700) != 0)
        return errno == EEXIST ? 0 : errno;
    char parent[4096];
    snprintf(parent, sizeof(parent), "%s/..", dir);
    return sync_dir(parent);
}

/* One writer: offsets are given out in memory, so a second process would give the same ones again.
 */
static int lock_writer(const char *dir, int *fd_out)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/writer.pid", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int rc = errno;
        log_error(MODULE, "cannot open %s: %s", path, strerror(rc));
        return env_error(rc);
    }
    char pid[32] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        log_error(
            MODULE,
            "%s is written by another process (pid %s): stop that one, or give this one its own "
            "--local-log-dir",
            dir, strtok(pid, "\n") != NULL ? pid : "unknown");
        close(fd);
        return LT_EHELD;
    }
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        log_debug(MODULE, "cannot write the pid into %s", path); /* only a hint for people */
    *fd_out = fd;
    return 0;
}

/* As much of the disk as there is for a trim on a full one. Each use may leave it a few pages
 * smaller, because LMDB's file has grown by them. */
static void fill_reserve(struct env *env)
{
    for (off_t bytes = ENV_LEND_BYTES; bytes >= ENV_LEND_BYTES_MIN; bytes /= 2)
        if (posix_fallocate(env->reserve_fd, 0, bytes) == 0)
            return;
    log_warn(MODULE, "no room in %s for the reserve that trimming a full disk needs", env->dir);
}

static int open_reserve(struct env *env)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/reserve", env->dir);
    env->reserve_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (env->reserve_fd < 0)
        return env_error(errno);
    fill_reserve(env);
    return 0;
}

/* Keys are sorted by partition, so that the last one tells how many there are. */
static int check_partitions(struct env *env, MDB_txn *txn)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->table, &cursor);
    if (rc != 0)
        return env_error(rc);
    MDB_val key, value;
    struct format_key last = {0};
    rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    int status = rc == MDB_NOTFOUND ? 0 : env_error(rc);
    if (rc == 0)
        status = format_key_parse(slice_make(key.mv_data, key.mv_size), &last);
    mdb_cursor_close(cursor);
    if (status == 0 && last.partition >= env->partitions) {
        log_error(
            MODULE,
            "%s holds partition %u, but only %u are configured: partitions cannot be taken away",
            env->dir, last.partition, env->partitions);
        status = LT_EINVALID;
    }
    return status;
}

static int open_table(struct env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->handle, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return env_error(rc);
    rc = mdb_dbi_open(txn, NULL, 0, &env->table);
    int status = rc != 0 ? env_error(rc) : check_partitions(env, txn);
    mdb_txn_abort(txn);
    return status;
}

/* env->lock is held exclusively, or nobody else knows env yet. */
static int env_open(struct env *env)
{
    MDB_env *handle;
    int rc = mdb_env_create(&handle);
    if (rc != 0)
        return env_error(rc);
    int status;
    unsigned flags = MDB_NOTLS | (env->read_only ? MDB_RDONLY : 0);
    if ((rc = mdb_env_set_mapsize(handle, env->bytes_max)) != 0 ||
        (rc = mdb_env_set_maxreaders(handle, ENV_READERS_MAX)) != 0 ||
        (rc = mdb_env_open(handle, env->dir, flags, 0600)) != 0) {
        status = rc == ENOENT ? LT_ENOTFOUND : env_error(rc);
        log_error(MODULE, "cannot open %s: %s", env->dir, mdb_strerror(rc));
        goto fail_handle;
    }
    int dead = 0;
    mdb_reader_check(handle, &dead);
    env->handle = handle;
    status = open_table(env);
    if (status != 0)
        goto fail_handle;
    return 0;

fail_handle:
    mdb_env_close(handle);
    env->handle = NULL;
    return status;
}

int env_init(struct env *env, const struct locallog_config *config)
{
    *env = (struct env){
        .dir = strdup(config->dir),
        .bytes_max = config->map_bytes_max,
        .partitions = config->partitions,
        .read_only = config->read_only,
        .writer_fd = -1,
        .reserve_fd = -1,
    };
    if (env->dir == NULL)
        return LT_ENOMEM;
    pthread_rwlock_init(&env->lock, NULL);
    int status = 0;
    if (!env->read_only) {
        int rc = make_dir(env->dir);
        if (rc != 0) {
            log_error(MODULE, "cannot make the directory %s: %s", env->dir, strerror(rc));
            status = env_error(rc);
            goto fail;
        }
        status = lock_writer(env->dir, &env->writer_fd);
        if (status != 0)
            goto fail;
    }
    status = env_open(env);
    if (status != 0)
        goto fail;
    if (env->read_only)
        return 0;
    status = open_reserve(env);
    if (status == 0)
        status = env_error(sync_dir(env->dir));
    if (status != 0)
        goto fail;
    return 0;

fail:
    env_fini(env);
    return status;
}

void env_fini(struct env *env)
{
    if (env->handle != NULL)
        mdb_env_close(env->handle);
    if (env->reserve_fd >= 0)
        close(env->reserve_fd);
    if (env->writer_fd >= 0)
        close(env->writer_fd);
    pthread_rwlock_destroy(&env->lock);
    free(env->dir);
    *env = (struct env){.writer_fd = -1, .reserve_fd = -1};
}

bool env_is_broken(struct env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->handle, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

int env_reopen(struct env *env)
{
    pthread_rwlock_wrlock(&env->lock);
    if (env->handle != NULL)
        mdb_env_close(env->handle);
    env->handle = NULL;
    int status = env_open(env);
    if (status == 0) {
        /* LMDB has put the old root back, in the page cache. Until that is on the disk, new pages
         * could overwrite those that a half-written new root there reaches. */
        status = env_error(mdb_env_sync(env->handle, 1));
        if (status != 0) {
            mdb_env_close(env->handle);
            env->handle = NULL;
        }
    }
    pthread_rwlock_unlock(&env->lock);
    return status;
}

int env_lend(struct env *env)
{
    pthread_rwlock_wrlock(&env->lock);
    MDB_envinfo info;
    mdb_env_info(env->handle, &info);
    int rc = mdb_env_set_mapsize(env->handle, info.me_mapsize + ENV_LEND_BYTES);
    if (rc == 0 && ftruncate(env->reserve_fd, 0) != 0)
        rc = errno;
    pthread_rwlock_unlock(&env->lock);
    return env_error(rc);
}

void env_take_back(struct env *env)
{
    pthread_rwlock_wrlock(&env->lock);
    /* LMDB keeps what is in use, should that be more. */
    int rc = mdb_env_set_mapsize(env->handle, env->bytes_max);
    if (rc != 0)
        log_warn(MODULE, "cannot shrink the map back: %s", mdb_strerror(rc));
    fill_reserve(env);
    pthread_rwlock_unlock(&env->lock);
}

/* Another process has made the map larger. */
static void follow_map_size(struct env *env)
{
    pthread_rwlock_wrlock(&env->lock);
    if (env->handle != NULL)
        mdb_env_set_mapsize(env->handle, 0);
    pthread_rwlock_unlock(&env->lock);
}

int env_read_begin(struct env *env, MDB_txn **out)
{
    for (int tries = 0;; tries++) {
        pthread_rwlock_rdlock(&env->lock);
        int rc =
            env->handle == NULL ? MDB_PANIC : mdb_txn_begin(env->handle, NULL, MDB_RDONLY, out);
        if (rc == 0)
            return 0;
        pthread_rwlock_unlock(&env->lock);
        if (rc != MDB_MAP_RESIZED || tries > 0)
            return rc == MDB_MAP_RESIZED ? LT_EUNAVAILABLE : env_error(rc);
        follow_map_size(env);
    }
}

void env_read_end(struct env *env, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    pthread_rwlock_unlock(&env->lock);
}

int env_floor(struct env *env, MDB_txn *txn, uint32_t partition, uint64_t *out)
{
    char bytes[FORMAT_KEY_BYTES];
    format_key_write(bytes, (struct format_key){partition, FORMAT_FLOOR, 0});
    MDB_val key = {sizeof(bytes), bytes}, value;
    int rc = mdb_get(txn, env->table, &key, &value);
    if (rc == MDB_NOTFOUND) {
        *out = 0;
        return 0;
    }
    return rc != 0 ? env_error(rc)
                   : format_floor_parse(slice_make(value.mv_data, value.mv_size), out);
}

int env_bounds(struct env *env, MDB_txn *txn, uint32_t partition, struct log_bounds *out)
{
    uint64_t floor;
    int status = env_floor(env, txn, partition, &floor);
    if (status != 0)
        return status;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, env->table, &cursor);
    if (rc != 0)
        return env_error(rc);
    /* The partition's last key stands before the next partition's first. */
    char bytes[FORMAT_KEY_BYTES];
    format_key_write(bytes, (struct format_key){partition + 1, FORMAT_FLOOR, 0});
    MDB_val key = {sizeof(bytes), bytes}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
    struct format_key last = {.partition = UINT32_MAX};
    if (rc == 0)
        status = format_key_parse(slice_make(key.mv_data, key.mv_size), &last);
    else if (rc != MDB_NOTFOUND)
        status = env_error(rc);
    mdb_cursor_close(cursor);
    if (status != 0)
        return status;
    bool holds = last.partition == partition && last.kind == FORMAT_RECORD;
    *out = (struct log_bounds){.start = floor, .end = holds ? last.offset + 1 : floor};
    return 0;
}
