#include "base/vec.h"

int vec_grow(void **v, uint32_t *cap, uint64_t need, size_t size)
{
    uint64_t want = *cap == 0 ? 8 : (uint64_t)*cap * 2;
    if (want < need)
        want = need;
    if (want > UINT32_MAX)
        want = UINT32_MAX;
    if (want < need)
        return 0;
    void *grown = realloc(*v, (size_t)want * size);
    if (grown == NULL)
        return 0;
    *v = grown;
    *cap = (uint32_t)want;
    return 1;
}
