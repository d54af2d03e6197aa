#include "record/names.h"

#include "base/error.h"
#include "record/pack.h"

void names_init(struct names *names, size_t bytes_max)
{
    *names = (struct names){0};
    buffer_init(&names->bytes, bytes_max);
    hash_index_init(&names->index);
}

void names_fini(struct names *names)
{
    buffer_fini(&names->bytes);
    VEC_FINI(&names->entries);
    hash_index_fini(&names->index);
}

static bool entry_is(const void *context, const void *key, uint32_t position)
{
    return slice_eq(names_at(context, position), *(const struct slice *)key);
}

static int names_add(struct names *names, struct slice name, uint64_t hash)
{
    if (!VEC_RESERVE(&names->entries, 1))
        return LT_ENOMEM;
    size_t before = names->bytes.len;
    pack_bytes(&names->bytes, name);
    int err = names->bytes.error;
    if (err == 0)
        err = hash_index_add(&names->index, hash, names->entries.n);
    if (err != 0) {
        names->bytes.len = before;
        names->bytes.error = 0;
        return err;
    }
    names->entries.v[names->entries.n++] = (struct name_entry){
        .hash = hash,
        .at = (uint32_t)(names->bytes.len - name.n),
        .n = (uint32_t)name.n,
    };
    return 0;
}

int names_number(struct names *names, struct slice name, uint32_t guess, uint32_t *out)
{
    /* Agents send the same names in the same order, so that mostly nothing need be hashed. */
    if (guess < names->entries.n && slice_eq(names_at(names, guess), name)) {
        *out = guess;
        return 0;
    }
    uint64_t hash = hash_bytes(name);
    uint32_t number = hash_index_find(&names->index, hash, entry_is, names, &name);
    if (number == HASH_NONE) {
        number = names->entries.n;
        int err = names_add(names, name, hash);
        if (err != 0)
            return err;
    }
    *out = number;
    return 0;
}

void names_cut(struct names *names, uint32_t count)
{
    if (count == names->entries.n)
        return;
    /* Clearing an index costs its size: a small batch after a large one takes its few names out
     * instead. */
    if (count == 0 && names->entries.n > names->index.cap / 16) {
        hash_index_reset(&names->index);
    } else {
        for (uint32_t i = count; i < names->entries.n; i++)
            hash_index_remove(&names->index, names->entries.v[i].hash, i);
    }
    struct name_entry first = names->entries.v[count];
    names->bytes.len = first.at - pack_bytes_head(first.n);
    names->entries.n = count;
}
