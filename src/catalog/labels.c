#include "catalog/labels.h"

#include "base/error.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

void labels_fini(struct labels *l)
{
    for (uint32_t i = 0; i < l->pairs.n; i++) {
        free(l->pairs.v[i].value);
        posting_fini(&l->pairs.v[i].series);
    }
    for (uint32_t i = 0; i < l->names.n; i++) {
        free(l->names.v[i].text);
        posting_fini(&l->names.v[i].series);
        VEC_FINI(&l->names.v[i].pairs);
    }
    VEC_FINI(&l->pairs);
    VEC_FINI(&l->pairs_free);
    VEC_FINI(&l->names);
    VEC_FINI(&l->names_free);
    name_index_fini(&l->pair_index);
    name_index_fini(&l->name_index);
    *l = (struct labels){0};
}

/* ---- finding ---- */

struct pair_key {
    uint32_t name;
    struct slice value;
};

static bool name_eq(const void *context, const void *key, uint64_t number)
{
    const struct label_name *n = &((const struct labels *)context)->names.v[number];
    return slice_eq(slice_make(n->text, n->bytes), *(const struct slice *)key);
}

static bool pair_eq(const void *context, const void *key, uint64_t number)
{
    const struct label_pair *p = &((const struct labels *)context)->pairs.v[number];
    const struct pair_key *k = key;
    return p->name == k->name && slice_eq(slice_make(p->value, p->value_bytes), k->value);
}

static uint64_t pair_hash(const struct pair_key *key)
{
    return hash_u64(hash_bytes(key->value) + key->name);
}

static uint64_t find_name(const struct labels *l, struct slice name)
{
    return name_index_find(&l->name_index, hash_bytes(name), name_eq, l, &name);
}

const struct label_name *labels_find_name(const struct labels *l, struct slice name)
{
    uint64_t at = find_name(l, name);
    return at == NAME_INDEX_NONE ? NULL : &l->names.v[at];
}

const struct label_pair *labels_find(const struct labels *l, struct slice name, struct slice value)
{
    struct pair_key key = {(uint32_t)find_name(l, name), value};
    if (key.name == (uint32_t)NAME_INDEX_NONE)
        return NULL;
    uint64_t at = name_index_find(&l->pair_index, pair_hash(&key), pair_eq, l, &key);
    return at == NAME_INDEX_NONE ? NULL : &l->pairs.v[at];
}

struct label labels_at(const struct labels *l, uint32_t pair)
{
    const struct label_pair *p = &l->pairs.v[pair];
    const struct label_name *n = &l->names.v[p->name];
    return (struct label){slice_make(n->text, n->bytes), slice_make(p->value, p->value_bytes)};
}

/* ---- adding ---- */

static char *copy_text(struct labels *l, struct slice text)
{
    char *copy = malloc(text.n + 1);
    if (copy == NULL)
        return NULL;
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    l->bytes += text.n + 1;
    return copy;
}

static int intern_name(struct labels *l, struct slice name, uint32_t *out)
{
    uint64_t found = find_name(l, name);
    if (found != NAME_INDEX_NONE) {
        *out = (uint32_t)found;
        return 0;
    }
    bool reuse = l->names_free.n > 0;
    struct label_name entry = {.bytes = (uint32_t)name.n};
    if (!VEC_RESERVE(&l->names, 1) || (entry.text = copy_text(l, name)) == NULL)
        return LT_ENOMEM;
    uint32_t at = reuse ? l->names_free.v[--l->names_free.n] : l->names.n++;
    l->names.v[at] = entry;
    *out = at;
    return name_index_add(&l->name_index, hash_bytes(name), at);
}

static int intern_pair(struct labels *l, uint32_t name, struct slice value, uint32_t *out)
{
    struct pair_key key = {name, value};
    uint64_t found = name_index_find(&l->pair_index, pair_hash(&key), pair_eq, l, &key);
    if (found != NAME_INDEX_NONE) {
        *out = (uint32_t)found;
        return 0;
    }
    bool reuse = l->pairs_free.n > 0;
    struct label_pair entry = {
        .value_bytes = (uint32_t)value.n, .name = name, .place = l->names.v[name].pairs.n};
    if (!VEC_RESERVE(&l->pairs, 1) || (entry.value = copy_text(l, value)) == NULL)
        return LT_ENOMEM;
    uint32_t at = reuse ? l->pairs_free.v[--l->pairs_free.n] : l->pairs.n++;
    l->pairs.v[at] = entry;
    *out = at;
    if (!VEC_PUSH(&l->names.v[name].pairs, at))
        return LT_ENOMEM;
    return name_index_add(&l->pair_index, pair_hash(&key), at);
}

static bool has_name(const struct labels *l, const uint32_t *pairs, uint32_t count, uint32_t name)
{
    for (uint32_t i = 0; i < count; i++)
        if (l->pairs.v[pairs[i]].name == name)
            return true;
    return false;
}

static int add_to(struct labels *l, struct posting *series, uint32_t number)
{
    l->bytes -= posting_bytes(series);
    int err = posting_add(series, number);
    l->bytes += posting_bytes(series);
    return err;
}

int labels_add(struct labels *l, uint32_t number, const struct label *list, uint32_t count,
               uint32_t *pairs_out, uint32_t *count_out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t name, pair;
        int err = intern_name(l, list[i].name, &name);
        if (err != 0)
            return err;
        if (has_name(l, pairs_out, n, name))
            continue;
        err = intern_pair(l, name, list[i].value, &pair);
        if (err == 0)
            err = add_to(l, &l->pairs.v[pair].series, number);
        if (err == 0)
            err = add_to(l, &l->names.v[name].series, number);
        if (err != 0)
            return err;
        pairs_out[n++] = pair;
    }
    *count_out = n;
    return 0;
}

/* ---- removing ---- */

static int release_name(struct labels *l, uint32_t at)
{
    struct label_name *n = &l->names.v[at];
    if (!VEC_PUSH(&l->names_free, at))
        return LT_ENOMEM;
    name_index_remove(&l->name_index, hash_bytes(slice_make(n->text, n->bytes)), at);
    l->bytes -= n->bytes + 1;
    free(n->text);
    VEC_FINI(&n->pairs);
    *n = (struct label_name){0};
    return 0;
}

static int release_pair(struct labels *l, uint32_t at)
{
    struct label_pair *p = &l->pairs.v[at];
    struct label_name *n = &l->names.v[p->name];
    struct pair_key key = {p->name, slice_make(p->value, p->value_bytes)};
    if (!VEC_PUSH(&l->pairs_free, at))
        return LT_ENOMEM;
    name_index_remove(&l->pair_index, pair_hash(&key), at);
    uint32_t last = n->pairs.v[--n->pairs.n];
    n->pairs.v[p->place] = last;
    l->pairs.v[last].place = p->place;
    l->bytes -= p->value_bytes + 1;
    free(p->value);
    *p = (struct label_pair){0};
    return 0;
}

static void remove_from(struct labels *l, struct posting *series, uint32_t number)
{
    l->bytes -= posting_bytes(series);
    posting_remove(series, number);
    l->bytes += posting_bytes(series);
}

int labels_remove(struct labels *l, uint32_t number, const uint32_t *pairs, uint32_t count)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < count; i++) {
        struct label_pair *p = &l->pairs.v[pairs[i]];
        uint32_t name = p->name;
        remove_from(l, &p->series, number);
        remove_from(l, &l->names.v[name].series, number);
        if (p->series.count == 0)
            err = release_pair(l, pairs[i]);
        if (err == 0 && l->names.v[name].series.count == 0)
            err = release_name(l, name);
    }
    return err;
}

/* ---- how large it is ---- */

size_t labels_bytes(const struct labels *l)
{
    enum { MALLOC_BYTES = 8 };
    return l->bytes + (l->pairs.n + (size_t)l->names.n) * MALLOC_BYTES +
           l->pairs.cap * (sizeof(l->pairs.v[0]) + sizeof(uint32_t)) +
           l->names.cap * sizeof(l->names.v[0]) +
           (l->pairs_free.cap + l->names_free.cap) * sizeof(uint32_t) + l->pair_index.bytes +
           l->name_index.bytes;
}
