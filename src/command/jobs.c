#include "jobs/jobs.h"

#include "base/clock.h"
#include "base/error.h"
#include "command/read_request.h"
#include "command/timespec.h"
#include "command_table.h"

#include <inttypes.h>
#include <stdio.h>

/* JOBS, JOBS PAUSE, JOBS RESUME, JOBS RUN. */

/* ---- the list ---- */

static void format_range(struct storage_range range, char *out, size_t size)
{
    char from[TIMESPEC_BYTES_MAX], to[TIMESPEC_BYTES_MAX];
    if (range.to_s == 0) {
        snprintf(out, size, "times far from now");
        return;
    }
    timespec_format(range.from_s, from);
    timespec_format(range.to_s, to);
    snprintf(out, size, "%s %s", from, to);
}

static int64_t percent(const struct jobs_line *line)
{
    if (line->state != JOBS_RUNNING || line->points_all == 0)
        return 0;
    uint64_t done = line->points_done < line->points_all ? line->points_done : line->points_all;
    return (int64_t)(100 * (double)done / (double)line->points_all);
}

static void put_line(struct resp_writer w, const struct jobs_line *line)
{
    char what[2 * TIMESPEC_BYTES_MAX] = "", last[TIMESPEC_BYTES_MAX] = "";
    if (line->has_piece)
        format_range(line->range, what, sizeof(what));
    if (line->last_wall_ms > 0)
        timespec_format(line->last_wall_ms / 1000, last);
    resp_map(w, 15);
    resp_pair_text(w, "name", line->name);
    resp_pair_text(w, "state", jobs_state_text(line->state));
    resp_pair_text(w, "what", what);
    resp_pair_integer(w, "progress_percent", percent(line));
    resp_pair_integer(w, "points", (int64_t)line->points_all);
    resp_pair_integer(w, "lag_s", line->lag_ms / 1000);
    resp_pair_integer(w, "asked", line->asked);
    resp_pair_integer(w, "pieces", (int64_t)line->pieces);
    resp_pair_integer(w, "rows", (int64_t)line->rows);
    resp_pair_integer(w, "bytes", (int64_t)line->bytes);
    resp_pair_text(w, "last_at", last);
    resp_pair_integer(w, "last_ms", line->last_took_ms);
    resp_pair_text(w, "error", line->error);
    resp_pair_text(w, "asked_error", line->asked_error);
    resp_pair_text(w, "help", line->help);
}

void jobs_list(struct command_call *call)
{
    resp_array(call->reply, jobs_count());
    for (uint32_t job = 0; job < jobs_count(); job++) {
        struct jobs_line line;
        jobs_line(call->deps->jobs, call->environment, job, &line);
        put_line(call->reply, &line);
    }
}

/* ---- telling them ---- */

static bool take_job(struct command_call *call, uint32_t *out)
{
    struct slice name = call->argv[2];
    if (jobs_find(name, out))
        return true;
    char names[256];
    size_t n = 0;
    for (uint32_t i = 0; i < jobs_count() && n < sizeof(names); i++)
        n +=
            (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? ", " : "", jobs_name(i));
    resp_error_printf(call->reply, "ERR no job '%.*s', expected one of: %s", READ_QUOTE(name),
                      names);
    return false;
}

/* What a request did not lead to. */
static void put_refusal(struct resp_writer w, int err)
{
    switch (err) {
    case LT_EHELD:
        resp_error_printf(w, "ERR jobs run where the partition is owned, which is not this process "
                             "at the moment: see STATUS partition");
        break;
    case LT_EBUSY:
        resp_error_printf(w, "BUSY too many requests to jobs wait, try again later");
        break;
    case LT_ECLOSED:
        resp_error_printf(w, "ERR the server stops: it holds until then, and is not stored");
        break;
    default:
        resp_error_printf(w, "ERR it holds now and is not stored, so a restart forgets it: %s",
                          error_text(err));
    }
}

static void on_stored(void *arg, int outcome)
{
    struct slot *slot = arg;
    if (outcome == 0)
        resp_simple(slot_reply(slot), SLICE_LIT("OK"));
    else
        put_refusal(slot_reply(slot), outcome);
    slot_send(slot);
}

static void pause_or_resume(struct command_call *call, bool paused)
{
    uint32_t job;
    if (!take_job(call, &job))
        return;
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    int err = jobs_pause(call->deps->jobs, call->environment, job, paused, on_stored, slot);
    if (err != 0)
        on_stored(slot, err);
}

void jobs_pause_command(struct command_call *call)
{
    pause_or_resume(call, true);
}

void jobs_resume_command(struct command_call *call)
{
    pause_or_resume(call, false);
}

static bool take_time(struct command_call *call, uint32_t at, const char *name, int64_t *out)
{
    if (timespec_parse(call->argv[at], clock_wall_ms() / 1000, out) == 0)
        return true;
    resp_error_printf(call->reply, "ERR bad %s '%.*s', expected " TIMESPEC_EXPECTED, name,
                      READ_QUOTE(call->argv[at]));
    return false;
}

void jobs_run_command(struct command_call *call)
{
    struct storage_range range;
    uint32_t job, ahead;
    if (!take_job(call, &job) || !take_time(call, 3, "from", &range.from_s) ||
        !take_time(call, 4, "to", &range.to_s))
        return;
    if (range.from_s >= range.to_s) {
        resp_error_printf(call->reply, "ERR bad range: from must be before to");
        return;
    }
    int err = jobs_run(call->deps->jobs, call->environment, job, range, &ahead);
    if (err == LT_EUNSUPPORTED) {
        resp_error_printf(call->reply,
                          "ERR %s goes by the clock alone: it does what is due within "
                          "--jobs-interval",
                          jobs_name(job));
        return;
    }
    if (err != 0) {
        put_refusal(call->reply, err);
        return;
    }
    char text[160], what[2 * TIMESPEC_BYTES_MAX];
    format_range(range, what, sizeof(what));
    snprintf(text, sizeof(text), "QUEUED %s %s, %" PRIu32 " before it", jobs_name(job), what,
             ahead);
    resp_simple(call->reply, slice_str(text));
}
