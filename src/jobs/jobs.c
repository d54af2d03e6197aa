#include "jobs/jobs.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "jobs/seat.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The loop's side: options, life, and what people ask and are told. */

enum { STOP_GRACE_MS = 1000 }; /* for the statement that runs when the time is over */

const struct option_spec jobs_options[] = {
    {.name = "jobs-interval",
     .type = OPTION_DURATION_MS,
     .default_text = "1s",
     .min = 10,
     .max = 3600000,
     .help = "how often the jobs look for work where there was none",
     .section = "jobs"},
    {.name = "jobs-memory-max",
     .type = OPTION_BYTES,
     .default_text = "1gb",
     .min = 16 << 20,
     .max = INT64_C(1) << 44,
     .help = "memory that one piece of work may use",
     .section = "jobs"},
    {.name = "jobs-bytes-per-second",
     .type = OPTION_BYTES,
     .default_text = "0",
     .min = 0,
     .max = INT64_C(1) << 44,
     .help = "jobs write no faster than this (0: no limit), so that ingest has the disk",
     .section = "jobs"},
    {.name = "ranked-items-min",
     .type = OPTION_INT,
     .default_text = "8192",
     .min = 1,
     .max = UINT32_MAX,
     .help = "an hour's category has rank rows from so many items on (or 64 on many hosts); below, "
             "TOPQ adds up its few rows",
     .section = "jobs"},
    {.name = "compact-grace",
     .type = OPTION_DURATION_MS,
     .default_text = "5m",
     .min = 0,
     .max = INT64_C(30) * 86400000,
     .help = "an hour is compacted, and a day downsampled, this long after its end",
     .section = "jobs"},
    {.name = "compact-late",
     .type = OPTION_DURATION_MS,
     .default_text = "10m",
     .min = 0,
     .max = INT64_C(30) * 86400000,
     .help = "points that come later wait this long for the next pass, so that many share one",
     .section = "jobs"},
    {.name = "compact-piece",
     .type = OPTION_DURATION_MS,
     .default_text = "5m",
     .min = 0,
     .max = INT64_C(30) * 86400000,
     .help =
         "of an hour that is still open what has come so far is compacted this often, if it has "
         "compact-piece-points",
     .section = "jobs"},
    {.name = "compact-piece-points",
     .type = OPTION_INT,
     .default_text = "1000000",
     .min = 0,
     .max = INT64_C(1) << 44,
     .help = "fewer points wait for the end of their hour (0: all do)",
     .section = "jobs"},
    {.name = "keep-1m",
     .type = OPTION_DURATION_MS,
     .default_text = "30d",
     .min = 3600000,
     .max = INT64_C(100) * 365 * 86400000,
     .help = "retention of 1-minute data",
     .section = "jobs"},
    {.name = "forget-every",
     .type = OPTION_DURATION_MS,
     .default_text = "1d",
     .min = 1000,
     .max = INT64_C(400) * 86400000,
     .help =
         "how often it is looked for items that were not seen for longer than anything is kept, "
         "so that they are forgotten",
     .section = "jobs"},
    {.name = "forget-wait",
     .type = OPTION_DURATION_MS,
     .default_text = "1h",
     .min = 0,
     .max = INT64_C(30) * 86400000,
     .help =
         "such an item is forgotten this long after it was doomed, if nothing names it meanwhile",
     .section = "jobs"},
    {.name = "keep-1h",
     .type = OPTION_DURATION_MS,
     .default_text = "395d",
     .min = 3600000,
     .max = INT64_C(100) * 365 * 86400000,
     .help = "retention of 1-hour data",
     .section = "jobs"},
};
const size_t jobs_options_count = ARRAY_LEN(jobs_options);

void jobs_config_load(struct jobs_config *config, const struct option_set *options)
{
    config->interval_ms = option_int(options, "jobs-interval");
    config->limits.memory_bytes_max = (size_t)option_int(options, "jobs-memory-max");
    config->limits.bytes_per_second = (uint64_t)option_int(options, "jobs-bytes-per-second");
    config->limits.ranked_items_min = (uint32_t)option_int(options, "ranked-items-min");
    config->limits.grace_ms = option_int(options, "compact-grace");
    config->limits.late_ms = option_int(options, "compact-late");
    config->limits.piece_ms = option_int(options, "compact-piece");
    config->limits.piece_points = (uint64_t)option_int(options, "compact-piece-points");
    config->limits.forget_every_ms = option_int(options, "forget-every");
    config->limits.forget_wait_ms = option_int(options, "forget-wait");
    config->limits.keep_1m_ms = option_int(options, "keep-1m");
    config->limits.keep_1h_ms = option_int(options, "keep-1h");
}

/* In the order in which they are offered work: a compacted hour may let its day be downsampled in
 * the same round. */
const struct job_entry job_entries[] = {
    {&job_compact, compact_range, 3600},
    {&job_downsample, downsample_day, 86400},
    {&job_expire, NULL, 0},
    {&job_ahead, NULL, 0},
    {&job_seen, NULL, 0},
    {&job_forget, NULL, 0},
};
const uint32_t job_entries_count = ARRAY_LEN(job_entries);
_Static_assert(ARRAY_LEN(job_entries) <= JOBS_MAX, "a line for each job");

/* ---- life ---- */

static int seat_environments(struct seat *seat, const struct tenant *tenant)
{
    const struct tenant_environment *all;
    uint32_t count = tenant_environments(tenant, &all);
    seat->environments = calloc(count == 0 ? 1 : count, sizeof(seat->environments[0]));
    if (seat->environments == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (all[i].partition == seat->partition)
            seat->environments[seat->environments_count++].environment = &all[i];
    return 0;
}

static int seat_init(struct seat *seat, struct jobs *jobs, uint32_t partition)
{
    seat->jobs = jobs;
    seat->partition = partition;
    if (pthread_mutex_init(&seat->lock, NULL) != 0)
        return LT_ENOMEM;
    cond_init(&seat->changed);
    if (!VEC_RESERVE(&seat->requests, JOBS_REQUESTS_MAX) ||
        !VEC_RESERVE(&seat->outcomes, JOBS_REQUESTS_MAX))
        return LT_ENOMEM;
    return seat_environments(seat, jobs->config.tenant);
}

static void seat_fini(struct seat *seat)
{
    append_fini(seat);
    VEC_FINI(&seat->requests);
    VEC_FINI(&seat->outcomes);
    free(seat->environments);
    pthread_cond_destroy(&seat->changed);
    pthread_mutex_destroy(&seat->lock);
}

int jobs_create(const struct jobs_config *config, struct jobs **out)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));
    if (jobs == NULL)
        return LT_ENOMEM;
    jobs->config = *config;
    int err = LT_EIO;
    jobs->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (jobs->event_fd < 0)
        goto fail_jobs;
    err = LT_ENOMEM;
    uint32_t partitions = tenant_partitions(config->tenant);
    jobs->seats = calloc(partitions, sizeof(jobs->seats[0]));
    if (jobs->seats == NULL)
        goto fail_fd;
    for (; jobs->seats_count < partitions; jobs->seats_count++) {
        err = seat_init(&jobs->seats[jobs->seats_count], jobs, jobs->seats_count);
        if (err != 0)
            goto fail_seats;
    }
    *out = jobs;
    return 0;

fail_seats:
    while (jobs->seats_count > 0)
        seat_fini(&jobs->seats[--jobs->seats_count]);
    free(jobs->seats);
fail_fd:
    close(jobs->event_fd);
fail_jobs:
    free(jobs);
    return err;
}

int jobs_start(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->seats_count; i++) {
        struct seat *seat = &jobs->seats[i];
        if (pthread_create(&seat->thread, NULL, seat_main, seat) != 0)
            return LT_ENOMEM;
        seat->started = true;
    }
    return 0;
}

void jobs_end(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->seats_count; i++) {
        struct seat *seat = &jobs->seats[i];
        pthread_mutex_lock(&seat->lock);
        seat->stopping = true;
        atomic_store(&seat->guard.cancelled, true);
        for (uint32_t j = 0; j < seat->requests.n; j++)
            seat_answer(seat, &seat->requests.v[j], LT_ECLOSED);
        seat->requests.n = 0;
        pthread_cond_broadcast(&seat->changed);
        pthread_mutex_unlock(&seat->lock);
    }
    jobs_dispatch(jobs);
}

bool jobs_stop(struct jobs *jobs, int64_t timeout_ms)
{
    jobs_end(jobs);
    int64_t until_ms = clock_wall_ms() + timeout_ms + STOP_GRACE_MS;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    bool stopped = true;
    for (uint32_t i = 0; i < jobs->seats_count; i++) {
        struct seat *seat = &jobs->seats[i];
        if (seat->started && pthread_timedjoin_np(seat->thread, NULL, &until) == 0)
            seat->started = false;
        stopped = stopped && !seat->started;
    }
    return stopped;
}

void jobs_destroy(struct jobs **jobs)
{
    struct jobs *j = *jobs;
    *jobs = NULL;
    if (j == NULL)
        return;
    jobs_end(j);
    for (uint32_t i = 0; i < j->seats_count; i++) {
        if (j->seats[i].started)
            pthread_join(j->seats[i].thread, NULL);
        seat_fini(&j->seats[i]);
    }
    free(j->seats);
    close(j->event_fd);
    free(j);
}

int jobs_event_fd(const struct jobs *jobs)
{
    return jobs->event_fd;
}

void jobs_dispatch(struct jobs *jobs)
{
    uint64_t count;
    (void)!read(jobs->event_fd, &count, sizeof(count));
    for (uint32_t i = 0; i < jobs->seats_count; i++) {
        struct seat *seat = &jobs->seats[i];
        struct seat_request done[JOBS_REQUESTS_MAX];
        append_dispatch(seat);
        pthread_mutex_lock(&seat->lock);
        uint32_t n = seat->outcomes.n;
        memcpy(done, seat->outcomes.v, n * sizeof(done[0]));
        seat->outcomes.n = 0;
        pthread_mutex_unlock(&seat->lock);
        for (uint32_t j = 0; j < n; j++)
            done[j].done(done[j].arg, done[j].outcome);
    }
}

/* ---- names ---- */

uint32_t jobs_count(void)
{
    return job_entries_count;
}

const char *jobs_name(uint32_t job)
{
    return job_entries[job].job->name;
}

bool jobs_find(struct slice name, uint32_t *out)
{
    for (uint32_t i = 0; i < job_entries_count; i++) {
        if (slice_ieq_str(name, jobs_name(i))) {
            *out = i;
            return true;
        }
    }
    return false;
}

const char *jobs_state_text(enum jobs_state state)
{
    static const char *const texts[] = {
        [JOBS_ELSEWHERE] = "elsewhere", [JOBS_IDLE] = "idle",       [JOBS_RUNNING] = "running",
        [JOBS_PAUSED] = "paused",       [JOBS_FAILING] = "failing",
    };
    return texts[state];
}

/* ---- telling them ---- */

static struct seat *find_seat(struct jobs *jobs, const struct tenant_environment *environment,
                              uint32_t *position_out)
{
    assert(environment->partition < jobs->seats_count);
    struct seat *seat = &jobs->seats[environment->partition];
    uint32_t i = 0;
    while (seat->environments[i].environment->id != environment->id)
        i++; /* tenant/ made both lists */
    *position_out = i;
    return seat;
}

/* Under lock. */
static int enqueue(struct seat *seat, const struct seat_request *request)
{
    if (seat->stopping || !seat->owned)
        return LT_EHELD;
    if (seat->requests.n + seat->outcomes.n >= JOBS_REQUESTS_MAX)
        return LT_EBUSY;
    seat->requests.v[seat->requests.n++] = *request;
    seat->poked = true;
    pthread_cond_broadcast(&seat->changed);
    return 0;
}

int jobs_pause(struct jobs *jobs, const struct tenant_environment *environment, uint32_t job,
               bool paused, jobs_done *done, void *arg)
{
    struct seat_request request = {
        .kind = paused ? SEAT_PAUSE : SEAT_RESUME, .job = job, .done = done, .arg = arg};
    struct seat *seat = find_seat(jobs, environment, &request.environment);
    struct seat_line *line = &seat->environments[request.environment].lines[job];
    pthread_mutex_lock(&seat->lock);
    int err = enqueue(seat, &request);
    if (err == 0) {
        line->paused = paused;
        line->retry_mono_ms = 0; /* who resumes a job wants to see it run */
        if (paused && seat->in_hand == line && !seat->asked)
            atomic_store(&seat->guard.cancelled, true);
    }
    pthread_mutex_unlock(&seat->lock);
    return err;
}

int jobs_run(struct jobs *jobs, const struct tenant_environment *environment, uint32_t job,
             struct storage_range range, uint32_t *ahead_out)
{
    if (job_entries[job].range == NULL)
        return LT_EUNSUPPORTED;
    struct seat_request request = {
        .kind = SEAT_RUN, .job = job, .range = range, .cursor_s = INT64_MIN};
    struct seat *seat = find_seat(jobs, environment, &request.environment);
    pthread_mutex_lock(&seat->lock);
    uint32_t ahead = seat->requests.n;
    int err = enqueue(seat, &request);
    pthread_mutex_unlock(&seat->lock);
    if (err == 0)
        *ahead_out = ahead;
    return err;
}

/* ---- what they do ---- */

static enum jobs_state state_of(const struct seat *seat, const struct seat_line *line)
{
    return !seat->owned    ? JOBS_ELSEWHERE
           : line->running ? JOBS_RUNNING
           : line->paused  ? JOBS_PAUSED
           : line->failing ? JOBS_FAILING
                           : JOBS_IDLE;
}

static uint32_t asked_of(const struct seat *seat, uint32_t environment, uint32_t job)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < seat->requests.n; i++) {
        const struct seat_request *r = &seat->requests.v[i];
        n += r->kind == SEAT_RUN && r->environment == environment && r->job == job;
    }
    return n;
}

void jobs_line(struct jobs *jobs, const struct tenant_environment *environment, uint32_t job,
               struct jobs_line *out)
{
    uint32_t position;
    struct seat *seat = find_seat(jobs, environment, &position);
    struct seat_line *line = &seat->environments[position].lines[job];
    pthread_mutex_lock(&seat->lock);
    bool has_piece = seat->owned && line->has_unit;
    int64_t lag_ms = has_piece ? clock_wall_ms() - line->unit.due_ms : 0;
    *out = (struct jobs_line){
        .name = job_entries[job].job->name,
        .help = job_entries[job].job->help,
        .state = state_of(seat, line),
        .has_piece = has_piece,
        .range = line->unit.range,
        .pieces = line->pieces,
        .asked = asked_of(seat, position, job),
        .lag_ms = lag_ms > 0 ? lag_ms : 0,
        .last_wall_ms = line->last_wall_ms,
        .last_took_ms = line->last_took_ms,
    };
    memcpy(out->error, line->error_text, sizeof(out->error));
    memcpy(out->asked_error, line->asked_error, sizeof(out->asked_error));
    pthread_mutex_unlock(&seat->lock);
    out->points_done = atomic_load(&line->progress.points_done);
    out->points_all = atomic_load(&line->progress.points_all);
    out->rows = atomic_load(&line->progress.rows);
    out->bytes = atomic_load(&line->progress.bytes);
}

static void put_number(struct status_sink *sink, const char *prefix, const char *what, int64_t x)
{
    char name[128];
    snprintf(name, sizeof(name), "%s_%s", prefix, what);
    sink->number(sink, name, x);
}

static void put_text(struct status_sink *sink, const char *prefix, const char *what,
                     const char *text)
{
    char name[128];
    snprintf(name, sizeof(name), "%s_%s", prefix, what);
    sink->text(sink, name, text);
}

static void put_line(struct status_sink *sink, const char *prefix, const struct jobs_line *line)
{
    put_text(sink, prefix, "state", jobs_state_text(line->state));
    if (line->has_piece) {
        put_number(sink, prefix, "from_s", line->range.from_s);
        put_number(sink, prefix, "lag_s", line->lag_ms / 1000);
    }
    if (line->state == JOBS_RUNNING && line->points_all > 0)
        put_number(sink, prefix, "progress_percent",
                   (int64_t)(100 * line->points_done / line->points_all));
    if (line->error[0] != '\0')
        put_text(sink, prefix, "error", line->error);
    put_number(sink, prefix, "pieces", (int64_t)line->pieces);
    put_number(sink, prefix, "last_ms", line->last_took_ms);
}

void jobs_status(void *arg, struct status_sink *sink)
{
    struct jobs *jobs = arg;
    const struct tenant_environment *environments;
    uint32_t count = tenant_environments(jobs->config.tenant, &environments);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t job = 0; job < job_entries_count; job++) {
            struct jobs_line line;
            char prefix[96];
            jobs_line(jobs, &environments[i], job, &line);
            snprintf(prefix, sizeof(prefix), "%.60s%s%s", count > 1 ? environments[i].name : "",
                     count > 1 ? "_" : "", line.name);
            put_line(sink, prefix, &line);
        }
    }
}
