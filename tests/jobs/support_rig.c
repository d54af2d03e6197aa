#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/compact_write.h"
#include "jobs/support_world.h"

#include "mysql/mysql_storage.h"
#include "support_crash.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void rig_open(struct rig *rig, const char *address, const char *prefix, uint64_t epoch)
{
    static unsigned count;
    *rig = (struct rig){.progress = {.epoch = epoch}, .address = address};
    if (prefix != NULL)
        snprintf(rig->prefix, sizeof(rig->prefix), "%s", prefix);
    else
        snprintf(rig->prefix, sizeof(rig->prefix), "j%d_%u_", (int)getpid(), count++);
    struct mysql_config config = {
        .address = address,
        .user = "root",
        .password = "",
        .prefix = rig->prefix,
        .connect_timeout_ms = 2000,
        .timeout_ms = 60000,
        .read_timeout_ms = 600000,
    };
    assert_int_equal(mysql_storage_create(&config, &rig->storage), 0);
    assert_int_equal(storage_session_create(rig->storage, &rig->flush), 0);
    assert_int_equal(storage_session_create(rig->storage, &rig->session), 0);
    assert_int_equal(storage_session_create(rig->storage, &rig->reader), 0);
    uint32_t environment = RIG_ENVIRONMENT;
    if (prefix == NULL) {
        assert_int_equal(storage_prepare(rig->flush, RIG_PARTITION + 1, &environment, 1), 0);
        assert_int_equal(
            storage_lease_take(rig->flush, RIG_PARTITION, SLICE_LIT("me"), 600000, &rig->progress),
            0);
    }
    rig->guard = (struct read_guard){.deadline_mono_ms = INT64_MAX, .memory_bytes_max = SIZE_MAX};
    rig->limits = (struct job_limits){.memory_bytes_max = 1 << 30,
                                      .ranked_items_min = WRITE_RANKED_ITEMS,
                                      .grace_ms = 60000,
                                      .late_ms = 600000,
                                      .read_deadline_ms = 1000};
    rig->context = (struct job_context){
        .session = rig->session,
        .reader = rig->reader,
        .guard = &rig->guard,
        .fence = {RIG_PARTITION, rig->progress.epoch},
        .environment = RIG_ENVIRONMENT,
        .limits = &rig->limits,
        .progress = &rig->job_progress,
        .now_ms = (rig_hour0_s + 86400) * 1000,
    };
}

void rig_close(struct rig *rig)
{
    storage_session_destroy(&rig->flush);
    storage_session_destroy(&rig->session);
    storage_session_destroy(&rig->reader);
    storage_destroy(&rig->storage);
}

int rig_crash(const struct rig *rig, const char *failpoint)
{
    return crash_at(failpoint, rig->address, rig->prefix, rig->progress.epoch);
}

struct storage_range rig_hour(unsigned hour)
{
    int64_t from_s = rig_hour0_s + (int64_t)hour * 3600;
    return (struct storage_range){from_s, from_s + 3600};
}

struct storage_flush rig_flush(const struct rig *rig)
{
    return (struct storage_flush){
        .partition = RIG_PARTITION,
        .epoch = rig->progress.epoch,
        .lo = rig->progress.next,
        .hi = rig->progress.next + 10,
        .checksum = rig->progress.next * 31 + 1,
    };
}

void rig_flushed(struct rig *rig, const struct storage_flush *flush)
{
    rig->progress.next = flush->hi;
    rig->progress.checksum = flush->checksum;
}

/* ---- runs ---- */

struct runs {
    struct storage_range range;
    struct storage_run only;
    unsigned in_force;
    unsigned states[STORAGE_LEFT + 1];
};

static int runs_visit(void *arg, const struct storage_run *run)
{
    struct runs *runs = arg;
    runs->states[run->state]++;
    bool in_force = run->state == STORAGE_OPEN || run->state == STORAGE_CLOSED ||
                    run->state == STORAGE_IN_FORCE;
    if (in_force && run->range.from_s == runs->range.from_s &&
        run->range.to_s == runs->range.to_s) {
        runs->only = *run;
        runs->in_force++;
    }
    return 0;
}

const struct storage_run *rig_only_run(struct rig *rig, struct storage_range range)
{
    static struct runs runs;
    runs = (struct runs){.range = range};
    assert_int_equal(storage_runs(rig->flush, RIG_ENVIRONMENT, NULL, runs_visit, &runs), 0);
    return runs.in_force == 1 ? &runs.only : NULL;
}

unsigned rig_count(struct rig *rig, enum storage_run_state state)
{
    struct runs runs = {0};
    assert_int_equal(storage_runs(rig->flush, RIG_ENVIRONMENT, NULL, runs_visit, &runs), 0);
    return runs.states[state];
}
