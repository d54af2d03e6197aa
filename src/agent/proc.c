#include "agent/proc.h"

#include "base/number.h"

#include <math.h>

struct slice proc_line(struct slice *rest)
{
    struct slice line = {rest->p, 0};
    while (rest->n > 0 && line.n == 0) {
        line = slice_upto(*rest, slice_find(*rest, '\n'));
        *rest = slice_from(*rest, line.n < rest->n ? line.n + 1 : rest->n);
    }
    return line;
}

struct slice proc_word(struct slice *rest)
{
    size_t start = 0;
    while (start < rest->n && (rest->p[start] == ' ' || rest->p[start] == '\t'))
        start++;
    size_t end = start;
    while (end < rest->n && rest->p[end] != ' ' && rest->p[end] != '\t')
        end++;
    struct slice word = slice_make(rest->p + start, end - start);
    *rest = slice_from(*rest, end);
    return word;
}

/* Reads up to max numbers; how many there were. */
static int numbers(struct slice rest, uint64_t *out, int max)
{
    int n = 0;
    while (n < max && number_parse_u64(proc_word(&rest), &out[n]) == 0)
        n++;
    return n;
}

static uint64_t counter_key(struct slice name, int column)
{
    return hash_u64(hash_bytes(name) + (uint64_t)column);
}

/* ---- cpu ---- */

static void cpu_states(struct slice rest, struct deltas *d, struct sample *s)
{
    /* guest time is part of user, and so is left out */
    static const char *const states[] = {"user",   "nice", "system",  "idle",
                                         "iowait", "irq",  "softirq", "steal"};
    enum { STATES = ARRAY_LEN(states), IDLE = 3, IOWAIT = 4 };
    uint64_t jiffies[STATES] = {0};
    uint64_t spent[STATES];
    int n = numbers(rest, jiffies, STATES);
    uint64_t total = 0;
    for (int i = 0; i < n; i++) {
        /* iowait may go backwards by a jiffy: that is no time spent, and no reason to lose the rest
         */
        deltas_read(d, counter_key(SLICE_LIT("cpu"), i), jiffies[i], &spent[i]);
        total += spent[i];
    }
    if (total == 0 || n <= IOWAIT)
        return;
    for (int i = 0; i < n; i++)
        sample_put(s, round(10000.0 * (double)spent[i] / (double)total) / 100, "host.cpu.%s",
                   states[i]);
    sample_put(s,
               round(10000.0 * (double)(total - spent[IDLE] - spent[IOWAIT]) / (double)total) / 100,
               "host.cpu.busy");
}

void proc_cpu(struct slice text, struct deltas *d, struct sample *s)
{
    deltas_begin(d);
    for (struct slice line; (line = proc_line(&text)).n > 0;) {
        struct slice name = proc_word(&line);
        uint64_t value;
        uint64_t delta;
        if (slice_eq_str(name, "cpu"))
            cpu_states(line, d, s);
        else if (numbers(line, &value, 1) == 0)
            continue;
        else if (slice_eq_str(name, "procs_running") || slice_eq_str(name, "procs_blocked"))
            sample_put(s, (double)value, "host.cpu.%.*s", (int)name.n, name.p);
        else if (slice_eq_str(name, "ctxt")) {
            deltas_read(d, counter_key(name, 0), value, &delta);
            sample_delta(s, delta, "host.cpu.total.context_switches");
        } else if (slice_eq_str(name, "processes")) {
            deltas_read(d, counter_key(name, 0), value, &delta);
            sample_delta(s, delta, "host.cpu.total.forks");
        }
    }
}

/* ---- memory, load ---- */

void proc_memory(struct slice text, struct sample *s)
{
    static const struct {
        const char *field;
        const char *dimension;
    } fields[] = {
        {"MemTotal:", "total"},       {"MemFree:", "free"},        {"MemAvailable:", "available"},
        {"Buffers:", "buffers"},      {"Cached:", "cached"},       {"Dirty:", "dirty"},
        {"Writeback:", "writeback"},  {"AnonPages:", "anonymous"}, {"Slab:", "slab"},
        {"SwapTotal:", "swap_total"}, {"SwapFree:", "swap_free"},
    };
    for (struct slice line; (line = proc_line(&text)).n > 0;) {
        struct slice name = proc_word(&line);
        uint64_t kb;
        if (numbers(line, &kb, 1) == 0)
            continue;
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            if (slice_eq_str(name, fields[i].field))
                sample_put(s, (double)kb * 1024, "host.memory.%s_bytes", fields[i].dimension);
    }
}

void proc_load(struct slice text, struct sample *s)
{
    static const char *const names[] = {"load1", "load5", "load15"};
    struct slice line = proc_line(&text);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        double load;
        if (number_parse_f64(proc_word(&line), &load) == 0)
            sample_put(s, load, "host.load.%s", names[i]);
    }
    struct slice tasks = proc_word(&line); /* running/all */
    size_t slash = slice_find(tasks, '/');
    uint64_t n;
    if (slash < tasks.n && number_parse_u64(slice_from(tasks, slash + 1), &n) == 0)
        sample_put(s, (double)n, "host.load.threads");
}

/* ---- disks, network: a table of counters a device ---- */

struct column {
    int at; /* which number of the line */
    int unit;
    const char *dimension;
};

static void device_deltas(struct slice device, struct slice rest, const char *category,
                          const struct column *columns, size_t count, struct deltas *d,
                          struct sample *s)
{
    uint64_t values[24];
    int n = numbers(rest, values, ARRAY_LEN(values));
    char name[64];
    sample_component(device, name, sizeof(name));
    for (size_t i = 0; i < count; i++) {
        uint64_t delta;
        if (columns[i].at >= n)
            continue;
        deltas_read(d, counter_key(device, columns[i].at), values[columns[i].at], &delta);
        sample_delta(s, delta * (uint64_t)columns[i].unit, "host.%s.%s.%s", category, name,
                     columns[i].dimension);
    }
}

void proc_disk(struct slice text, proc_is_disk *is_disk, void *arg, struct deltas *d,
               struct sample *s)
{
    /* major minor name | reads merged sectors ms | writes merged sectors ms | in flight, ms,
     * weighted. A sector is 512 bytes here, whatever the device's. */
    static const struct column columns[] = {
        {0, 1, "reads"},         {2, 512, "read_bytes"}, {3, 1, "read_ms"}, {4, 1, "writes"},
        {6, 512, "write_bytes"}, {7, 1, "write_ms"},     {9, 1, "busy_ms"},
    };
    deltas_begin(d);
    for (struct slice line; (line = proc_line(&text)).n > 0;) {
        proc_word(&line);
        proc_word(&line);
        struct slice device = proc_word(&line);
        if (device.n > 0 && is_disk(arg, device))
            device_deltas(device, line, "disk", columns, ARRAY_LEN(columns), d, s);
    }
}

void proc_net(struct slice text, struct deltas *d, struct sample *s)
{
    static const struct column columns[] = {
        {0, 1, "rx_bytes"}, {1, 1, "rx_packets"}, {2, 1, "rx_errors"},  {3, 1, "rx_drops"},
        {8, 1, "tx_bytes"}, {9, 1, "tx_packets"}, {10, 1, "tx_errors"}, {11, 1, "tx_drops"},
    };
    deltas_begin(d);
    for (struct slice line; (line = proc_line(&text)).n > 0;) {
        size_t colon = slice_find(line, ':'); /* the two head lines have none */
        if (colon == line.n)
            continue;
        struct slice before = slice_upto(line, colon);
        device_deltas(proc_word(&before), slice_from(line, colon + 1), "net", columns,
                      ARRAY_LEN(columns), d, s);
    }
}
