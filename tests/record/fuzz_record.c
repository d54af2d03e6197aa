/* Any bytes: refused, or a record that keeps its promises and survives being written again. */
#include "base/buffer.h"
#include "base/error.h"
#include "record/control.h"

#include <stdlib.h>
#include <string.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void build_again(const struct record *r, struct record_builder *b)
{
    for (uint32_t i = 0; i < r->points.runs_count; i++) {
        const struct record_run *run = &r->points.runs[i];
        check(record_builder_decide(b, run->decided ? r->epoch : 0) == 0);
        for (uint32_t j = run->first; j < run->first + run->count; j++)
            check(record_builder_point(b, run->observed, r->points.hosts[run->host],
                                       r->points.metrics[r->points.metric_index[j]], run->time_ms,
                                       r->points.values[j], run->policy) == 0);
    }
}

static void compare(const struct record *a, const struct record *b)
{
    bool decided = false, declared = false;
    for (uint32_t i = 0; i < a->points.runs_count; i++) {
        decided |= a->points.runs[i].decided;
        declared |= a->points.runs[i].policy == POLICY_DECLARED;
    }
    check(a->points.count == b->points.count);
    check(b->what == (declared ? RECORD_UNDECIDED : decided ? RECORD_DECIDED : RECORD_POINTS));
    check(b->epoch == (decided ? a->epoch : 0));
    check(memcmp(a->points.values, b->points.values, a->points.count * sizeof(double)) == 0);
    for (uint32_t i = 0; i < a->points.count; i++)
        check(slice_eq(a->points.metrics[a->points.metric_index[i]],
                       b->points.metrics[b->points.metric_index[i]]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_reader *reader = NULL, *again = NULL;
    struct record_builder *builder = NULL;
    struct record record, second;
    struct slice bytes;
    check(record_reader_create(&reader) == 0 && record_reader_create(&again) == 0);
    check(record_builder_create(16 << 20, &builder) == 0);
    int err = record_read(reader, slice_make(data, size), &record);
    check(err == 0 || err == LT_EPARSE || err == LT_EVERSION);
    if (err == 0 && (record.what == RECORD_POINTS || record.what == RECORD_DECIDED ||
                     record.what == RECORD_UNDECIDED)) {
        build_again(&record, builder);
        check(record_builder_finish(builder, record.environment, record.append_ms, &bytes) == 0);
        check(record_read(again, bytes, &second) == 0);
        compare(&record, &second);
    }
    if (err == 0 && (record.what == RECORD_DOOM || record.what == RECORD_FORGET)) {
        struct buffer out;
        buffer_init(&out, 64 * size + 4096 + RECORD_ITEMS_MAX);
        check(record_write_items(&out, record.what, record.environment, record.append_ms,
                                 record.items.round, record.items.category, record.items.items,
                                 record.items.count) == 0);
        check(record_read(again, buffer_slice(&out), &second) == 0);
        check(second.items.count == record.items.count &&
              memcmp(second.items.items, record.items.items,
                     record.items.count * sizeof(record.items.items[0])) == 0);
        buffer_fini(&out);
    }
    if (err == 0 && record.what == RECORD_SERIES) {
        struct buffer out;
        buffer_init(&out, size + 4096);
        check(record_write_series(&out, record.environment, record.append_ms, record.epoch,
                                  record.series.host, record.series.metric, record.series.way,
                                  &record.series.settings, record.series.labels,
                                  record.series.labels_count) == 0);
        check(record_read(again, buffer_slice(&out), &second) == 0);
        check(settings_same(&second.series.settings, &record.series.settings) &&
              second.series.labels_count == record.series.labels_count &&
              second.epoch == record.epoch);
        buffer_fini(&out);
    }
    record_builder_destroy(&builder);
    record_reader_destroy(&again);
    record_reader_destroy(&reader);
    return 0;
}
