#include "agent/machine.h"

#include "agent/proc.h"
#include "agent/procs.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CPU, MEMORY, LOAD, DISK, NET, PROCS, COLLECTORS };

static const struct {
    const char *name;
    const char *path;
} collectors[COLLECTORS] = {
    [CPU] = {"cpu", "/proc/stat"},      [MEMORY] = {"memory", "/proc/meminfo"},
    [LOAD] = {"load", "/proc/loadavg"}, [DISK] = {"disk", "/proc/diskstats"},
    [NET] = {"net", "/proc/net/dev"},   [PROCS] = {"procs", "/proc"},
};

/* /proc/stat has a line a core and a word an interrupt: some KiB; the bound is against surprises.
 */
enum { FILE_BYTES_MAX = 1 << 20, CPU_SHARE = 20 };

struct machine {
    struct deltas deltas[COLLECTORS];
    struct procs procs;
    uint32_t procs_most;
    struct sample sample;
    struct buffer text;
    int64_t due_ms[COLLECTORS];
    bool complained[COLLECTORS];
};

int machine_create(uint32_t procs_most, struct machine **out)
{
    struct machine *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return LT_ENOMEM;
    for (int i = 0; i < COLLECTORS; i++)
        deltas_init(&m->deltas[i]);
    procs_init(&m->procs, (uint64_t)sysconf(_SC_CLK_TCK), (uint64_t)sysconf(_SC_PAGESIZE));
    m->procs_most = procs_most;
    sample_init(&m->sample);
    buffer_init(&m->text, FILE_BYTES_MAX);
    *out = m;
    return 0;
}

void machine_destroy(struct machine **machine)
{
    struct machine *m = *machine;
    if (m == NULL)
        return;
    for (int i = 0; i < COLLECTORS; i++)
        deltas_fini(&m->deltas[i]);
    procs_fini(&m->procs);
    sample_fini(&m->sample);
    buffer_fini(&m->text);
    free(m);
    *machine = NULL;
}

/* The whole file into m->text. 0 or LT_EIO. */
static int slurp(struct machine *m, const char *path)
{
    buffer_reset(&m->text, FILE_BYTES_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return LT_EIO;
    int status = LT_EIO;
    for (;;) {
        enum { CHUNK = 4096 };
        char *room = buffer_reserve(&m->text, CHUNK);
        ssize_t n = room == NULL ? -1 : read(fd, room, CHUNK);
        if (n < 0)
            break;
        m->text.len += (size_t)n;
        if (n == 0) {
            status = 0;
            break;
        }
    }
    close(fd);
    return status;
}

/* A disk, not a partition; not what only shows other disks' bytes again (loop), nor memory. */
static bool is_disk(void *arg, struct slice device)
{
    char path[96];
    if ((device.n >= 4 && memcmp(device.p, "loop", 4) == 0) ||
        (device.n >= 3 && memcmp(device.p, "ram", 3) == 0) || device.n > 32)
        return false;
    snprintf(path, sizeof(path), "/sys/block/%.*s", (int)device.n, device.p);
    return access(path, F_OK) == 0;
}

static int collect_procs(struct machine *m)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return LT_EIO;
    procs_begin(&m->procs);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        char path[64];
        snprintf(path, sizeof(path), "/proc/%.20s/stat", entry->d_name);
        if (slurp(m, path) == 0) /* else it ended meanwhile */
            procs_add(&m->procs, buffer_slice(&m->text));
    }
    closedir(dir);
    return 0;
}

static void name_procs(struct machine *m, uint32_t busiest, machine_text *text, void *arg)
{
    for (uint32_t i = 0; i < busiest; i++) {
        const struct process *process = &m->procs.busy.v[i];
        char stem[64];
        snprintf(stem, sizeof(stem), "host.procs.%" PRIu32, process->pid);
        text(arg, slice_str(stem), slice_str(process->comm));
        snprintf(stem, sizeof(stem), "host.procs.memory.%" PRIu32, process->pid);
        text(arg, slice_str(stem), slice_str(process->comm));
    }
}

static bool has_deltas(int collector)
{
    return collector != MEMORY && collector != LOAD;
}

/* LT_EAGAIN: the reading was a baseline, which measures nothing. */
static int collect_one(struct machine *m, int collector, machine_text *text, void *arg)
{
    struct sample *s = &m->sample;
    struct deltas *d = &m->deltas[collector];
    int status = collector == PROCS ? collect_procs(m) : slurp(m, collectors[collector].path);
    if (status != 0)
        return status;
    struct slice input = buffer_slice(&m->text);
    switch (collector) {
    case CPU:
        proc_cpu(input, d, s);
        break;
    case MEMORY:
        proc_memory(input, s);
        break;
    case LOAD:
        proc_load(input, s);
        break;
    case DISK:
        proc_disk(input, is_disk, NULL, d, s);
        break;
    case NET:
        proc_net(input, d, s);
        break;
    case PROCS:
        name_procs(m, procs_finish(&m->procs, m->procs_most, s), text, arg);
        break;
    }
    bool baseline =
        collector == PROCS ? !m->procs.deltas.primed : has_deltas(collector) && !d->primed;
    return baseline ? LT_EAGAIN : 0;
}

static int64_t thread_cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void machine_collect(struct machine *m, machine_emit *emit, machine_text *text, void *arg)
{
    for (int i = 0; i < COLLECTORS; i++) {
        int64_t now_ms = clock_mono_ms();
        if (now_ms < m->due_ms[i])
            continue;
        int64_t before_ms = thread_cpu_ms();
        sample_reset(&m->sample);
        int status = collect_one(m, i, text, arg);
        m->due_ms[i] = now_ms + CPU_SHARE * (thread_cpu_ms() - before_ms);
        if (status == LT_EAGAIN)
            continue;
        if (status == 0) {
            sample_put(&m->sample, 1, "host.%s.heartbeat", collectors[i].name);
            emit(arg, &m->sample);
        } else if (!m->complained[i]) {
            m->complained[i] = true;
            log_warn("machine", "cannot read %s (%s): host.%s.* is not measured",
                     collectors[i].path, strerror(errno), collectors[i].name);
        }
    }
}
