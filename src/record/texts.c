#include "record/texts.h"

#include "base/error.h"
#include "base/hash.h"

int texts_init(struct texts *texts, size_t bytes_max, uint32_t slots)
{
    *texts = (struct texts){.slots_mask = slots - 1};
    buffer_init(&texts->bytes, bytes_max);
    texts->slots = calloc(slots, sizeof(texts->slots[0]));
    return texts->slots == NULL ? LT_ENOMEM : 0;
}

void texts_fini(struct texts *texts)
{
    buffer_fini(&texts->bytes);
    VEC_FINI(&texts->starts);
    free(texts->slots);
    texts->slots = NULL;
}

static int add(struct texts *texts, struct slice text)
{
    uint32_t start = (uint32_t)texts->bytes.len;
    if (!VEC_RESERVE(&texts->starts, 1))
        return LT_ENOMEM;
    buffer_append_slice(&texts->bytes, text);
    int err = texts->bytes.error;
    if (err == 0)
        texts->starts.v[texts->starts.n++] = start;
    texts->bytes.error = 0;
    return err;
}

static bool is_at(const struct texts *texts, uint32_t number, struct slice text)
{
    return number < texts->starts.n && slice_eq(texts_at(texts, number), text);
}

int texts_number(struct texts *texts, struct slice text, uint32_t *out)
{
    /* Two places a text; the one used last stands in the first. */
    uint32_t place = (uint32_t)hash_bytes(text) & texts->slots_mask;
    uint32_t *first = &texts->slots[place], *second = &texts->slots[place ^ 1];
    if (is_at(texts, *first, text)) {
        *out = *first;
        return 0;
    }
    uint32_t number = *second;
    if (!is_at(texts, number, text)) {
        number = texts->starts.n;
        int err = add(texts, text);
        if (err != 0)
            return err;
    }
    *second = *first;
    *first = number;
    *out = number;
    return 0;
}

void texts_cut(struct texts *texts, uint32_t count)
{
    if (count == texts->starts.n)
        return;
    texts->bytes.len = texts->starts.v[count];
    texts->starts.n = count;
}
