#include "base/arena.h"

#include <stdlib.h>
#include <sys/mman.h>

/* The largest blocks are what one entry of the page table can map (x86-64, and arm64 with pages of
 * 4 KiB): of tens of megabytes touched in no order, that saves most of the page faults and walks.
 */
enum { BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 2 << 20 };

struct arena_block {
    struct arena_block *next;
};

void arena_init(struct arena *a)
{
    *a = (struct arena){.next_bytes = BLOCK_BYTES_MIN};
}

void arena_fini(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    arena_init(a);
}

static char *align_up(char *p, size_t align)
{
    return (char *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
}

/* A kernel that has no huge pages to give refuses the advice, or ignores it. */
static struct arena_block *block_create(size_t size)
{
    if (size < BLOCK_BYTES_MAX)
        return malloc(size);
    void *block = NULL;
    if (posix_memalign(&block, BLOCK_BYTES_MAX, size) != 0)
        return NULL;
    (void)madvise(block, size - size % BLOCK_BYTES_MAX, MADV_HUGEPAGE);
    return block;
}

static int arena_grow(struct arena *a, size_t need)
{
    size_t size = a->next_bytes;
    if (need > SIZE_MAX - sizeof(struct arena_block))
        return -1;
    if (size < need + sizeof(struct arena_block))
        size = need + sizeof(struct arena_block);
    struct arena_block *block = block_create(size);
    if (block == NULL)
        return -1;
    block->next = a->blocks;
    a->blocks = block;
    a->at = (char *)(block + 1);
    a->end = (char *)block + size;
    a->bytes += size;
    if (a->next_bytes < BLOCK_BYTES_MAX)
        a->next_bytes *= 2;
    return 0;
}

void *arena_alloc(struct arena *a, size_t n, size_t align)
{
    char *p = align_up(a->at, align);
    if (a->at == NULL || p > a->end || (size_t)(a->end - p) < n) {
        if (n > SIZE_MAX - align || arena_grow(a, n + align) != 0)
            return NULL;
        p = align_up(a->at, align);
    }
    a->at = p + n;
    return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n > 0 ? s.n : 1, 1);
    if (p != NULL && s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct slice){p, s.n};
}
