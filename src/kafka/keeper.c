#include "kafka/internal.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/error.h"
#include "base/logger.h"

#include <stdint.h>
#include <unistd.h>

/* The keeper does what may block and the loop must not: it makes sure of the topic, builds a
 * producer when one is wanted, and destroys what has failed. While appends wait it also wakes the
 * loop now and then, so that their deadlines hold whatever librdkafka does; reports themselves
 * never wait for that. */

enum { KEEPER_TICK_MS = 200, KEEPER_RETRY_MS = 500, KEEPER_METADATA_MS = 2000 };

void kafka_poke(struct kafka *k)
{
    uint64_t one = 1;
    ssize_t n = write(k->event_fd, &one, sizeof(one));
    (void)n; /* fails only when it is readable anyway */
}

static void wait_a_tick(struct kafka *k)
{
    cond_wait_until(&k->wanted, &k->lock, clock_mono_ms() + KEEPER_TICK_MS);
}

void *keeper_run(void *arg)
{
    struct kafka *k = arg;
    bool topic_is_there = false;
    int64_t retry_at_ms = 0;
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        bool build = k->want_producer && clock_mono_ms() >= retry_at_ms;
        struct producer *spent = k->spent, *built = NULL;
        if (!build && spent == NULL) {
            wait_a_tick(k);
            if (atomic_load(&k->waiting) > 0)
                kafka_poke(k);
            continue;
        }
        k->spent = NULL;
        pthread_mutex_unlock(&k->lock);
        if (build) {
            topic_is_there = topic_is_there || admin_ensure_topic(k, KEEPER_METADATA_MS) == 0;
            if (!topic_is_there || producer_create(k, &built) != 0)
                retry_at_ms = clock_mono_ms() + KEEPER_RETRY_MS;
        }
        pthread_mutex_lock(&k->lock);
        if (built != NULL) {
            k->built = built;
            k->want_producer = false;
            kafka_poke(k);
        }
        if (spent != NULL) { /* after the new one is in place: this may take a while */
            pthread_mutex_unlock(&k->lock);
            producer_destroy(&spent);
            pthread_mutex_lock(&k->lock);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}
