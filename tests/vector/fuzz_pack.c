#include "base/error.h"
#include "vector/frame.h"
#include "vector/itemset.h"
#include "vector/pack.h"
#include "vector/rank.h"
#include "vector/rollup.h"

#include <stdlib.h>

/* libFuzzer entry: the first byte says what the others are: a rank row's body, an item set, or the
 * two bodies of an observation row, the first as long as the next two bytes say. Bodies get a good
 * checksum, so that the decoders behind it are reached. What decodes must encode and decode again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: they are large, and the bytes are what varies. */
static struct pack_codec *pack;
static struct rollup_codec *rollup;
static struct pack_writer *writer;
static struct rank_page page;
static struct rank_page page_again;
static struct rank_entry entries[RANK_CHUNK_MAX];

static void check(bool good)
{
    if (!good)
        abort();
}

static void frame(uint8_t version, struct slice raw, struct buffer *body)
{
    size_t start = frame_begin(body);
    buffer_append_slice(body, raw);
    check(frame_end(version, start, body) == 0);
}

static void fuzz_rank(uint8_t kind, struct slice body)
{
    struct buffer again;
    struct rank_total total;
    uint32_t n;
    buffer_init(&again, SIZE_MAX);
    if (kind == 0 && rank_total_decode(body, &total) == 0) {
        check(rank_total_encode(&total, &again) == 0);
        check(rank_total_decode(buffer_slice(&again), &total) == 0);
    } else if (kind == 1 && rank_top_decode(body, entries, &n) == 0) {
        check(rank_top_encode(entries, n, &again) == 0);
        check(rank_top_decode(buffer_slice(&again), entries, &n) == 0);
    } else if (kind == 2 && rank_page_decode(7, body, 7, &page) == 0) {
        check(rank_page_encode(7, &page, &again) == 0);
        check(rank_page_decode(7, buffer_slice(&again), 7, &page_again) == 0);
        check(page.count == page_again.count);
    }
    buffer_fini(&again);
}

static void fuzz_itemset(struct slice encoded)
{
    struct itemset *set;
    uint64_t said;
    check(itemset_create(&set) == 0);
    if (itemset_merge(set, encoded) == 0) {
        struct buffer again;
        buffer_init(&again, SIZE_MAX);
        check(itemset_encode(set, &again) == 0);
        check(itemset_check(buffer_slice(&again), &said) == 0 && said == itemset_count(set));
        buffer_fini(&again);
    }
    itemset_destroy(&set);
}

static int on_bucket(void *arg, uint32_t item, const struct rollup_bucket *bucket)
{
    return 0;
}

static void fuzz_row(uint8_t kind, struct slice summaries, struct slice vectors)
{
    struct pack_summaries s;
    struct pack_points p;
    if (kind == 4) {
        (void)!rollup_open(rollup, 0, 60000, summaries, vectors, NULL, 0, on_bucket, NULL);
        return;
    }
    (void)!pack_open_summaries(pack, summaries, PACK_ALL, &s);
    if (pack_open_points(pack, 0, summaries, vectors, NULL, 0, &p) != 0)
        return;
    pack_begin(writer, 0);
    for (uint32_t i = 0, end; i < p.count && !pack_is_full(writer); i = end) {
        for (end = i + 1; end < p.count && p.items[end] == p.items[i];)
            end++;
        struct vector_points points = {end - i, p.times_ms + i, p.values + i};
        check(pack_add(writer, p.items[i], &points, NULL) == 0);
    }
    struct pack_row row;
    check(pack_finish(writer, &row) == 0);
    check(pack_open_points(pack, 0, row.summaries, row.vectors, NULL, 0, &p) == 0);
    check(p.count == row.points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (pack == NULL)
        check(pack_codec_create(&pack) == 0 && rollup_codec_create(&rollup) == 0 &&
              pack_writer_create(&writer) == 0);
    if (size < 4)
        return 0;
    uint8_t kind = data[0] % 6;
    size_t first = frame_get((const char *)data + 1, 2);
    struct slice rest = slice_make(data + 3, size - 3);
    if (kind == 3) {
        fuzz_itemset(rest);
        return 0;
    }
    struct buffer one;
    struct buffer two;
    buffer_init(&one, SIZE_MAX);
    buffer_init(&two, SIZE_MAX);
    if (kind < 3) {
        frame(kind == 1 ? 2 : 1, rest, &one);
        fuzz_rank(kind, buffer_slice(&one));
    } else {
        first = first < rest.n ? first : rest.n;
        frame(1, slice_upto(rest, first), &one);
        frame(1, slice_from(rest, first), &two);
        fuzz_row(kind, buffer_slice(&one), buffer_slice(&two));
    }
    buffer_fini(&one);
    buffer_fini(&two);
    return 0;
}
