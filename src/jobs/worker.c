#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/logger.h"
#include "jobs/choose.h"
#include "jobs/seat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A partition's job thread. */

enum {
    NICE = 10,
    RETRY_MS_MIN = 1000,
    RETRY_MS_MAX = 60000,
    LOST_MS_MAX = 10000,                /* ... where storage is away, for all of them */
    PIECE_MS_MAX = 24 * 60 * 60 * 1000, /* a reader that takes longer than this is lost */
    NOTE_BYTES_MAX = 4096,
};

struct worker {
    struct seat *seat;
    struct storage_session *session, *reader;
    struct job_context context;
    VEC(struct storage_run) runs; /* of the environment whose turn it is */
    bool listed;                  /* ... and nothing was done since */
    int error;                    /* logged last, of the partition as a whole */
    int64_t retry_ms;
};

/* ---- what is shared ---- */

/* Until something is asked for, or ms have passed. */
static void seat_wait(struct seat *seat, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;
    pthread_mutex_lock(&seat->lock);
    if (!seat->stopping && !seat->poked)
        cond_wait_until(&seat->changed, &seat->lock, until_ms);
    pthread_mutex_unlock(&seat->lock);
}

void seat_answer(struct seat *seat, const struct seat_request *request, int outcome)
{
    if (request->done == NULL)
        return;
    struct seat_request *out = &seat->outcomes.v[seat->outcomes.n++]; /* enqueue saw to the room */
    *out = *request;
    out->outcome = outcome;
    (void)!eventfd_write(seat->jobs->event_fd, 1);
}

static bool is_stopping(struct seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    bool stopping = seat->stopping;
    pthread_mutex_unlock(&seat->lock);
    return stopping;
}

static struct seat_line *line_of(struct seat *seat, uint32_t environment, uint32_t job)
{
    return &seat->environments[environment].lines[job];
}

static bool may_pass(int err)
{
    return err == LT_EUNAVAILABLE || err == LT_ERETRY || err == LT_EOUTCOME || err == LT_EFULL ||
           err == LT_ECANCELLED;
}

static void clear_failure(struct seat_line *line)
{
    line->failing = false;
    line->error = 0;
    line->error_text[0] = '\0';
    line->retry_mono_ms = line->retry_ms = 0;
}

/* ---- owning ---- */

static void note_name(char *out, size_t size, uint32_t job)
{
    snprintf(out, size, "job.%s", jobs_name(job));
}

/* Which jobs were paused, by whoever owned the partition before. */
static int load_notes(struct worker *w, struct seat_environment *e, bool *paused_out)
{
    struct buffer text;
    buffer_init(&text, NOTE_BYTES_MAX);
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < job_entries_count; i++) {
        char name[64];
        note_name(name, sizeof(name), i);
        buffer_reset(&text, NOTE_BYTES_MAX);
        err = storage_note_get(w->session, e->environment->id, slice_str(name), &text);
        paused_out[i] = slice_eq_str(buffer_slice(&text), "paused");
    }
    buffer_fini(&text);
    return err;
}

static void forget(struct worker *w)
{
    struct seat *seat = w->seat;
    pthread_mutex_lock(&seat->lock);
    seat->owned = false;
    for (uint32_t i = 0; i < seat->requests.n; i++)
        seat_answer(seat, &seat->requests.v[i], LT_EHELD);
    seat->requests.n = 0;
    for (uint32_t i = 0; i < seat->environments_count; i++) {
        for (uint32_t j = 0; j < job_entries_count; j++) {
            struct seat_line *line = line_of(seat, i, j);
            line->has_unit = false;
            clear_failure(line);
        }
    }
    pthread_mutex_unlock(&seat->lock);
}

/* 0: ours, with notes read. LT_EHELD: not ours. */
static int own(struct worker *w)
{
    struct seat *seat = w->seat;
    const struct jobs_config *config = &seat->jobs->config;
    uint64_t epoch;
    if (!config->fence(config->fence_arg, seat->partition, &epoch)) {
        forget(w);
        return LT_EHELD;
    }
    w->context.fence = (struct storage_fence){seat->partition, epoch};
    if (seat->owned && seat->epoch == epoch) /* only this thread writes them */
        return 0;
    forget(w);
    for (uint32_t i = 0; i < seat->environments_count; i++) {
        bool paused[JOBS_MAX];
        int err = load_notes(w, &seat->environments[i], paused);
        if (err != 0)
            return err;
        pthread_mutex_lock(&seat->lock);
        for (uint32_t j = 0; j < job_entries_count; j++)
            line_of(seat, i, j)->paused = paused[j];
        pthread_mutex_unlock(&seat->lock);
    }
    pthread_mutex_lock(&seat->lock);
    seat->owned = true;
    seat->epoch = epoch;
    pthread_mutex_unlock(&seat->lock);
    log_info("jobs", "partition %u: ours, epoch %" PRIu64, seat->partition, epoch);
    return 0;
}

/* ---- one piece ---- */

static bool begin_piece(struct worker *w, struct seat_line *line, const struct job_unit *unit,
                        bool asked)
{
    struct seat *seat = w->seat;
    pthread_mutex_lock(&seat->lock);
    bool may = !seat->stopping && (asked || !line->paused);
    if (may) {
        line->running = true;
        line->has_unit = true;
        line->unit = *unit;
        seat->in_hand = line;
        seat->asked = asked;
        atomic_store(&seat->guard.cancelled, false);
    }
    pthread_mutex_unlock(&seat->lock);
    seat->guard.deadline_mono_ms = clock_mono_ms() + PIECE_MS_MAX;
    atomic_store(&seat->guard.memory_bytes, 0);
    atomic_store(&line->progress.points_done, 0);
    atomic_store(&line->progress.points_all, 0);
    return may;
}

static void describe(const struct job *job, const struct job_unit *unit, char *out, size_t size)
{
    char from[32], to[32];
    time_t from_s = unit->range.from_s, to_s = unit->range.to_s;
    struct tm tm;
    strftime(from, sizeof(from), "%Y-%m-%d %H:%M", gmtime_r(&from_s, &tm));
    strftime(to, sizeof(to), "%Y-%m-%d %H:%M", gmtime_r(&to_s, &tm));
    snprintf(out, size, "%s of %s%s to %s", job->name, unit->open ? "what came of " : "", from, to);
}

/* Under lock. Returns whether this is news for the log. */
static bool note_failure(struct seat_line *line, int err)
{
    bool news = line->error != err;
    line->failing = true;
    line->error = err;
    snprintf(line->error_text, sizeof(line->error_text), "%s", error_text(err));
    line->retry_ms = line->retry_ms == 0 ? RETRY_MS_MIN : line->retry_ms * 2;
    if (line->retry_ms > RETRY_MS_MAX)
        line->retry_ms = RETRY_MS_MAX;
    line->retry_mono_ms = clock_mono_ms() + line->retry_ms;
    return news;
}

/* Who asked is told why it cannot be; nothing of that concerns what is due. */
static void give_up(struct seat_line *line, const char *what, int err)
{
    const char *why = err == LT_EAGAIN ? "not all of it is compact yet" : error_text(err);
    snprintf(line->asked_error, sizeof(line->asked_error), "%s: %s", what, why);
    log_warn("jobs", "%s, asked for, was given up: %s", what, why);
}

static void end_piece(struct worker *w, struct seat_line *line, const struct job *job,
                      const struct job_unit *unit, int64_t started_mono_ms, int err)
{
    struct seat *seat = w->seat;
    int64_t took_ms = clock_mono_ms() - started_mono_ms;
    char what[96];
    describe(job, unit, what, sizeof(what));
    pthread_mutex_lock(&seat->lock);
    bool failed_before = line->failing, news = false;
    seat->in_hand = NULL;
    line->running = false;
    line->has_unit = err != 0;
    line->pieces += err == 0;
    if (seat->asked)
        line->asked_error[0] = '\0';
    if (err == 0)
        clear_failure(line);
    else if (seat->asked && !may_pass(err))
        give_up(line, what, err);
    else if (err != LT_ECANCELLED)
        news = note_failure(line, err);
    if (err != LT_ECANCELLED) {
        line->last_wall_ms = clock_wall_ms();
        line->last_took_ms = took_ms;
    }
    int64_t retry_ms = line->retry_ms;
    pthread_mutex_unlock(&seat->lock);
    uint64_t points = atomic_load(&line->progress.points_all);
    if (news)
        log_warn("jobs", "%s: %s; again in %" PRId64 " s, and then less often", what,
                 error_text(err), retry_ms / 1000);
    else if (err == 0)
        logger_write(failed_before || points > 0 ? LOGGER_INFO : LOGGER_DEBUG, "jobs",
                     "%s: done, %" PRIu64 " points in %" PRId64 " ms", what, points, took_ms);
}

typedef int piece_run(struct job_context *context, const struct job_unit *unit);

static void use_line(struct worker *w, uint32_t environment, uint32_t job)
{
    w->context.environment = w->seat->environments[environment].environment->id;
    w->context.progress = &line_of(w->seat, environment, job)->progress;
    w->context.last_ms = line_of(w->seat, environment, job)->last_wall_ms; /* this thread's */
    w->context.now_ms = clock_wall_ms();
}

/* 1: a piece was done, well or not. 0: none. LT_EFENCED. */
static int do_piece(struct worker *w, uint32_t environment, uint32_t job,
                    const struct job_unit *unit, bool asked, int *outcome_out)
{
    const struct job_entry *entry = &job_entries[job];
    struct seat_line *line = line_of(w->seat, environment, job);
    if (!begin_piece(w, line, unit, asked))
        return 0;
    use_line(w, environment, job);
    int64_t started = clock_mono_ms();
    int err = asked ? entry->range(&w->context, unit->range) : entry->job->run(&w->context, unit);
    end_piece(w, line, entry->job, unit, started, err);
    w->listed = false;
    failpoint("jobs.piece");
    *outcome_out = err;
    return err == LT_EFENCED ? LT_EFENCED : 1;
}

/* ---- a round ---- */

static int keep_run(void *arg, const struct storage_run *run)
{
    struct worker *w = arg;
    return VEC_PUSH(&w->runs, *run) ? 0 : LT_ENOMEM;
}

static int list_runs(struct worker *w, uint32_t environment)
{
    if (w->listed)
        return 0;
    w->runs.n = 0;
    int err = storage_runs(w->session, w->seat->environments[environment].environment->id, NULL,
                           keep_run, w);
    w->listed = err == 0;
    return err;
}

/* What is due, for lag and for people; also of jobs that may not begin now. */
static bool look(struct worker *w, uint32_t environment, uint32_t job, struct job_unit *unit)
{
    struct seat *seat = w->seat;
    struct seat_line *line = line_of(seat, environment, job);
    use_line(w, environment, job);
    int due = job_entries[job].job->next(&w->context, w->runs.v, w->runs.n, unit);
    pthread_mutex_lock(&seat->lock);
    line->has_unit = due > 0;
    if (due > 0)
        line->unit = *unit;
    if (due < 0)
        (void)note_failure(line, due);
    else if (!line->failing)
        snprintf(line->error_text, sizeof(line->error_text), "%s",
                 due > 0 && unit->waits != NULL ? unit->waits : "");
    bool may =
        due > 0 && unit->waits == NULL && !line->paused && line->retry_mono_ms <= clock_mono_ms();
    if (due == 0 && line->failing)
        clear_failure(line); /* what failed is not due any more */
    pthread_mutex_unlock(&seat->lock);
    return may;
}

/* The first JOBS RUN of this environment: one grain of it. */
static int do_asked(struct worker *w, uint32_t environment, bool *busy)
{
    struct seat *seat = w->seat;
    struct seat_request request = {.kind = SEAT_RUN};
    uint32_t at = 0;
    pthread_mutex_lock(&seat->lock);
    while (at < seat->requests.n && (seat->requests.v[at].kind != SEAT_RUN ||
                                     seat->requests.v[at].environment != environment))
        at++;
    bool found = at < seat->requests.n;
    if (found)
        request = seat->requests.v[at];
    bool may = found && line_of(seat, environment, request.job)->retry_mono_ms <= clock_mono_ms();
    pthread_mutex_unlock(&seat->lock);
    if (!may)
        return 0;
    const struct job_entry *entry = &job_entries[request.job];
    struct choose choose = {w->runs.v, w->runs.n, &seat->jobs->config.limits, clock_wall_ms()};
    struct job_unit unit = {.due_ms = clock_wall_ms()};
    int outcome = 0;
    bool more = choose_asked(&choose, request.range, entry->grain_s, request.cursor_s, &unit.range);
    int did = more ? do_piece(w, environment, request.job, &unit, true, &outcome) : 1;
    if (did <= 0)
        return did;
    *busy = true;
    pthread_mutex_lock(&seat->lock);
    bool ends = !more || (outcome != 0 && !may_pass(outcome));
    if (at < seat->requests.n && ends) { /* only this thread and the end take requests away */
        seat->requests.n--;
        memmove(&seat->requests.v[at], &seat->requests.v[at + 1],
                (seat->requests.n - at) * sizeof(request));
    } else if (at < seat->requests.n && outcome == 0) {
        seat->requests.v[at].cursor_s = unit.range.to_s;
    }
    pthread_mutex_unlock(&seat->lock);
    return 0;
}

static int do_environment(struct worker *w, uint32_t environment, bool *busy)
{
    w->listed = false;
    int err = list_runs(w, environment);
    if (err == 0)
        err = do_asked(w, environment, busy);
    for (uint32_t job = 0; err == 0 && job < job_entries_count && !is_stopping(w->seat); job++) {
        struct job_unit unit = {0};
        int outcome;
        err = list_runs(w, environment);
        if (err != 0 || !look(w, environment, job, &unit))
            continue;
        int did = do_piece(w, environment, job, &unit, false, &outcome);
        err = did < 0 ? did : 0;
        *busy = *busy || (did == 1 && outcome == 0);
    }
    return err;
}

/* PAUSE and RESUME hold already; this makes them hold after a restart. */
static void do_notes(struct worker *w)
{
    struct seat *seat = w->seat;
    for (;;) {
        struct seat_request request;
        pthread_mutex_lock(&seat->lock);
        uint32_t at = 0;
        while (at < seat->requests.n && seat->requests.v[at].kind == SEAT_RUN)
            at++;
        bool found = at < seat->requests.n;
        if (found) {
            request = seat->requests.v[at];
            seat->requests.n--;
            memmove(&seat->requests.v[at], &seat->requests.v[at + 1],
                    (seat->requests.n - at) * sizeof(request));
        }
        pthread_mutex_unlock(&seat->lock);
        if (!found)
            return;
        char name[64];
        note_name(name, sizeof(name), request.job);
        int err = storage_note_put(
            w->session, &w->context.fence, seat->environments[request.environment].environment->id,
            slice_str(name), slice_str(request.kind == SEAT_PAUSE ? "paused" : ""));
        pthread_mutex_lock(&seat->lock);
        seat_answer(seat, &request, err);
        pthread_mutex_unlock(&seat->lock);
    }
}

/* 0, or why nothing can be done at all at the moment. */
static int round_trip(struct worker *w, bool *busy)
{
    pthread_mutex_lock(&w->seat->lock);
    w->seat->poked = false;
    pthread_mutex_unlock(&w->seat->lock);
    int err = own(w);
    if (err != 0)
        return err;
    do_notes(w);
    for (uint32_t i = 0; err == 0 && i < w->seat->environments_count; i++)
        err = do_environment(w, i, busy);
    return err;
}

static void yield_to_ingest(void)
{
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICE) != 0)
        log_warn("jobs", "no low priority for the job thread: %m");
}

/* How long to wait after a round that did nothing. */
static int64_t pause_after(struct worker *w, int err)
{
    int64_t interval_ms = w->seat->jobs->config.interval_ms;
    if (err == LT_EFENCED)
        forget(w);
    bool news = err != w->error && err != LT_EHELD && err != 0;
    w->error = err;
    if (news)
        log_warn("jobs", "partition %u: %s", w->seat->partition, error_text(err));
    if (err == 0 || err == LT_EHELD || err == LT_EFENCED) {
        w->retry_ms = 0;
        return interval_ms;
    }
    w->retry_ms = w->retry_ms == 0 ? RETRY_MS_MIN : w->retry_ms * 2;
    if (w->retry_ms > LOST_MS_MAX)
        w->retry_ms = LOST_MS_MAX;
    return w->retry_ms;
}

void *seat_main(void *arg)
{
    struct seat *seat = arg;
    const struct jobs_config *config = &seat->jobs->config;
    struct worker w = {.seat = seat};
    w.context = (struct job_context){.guard = &seat->guard,
                                     .limits = &config->limits,
                                     .catalog = config->catalog,
                                     .catalog_arg = config->catalog_arg,
                                     .append = config->append != NULL ? append_wait : NULL,
                                     .append_arg = seat};
    seat->guard.memory_bytes_max = config->limits.memory_bytes_max;
    yield_to_ingest();
    int err = storage_session_create(config->storage, &w.session);
    if (err == 0)
        err = storage_session_create(config->storage, &w.reader);
    if (err != 0)
        log_error("jobs", "partition %u: no jobs: %s", seat->partition, error_text(err));
    w.context.session = w.session;
    w.context.reader = w.reader;
    while (err == 0 && !is_stopping(seat)) {
        bool busy = false;
        int ended = round_trip(&w, &busy);
        int64_t pause_ms = pause_after(&w, ended);
        if (ended != 0 || !busy)
            seat_wait(seat, pause_ms);
    }
    forget(&w);
    storage_session_destroy(&w.session);
    storage_session_destroy(&w.reader);
    VEC_FINI(&w.runs);
    return NULL;
}
