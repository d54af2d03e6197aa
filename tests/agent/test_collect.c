/* From text and rows to points: the collectors' pure parts, on files captured from a machine. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/digests.h"
#include "agent/proc.h"
#include "agent/procs.h"
#include "agent/status.h"

#include <stdio.h>

static char file_text[1 << 16];

static struct slice captured(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "tests/agent/proc/%s", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(file_text, 1, sizeof(file_text), file);
    fclose(file);
    return slice_make(file_text, n);
}

static void assert_sample(struct sample *s, const char *expected)
{
    buffer_append(&s->lines, "", 1);
    assert_string_equal(s->lines.data, expected);
    sample_reset(s);
}

static void test_cpu_is_percent_of_all_cores(void **state)
{
    struct deltas d;
    struct sample s;
    deltas_init(&d);
    sample_init(&s);
    proc_cpu(captured("stat.1"), &d, &s);
    assert_sample(&s, "host.cpu.procs_running 2\nhost.cpu.procs_blocked 0\n");
    proc_cpu(captured("stat.2"), &d, &s);
    assert_sample(&s, "host.cpu.user 0\nhost.cpu.nice 0\nhost.cpu.system 0.5\n"
                      "host.cpu.idle 99.5\nhost.cpu.iowait 0\nhost.cpu.irq 0\n"
                      "host.cpu.softirq 0\nhost.cpu.steal 0\nhost.cpu.busy 0.5\n"
                      "host.cpu.total.context_switches 187\nhost.cpu.total.forks 8\n"
                      "host.cpu.procs_running 2\nhost.cpu.procs_blocked 0\n");
    deltas_fini(&d);
    sample_fini(&s);
}

static void test_memory_and_load(void **state)
{
    struct sample s;
    sample_init(&s);
    proc_memory(captured("meminfo"), &s);
    assert_int_equal(s.points, 11);
    assert_memory_equal(s.lines.data, "host.memory.total_bytes 25276514304\n", 36);
    sample_reset(&s);
    proc_load(captured("loadavg"), &s);
    assert_sample(&s, "host.load.load1 0.08\nhost.load.load5 0.14\nhost.load.load15 0.09\n"
                      "host.load.threads 111\n");
    sample_fini(&s);
}

static bool is_vda(void *arg, struct slice device)
{
    return slice_eq_str(device, "vda");
}

static bool is_none(void *arg, struct slice device)
{
    return false;
}

static void test_disk_deltas(void **state)
{
    struct deltas d;
    struct sample s;
    deltas_init(&d);
    sample_init(&s);
    proc_disk(captured("diskstats.1"), is_vda, NULL, &d, &s);
    assert_int_equal(s.points, 0);
    proc_disk(captured("diskstats.2"), is_vda, NULL, &d, &s);
    assert_sample(&s, "host.disk.vda.reads 17\nhost.disk.vda.read_bytes 413696\n"
                      "host.disk.vda.read_ms 5\nhost.disk.vda.writes 95\n"
                      "host.disk.vda.write_bytes 5189632\nhost.disk.vda.write_ms 39\n"
                      "host.disk.vda.busy_ms 12\n");
    proc_disk(captured("diskstats.2"), is_none, NULL, &d, &s);
    assert_int_equal(s.points, 0);
    deltas_fini(&d);
    sample_fini(&s);
}

static void test_net_names_are_made_safe(void **state)
{
    const char *head = "Inter-| Receive | Transmit\n face |bytes packets errs\n";
    char first[512];
    char second[512];
    snprintf(first, sizeof(first), "%seth0.7: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n", head);
    snprintf(second, sizeof(second), "%seth0.7:110 2 0 3 0 0 0 0 20 2 0 0 0 0 0 0\n", head);
    struct deltas d;
    struct sample s;
    deltas_init(&d);
    sample_init(&s);
    proc_net(slice_str(first), &d, &s);
    proc_net(slice_str(second), &d, &s);
    assert_sample(&s, "host.net.eth0_7.rx_bytes 100\nhost.net.eth0_7.rx_packets 1\n"
                      "host.net.eth0_7.rx_drops 3\n");
    proc_net(captured("net_dev.1"), &d, &s);
    assert_int_equal(s.points, 0);
    proc_net(captured("net_dev.2"), &d, &s);
    assert_int_equal(s.points, 0); /* nothing happened between the two: no zeros */
    deltas_fini(&d);
    sample_fini(&s);
}

static void add_process(struct procs *p, int pid, const char *comm, int utime, int started)
{
    char text[256];
    snprintf(text, sizeof(text),
             "%d (%s) R 1 1 1 0 -1 4194304 100 0 0 0 %d 1 0 0 20 0 1 0 %d 3133440 3 18446", pid,
             comm, utime, started);
    procs_add(p, slice_str(text));
}

static void test_procs_ranks_and_keeps_the_total(void **state)
{
    struct procs p;
    struct sample s;
    procs_init(&p, 100, 4096);
    sample_init(&s);
    procs_begin(&p);
    add_process(&p, 1, "init", 100, 1);
    add_process(&p, 2, "a) (b", 5, 1);
    add_process(&p, 3, "gone", 5, 1);
    assert_int_equal(procs_finish(&p, 2, &s), 0);
    assert_int_equal(s.points, 0);
    procs_begin(&p);
    add_process(&p, 1, "init", 101, 1);
    add_process(&p, 2, "a) (b", 8, 1);
    add_process(&p, 3, "same pid", 1, 900); /* another process: 1 + 1 ticks since its start */
    procs_add(&p, SLICE_LIT("4 (cut"));
    procs_add(&p, SLICE_LIT("x (y) R 1"));
    assert_int_equal(procs_finish(&p, 2, &s), 2);
    assert_string_equal(p.busy.v[0].comm, "a)_(b");
    assert_sample(&s, "host.procs.2.cpu_ms 30\nhost.procs.memory.2.rss_bytes 12288\n"
                      "host.procs.3.cpu_ms 20\nhost.procs.memory.3.rss_bytes 12288\n"
                      "host.procs.other.cpu_ms 10\n");
    procs_fini(&p);
    sample_fini(&s);
}

static bool read_status(struct deltas *d, struct sample *s, const char *uptime, const char *selects,
                        const char *threads, const char *waits)
{
    const struct status_row rows[] = {
        {SLICE_LIT("Aborted_clients"), SLICE_LIT("7")},
        {SLICE_LIT("Com_select"), slice_str(selects)},
        {SLICE_LIT("Innodb_buffer_pool_load_status"), SLICE_LIT("done")},
        {SLICE_LIT("Innodb_row_lock_waits"), slice_str(waits)},
        {SLICE_LIT("Threads_connected"), slice_str(threads)},
        {SLICE_LIT("Uptime"), slice_str(uptime)},
    };
    sample_reset(s);
    return status_read(d, rows, 6, s);
}

static void test_status_counters_levels_and_restart(void **state)
{
    struct deltas d;
    struct sample s;
    deltas_init(&d);
    sample_init(&s);
    assert_false(read_status(&d, &s, "10", "100", "3", "0"));
    assert_true(read_status(&d, &s, "11", "105", "0", "2"));
    assert_sample(&s, "host.mysql.Com_select 5\nhost.mysql.Innodb_row_lock_waits 2\n"
                      "host.mysql.levels.Threads_connected 0\nhost.mysql.levels.Uptime 11\n");
    /* A restart that passed the old count already: only Uptime tells. */
    assert_false(read_status(&d, &s, "1", "200", "1", "1"));
    assert_true(read_status(&d, &s, "2", "201", "1", "1"));
    assert_sample(&s, "host.mysql.Com_select 1\nhost.mysql.levels.Threads_connected 1\n"
                      "host.mysql.levels.Uptime 2\n");
    /* FLUSH STATUS sets back one counter; another underflows: neither shows, the rest does. */
    assert_true(read_status(&d, &s, "3", "1", "1", "18446744073709551615"));
    assert_sample(&s, "host.mysql.levels.Threads_connected 1\nhost.mysql.levels.Uptime 3\n");
    assert_true(read_status(&d, &s, "4", "4", "1", "9"));
    assert_sample(&s, "host.mysql.Com_select 3\nhost.mysql.levels.Threads_connected 1\n"
                      "host.mysql.levels.Uptime 4\n");
    deltas_fini(&d);
    sample_fini(&s);
}

#define DIGEST_A "0123456789abcdef0123456789abcdef"
#define DIGEST_B "fedcba98765432100123456789abcdef"

static struct digest_row digest(const char *schema, const char *hex, uint64_t count,
                                uint64_t picoseconds)
{
    return (struct digest_row){.schema = slice_str(schema),
                               .digest = slice_str(hex),
                               .first_seen = SLICE_LIT("2026-11-21 12:00:00"),
                               .executions = count,
                               .picoseconds = picoseconds,
                               .rows = count};
}

static void test_digests_sum_schemas_and_lose_no_time(void **state)
{
    struct digests g;
    struct sample s;
    digests_init(&g);
    sample_init(&s);
    struct digest_row first[] = {digest("a", DIGEST_A, 1, 900000), digest("b", DIGEST_A, 5, 0)};
    assert_false(digests_read(&g, first, 2, &s));
    struct digest_row second[] = {digest("a", DIGEST_A, 3, 1800000), digest("b", DIGEST_A, 9, 0),
                                  digest("a", "", 2, 2000000), digest("a", DIGEST_B, 1, 10)};
    assert_true(digests_read(&g, second, 4, &s));
    assert_int_equal(g.used.n, 3);
    assert_sample(&s, "host.queries.q.0000000000000000.time_us 2\n"
                      "host.queries.q.0000000000000000.tput 2\n"
                      "host.queries.q.0000000000000000.rows 2\n"
                      "host.queries.q.0123456789abcdef.time_us 1\n"
                      "host.queries.q.0123456789abcdef.tput 6\n"
                      "host.queries.q.0123456789abcdef.rows 6\n"
                      "host.queries.q.fedcba9876543210.tput 1\n"
                      "host.queries.q.fedcba9876543210.rows 1\n");
    digests_fini(&g);
    sample_fini(&s);
}

static void test_digests_baseline_after_truncate(void **state)
{
    struct digests g;
    struct sample s;
    digests_init(&g);
    sample_init(&s);
    struct digest_row rows[] = {digest("a", DIGEST_A, 10, 0), digest("a", DIGEST_B, 1, 0)};
    assert_false(digests_read(&g, rows, 2, &s));
    assert_true(digests_read(&g, rows, 2, &s)); /* measured: nothing happened */
    assert_int_equal(s.points, 0);
    assert_false(digests_read(&g, rows + 1, 1, &s)); /* one is gone */
    rows[0].executions = 50;
    assert_true(digests_read(&g, rows, 2, &s)); /* a new one beside a known one */
    assert_int_equal(s.points, 2);
    sample_reset(&s);
    rows[0].executions = 2;
    assert_false(digests_read(&g, rows, 2, &s)); /* backwards */
    rows[0].executions = 90;
    rows[0].first_seen = SLICE_LIT("2026-11-21 12:00:09");
    rows[1].executions = 2;
    assert_false(digests_read(&g, rows, 2, &s)); /* first seen later: emptied in between */
    assert_int_equal(s.points, 0);
    rows[1].executions = 3;
    assert_true(digests_read(&g, rows, 2, &s));
    assert_int_equal(s.points, 1); /* one more execution */
    digests_fini(&g);
    sample_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_is_percent_of_all_cores),
        cmocka_unit_test(test_memory_and_load),
        cmocka_unit_test(test_disk_deltas),
        cmocka_unit_test(test_net_names_are_made_safe),
        cmocka_unit_test(test_procs_ranks_and_keeps_the_total),
        cmocka_unit_test(test_status_counters_levels_and_restart),
        cmocka_unit_test(test_digests_sum_schemas_and_lose_no_time),
        cmocka_unit_test(test_digests_baseline_after_truncate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
