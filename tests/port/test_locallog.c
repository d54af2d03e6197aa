#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port/support_conformance.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/number.h"
#include "locallog/format.h"
#include "locallog/locallog.h"
#include "support_status.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the disk, as LMDB sees it: these stand before libc's ---- */

static _Atomic int fail_fdatasync, fail_pwrite;

int fdatasync(int fd)
{
    if (atomic_load(&fail_fdatasync) > 0) {
        atomic_fetch_sub(&fail_fdatasync, 1);
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* LMDB writes its root page with one small pwrite, after the fdatasync. */
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    if (atomic_load(&fail_pwrite) > 0 && n < 1024) {
        atomic_fetch_sub(&fail_pwrite, 1);
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, n, at);
}

/* ---- the harness ---- */

struct local {
    char root[64];
    char dir[96];
    struct locallog_config config;
};

static void remove_log(const char *dir)
{
    const char *const names[] = {"data.mdb", "lock.mdb", "writer.pid", "reserve"};
    char path[256];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void local_fresh(struct harness *h)
{
    struct local *c = h->context;
    snprintf(c->root, sizeof(c->root), "/tmp/test-locallog-XXXXXX");
    assert_non_null(mkdtemp(c->root));
    snprintf(c->dir, sizeof(c->dir), "%s/log", c->root);
    c->config = (struct locallog_config){.dir = c->dir,
                                         .partitions = HARNESS_PARTITIONS,
                                         .map_bytes_max = 256 << 20,
                                         .queue_bytes_max = 4 << 20};
}

static struct log *local_open(struct harness *h)
{
    struct local *c = h->context;
    struct log *log = NULL;
    assert_int_equal(locallog_create(&c->config, &log), 0);
    return log;
}

static void local_clean(struct harness *h)
{
    struct local *c = h->context;
    remove_log(c->dir);
    rmdir(c->root);
}

/* Flips a bit of each copy of the record in the file: LMDB leaves old pages behind. */
static void local_corrupt(struct harness *h, struct slice record)
{
    struct local *c = h->context;
    char path[128];
    snprintf(path, sizeof(path), "%s/data.mdb", c->dir);
    int fd = open(path, O_RDWR);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    char *bytes = malloc((size_t)st.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    int found = 0;
    char *at = bytes, *end = bytes + st.st_size;
    while ((at = memmem(at, (size_t)(end - at), record.p, record.n)) != NULL) {
        char flipped = (char)(at[3] ^ 0x10);
        assert_int_equal(pwrite(fd, &flipped, 1, at + 3 - bytes), 1);
        at++;
        found++;
    }
    assert_true(found > 0);
    free(bytes);
    close(fd);
}

static struct local local;
static struct harness harness = {.name = "local log",
                                 .context = &local,
                                 .fresh = local_fresh,
                                 .open = local_open,
                                 .clean = local_clean,
                                 .trims = true,
                                 .corrupt = local_corrupt};

/* ---- what is the local log's own ---- */

static void test_format_is_pinned(void **state)
{
    (void)state;
    char key[FORMAT_KEY_BYTES];
    format_key_write(key, (struct format_key){0x01020304, FORMAT_RECORD, 0x1122334455667788});
    assert_memory_equal(key, "\x01\x02\x03\x04\x01\x11\x22\x33\x44\x55\x66\x77\x88", 13);
    char value[FORMAT_HEADER_BYTES + 3];
    memcpy(value + FORMAT_HEADER_BYTES, "abc", 3);
    format_record_seal(value, sizeof(value), 2, 0x0102, 1000);
    static const char golden[] = "\x7a\x3e\xd9\x18\x2c\x71\xfd\x60\x01\0\0\0\x02\0\0\0"
                                 "\x02\x01\0\0\0\0\0\0\xe8\x03\0\0\0\0\0\0"
                                 "abc";
    assert_memory_equal(value, golden, sizeof(value));

    struct log_record record;
    struct slice whole = slice_make(value, sizeof(value));
    assert_int_equal(format_record_parse(whole, 2, 0x0102, &record), 0);
    assert_true(slice_eq_str(record.bytes, "abc"));
    assert_int_equal(record.append_ms, 1000);
    /* Another's place, cut short, any flipped bit. */
    assert_int_equal(format_record_parse(whole, 1, 0x0102, &record), LT_ECORRUPT);
    assert_int_equal(format_record_parse(whole, 2, 0x0103, &record), LT_ECORRUPT);
    for (size_t n = 0; n < sizeof(value); n++)
        assert_int_equal(format_record_parse(slice_upto(whole, n), 2, 0x0102, &record),
                         LT_ECORRUPT);
    for (size_t bit = 0; bit < sizeof(value) * 8; bit++) {
        value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(format_record_parse(whole, 2, 0x0102, &record), LT_ECORRUPT);
        value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
    }
}

/* Another program (this one, so that it reads LONGTAIL_FAILPOINT): appends for ever and tells the
 * pipe how many are acknowledged. */
static void append_until_killed(const char *dir, int pipe_fd)
{
    local_fresh(&harness);
    local_clean(&harness);
    local.config.dir = dir;
    struct ledger l = {.log = local_open(&harness)};
    for (int i = 0;; i++) {
        char text[64];
        snprintf(text, sizeof(text), "k-%d", i);
        if (ledger_append(&l, 0, slice_str(text)) != 0)
            _exit(1);
        uint64_t stored = l.stored;
        if (l.pending > 20)
            ledger_turn(&l, 1000);
        if (l.stored > stored && write(pipe_fd, &l.stored, sizeof(l.stored)) < 0)
            _exit(1);
    }
}

static pid_t start_appending(const char *failpoint, int *pipe_out)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        char fd[16];
        snprintf(fd, sizeof(fd), "%d", fds[1]);
        setenv("LONGTAIL_FAILPOINT", failpoint, 1);
        execl("/proc/self/exe", "test_locallog", "append", local.dir, fd, (char *)NULL);
        _exit(1);
    }
    close(fds[1]);
    *pipe_out = fds[0];
    return child;
}

static void test_what_was_acknowledged_survives_sigkill(void **state)
{
    (void)state;
    const char *const failpoints[] = {"", "locallog.before-commit:30",
                                      "", "locallog.after-commit:30",
                                      "", "locallog.after-commit:7"};
    local_fresh(&harness);
    for (int round = 0; round < (int)ARRAY_LEN(failpoints); round++) {
        int fd;
        pid_t child = start_appending(failpoints[round], &fd);
        uint64_t acked = 0, n;
        int64_t until = clock_mono_ms() + 150 + round * 37;
        bool by_hand = *failpoints[round] == '\0';
        while (read(fd, &n, sizeof(n)) == sizeof(n)) {
            acked = n;
            if (by_hand && clock_mono_ms() > until)
                kill(child, SIGKILL);
        }
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(fd);
        assert_true(acked > 0);
        struct log *log = local_open(&harness);
        struct log_bounds bounds;
        assert_int_equal(log_bounds(log, 0, 0, &bounds), 0);
        assert_true(bounds.end - bounds.start >= acked);
        expect_records(log, 0, bounds.start, "k-", 0, (int)acked);
        assert_int_equal(log_trim(log, 0, bounds.end, 5000), 0); /* the next round counts from 0 */
        log_destroy(&log);
    }
    local_clean(&harness);
}

static void test_a_second_writer_is_refused(void **state)
{
    local_fresh(&harness);
    struct log *log = local_open(&harness);
    pid_t child = fork();
    if (child == 0) {
        struct log *other = NULL;
        _exit(locallog_create(&local.config, &other) == LT_EHELD ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    log_destroy(&log);
    log = local_open(&harness); /* its lock went with it */
    log_destroy(&log);
    local_clean(&harness);
}

static void test_partitions_cannot_be_taken_away(void **state)
{
    local_fresh(&harness);
    struct ledger l = {.log = local_open(&harness)};
    ledger_store(&l, 2, "x", 1);
    ledger_close(&l);
    local.config.partitions = 2;
    assert_int_equal(locallog_create(&local.config, &l.log), LT_EINVALID);
    local_clean(&harness);
}

/* The child tails the parent's log, and answers with the sum of the numbers that it reads. */
static void tail_and_add(int pipe_fd, int count)
{
    struct log *log;
    local.config.read_only = true;
    if (locallog_create(&local.config, &log) != 0)
        _exit(1);
    struct log_reader *reader;
    if (log_reader_open(log, 0, 0, &reader) != 0)
        _exit(1);
    int64_t sum = 0;
    for (int got = 0; got < count;) {
        struct log_record records[16];
        int n = log_reader_next(log, reader, 5000, records, 16);
        if (n <= 0)
            _exit(1);
        for (int i = 0; i < n; i++, got++) {
            int64_t number = 0;
            if (number_parse_i64(slice_from(records[i].bytes, 2), &number) != 0)
                _exit(1);
            sum += number;
        }
    }
    bool refused = log_append(log, 0, SLICE_LIT("x"), NULL, NULL) == LT_EUNAVAILABLE;
    log_reader_close(log, &reader);
    log_destroy(&log);
    _exit(refused && write(pipe_fd, &sum, sizeof(sum)) == sizeof(sum) ? 0 : 1);
}

static void test_another_process_tails_it(void **state)
{
    local_fresh(&harness);
    struct log *log = local_open(&harness);
    log_destroy(&log);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0)
        tail_and_add(fds[1], 300);
    struct ledger l = {.log = local_open(&harness)};
    int64_t want = 0;
    for (int round = 0; round < 3; round++) {
        ledger_store(&l, 0, "n-", 100);
        want += 99 * 100 / 2;
        usleep(40000);
    }
    int64_t sum = -1;
    assert_int_equal(read(fds[0], &sum, sizeof(sum)), sizeof(sum));
    assert_int_equal(sum, want);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(fds[0]);
    close(fds[1]);
    ledger_close(&l);
    local_clean(&harness);
}

static void test_read_only_needs_a_log(void **state)
{
    local_fresh(&harness);
    local.config.read_only = true;
    struct log *log = NULL;
    assert_int_equal(locallog_create(&local.config, &log), LT_ENOTFOUND);
    assert_null(log);
    local_clean(&harness);
}

/* Appends records of that size until one fails; it must be a clear failure. */
static void fill(struct ledger *l, size_t bytes)
{
    char block[50000];
    memset(block, 'b', sizeof(block));
    uint64_t failed = l->failed;
    for (int i = 0; i < 5000 && l->failed == failed; i++) {
        assert_int_equal(ledger_append(l, 0, slice_make(block, bytes)), 0);
        if (l->pending > (bytes > 4096 ? 8 : 0))
            assert_true(ledger_settle(l, 6000));
    }
    assert_true(ledger_settle(l, 6000));
    assert_true(l->failed > failed);
    assert_int_equal(l->unknown, 0);
}

/* To the last page; then trims, and goes on. */
static void fill_trim_and_go_on(void)
{
    struct ledger l = {.log = local_open(&harness)};
    for (int round = 0; round < 4; round++) {
        fill(&l, 50000);
        fill(&l, 3000);
        struct log_bounds bounds;
        assert_int_equal(log_bounds(l.log, 0, 0, &bounds), 0);
        assert_int_equal(bounds.end, l.stored);
        assert_int_equal(log_trim(l.log, 0, bounds.end, 6000), 0);
        ledger_store(&l, 0, "t-", 3); /* several, as pages come free one transaction late */
        expect_records(l.log, 0, bounds.end, "t-", 0, 3);
    }
    ledger_close(&l);
}

static void test_a_full_map_fails_and_heals_by_trimming(void **state)
{
    local_fresh(&harness);
    local.config.map_bytes_max = 4 << 20;
    fill_trim_and_go_on();
    local_clean(&harness);
}

static void test_a_full_disk_fails_and_heals_by_trimming(void **state)
{
    local_fresh(&harness);
    if (mount("tmpfs", local.root, "tmpfs", 0, "size=8m") != 0) {
        print_message("[ SKIPPED  ] cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    fill_trim_and_go_on();
}

/* Also after a failed assertion. */
static int unmount(void **state)
{
    (void)state;
    remove_log(local.dir);
    umount2(local.root, MNT_DETACH);
    rmdir(local.root);
    return 0;
}

static void test_a_failed_sync_is_a_failure(void **state)
{
    local_fresh(&harness);
    struct ledger l = {.log = local_open(&harness)};
    ledger_store(&l, 0, "a-", 2);
    atomic_store(&fail_fdatasync, 1);
    assert_int_equal(ledger_append(&l, 0, SLICE_LIT("lost")), 0);
    assert_true(ledger_settle(&l, 6000));
    assert_int_equal(l.failed, 1);
    ledger_store(&l, 0, "b-", 2);
    assert_int_equal(l.last_offset[0], 3);
    log_destroy(&l.log);
    l.log = local_open(&harness);
    expect_records(l.log, 0, 0, "a-", 0, 2);
    expect_records(l.log, 0, 2, "b-", 0, 2);
    ledger_close(&l);
    local_clean(&harness);
}

static void test_a_failed_root_write_is_unknown_and_heals(void **state)
{
    local_fresh(&harness);
    struct ledger l = {.log = local_open(&harness)};
    ledger_store(&l, 0, "a-", 2);
    atomic_store(&fail_pwrite, 1);
    assert_int_equal(ledger_append(&l, 0, SLICE_LIT("perhaps")), 0);
    assert_true(ledger_settle(&l, 6000));
    assert_int_equal(l.unknown, 1);
    int64_t until = clock_mono_ms() + 3000;
    int status;
    while ((status = ledger_append(&l, 0, SLICE_LIT("b-0"))) == LT_EUNAVAILABLE &&
           clock_mono_ms() < until)
        usleep(1000);
    assert_int_equal(status, 0);
    assert_true(ledger_settle(&l, 6000));
    assert_int_equal(l.stored, 3);
    expect_records(l.log, 0, l.last_offset[0], "b-", 0, 1);
    ledger_close(&l);
    local_clean(&harness);
}

/* ---- status ---- */

static void test_status_counts(void **state)
{
    local_fresh(&harness);
    struct ledger l = {.log = local_open(&harness)};
    ledger_store(&l, 0, "a-", 7);
    assert_int_equal(status_line(locallog_status, l.log, "records").number, 7);
    assert_string_equal(status_line(locallog_status, l.log, "state").text, "ready");
    ledger_close(&l);
    local_clean(&harness);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "append") == 0)
        append_until_killed(argv[2], atoi(argv[3]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_is_pinned),
        cmocka_unit_test(test_what_was_acknowledged_survives_sigkill),
        cmocka_unit_test(test_a_second_writer_is_refused),
        cmocka_unit_test(test_partitions_cannot_be_taken_away),
        cmocka_unit_test(test_another_process_tails_it),
        cmocka_unit_test(test_read_only_needs_a_log),
        cmocka_unit_test(test_a_full_map_fails_and_heals_by_trimming),
        cmocka_unit_test_teardown(test_a_full_disk_fails_and_heals_by_trimming, unmount),
        cmocka_unit_test(test_a_failed_sync_is_a_failure),
        cmocka_unit_test(test_a_failed_root_write_is_unknown_and_heals),
        cmocka_unit_test(test_status_counts),
    };
    return conformance_run(&harness) +
           cmocka_run_group_tests_name("local log's own", tests, NULL, NULL);
}
