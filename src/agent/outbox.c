#include "agent/outbox.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/vec.h"

#include <pthread.h>

enum message_state { MESSAGE_WAITING, MESSAGE_SENT, MESSAGE_GONE };

struct message {
    char *bytes;
    uint32_t n;
    uint8_t state;
    uint8_t tries;
    uint64_t text;
};

/* Texts known to be acknowledged or on their way. At the limit all are forgotten: they are sent
 * again, which costs bytes and harms nothing. */
enum { TEXTS_MAX = 50000 };

struct texts {
    struct hash_index index;
    VEC(uint64_t) keys; /* OUTBOX_NO_TEXT: was lost, is wanted again */
};

struct outbox {
    pthread_mutex_t lock;
    size_t bytes_max;
    uint32_t tries_max;
    /* ids first_id … first_id + (messages.n - first) - 1 stand at messages.v[first …]; nothing
     * before `next` waits. */
    VEC(struct message) messages;
    uint32_t first;
    uint32_t next;
    uint64_t first_id;
    struct texts texts;
    struct outbox_stats stats;
};

int outbox_create(size_t bytes_max, uint32_t tries_max, struct outbox **out)
{
    struct outbox *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return LT_ENOMEM;
    pthread_mutex_init(&o->lock, NULL);
    o->bytes_max = bytes_max;
    o->tries_max = tries_max;
    hash_index_init(&o->texts.index);
    *out = o;
    return 0;
}

void outbox_destroy(struct outbox **outbox)
{
    struct outbox *o = *outbox;
    if (o == NULL)
        return;
    for (uint32_t i = o->first; i < o->messages.n; i++)
        free(o->messages.v[i].bytes);
    VEC_FINI(&o->messages);
    hash_index_fini(&o->texts.index);
    VEC_FINI(&o->texts.keys);
    pthread_mutex_destroy(&o->lock);
    free(o);
    *outbox = NULL;
}

/* ---- texts ---- */

static bool text_eq(const void *context, const void *key, uint32_t position)
{
    return ((const struct texts *)context)->keys.v[position] == *(const uint64_t *)key;
}

static uint32_t text_find(const struct texts *t, uint64_t text)
{
    return hash_index_find(&t->index, text, text_eq, t, &text);
}

static void text_remember(struct texts *t, uint64_t text)
{
    if (text == OUTBOX_NO_TEXT || text_find(t, text) != HASH_NONE)
        return;
    if (t->keys.n >= TEXTS_MAX) {
        hash_index_reset(&t->index);
        t->keys.n = 0;
    }
    /* Out of memory here means that it is sent once more. */
    if (VEC_RESERVE(&t->keys, 1) && hash_index_add(&t->index, text, t->keys.n) == 0)
        t->keys.v[t->keys.n++] = text;
}

static void text_lost(struct texts *t, uint64_t text)
{
    uint32_t at = text == OUTBOX_NO_TEXT ? HASH_NONE : text_find(t, text);
    if (at != HASH_NONE)
        t->keys.v[at] = OUTBOX_NO_TEXT;
}

/* ---- messages ---- */

static size_t message_bytes(const struct message *m)
{
    return m->n + sizeof(*m);
}

/* Frees a message and, from the front, all that are gone. */
static void message_free(struct outbox *o, struct message *m, bool lost)
{
    if (lost)
        text_lost(&o->texts, m->text);
    o->stats.held--;
    o->stats.held_bytes -= message_bytes(m);
    free(m->bytes);
    m->bytes = NULL;
    m->state = MESSAGE_GONE;
    while (o->first < o->messages.n && o->messages.v[o->first].state == MESSAGE_GONE) {
        o->first++;
        o->first_id++;
    }
    if (o->next < o->first)
        o->next = o->first;
}

/* Moves the messages to the front of their array once half of it is free. */
static void messages_compact(struct outbox *o)
{
    if (o->first < 64 || o->first < o->messages.n / 2)
        return;
    o->messages.n -= o->first;
    memmove(o->messages.v, o->messages.v + o->first, o->messages.n * sizeof(o->messages.v[0]));
    o->next -= o->first;
    o->first = 0;
}

int outbox_push(struct outbox *o, struct slice command, uint64_t text)
{
    struct message m = {.n = (uint32_t)command.n, .text = text};
    int status = 0;
    pthread_mutex_lock(&o->lock);
    if (message_bytes(&m) > o->bytes_max || command.n > UINT32_MAX) {
        status = LT_ELIMIT;
        goto unlock;
    }
    while (o->stats.held_bytes + message_bytes(&m) > o->bytes_max) {
        message_free(o, &o->messages.v[o->first], true);
        o->stats.lost_full++;
    }
    messages_compact(o);
    m.bytes = malloc(command.n);
    if (m.bytes == NULL) {
        status = LT_ENOMEM;
        goto unlock;
    }
    memcpy(m.bytes, command.p, command.n);
    if (!VEC_PUSH(&o->messages, m)) {
        free(m.bytes);
        status = LT_ENOMEM;
        goto unlock;
    }
    o->stats.held++;
    o->stats.held_bytes += message_bytes(&m);
    text_remember(&o->texts, text);
unlock:
    if (status != 0)
        o->stats.lost_full++;
    pthread_mutex_unlock(&o->lock);
    return status;
}

bool outbox_take(struct outbox *o, struct buffer *out, uint64_t *id_out)
{
    bool found = false;
    pthread_mutex_lock(&o->lock);
    while (o->next < o->messages.n && o->messages.v[o->next].state != MESSAGE_WAITING)
        o->next++;
    if (o->next < o->messages.n) {
        struct message *m = &o->messages.v[o->next];
        buffer_append(out, m->bytes, m->n);
        found = out->error == 0;
        if (found) {
            m->state = MESSAGE_SENT;
            m->tries++;
            *id_out = o->first_id + (o->next - o->first);
            o->next++;
        }
    }
    pthread_mutex_unlock(&o->lock);
    return found;
}

static void message_retry(struct outbox *o, uint32_t at)
{
    struct message *m = &o->messages.v[at];
    if (m->tries >= o->tries_max) {
        o->stats.lost_tries++;
        message_free(o, m, true);
        return;
    }
    m->state = MESSAGE_WAITING;
    if (at < o->next)
        o->next = at;
}

void outbox_settle(struct outbox *o, uint64_t id, enum outbox_outcome outcome)
{
    pthread_mutex_lock(&o->lock);
    if (id >= o->first_id && id - o->first_id < o->messages.n - o->first) {
        uint32_t at = o->first + (uint32_t)(id - o->first_id);
        struct message *m = &o->messages.v[at];
        if (m->state == MESSAGE_SENT && outcome == OUTBOX_RETRY) {
            message_retry(o, at);
        } else if (m->state == MESSAGE_SENT) {
            *(outcome == OUTBOX_ACKED ? &o->stats.acked : &o->stats.lost_refused) += 1;
            message_free(o, m, false); /* a refused text is not sent again */
        }
    }
    pthread_mutex_unlock(&o->lock);
}

void outbox_unsend(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    for (uint32_t i = o->messages.n; i > o->first; i--)
        if (o->messages.v[i - 1].state == MESSAGE_SENT)
            message_retry(o, i - 1);
    pthread_mutex_unlock(&o->lock);
}

bool outbox_wants_text(struct outbox *o, uint64_t text)
{
    pthread_mutex_lock(&o->lock);
    bool wanted = text_find(&o->texts, text) == HASH_NONE;
    pthread_mutex_unlock(&o->lock);
    return wanted;
}

struct outbox_stats outbox_stats(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    struct outbox_stats stats = o->stats;
    pthread_mutex_unlock(&o->lock);
    return stats;
}
