#include "agent/status.h"

#include "base/attr.h"
#include "base/number.h"

/* Levels: a name, or the beginning of names when it ends in '*'. A counter missing here would show
 * as a level's growth only; a level wrongly here is shown as it is, which misleads less: when in
 * doubt, it is listed. */
static const char *const levels[] = {
    "Uptime",
    "Threads_connected",
    "Threads_running",
    "Threads_cached",
    "Threadpool_*",
    "Open_files",
    "Open_streams",
    "Open_tables",
    "Open_table_definitions",
    "Prepared_stmt_count",
    "Max_used_connections",
    "Memory_used*",
    "Key_blocks_*",
    "Not_flushed_delayed_rows",
    "Delayed_insert_threads",
    "Qcache_free_*",
    "Qcache_queries_in_cache",
    "Qcache_total_blocks",
    "Last_query_cost",
    "Tc_log_page_size",
    "Innodb_buffer_pool_bytes_*",
    "Innodb_buffer_pool_pages_data",
    "Innodb_buffer_pool_pages_dirty",
    "Innodb_buffer_pool_pages_free",
    "Innodb_buffer_pool_pages_misc",
    "Innodb_buffer_pool_pages_old",
    "Innodb_buffer_pool_pages_total",
    "Innodb_checkpoint_age",
    "Innodb_checkpoint_max_age",
    "Innodb_checkpoint_target_age",
    "Innodb_data_pending_*",
    "Innodb_history_list_length",
    "Innodb_ibuf_free_list",
    "Innodb_ibuf_segment_size",
    "Innodb_ibuf_size",
    "Innodb_mem_*",
    "Innodb_num_open_files",
    "Innodb_os_log_pending_*",
    "Innodb_page_size",
    "Innodb_row_lock_current_waits",
    "Innodb_row_lock_time_avg",
    "Innodb_row_lock_time_max",
    "Rpl_*_clients",
    "Slave_open_temp_tables",
    "Slave_connections",
    "Slaves_connected",
    "Slaves_running",
    "Ssl_*",
    "wsrep_cluster_size",
    "wsrep_local_recv_queue",
    "wsrep_local_send_queue",
    "wsrep_flow_control_*",
};

static bool is_level(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        struct slice level = slice_str(levels[i]);
        size_t star = slice_find(level, '*');
        if (star == level.n
                ? slice_eq(name, level)
                : name.n >= star && slice_eq(slice_upto(name, star), slice_upto(level, star)))
            return true;
    }
    return false;
}

/* Did the server start anew since the round before? Must be known before any counter is compared.
 */
static bool restarted(struct deltas *d, const struct status_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t uptime;
        uint64_t delta;
        if (slice_eq_str(rows[i].name, "Uptime") && number_parse_u64(rows[i].value, &uptime) == 0)
            return deltas_read(d, hash_bytes(rows[i].name), uptime, &delta) == DELTA_RESET;
    }
    return false;
}

bool status_read(struct deltas *d, const struct status_row *rows, uint32_t count, struct sample *s)
{
    deltas_begin(d);
    bool measured = !restarted(d, rows, count) && d->primed;
    for (uint32_t i = 0; i < count; i++) {
        struct slice name = rows[i].name;
        uint64_t value;
        double level;
        uint64_t delta;
        if (is_level(name)) {
            if (number_parse_f64(rows[i].value, &level) == 0)
                sample_put(s, level, "host.mysql.levels.%.*s", (int)name.n, name.p);
            continue;
        }
        if (number_parse_u64(rows[i].value, &value) != 0)
            continue;
        deltas_read(d, hash_bytes(name), value, &delta);
        sample_delta(s, delta, "host.mysql.%.*s", (int)name.n, name.p);
    }
    return measured;
}
