#ifndef MYSQL_BULK_H
#define MYSQL_BULK_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/vec.h"
#include "mysql/conn.h"

#include <stddef.h>
#include <stdint.h>

/* Rows that one statement will write, as the arrays that libmariadb binds. Cells are put row by
 * row, in column order. Running out of memory is remembered and told by bulk_run. */

enum bulk_type {
    BULK_UNSIGNED,
    BULK_SIGNED,
    BULK_DOUBLE, /* NULL where not finite: the server refuses NaN and infinities */
    BULK_BYTES,
};
enum { BULK_COLUMNS_MAX = 13 };

struct bulk {
    unsigned columns;
    unsigned at; /* the column of the next cell */
    uint32_t rows;
    bool failed;
    struct {
        enum bulk_type type;
        VEC(uint64_t) cells; /* a number's bits, or an offset in bytes */
        VEC(unsigned long) lengths;
        VEC(char) indicators;
    } column[BULK_COLUMNS_MAX];
    struct buffer bytes;
};

void bulk_init(struct bulk *b, const enum bulk_type *types, unsigned columns);
void bulk_fini(struct bulk *b);
void bulk_reset(struct bulk *b);

void bulk_put_number(struct bulk *b, uint64_t x);
void bulk_put_double(struct bulk *b, double x);
void bulk_put_bytes(struct bulk *b, struct slice bytes);
/* In the place of bytes. */
void bulk_put_null(struct bulk *b);

/* What it takes on the wire, about. */
size_t bulk_bytes(const struct bulk *b);

/* Runs sql, which has one `?` a column, for all rows, and empties it. Nothing where it has none. */
MUST_USE int bulk_run(struct bulk *b, struct conn *c, const char *name, struct slice sql);

#endif
