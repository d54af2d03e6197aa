#include "agent/procs.h"

#include "agent/proc.h"
#include "base/number.h"

#include <inttypes.h>
#include <stdio.h>

void procs_init(struct procs *p, uint64_t ticks_per_second, uint64_t page_bytes)
{
    *p = (struct procs){.tick_ms = 1000 / ticks_per_second, .page_bytes = page_bytes};
    deltas_init(&p->deltas);
}

void procs_fini(struct procs *p)
{
    deltas_fini(&p->deltas);
    VEC_FINI(&p->busy);
}

void procs_begin(struct procs *p)
{
    deltas_begin(&p->deltas);
    p->busy.n = 0;
}

/* pid (comm) state ppid … : comm may hold blanks and parentheses, so its end is the last ')'. */
static bool stat_fields(struct slice text, struct process *out, uint64_t *ticks_out,
                        uint64_t *started_out)
{
    enum { STATE = 0, UTIME = 11, STIME = 12, STARTED = 19, RSS = 21, FIELDS = 22 };
    size_t open = slice_find(text, '(');
    size_t close = text.n;
    while (close > open && text.p[close - 1] != ')')
        close--;
    uint64_t pid;
    struct slice head = slice_upto(text, open);
    if (close <= open + 1 || number_parse_u64(proc_word(&head), &pid) != 0 || pid > UINT32_MAX)
        return false;
    struct slice rest = slice_from(text, close);
    uint64_t fields[FIELDS] = {0};
    proc_word(&rest); /* the state's letter */
    for (int i = STATE + 1; i < FIELDS; i++) {
        int64_t value; /* some (tty_nr, tpgid, nice) may be negative; none of ours */
        if (number_parse_i64(proc_word(&rest), &value) != 0)
            return false;
        fields[i] = value > 0 ? (uint64_t)value : 0;
    }
    *out = (struct process){.pid = (uint32_t)pid, .rss_bytes = fields[RSS]};
    sample_component(slice_make(text.p + open + 1, close - open - 2), out->comm, sizeof(out->comm));
    *ticks_out = fields[UTIME] + fields[STIME];
    *started_out = fields[STARTED];
    return true;
}

void procs_add(struct procs *p, struct slice text)
{
    struct process process;
    uint64_t ticks;
    uint64_t started;
    if (!stat_fields(text, &process, &ticks, &started))
        return;
    /* A pid that is used again is another process: its start belongs to the key. */
    uint64_t key = hash_u64(hash_u64(process.pid) ^ started);
    uint64_t delta;
    if (deltas_read(&p->deltas, key, ticks, &delta) == DELTA_NEW && p->deltas.primed)
        delta = ticks;
    process.cpu_ms = delta * p->tick_ms;
    process.rss_bytes *= p->page_bytes;
    if (delta > 0)
        (void)VEC_PUSH(&p->busy, process); /* out of memory: not among the busiest */
}

static int by_cpu(const void *a, const void *b)
{
    const struct process *x = a;
    const struct process *y = b;
    if (x->cpu_ms != y->cpu_ms)
        return x->cpu_ms < y->cpu_ms ? 1 : -1;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

uint32_t procs_finish(struct procs *p, uint32_t most, struct sample *s)
{
    if (p->busy.n > 0)
        qsort(p->busy.v, p->busy.n, sizeof(p->busy.v[0]), by_cpu);
    uint64_t other_ms = 0;
    for (uint32_t i = 0; i < p->busy.n; i++) {
        const struct process *process = &p->busy.v[i];
        if (i >= most) {
            other_ms += process->cpu_ms;
            continue;
        }
        sample_delta(s, process->cpu_ms, "host.procs.%" PRIu32 ".cpu_ms", process->pid);
        sample_put(s, (double)process->rss_bytes, "host.procs.memory.%" PRIu32 ".rss_bytes",
                   process->pid);
    }
    sample_delta(s, other_ms, "host.procs.other.cpu_ms");
    return p->busy.n < most ? p->busy.n : most;
}
