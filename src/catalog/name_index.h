#ifndef CATALOG_NAME_INDEX_H
#define CATALOG_NAME_INDEX_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An index of tens of millions of names: hash -> number, which says where the caller keeps the
 * name. It holds no names: eq compares the caller's key with the name of a number.
 *
 * The hash's high bits choose one of 1024 tables, each with linear probing, at most 80 % full, that
 * grows by a quarter on its own. So growing never needs twice the memory, and never takes longer
 * than the copy of one table: 0.5 MB where there are 50 million names.
 *
 *   hash   | 10 table | 28 mark | 26 unused |       the mark, scaled to the table, is the first
 * slot slot   | 28 mark | 36 number + 1 |              0: free
 *
 * Marks are in rising order along a table, but for short runs, so that growing reads and writes
 * memory in order. Caller-owned; one thread at a time. */
enum { NAME_INDEX_TABLES = 1024 };
#define NAME_INDEX_NONE        UINT64_MAX
#define NAME_INDEX_NUMBERS_MAX ((UINT64_C(1) << 36) - 1) /* numbers are below */

struct name_table {
    uint64_t *slots;
    uint32_t cap;
    uint32_t count;
};

struct name_index {
    struct name_table *tables; /* NULL: nothing was added yet */
    size_t bytes;              /* of tables and slots */
};

typedef bool name_index_eq(const void *context, const void *key, uint64_t number);

/* All zero is empty. */
void name_index_fini(struct name_index *index);

/* The number of key, or NAME_INDEX_NONE. */
uint64_t name_index_find(const struct name_index *index, uint64_t hash, name_index_eq *eq,
                         const void *context, const void *key);

/* Begins to fetch the memory that find or add will look at: they mostly wait for it. */
void name_index_prefetch(const struct name_index *index, uint64_t hash);

/* What find will most probably return: the first number whose mark is the hash's, without a look at
 * its name. */
uint64_t name_index_guess(const struct name_index *index, uint64_t hash);

/* Adds a number that find did not see. LT_ENOMEM: nothing changed. */
MUST_USE int name_index_add(struct name_index *index, uint64_t hash, uint64_t number);

/* Takes away a number that was added with this hash. */
void name_index_remove(struct name_index *index, uint64_t hash, uint64_t number);

/* Gives memory of one of the NAME_INDEX_TABLES back if less than half of it is in use: for the copy
 * of one table at a time. */
void name_index_shrink(struct name_index *index, uint32_t table);

#endif
