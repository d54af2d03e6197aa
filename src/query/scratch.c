#include "query/scratch.h"

enum { LARGE_BYTES_MIN = 1024, CACHE_LINE_BYTES = 64 };

void scratch_init(struct scratch *s, struct read_guard *guard)
{
    arena_init(&s->arena);
    s->guard = guard;
    s->bytes = 0;
    s->error = 0;
}

void scratch_fini(struct scratch *s)
{
    arena_fini(&s->arena);
}

static void *take(struct scratch *s, uint64_t count, size_t size, size_t align)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || read_guard_charge(s->guard, bytes) != 0) {
        s->error = LT_ELIMIT;
        return NULL;
    }
    s->bytes += bytes;
    void *p = arena_alloc(&s->arena, bytes > 0 ? bytes : 1, align);
    if (p == NULL)
        s->error = LT_ENOMEM;
    return p;
}

/* What is large begins with a cache line, so that things of half a line never stand in two. */
void *scratch_take_raw(struct scratch *s, uint64_t count, size_t size)
{
    bool large = count >= LARGE_BYTES_MIN / size;
    return take(s, count, size, large ? CACHE_LINE_BYTES : _Alignof(max_align_t));
}

void *scratch_take(struct scratch *s, uint64_t count, size_t size)
{
    void *p = scratch_take_raw(s, count, size);
    if (p != NULL)
        memset(p, 0, count * size);
    return p;
}

struct slice scratch_copy(struct scratch *s, struct slice text)
{
    char *p = take(s, text.n, 1, 1);
    if (p != NULL && text.n > 0)
        memcpy(p, text.p, text.n);
    return slice_make(p, text.n);
}

int scratch_grow(struct read_guard *guard, void **v, uint32_t *cap, uint64_t need, size_t size)
{
    uint64_t want = *cap == 0 ? 64 : (uint64_t)*cap * 2;
    if (want < need)
        want = need;
    int err = read_guard_charge(guard, (size_t)(want - *cap) * size);
    if (err != 0)
        return err;
    if (vec_grow(v, cap, want, size))
        return 0;
    scratch_release(guard, (size_t)(want - *cap) * size);
    return LT_ENOMEM;
}
