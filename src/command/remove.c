#include "command/remove.h"

#include "base/error.h"
#include "command/handlers.h"
#include "ingest/control.h"
#include "model/name.h"

static void finish(void *arg, const char *word, const char *what)
{
    struct removing *r = arg;
    arena_fini(&r->arena);
    r->done(r, word, what);
}

static void dropped(void *arg, const struct ingest_written *written)
{
    struct removing *r = arg;
    const struct log_report *report = written->report;
    r->applied = report->offset + 1;
    if (report->outcome == LOG_STORED)
        finish(r, NULL, NULL);
    else
        finish(r, write_not_stored_word(report), report->reason);
}

static void erased(struct erasing *e, const char *word, const char *what)
{
    struct removing *r = CONTAINER_OF(e, struct removing, erasing);
    const struct inquiry *q = r->inquiry;
    struct slice host, metric;
    if (word != NULL || !r->declared) {
        finish(r, word, what);
        return;
    }
    name_split_key(r->key, &host, &metric);
    int err = ingest_drop(q->deps->ingest, q->environment, r->epoch, host, metric, dropped, r);
    if (err != 0)
        finish(r, write_refused_word(err), error_text(err));
}

static void erase(struct removing *r, struct slice key, enum erasing_way way,
                  void (*then)(struct erasing *e, const char *word, const char *what))
{
    r->erasing = (struct erasing){.inquiry = r->inquiry,
                                  .key = key,
                                  .to_ms = INT64_MAX,
                                  .epoch = r->epoch,
                                  .way = way,
                                  .done = then};
    erasing_start(&r->erasing);
}

static void keep(struct removing *r);

static void kept(struct erasing *e, const char *word, const char *what)
{
    struct removing *r = CONTAINER_OF(e, struct removing, erasing);
    r->destinations_at++;
    if (word != NULL)
        finish(r, word, what);
    else
        keep(r);
}

/* What the rules of a source have computed stays in their destinations. */
static void keep(struct removing *r)
{
    if (r->destinations_at < r->destinations_count)
        erase(r, r->destinations[r->destinations_at], ERASING_KEEP, kept);
    else
        erase(r, r->key, ERASING_ERASE, erased);
}

static bool take_destinations(struct removing *r, const struct result_key *key)
{
    bool taken = true;
    r->destinations_count = key->rules_count;
    if (key->rules_count == 0)
        return true;
    r->destinations =
        arena_alloc(&r->arena, key->rules_count * sizeof(*r->destinations), _Alignof(struct slice));
    if (r->destinations == NULL)
        return false;
    for (uint32_t i = 0; i < key->rules_count; i++) {
        r->destinations[i] = arena_copy(&r->arena, key->rules[i].destination);
        taken &= r->destinations[i].p != NULL;
    }
    return taken;
}

static void looked(void *arg, const union query_result *result)
{
    struct removing *r = arg;
    const struct result_key *key = &result->keys.keys[0];
    r->known = key->known;
    r->declared = key->declared;
    if (!take_destinations(r, key))
        finish(r, "ERR", error_text(LT_ENOMEM));
    else if (r->known)
        keep(r);
    else
        finish(r, NULL, NULL);
}

void removing_start(struct removing *r)
{
    struct inquiry *q = r->inquiry;
    uint64_t after = ingest_acked(q->deps->ingest, q->environment->partition);
    arena_init(&r->arena);
    inquiry_ask(q, inquiry_spec(QUERY_EXISTS, &r->key, 1, after), looked, finish, r);
}
