#include "catalog/posting.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void posting_fini(struct posting *p)
{
    if (p->is_set)
        itemset_destroy(&p->set);
    else if (p->count > 1)
        free(p->list);
    *p = (struct posting){0};
}

/* Lists have room for a power of two. */
static bool is_full(uint32_t count)
{
    return (count & (count - 1)) == 0;
}

static int to_list(struct posting *p, uint32_t number)
{
    uint32_t *list = malloc(2 * sizeof(list[0]));
    if (list == NULL)
        return LT_ENOMEM;
    list[0] = p->one < number ? p->one : number;
    list[1] = p->one < number ? number : p->one;
    p->list = list;
    p->count = 2;
    return 0;
}

static int to_set(struct posting *p, uint32_t number)
{
    struct itemset *set;
    int err = itemset_create(&set);
    if (err == 0)
        err = itemset_add_many(set, p->list, p->count);
    if (err == 0)
        err = itemset_add(set, number);
    if (err != 0)
        return err;
    free(p->list);
    p->set = set;
    p->is_set = true;
    p->count++;
    return 0;
}

static int add_to_list(struct posting *p, uint32_t number)
{
    if (is_full(p->count)) {
        uint32_t *grown = realloc(p->list, 2 * (size_t)p->count * sizeof(grown[0]));
        if (grown == NULL)
            return LT_ENOMEM;
        p->list = grown;
    }
    uint32_t at = p->count++;
    for (; at > 0 && p->list[at - 1] > number; at--)
        p->list[at] = p->list[at - 1];
    p->list[at] = number;
    return 0;
}

int posting_add(struct posting *p, uint32_t number)
{
    int err = 0;
    if (p->is_set) {
        err = itemset_add(p->set, number);
        p->count += err == 0;
        return err;
    }
    if (p->count == 1)
        return to_list(p, number);
    if (p->count == POSTING_LIST_MAX)
        return to_set(p, number);
    if (p->count > 1)
        return add_to_list(p, number);
    p->one = number;
    p->count = 1;
    return 0;
}

static void remove_from_list(struct posting *p, uint32_t number)
{
    uint32_t at = 0;
    while (p->list[at] != number)
        at++;
    p->count--;
    memmove(p->list + at, p->list + at + 1, (p->count - at) * sizeof(p->list[0]));
    if (p->count > 1) {
        if (is_full(p->count)) { /* as it is where a list of so many is made */
            uint32_t *fit = realloc(p->list, p->count * sizeof(fit[0]));
            p->list = fit != NULL ? fit : p->list;
        }
        return;
    }
    p->one = p->list[0];
    free(p->list);
    p->list = NULL;
}

void posting_remove(struct posting *p, uint32_t number)
{
    if (p->is_set) {
        itemset_remove(p->set, number);
        p->count--;
    } else if (p->count > 1) {
        remove_from_list(p, number);
    } else {
        p->count = 0;
    }
    if (p->count == 0)
        posting_fini(p);
}

/* As a set: its own, or one made of the few in *made. LT_ENOMEM. */
static int as_set(const struct posting *p, struct itemset **made, const struct itemset **out)
{
    *made = NULL;
    *out = p->set;
    if (p->is_set)
        return 0;
    int err = itemset_create(made);
    if (err == 0 && p->count > 0)
        err = itemset_add_many(*made, p->count > 1 ? p->list : &p->one, p->count);
    *out = *made;
    return err;
}

int posting_unite(const struct posting *p, struct itemset *set)
{
    if (p->is_set)
        itemset_union(set, p->set);
    else if (p->count > 0)
        return itemset_add_many(set, p->count > 1 ? p->list : &p->one, p->count);
    return 0;
}

static int combine(const struct posting *p, struct itemset *set,
                   void (*how)(struct itemset *set, const struct itemset *other))
{
    struct itemset *made;
    const struct itemset *other;
    int err = as_set(p, &made, &other);
    if (err == 0)
        how(set, other);
    itemset_destroy(&made);
    return err;
}

int posting_intersect(const struct posting *p, struct itemset *set)
{
    return combine(p, set, itemset_intersect);
}

int posting_subtract(const struct posting *p, struct itemset *set)
{
    return combine(p, set, itemset_subtract);
}

size_t posting_bytes(const struct posting *p)
{
    enum { SET_BYTES = 64, SPARSE_BYTES = 2, DENSE_MIN = 1 << 16 };
    size_t cap = 2;
    if (p->is_set) /* an array of u16 for each 65,536 numbers, or a bit for each of them */
        return SET_BYTES + (p->count < DENSE_MIN ? p->count * (size_t)SPARSE_BYTES : p->count / 4);
    while (cap < p->count)
        cap *= 2;
    return p->count > 1 ? cap * sizeof(p->list[0]) : 0;
}
