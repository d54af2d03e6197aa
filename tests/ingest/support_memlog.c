#include "support_memlog.h"

#include <stdlib.h>
#include <string.h>

struct memlog_append {
    struct memlog_append *next;
    uint32_t partition;
    struct slice bytes;
    log_done *done;
    void *arg;
};

static int memlog_append(struct log *log, uint32_t partition, struct slice record, log_done *done,
                         void *arg)
{
    struct memlog *m = (struct memlog *)log;
    if (m->refuse != 0)
        return m->refuse;
    struct memlog_append *a = malloc(sizeof(*a));
    char *copy = malloc(record.n);
    if (a == NULL || copy == NULL)
        abort();
    memcpy(copy, record.p, record.n);
    *a = (struct memlog_append){NULL, partition, slice_make(copy, record.n), done, arg};
    *m->end = a;
    m->end = &a->next;
    m->waiting++;
    m->waiting_bytes += record.n;
    return 0;
}

static const struct log_ops memlog_ops = {.append = memlog_append};

void memlog_init(struct memlog *m)
{
    *m = (struct memlog){.log = {&memlog_ops, 2}};
    m->end = &m->first;
}

void memlog_fini(struct memlog *m)
{
    while (m->waiting > 0)
        memlog_decide(m, LOG_UNKNOWN, false);
    for (uint32_t i = 0; i < m->stored_count; i++)
        free((char *)m->stored[i].bytes.p);
    free(m->stored);
}

static uint64_t keep(struct memlog *m, const struct memlog_append *a)
{
    m->stored = realloc(m->stored, (m->stored_count + 1) * sizeof(m->stored[0]));
    if (m->stored == NULL)
        abort();
    uint64_t offset = m->next[a->partition]++;
    m->stored[m->stored_count++] = (struct memlog_record){a->partition, offset, a->bytes};
    return offset;
}

void memlog_decide(struct memlog *m, enum log_outcome outcome, bool stored_too)
{
    struct memlog_append *a = m->first;
    m->first = a->next;
    if (m->first == NULL)
        m->end = &m->first;
    m->waiting--;
    m->waiting_bytes -= a->bytes.n;
    struct log_report report = {.outcome = outcome, .partition = a->partition};
    if (outcome == LOG_STORED || (outcome == LOG_UNKNOWN && stored_too)) {
        uint64_t offset = keep(m, a);
        if (outcome == LOG_STORED)
            report.offset = offset;
    } else {
        free((char *)a->bytes.p);
    }
    if (outcome != LOG_STORED)
        report.reason = "the test says so";
    a->done(a->arg, &report);
    free(a);
}
