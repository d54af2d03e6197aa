#include "command/claims.h"

#include "base/clock.h"
#include "base/error.h"

static bool share_a_key(const struct claim *a, const struct claim *b)
{
    if (a->environment != b->environment)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(a->keys); i++)
        for (size_t j = 0; j < ARRAY_LEN(b->keys); j++)
            if (slice_eq(a->keys[i], b->keys[j]))
                return true;
    return false;
}

static void take_out(struct claims *all, const struct claim *claim)
{
    struct claim **at = &all->first;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
}

/* 0: it may be held now. LT_EAGAIN: not yet. */
static int may_hold(const struct claims *all, struct claim *claim, int64_t now_ms)
{
    bool waits = false;
    for (const struct claim *c = all->first; c != claim && !waits; c = c->next)
        waits = share_a_key(c, claim);
    int err = waits ? LT_EAGAIN
                    : store_epoch(all->store, claim->environment->partition, 0, &claim->epoch);
    return err == LT_EAGAIN && now_ms >= claim->due_mono_ms ? LT_ETIMEOUT : err;
}

/* False: it waits on. */
static bool try_one(struct claims *all, struct claim *claim, int64_t now_ms)
{
    int err = may_hold(all, claim, now_ms);
    if (err == LT_EAGAIN)
        return false;
    claim->held = err == 0;
    if (err != 0)
        take_out(all, claim);
    claim->granted(claim, err);
    return true;
}

void claims_take(struct claims *all, struct claim *claim)
{
    struct claim **end = &all->first;
    int64_t now_ms = clock_mono_ms();
    while (*end != NULL)
        end = &(*end)->next;
    claim->next = NULL;
    claim->held = false;
    claim->due_mono_ms = now_ms + all->deadline_ms;
    *end = claim;
    (void)try_one(all, claim, now_ms);
}

void claims_let_go(struct claims *all, struct claim *claim)
{
    take_out(all, claim);
}

void claims_turn(struct claims *all)
{
    if (all->first == NULL)
        return;
    int64_t now_ms = clock_mono_ms();
    struct claim *c = all->first;
    while (c != NULL) /* whoever is granted may let others go */
        c = !c->held && try_one(all, c, now_ms) ? all->first : c->next;
}

void claims_stop(struct claims *all)
{
    struct claim *c = all->first;
    while (c != NULL) {
        if (c->held) {
            c = c->next;
            continue;
        }
        take_out(all, c);
        c->granted(c, LT_ECLOSED);
        c = all->first;
    }
}
