#include "base/error.h"
#include "jobs/seat.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

/* A job's record on its way to the log, to which only the loop may append: the job thread leaves it
 * with the seat and waits; jobs_dispatch hands it over; the report wakes the thread.
 *
 *   NONE --thread--> WANTED --loop--> FLYING --report--> DONE --thread--> NONE
 *
 * A thread that has to stop takes it back, or leaves a FLYING one behind: its report finds another
 * ticket. The report may also come when there is no seat any more: then jobs_destroy has said so.
 */

enum { LOOK_MS = 100 }; /* whether it has to stop */

struct append_flight { /* the loop's */
    struct append_flight *next;
    struct seat *seat; /* NULL: gone */
    uint64_t ticket;
};

/* ---- the loop ---- */

static void on_report(void *arg, const struct log_report *report)
{
    struct append_flight *flight = arg;
    struct seat *seat = flight->seat;
    if (seat != NULL) {
        struct append_flight **at = &seat->flights;
        while (*at != flight)
            at = &(*at)->next;
        *at = flight->next;
        pthread_mutex_lock(&seat->lock);
        struct seat_append *a = &seat->append;
        if (a->ticket == flight->ticket && a->state == SEAT_FLYING) {
            a->outcome = report->outcome == LOG_STORED   ? 0
                         : report->outcome == LOG_FAILED ? LT_EUNAVAILABLE
                                                         : LT_EOUTCOME;
            a->offset = report->offset;
            a->state = SEAT_DONE;
            pthread_cond_broadcast(&seat->changed);
        }
        pthread_mutex_unlock(&seat->lock);
    }
    free(flight);
}

/* Under lock. */
static int hand_over(struct seat *seat)
{
    const struct jobs_config *config = &seat->jobs->config;
    struct append_flight *flight = malloc(sizeof(*flight));
    if (flight == NULL)
        return LT_ENOMEM;
    *flight = (struct append_flight){seat->flights, seat, seat->append.ticket};
    int err =
        config->append(config->append_arg, seat->partition, seat->append.record, on_report, flight);
    if (err != 0)
        free(flight);
    else
        seat->flights = flight;
    return err;
}

void append_dispatch(struct seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    struct seat_append *a = &seat->append;
    if (a->state == SEAT_WANTED) {
        a->outcome = hand_over(seat);
        a->state = a->outcome == 0 ? SEAT_FLYING : SEAT_DONE;
        if (a->outcome != 0)
            pthread_cond_broadcast(&seat->changed);
    }
    pthread_mutex_unlock(&seat->lock);
}

void append_fini(struct seat *seat)
{
    for (struct append_flight *f = seat->flights; f != NULL; f = f->next)
        f->seat = NULL;
    seat->flights = NULL;
}

/* ---- the thread ---- */

/* Under lock. False: it has to stop. */
static bool await(struct seat *seat)
{
    while (seat->append.state != SEAT_DONE) {
        struct timespec until;
        if (seat->stopping || read_guard_check(&seat->guard) != 0)
            return false;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&seat->changed, &seat->lock, &until);
    }
    return true;
}

int append_wait(void *arg, struct slice record, uint64_t *offset_out)
{
    struct seat *seat = arg;
    struct seat_append *a = &seat->append;
    pthread_mutex_lock(&seat->lock);
    a->ticket++;
    a->record = record;
    a->state = SEAT_WANTED;
    (void)!eventfd_write(seat->jobs->event_fd, 1);
    int err = await(seat) ? a->outcome : LT_ECANCELLED;
    if (err == 0)
        *offset_out = a->offset;
    a->state = SEAT_NONE;
    pthread_mutex_unlock(&seat->lock);
    return err;
}
