#include "mysql/select.h"

#include "model/block.h"

#include <inttypes.h>

void select_from(struct mysql_session *s, enum schema_kind kind, const struct storage_run *run,
                 const char *index)
{
    struct schema_table table = schema_table_of(s->environment, kind, run);
    buffer_append_str(&s->sql, " FROM ");
    schema_put_run_table(&s->sql, s->storage->prefix, &table);
    buffer_printf(&s->sql, " FORCE INDEX (%s)", index);
}

static void put_ids(struct buffer *sql, const uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(sql, "%s%" PRIu32, i > 0 ? "," : "", ids[i]);
}

void select_in(struct buffer *sql, const char *column, const uint32_t *ids, uint32_t count)
{
    buffer_printf(sql, " AND %s IN (", column);
    put_ids(sql, ids, count);
    buffer_append_str(sql, ")");
}

void select_category(struct buffer *sql, const struct block_filter *filter)
{
    if (filter->categories == NULL) {
        buffer_printf(sql, " WHERE category = %" PRIu32, filter->category);
        return;
    }
    buffer_append_str(sql, " WHERE category IN (");
    put_ids(sql, filter->categories, filter->categories_count);
    buffer_append_str(sql, ")");
}

void select_near(struct buffer *sql, const char *column, const uint32_t *ids, uint32_t count)
{
    if (ids == NULL)
        return;
    if (count <= SELECT_LISTED_MAX)
        select_in(sql, column, ids, count);
    else
        buffer_printf(sql, " AND %s BETWEEN %" PRIu32 " AND %" PRIu32, column, ids[0],
                      ids[count - 1]);
}

void select_times(struct buffer *sql, int64_t from_ms, int64_t to_ms)
{
    buffer_printf(sql, " AND max_ms >= %" PRId64 " AND min_ms <= %" PRId64, from_ms,
                  block_last_ms(to_ms));
}
