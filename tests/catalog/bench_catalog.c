/* What an item of the catalog costs, in bytes and ns. Not part of `make test`:
 * make build/tests/catalog/bench_catalog && build/tests/catalog/bench_catalog [MILLIONS ...]
 *
 * Each size runs in a process of its own, so that its memory is its own. */
#include "base/clock.h"
#include "base/hash.h"
#include "catalog/catalog.h"
#include "catalog/forget.h"
#include "support_resident.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESOLVES = 4000000, ROUNDS = 5 };

static const char prefix[] = "host.queries.c.";
static const char suffix[] = ".time_us";

struct name {
    char text[64];
    size_t n;
};

/* The i-th item's metric: 16 hex digits that look random. */
static struct slice metric_of(struct name *name, uint64_t i)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t x = hash_u64(i + 1);
    char *p = name->text + sizeof(prefix) - 1;
    for (unsigned d = 0; d < 16; d++)
        p[d] = digits[x >> (60 - 4 * d) & 15];
    return slice_make(name->text, name->n);
}

static void name_init(struct name *name)
{
    name->n =
        (size_t)snprintf(name->text, sizeof(name->text), "%s0123456789abcdef%s", prefix, suffix);
}

static void add_all(struct catalog *c, struct name *name, uint32_t items)
{
    int64_t start = clock_mono_ns(), last = start, worst = 0;
    for (uint32_t i = 0; i < items; i++) {
        struct catalog_series s;
        if (catalog_resolve(c, metric_of(name, i), &s) != 0 || s.item != i)
            abort();
        int64_t now = clock_mono_ns();
        worst = now - last > worst ? now - last : worst;
        last = now;
        if (i % (1 << 20) == 0) /* as flushes do */
            catalog_forget_changes(c, catalog_mark(c));
    }
    printf("  add: %4.0f ns an item, the longest call %.1f ms\n", (double)(last - start) / items,
           (double)worst / 1e6);
}

/* The generator's own time is taken off. */
static double resolve_ns(struct catalog *c, struct name *name, uint32_t items)
{
    uint64_t sum = 0;
    int64_t start = clock_mono_ns();
    for (uint32_t i = 0; i < RESOLVES; i++) {
        struct slice metric = metric_of(name, hash_u64(i) % items);
        __asm__ volatile("" : : "r"(metric.p) : "memory");
    }
    int64_t middle = clock_mono_ns();
    for (uint32_t i = 0; i < RESOLVES; i++) {
        struct catalog_series s;
        if (catalog_resolve(c, metric_of(name, hash_u64(i) % items), &s) != 0)
            abort();
        sum += s.item;
    }
    int64_t end = clock_mono_ns();
    if (sum == 0)
        abort();
    return (double)(end - middle - (middle - start)) / RESOLVES;
}

/* The same by the hundred, as the consumer does. */
static double resolve_all_ns(struct catalog *c, uint32_t items)
{
    enum { METRICS = 64 };
    static struct name names[METRICS];
    struct slice metrics[METRICS];
    struct catalog_series series[METRICS];
    int64_t ns = 0;
    for (uint32_t i = 0; i < METRICS; i++)
        name_init(&names[i]);
    for (uint32_t i = 0; i < RESOLVES; i += METRICS) {
        for (uint32_t k = 0; k < METRICS; k++)
            metrics[k] = metric_of(&names[k], hash_u64(i + k) % items);
        int64_t start = clock_mono_ns();
        if (catalog_resolve_all(c, metrics, METRICS, series) != 0)
            abort();
        ns += clock_mono_ns() - start;
    }
    return (double)ns / RESOLVES;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_match(struct catalog *c, uint32_t items, const char *text)
{
    double ms[ROUNDS];
    uint64_t *bits = malloc(((size_t)items + 63) / 64 * sizeof(*bits));
    if (bits == NULL)
        abort();
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_mono_ns();
        if (catalog_match(c, 0, slice_str(text), items, bits) != 0)
            abort();
        ms[i] = (double)(clock_mono_ns() - start) / 1e6;
    }
    uint64_t found = 0;
    for (uint32_t i = 0; i < (items + 63) / 64; i++)
        found += (uint64_t)__builtin_popcountll(bits[i]);
    qsort(ms, ROUNDS, sizeof(ms[0]), order);
    printf("  match '%s': %.0f ms, %llu found (median of %d)\n", text, ms[ROUNDS / 2],
           (unsigned long long)found, ROUNDS);
    free(bits);
}

/* Items in a new hour, at random. */
static void measure_seen(struct catalog *c, uint32_t items)
{
    static uint32_t first[CATALOG_SEEN_ITEMS], last[CATALOG_SEEN_ITEMS];
    int64_t start = clock_mono_ns();
    for (uint32_t i = 0; i < items; i++)
        catalog_seen(c, 0, (uint32_t)(hash_u64(i) % items), INT64_C(490000) * 3600000);
    int64_t middle = clock_mono_ns();
    bool changed;
    for (uint32_t page = 0; catalog_seen_page(c, 0, page, first, last, &changed) > 0;)
        page++;
    int64_t end = clock_mono_ns();
    printf("  seen: %.0f ns an item at random; taking all pages: %.1f ms\n",
           (double)(middle - start) / items, (double)(end - middle) / 1e6);
}

/* Half of them go: every second one, then all of the first half that are left. In records of at
 * most 65,536 ids, as the log has them. */
static void forget(struct catalog *c, const char *what, uint32_t from, uint32_t to, uint32_t step,
                   uint64_t round)
{
    enum { RECORD_ITEMS = 65536 };
    static uint32_t ids[RECORD_ITEMS];
    int64_t doom_ns = 0, forget_ns = 0, worst_ns = 0, start = 0, end = 0;
    uint64_t all = 0;
    for (uint32_t i = from; i < to;) {
        uint32_t n = 0, forgotten;
        for (uint32_t stop = i / RECORD_ITEMS * RECORD_ITEMS + RECORD_ITEMS; i < to && i < stop;
             i += step)
            ids[n++] = i;
        start = clock_mono_ns();
        if (catalog_doom(c, round, 0, ids, n) != 0)
            abort();
        end = clock_mono_ns();
        doom_ns += end - start;
        if (catalog_forget(c, round, 0, ids, n, &forgotten) != 0)
            abort();
        forget_ns += clock_mono_ns() - end;
        worst_ns = clock_mono_ns() - end > worst_ns ? clock_mono_ns() - end : worst_ns;
        all += forgotten;
    }
    start = clock_mono_ns();
    catalog_forget_changes(c, catalog_mark(c));
    catalog_tidy(c);
    end = clock_mono_ns();
    malloc_trim(0);
    printf("  forget %s: %.2f million, doom %.0f ns, forget %.0f ns, tidy %.0f ns an item; the "
           "longest record %.0f ms\n",
           what, (double)all / 1e6, (double)doom_ns / (double)all, (double)forget_ns / (double)all,
           (double)(end - start) / (double)all, (double)worst_ns / 1e6);
}

static void show_memory(struct catalog *c, size_t before)
{
    printf("  memory: %.0f MB resident, %.0f by its own account, %.2f million items\n",
           (double)(resident_bytes() - before) / 1e6, (double)catalog_bytes(c) / 1e6,
           (double)catalog_items(c) / 1e6);
}

static void measure_forget(struct catalog *c, uint32_t items, size_t before)
{
    show_memory(c, before);
    forget(c, "half, every second", 0, items, 2, 1);
    show_memory(c, before);
    forget(c, "the rest of the first half", 1, items / 2, 2, 2);
    show_memory(c, before);
}

static void measure(uint32_t items)
{
    struct name name;
    struct catalog *c;
    name_init(&name);
    size_t before = resident_bytes();
    if (catalog_create(1, &c) != 0)
        abort();
    printf("%.1f million items\n", items / 1e6);
    add_all(c, &name, items);
    catalog_forget_changes(c, catalog_mark(c));
    printf("  memory: %.1f bytes an item resident, %.1f by its own account\n",
           (double)(resident_bytes() - before) / items, (double)catalog_bytes(c) / items);
    double ns[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        ns[i] = resolve_ns(c, &name, items);
    qsort(ns, ROUNDS, sizeof(ns[0]), order);
    printf("  resolve a known name: %.0f ns (median of %d, at random)\n", ns[ROUNDS / 2], ROUNDS);
    for (int i = 0; i < ROUNDS; i++)
        ns[i] = resolve_all_ns(c, items);
    qsort(ns, ROUNDS, sizeof(ns[0]), order);
    printf("  resolve, 64 at a time: %.0f ns (median of %d)\n", ns[ROUNDS / 2], ROUNDS);
    measure_match(c, items, "1374");
    measure_match(c, items, "b");
    measure_match(c, items, "select");
    measure_seen(c, items);
    measure_forget(c, items, before);
    ns[0] = resolve_ns(c, &name, items); /* three quarters of them come back, with new ids */
    printf("  resolve, where three quarters are new: %.0f ns\n", ns[0]);
    catalog_unref(&c);
}

static void measure_apart(uint32_t items)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        measure(items);
        fflush(stdout);
        _exit(0);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        abort();
}

int main(int argc, char **argv)
{
    static const uint32_t usual[] = {1, 10, 20};
    for (int i = 1; i < argc; i++)
        measure_apart((uint32_t)(strtod(argv[i], NULL) * 1e6));
    for (size_t i = 0; argc < 2 && i < sizeof(usual) / sizeof(usual[0]); i++)
        measure_apart(usual[i] * 1000000);
    return 0;
}
