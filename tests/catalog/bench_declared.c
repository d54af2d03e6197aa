/* What a declared series of the catalog costs, in bytes and ns, and how long filters take. Not part
 * of `make test`: make build/tests/catalog/bench_declared && build/tests/catalog/bench_declared
 * [MILLIONS] */
#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "catalog/catalog.h"
#include "catalog/declared.h"
#include "catalog/match.h"
#include "support_resident.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOSTS = 1000, LABELS = 5, ROUNDS = 20 };

/* Regions, data centres, applications, owners, and a label that 10 series have. */
static const struct {
    const char *name;
    uint32_t values; /* 0: a tenth of the series */
} labels[LABELS] = {{"region", 10}, {"dc", 100}, {"app", 1000}, {"owner", 20000}, {"group", 0}};

static void declare(struct catalog *c, uint32_t i, uint32_t series)
{
    char host[16], metric[48], text[LABELS][24];
    struct label given[LABELS];
    struct settings settings = settings_none;
    settings.given = SETTINGS_LABELS;
    for (uint32_t l = 0; l < LABELS; l++) {
        uint32_t values = labels[l].values > 0 ? labels[l].values : series / 10 + 1;
        size_t n = (size_t)snprintf(text[l], sizeof(text[l]), "%s-%u", labels[l].name,
                                    (uint32_t)(hash_u64((uint64_t)i * LABELS + l) % values));
        given[l] = (struct label){slice_str(labels[l].name), slice_make(text[l], n)};
    }
    size_t h = (size_t)snprintf(host, sizeof(host), "db%u", i % HOSTS);
    size_t m = (size_t)snprintf(metric, sizeof(metric), "app.%08x.value", i / HOSTS);
    if (catalog_declare(c, i, slice_make(host, h), slice_make(metric, m), RECORD_SERIES_CREATE,
                        &settings, given, LABELS) != 0)
        abort();
}

static int count_keys(void *arg, const struct catalog_key *keys, uint32_t count)
{
    *(uint64_t *)arg += count;
    return 0;
}

static void ask(struct catalog *c, const char *first, const char *second)
{
    struct slice texts[2] = {slice_str(first), slice_str(second)};
    uint64_t found = 0;
    int64_t best = INT64_MAX, worst = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        struct filter filter;
        struct catalog_match *match;
        const char *why;
        int64_t start = clock_mono_ns();
        found = 0;
        arena_init(&arena);
        if (filter_parse(&arena, texts, *second == '\0' ? 1 : 2, &filter, &why) != 0 ||
            catalog_match_create(c, &filter, &match) != 0 ||
            catalog_match_declared(match, count_keys, &found) != 0)
            abort();
        catalog_match_destroy(&match);
        arena_fini(&arena);
        int64_t ns = clock_mono_ns() - start;
        best = ns < best ? ns : best;
        worst = ns > worst ? ns : worst;
    }
    printf("  %-22s %-22s %9llu series  %8.3f ms (worst of %d: %.3f)\n", first, second,
           (unsigned long long)found, (double)best / 1e6, ROUNDS, (double)worst / 1e6);
}

int main(int argc, char **argv)
{
    uint32_t series = (uint32_t)(atof(argc > 1 ? argv[1] : "10") * 1e6);
    struct catalog *c;
    if (catalog_create(1, &c) != 0)
        return 1;
    size_t before = resident_bytes();
    int64_t start = clock_mono_ns(), last = start, longest = 0;
    for (uint32_t i = 0; i < series; i++) {
        declare(c, i, series);
        int64_t now = clock_mono_ns();
        longest = now - last > longest ? now - last : longest;
        last = now;
        if (i % (1 << 16) == 0) /* as flushes do */
            catalog_forget_changes(c, catalog_mark(c));
    }
    catalog_forget_changes(c, catalog_mark(c));
    printf(
        "%u series, %u labels each: %.0f ns to declare one (the longest %.1f ms), %.0f bytes each "
        "(it says %.0f), with their names\n",
        series, LABELS, (double)(last - start) / series, (double)longest / 1e6,
        (double)(resident_bytes() - before) / series, (double)catalog_bytes(c) / series);
    ask(c, "group=group-77", "");
    ask(c, "owner=owner-77", "region=region-3");
    ask(c, "app=app-77", "region!=region-3");
    ask(c, "app=(app-1,app-2,app-3)", "dc=dc-7");
    ask(c, "app=app-77", "host=db77");
    ask(c, "region=region-3", "dc=dc-7");
    ask(c, "region=region-3", "nope=");
    ask(c, "host=db77", "");
    ask(c, "host=(db77,db78)", "dimension=value");
    ask(c, "metric=app.00000077.value", "");
    ask(c, "item=00000077", "");
    ask(c, "category=app.*", "host!=db1");
    struct settings settings;
    uint64_t hits = 0;
    start = clock_mono_ns();
    for (uint32_t i = 0; i < 10000000; i++)
        hits += catalog_deciding(c, SLICE_LIT("db1"), SLICE_LIT("app.00000001.value"), &settings);
    printf("  a write asks what decides, where none does: %.1f ns\n",
           (double)(clock_mono_ns() - start) / 1e7);
    settings = settings_none;
    settings.given = SETTINGS_DUPLICATE;
    settings.duplicate = DUPLICATE_SUM;
    for (uint32_t i = 0; i < 100000; i++) {
        char metric[48];
        size_t m = (size_t)snprintf(metric, sizeof(metric), "sum.%08x.value", i);
        if (catalog_declare(c, series + i, SLICE_LIT("db1"), slice_make(metric, m),
                            RECORD_SERIES_CREATE, &settings, NULL, 0) != 0)
            abort();
    }
    start = clock_mono_ns();
    for (uint32_t i = 0; i < 1000000; i++) {
        char metric[] = "app.00000000.value";
        for (unsigned d = 0; d < 8; d++)
            metric[4 + d] = "0123456789abcdef"[i >> (28 - 4 * d) & 15];
        hits += catalog_deciding(c, SLICE_LIT("db1"), slice_str(metric), &settings);
    }
    printf("  ... where 100,000 others do: %.1f ns (%llu wrong)\n",
           (double)(clock_mono_ns() - start) / 1e6, (unsigned long long)hits);
    catalog_unref(&c);
    return 0;
}
