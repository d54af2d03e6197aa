#include "mysql/bulk.h"

#include "base/error.h"
#include "base/number.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

void bulk_init(struct bulk *b, const enum bulk_type *types, unsigned columns)
{
    assert(columns <= BULK_COLUMNS_MAX);
    *b = (struct bulk){.columns = columns};
    for (unsigned i = 0; i < columns; i++)
        b->column[i].type = types[i];
    buffer_init(&b->bytes, SIZE_MAX);
}

void bulk_fini(struct bulk *b)
{
    for (unsigned i = 0; i < b->columns; i++) {
        VEC_FINI(&b->column[i].cells);
        VEC_FINI(&b->column[i].lengths);
        VEC_FINI(&b->column[i].indicators);
    }
    buffer_fini(&b->bytes);
}

void bulk_reset(struct bulk *b)
{
    for (unsigned i = 0; i < b->columns; i++)
        b->column[i].cells.n = b->column[i].lengths.n = b->column[i].indicators.n = 0;
    buffer_reset(&b->bytes, SIZE_MAX);
    b->rows = 0;
    b->at = 0;
    b->failed = false;
}

static void cell_put(struct bulk *b, uint64_t x, unsigned long length, char indicator)
{
    unsigned at = b->at;
    b->failed = b->failed || !VEC_PUSH(&b->column[at].cells, x) ||
                !VEC_PUSH(&b->column[at].lengths, length) ||
                !VEC_PUSH(&b->column[at].indicators, indicator);
    b->at = (at + 1) % b->columns;
    b->rows += b->at == 0;
}

void bulk_put_number(struct bulk *b, uint64_t x)
{
    assert(b->column[b->at].type == BULK_UNSIGNED || b->column[b->at].type == BULK_SIGNED);
    cell_put(b, x, sizeof(x), STMT_INDICATOR_NONE);
}

void bulk_put_double(struct bulk *b, double x)
{
    assert(b->column[b->at].type == BULK_DOUBLE);
    cell_put(b, number_f64_to_bits(x), sizeof(x),
             isfinite(x) ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL);
}

void bulk_put_bytes(struct bulk *b, struct slice bytes)
{
    assert(b->column[b->at].type == BULK_BYTES);
    size_t offset = b->bytes.len;
    buffer_append_slice(&b->bytes, bytes);
    cell_put(b, offset, bytes.n, STMT_INDICATOR_NONE);
}

void bulk_put_null(struct bulk *b)
{
    assert(b->column[b->at].type == BULK_BYTES);
    cell_put(b, 0, 0, STMT_INDICATOR_NULL);
}

size_t bulk_bytes(const struct bulk *b)
{
    return b->bytes.len + (size_t)b->rows * b->columns * (sizeof(uint64_t) + 1);
}

/* One column's binding. Offsets become addresses only now, when the bytes no longer move. */
static int column_bind(struct bulk *b, unsigned i, MYSQL_BIND *bind)
{
    bind->buffer = b->column[i].cells.v;
    bind->u.indicator = b->column[i].indicators.v;
    switch (b->column[i].type) {
    case BULK_UNSIGNED:
    case BULK_SIGNED:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->is_unsigned = b->column[i].type == BULK_UNSIGNED;
        return 0;
    case BULK_DOUBLE:
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        return 0;
    case BULK_BYTES:
        break;
    }
    const char **addresses = malloc(b->rows * sizeof(addresses[0]));
    if (addresses == NULL)
        return LT_ENOMEM;
    for (uint32_t row = 0; row < b->rows; row++)
        addresses[row] = b->bytes.data + b->column[i].cells.v[row];
    bind->buffer_type = MYSQL_TYPE_BLOB;
    bind->buffer = addresses;
    bind->length = b->column[i].lengths.v;
    return 0;
}

int bulk_run(struct bulk *b, struct conn *c, const char *name, struct slice sql)
{
    if (b->failed || b->bytes.error != 0)
        return LT_ENOMEM;
    if (b->rows == 0)
        return 0;
    assert(b->at == 0);
    MYSQL_BIND binds[BULK_COLUMNS_MAX] = {0};
    int err = 0;
    for (unsigned i = 0; err == 0 && i < b->columns; i++)
        err = column_bind(b, i, &binds[i]);
    if (err == 0)
        err = conn_bulk(c, name, sql, binds, b->rows);
    for (unsigned i = 0; i < b->columns; i++)
        if (b->column[i].type == BULK_BYTES)
            free(binds[i].buffer);
    bulk_reset(b);
    return err;
}
