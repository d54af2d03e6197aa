#include "query/threshold.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/sum.h"
#include "base/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MIN = 16,      /* items of a lookup, where so many are wanted */
    WORD_BITS = 64,      /* of a candidate's set of lists */
    EXACT_MAX_LOG2 = 53, /* integers below 2 to this add up exactly */
};

/* What sums of a few hundred doubles may be off by, relative to the sum of their magnitudes. */
static const double slack = 1e-12;

struct list {
    uint32_t group;
    uint32_t bit; /* its number within the group */
    enum threshold_end end;
    bool begun;
    double last; /* value and item of the entry read last */
    uint32_t last_item;
};

struct candidate {
    uint32_t group;
    uint32_t item;
    struct sum known; /* in the lists that it was seen in */
    double magnitude;
    double bound;
    bool resolved;
};

struct group { /* the lists of one category */
    uint32_t category;
    uint32_t from, to;
    bool certain; /* all its lists are */
};

struct run {
    const struct threshold *config;
    struct best *best;
    struct list *lists;
    struct group *groups;
    uint32_t groups_count;
    uint32_t words; /* of a candidate's set */
    VEC(struct candidate) candidates;
    VEC(uint64_t) seen; /* candidate x words: which lists it was seen in */
    struct hash_index index;
    VEC(uint32_t) order; /* unresolved candidates, best bound first */
    size_t entries, lookups;
    /* of a round */
    uint32_t *wanted;
    struct threshold_chunk *chunks;
    VEC(uint32_t) items;
    VEC(double) values;
};

static double positive(double x)
{
    return x > 0 ? x : 0;
}

static bool is_open(const struct list *list)
{
    return list->end != THRESHOLD_END;
}

/* ---- sorted access ---- */

static bool candidate_eq(const void *context, const void *key, uint32_t position)
{
    const struct candidate *a = (const struct candidate *)context + position, *b = key;
    return a->group == b->group && a->item == b->item;
}

static int find_candidate(struct run *r, uint32_t group, uint32_t item, uint32_t *out)
{
    struct candidate new = {.group = group, .item = item};
    uint64_t hash = hash_u64((uint64_t)group << 32 | item);
    *out = hash_index_find(&r->index, hash, candidate_eq, r->candidates.v, &new);
    if (*out != HASH_NONE)
        return 0;
    if (!VEC_RESERVE(&r->seen, r->words) || !VEC_RESERVE(&r->candidates, 1))
        return LT_ENOMEM;
    int err = hash_index_add(&r->index, hash, r->candidates.n);
    if (err != 0)
        return err;
    *out = r->candidates.n;
    r->candidates.v[r->candidates.n++] = new;
    memset(&r->seen.v[r->seen.n], 0, r->words * sizeof(uint64_t));
    r->seen.n += r->words;
    return 0;
}

static int take_chunk(struct run *r, struct list *list, const struct threshold_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->count; i++) {
        uint32_t at;
        int err = find_candidate(r, list->group, chunk->entries[i].item, &at);
        if (err != 0)
            return err;
        sum_add(&r->candidates.v[at].known, chunk->entries[i].value);
        r->candidates.v[at].magnitude += fabs(chunk->entries[i].value);
        r->seen.v[(size_t)at * r->words + list->bit / WORD_BITS] |= UINT64_C(1)
                                                                    << list->bit % WORD_BITS;
    }
    if (chunk->count > 0) {
        list->last = chunk->entries[chunk->count - 1].value;
        list->last_item = chunk->entries[chunk->count - 1].item;
    }
    list->begun = true;
    list->end = chunk->end;
    r->entries += chunk->count;
    return 0;
}

/* ---- bounds ---- */

/* Of an item of the group that no list has shown yet. */
struct unseen {
    bool any;
    double value;       /* at most this */
    bool exact;         /* computed without rounding */
    uint32_t tied_item; /* one that reaches the value has an id greater than this */
};

static struct unseen bound_unseen(const struct run *r, const struct group *group)
{
    struct unseen u = {.value = -INFINITY, .exact = true, .tied_item = UINT32_MAX};
    double sum = 0, magnitude = 0;
    uint32_t greatest = 0;
    for (uint32_t i = group->from; i < group->to; i++) {
        const struct list *list = &r->lists[i];
        if (!is_open(list))
            continue;
        u.any = true;
        u.value = fmax(u.value, list->last);
        sum += positive(list->last);
        magnitude += fabs(list->last);
        u.exact &= list->last == rint(list->last);
        if (list->last > 0 && list->last_item > greatest)
            greatest = list->last_item;
    }
    u.exact &= magnitude < ldexp(1, EXACT_MAX_LOG2);
    if (u.value > 0) {
        /* It stands in all lists with a positive last value, each time at that value. */
        u.value = sum;
        u.tied_item = greatest;
    } else {
        /* It stands in one of the lists that end at this value, and has 0 in the others. */
        for (uint32_t i = group->from; i < group->to; i++)
            if (is_open(&r->lists[i]) && r->lists[i].last == u.value &&
                r->lists[i].last_item < u.tied_item)
                u.tied_item = r->lists[i].last_item;
    }
    if (!u.exact)
        u.value += magnitude * slack;
    return u;
}

/* No item that was not seen can be among the best. */
static bool is_settled(const struct run *r, const struct group *group)
{
    struct unseen u = bound_unseen(r, group);
    if (!u.any)
        return true;
    if (r->best->n < r->best->max)
        return false;
    const struct best_row *worst = &r->best->rows[0];
    if (worst->value != u.value)
        return worst->value > u.value;
    if (worst->category != group->category)
        return worst->category < group->category;
    return u.exact && worst->item <= u.tied_item;
}

static double bound_candidate(const struct run *r, const struct group *group, uint32_t at)
{
    const struct candidate *c = &r->candidates.v[at];
    const uint64_t *seen = r->seen.v + (size_t)at * r->words;
    double open = 0;
    for (uint32_t i = group->from; i < group->to; i++) {
        const struct list *list = &r->lists[i];
        if (is_open(list) && (seen[list->bit / WORD_BITS] >> list->bit % WORD_BITS & 1) == 0)
            open += positive(list->last);
    }
    return sum_total(&c->known) + open + (c->magnitude + open) * slack;
}

/* Its value in each list is known. */
static bool is_known(const struct run *r, const struct group *group, uint32_t at)
{
    const uint64_t *seen = r->seen.v + (size_t)at * r->words;
    bool known = group->certain;
    for (uint32_t i = group->from; i < group->to && known; i++) {
        const struct list *list = &r->lists[i];
        known = !is_open(list) || (seen[list->bit / WORD_BITS] >> list->bit % WORD_BITS & 1) != 0;
    }
    return known;
}

static int compare_bounds(const void *a, const void *b, void *arg)
{
    const struct candidate *candidates = arg;
    double x = candidates[*(const uint32_t *)a].bound, y = candidates[*(const uint32_t *)b].bound;
    return (x < y) - (x > y);
}

static int order_candidates(struct run *r)
{
    r->order.n = 0;
    for (uint32_t i = 0; i < r->candidates.n; i++) {
        struct candidate *c = &r->candidates.v[i];
        if (c->resolved)
            continue;
        const struct group *group = &r->groups[c->group];
        if (is_known(r, group, i)) {
            c->resolved = true;
            best_offer(r->best, &(struct best_row){sum_total(&c->known), group->category, c->item});
            continue;
        }
        c->bound = bound_candidate(r, group, i);
        if (!best_wants(r->best, c->bound))
            continue;
        if (!VEC_PUSH(&r->order, i))
            return LT_ENOMEM;
    }
    if (r->order.n > 0)
        qsort_r(r->order.v, r->order.n, sizeof(r->order.v[0]), compare_bounds, r->candidates.v);
    return 0;
}

/* ---- random access ---- */

static int compare_candidates(const void *a, const void *b, void *arg)
{
    const struct candidate *candidates = arg;
    const struct candidate *x = &candidates[*(const uint32_t *)a];
    const struct candidate *y = &candidates[*(const uint32_t *)b];
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

/* Candidates of one group, by item. */
static int look_up(struct run *r, const uint32_t *chosen, uint32_t count)
{
    uint32_t category = r->groups[r->candidates.v[chosen[0]].group].category;
    r->items.n = r->values.n = 0;
    if (!VEC_RESERVE(&r->items, count) || !VEC_RESERVE(&r->values, count))
        return LT_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        r->items.v[i] = r->candidates.v[chosen[i]].item;
    int err = r->config->lookup(r->config->arg, category, r->items.v, count, r->values.v);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        r->candidates.v[chosen[i]].resolved = true;
        if (!isnan(r->values.v[i]))
            best_offer(r->best, &(struct best_row){r->values.v[i], category,
                                                   r->candidates.v[chosen[i]].item});
    }
    r->lookups += count;
    return err;
}

/* Of order[from, to). */
static int resolve(struct run *r, uint32_t from, uint32_t to)
{
    uint32_t *chosen = &r->order.v[from];
    qsort_r(chosen, to - from, sizeof(*chosen), compare_candidates, r->candidates.v);
    int err = 0;
    for (uint32_t i = 0, end; i < to - from && err == 0; i = end) {
        for (end = i + 1; end < to - from &&
                          r->candidates.v[chosen[end]].group == r->candidates.v[chosen[i]].group;
             end++)
            ;
        err = look_up(r, &chosen[i], end - i);
    }
    return err;
}

/* Looks up the most promising ones: those of one batch, or all that could still get in. */
static int resolve_promising(struct run *r, bool all)
{
    uint32_t batch = r->best->max > BATCH_MIN ? r->best->max : BATCH_MIN;
    int err = 0;
    for (uint32_t at = 0; at < r->order.n && err == 0;) {
        uint32_t end = at;
        while (end < r->order.n && end - at < batch &&
               best_wants(r->best, r->candidates.v[r->order.v[end]].bound))
            end++;
        if (end == at)
            break;
        if (r->lookups + (end - at) > r->config->lookups_max)
            return THRESHOLD_GIVES_UP;
        err = resolve(r, at, end);
        at = end;
        if (!all && r->best->n == r->best->max)
            break;
    }
    return err;
}

/* ---- rounds ---- */

/* Reads on in each category that is not settled. *more_out: there was something to read. */
static int read_round(struct run *r, bool *more_out)
{
    uint32_t n = 0;
    for (uint32_t g = 0; g < r->groups_count; g++) {
        const struct group *group = &r->groups[g];
        bool begun = r->lists[group->from].begun;
        if (begun && is_settled(r, group))
            continue;
        for (uint32_t i = group->from; i < group->to; i++)
            if (r->lists[i].end == THRESHOLD_MORE)
                r->wanted[n++] = i;
    }
    *more_out = n > 0;
    if (n == 0)
        return 0;
    if (r->entries > r->config->entries_max)
        return THRESHOLD_GIVES_UP;
    int err = r->config->read(r->config->arg, r->wanted, n, r->chunks);
    for (uint32_t i = 0; i < n && err == 0; i++)
        err = take_chunk(r, &r->lists[r->wanted[i]], &r->chunks[i]);
    return err;
}

static bool all_settled(const struct run *r)
{
    uint32_t g = 0;
    while (g < r->groups_count && is_settled(r, &r->groups[g]))
        g++;
    return g == r->groups_count;
}

static int search(struct run *r)
{
    for (;;) {
        bool more;
        int err = read_round(r, &more);
        if (err == 0)
            err = order_candidates(r);
        if (err == 0)
            err = resolve_promising(r, false);
        if (err != 0)
            return err;
        if (all_settled(r)) {
            err = order_candidates(r);
            return err != 0 ? err : resolve_promising(r, true);
        }
        if (!more)
            return THRESHOLD_GIVES_UP; /* what is not settled was cut */
    }
}

static int run_init(struct run *r)
{
    uint32_t lists = r->config->lists;
    r->lists = calloc(lists + 1, sizeof(*r->lists));
    r->groups = calloc(lists + 1, sizeof(*r->groups));
    r->wanted = calloc(lists + 1, sizeof(*r->wanted));
    r->chunks = calloc(lists + 1, sizeof(*r->chunks));
    if (r->lists == NULL || r->groups == NULL || r->wanted == NULL || r->chunks == NULL)
        return LT_ENOMEM;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < lists; i++) {
        uint32_t category = r->config->categories[i];
        if (r->groups_count == 0 || r->groups[r->groups_count - 1].category != category)
            r->groups[r->groups_count++] = (struct group){category, i, i, true};
        struct group *group = &r->groups[r->groups_count - 1];
        group->certain &= r->config->certain != NULL && r->config->certain[i];
        r->lists[i] = (struct list){.group = r->groups_count - 1, .bit = group->to++ - group->from};
        if (group->to - group->from > bits)
            bits = group->to - group->from;
    }
    r->words = (bits + WORD_BITS - 1) / WORD_BITS;
    return 0;
}

int threshold_run(const struct threshold *config, struct best *best)
{
    struct run r = {.config = config, .best = best};
    best->n = 0;
    if (best->max == 0 || config->lists == 0)
        return 0;
    hash_index_init(&r.index);
    int err = run_init(&r);
    if (err == 0)
        err = search(&r);
    if (err == 0)
        best_sort(best);
    free(r.lists);
    free(r.groups);
    free(r.wanted);
    free(r.chunks);
    VEC_FINI(&r.candidates);
    VEC_FINI(&r.seen);
    VEC_FINI(&r.order);
    VEC_FINI(&r.items);
    VEC_FINI(&r.values);
    hash_index_fini(&r.index);
    return err;
}
