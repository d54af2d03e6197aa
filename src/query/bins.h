#ifndef QUERY_BINS_H
#define QUERY_BINS_H

#include "base/attr.h"
#include "query/cells.h"
#include "query/crew.h"

#include <stdint.h>

/* Points on their way into one category's cells. Millions of points of a million items come in no
 * order, and each that is added up where it belongs waits for memory. So they are first written one
 * after the other into bins of neighbouring items, and then added up a bin at a time, whose cells
 * stay in the cache meanwhile (radix partitioning: Manegold, Boncz, Kersten, "Optimizing
 * main-memory join on modern hardware", 2002):
 *
 *   member 0   bin 0 [item value] -> [item value] ...    bin 1 ...    bin 2 ...
 *   member 1   bin 0 [item value] -> ...                 bin 1 ...
 *                    `-- one at a time -->  cells of items 0 ... 32767
 *
 * Each member of a crew has bins of its own, so that filling needs no lock; adding takes the bin's.
 * In which order members' points are added up depends on who was faster: base/sum.h says what that
 * does to a sum. Memory: what bins hold is limited, by adding up before they get large; it is
 * charged to the guard. */

enum { BINS_POINTS_MAX = 1 << 20 }; /* a member holds about as many, 12 bytes each */

struct bins;

/* cells: borrowed; room is made for as many items as it was told of, and nobody else touches them
 * until bins_drain is over. memory: CREW_MAX of them, where each member takes cells from; they live
 * as long as the cells. */
MUST_USE int bins_create(struct cells *cells, struct scratch *memory, struct bins **out);
void bins_destroy(struct bins **bins);

/* Thread: the member's. Values that are NaN are left out. LT_ELIMIT, LT_ENOMEM; LT_ECANCELLED,
 * LT_ETIMEOUT by the member's guard. */
MUST_USE int bins_add(struct bins *bins, const struct crew_member *member, uint32_t column,
                      const uint32_t *items, const double *values, uint32_t count);

/* Thread: the read's own worker, when nobody adds any more. Everything into the cells; once. */
MUST_USE int bins_drain(struct bins *bins, struct read *read);

#endif
