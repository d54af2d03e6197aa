#include "command/read_request.h"
#include "command_table.h"

#include <ctype.h>

/* TS.INFO key [DEBUG]: 14 pairs, as RedisTimeSeries has them. Chunks are the reference's: here they
 * say how many it would have about, of the size that was declared. */

enum {
    INFO_PAIRS = 14,
    DEBUG_PAIRS = 2,
    CHUNK_PAIRS = 5,
    /* About: the name in the catalog (catalog/items.h), a declaration (catalog/declared.h), a point
     * in the head (store/segment.h). */
    NAME_MEMORY_BYTES = 30,
    DECLARED_MEMORY_BYTES = 130,
    POINT_MEMORY_BYTES = 25,
    /* of a point in the reference's chunks, about */
    COMPRESSED_BYTES = 4,
    UNCOMPRESSED_BYTES = 16,
};

static uint64_t chunk_points(const struct settings *s)
{
    uint64_t points = s->chunk_bytes /
                      (s->encoding == ENCODING_COMPRESSED ? COMPRESSED_BYTES : UNCOMPRESSED_BYTES);
    return points > 0 ? points : 1;
}

static int64_t chunk_count(const struct result_info *info)
{
    uint64_t each = chunk_points(&info->key.settings);
    return info->points == 0 ? 1 : (int64_t)((info->points + each - 1) / each);
}

static int64_t memory_bytes(const struct result_info *info)
{
    return NAME_MEMORY_BYTES + (info->key.declared ? DECLARED_MEMORY_BYTES : 0) +
           POINT_MEMORY_BYTES * (int64_t)info->key.points_in_memory;
}

static void put_simple(struct resp_writer w, const char *name, const char *text)
{
    resp_bulk_str(w, name);
    if (text != NULL)
        resp_simple(w, slice_str(text));
    else
        resp_null(w);
}

/* As replies of the reference have it here: in capitals. */
static void put_aggregator(struct resp_writer w, enum aggregator aggregator)
{
    const char *text = aggregator_text(aggregator);
    char capitals[16];
    size_t n = 0;
    for (; text[n] != '\0' && n < sizeof(capitals); n++)
        capitals[n] = (char)toupper((unsigned char)text[n]);
    resp_simple(w, slice_make(capitals, n));
}

static void put_rules(struct resp_writer w, const struct result_key *key)
{
    resp_bulk_str(w, "rules");
    resp_entries(w, key->rules_count);
    for (uint32_t i = 0; i < key->rules_count; i++) {
        const struct result_rule *rule = &key->rules[i];
        resp_entry(w, rule->destination, 3);
        resp_integer(w, rule->bucket_ms);
        put_aggregator(w, rule->aggregator);
        resp_integer(w, rule->align_ms);
    }
}

static void put_source(struct resp_writer w, struct slice source)
{
    resp_bulk_str(w, "sourceKey");
    if (source.p != NULL)
        resp_bulk(w, source);
    else
        resp_null(w);
}

static void put_info(struct resp_writer w, const struct result_info *info)
{
    const struct settings *s = &info->key.settings;
    resp_pair_integer(w, "totalSamples", (int64_t)info->points);
    resp_pair_integer(w, "memoryUsage", memory_bytes(info));
    resp_pair_integer(w, "firstTimestamp", info->first_ms);
    resp_pair_integer(w, "lastTimestamp", info->last_ms);
    resp_pair_integer(w, "retentionTime", s->retention_ms);
    resp_pair_integer(w, "chunkCount", chunk_count(info));
    resp_pair_integer(w, "chunkSize", s->chunk_bytes);
    put_simple(w, "chunkType", encoding_text(s->encoding));
    put_simple(w, "duplicatePolicy", duplicate_text(s->duplicate));
    resp_bulk_str(w, "labels");
    render_labels(w, info->labels, info->labels_count, 0);
    put_source(w, info->source_key);
    put_rules(w, &info->key);
    resp_pair_integer(w, "ignoreMaxTimeDiff", s->ignore_ms);
    resp_bulk_str(w, "ignoreMaxValDiff");
    resp_double(w, s->ignore_value);
}

/* All of it as one chunk. */
static void put_chunks(struct resp_writer w, const struct result_info *info)
{
    uint64_t bytes =
        info->points * (info->key.settings.encoding == ENCODING_COMPRESSED ? COMPRESSED_BYTES
                                                                           : UNCOMPRESSED_BYTES);
    resp_bulk_str(w, "Chunks");
    resp_array(w, 1);
    resp_map(w, CHUNK_PAIRS);
    resp_pair_integer(w, "startTimestamp", info->first_ms);
    resp_pair_integer(w, "endTimestamp", info->last_ms);
    resp_pair_integer(w, "samples", (int64_t)info->points);
    resp_pair_integer(w, "size", (int64_t)bytes);
    resp_bulk_str(w, "bytesPerSample");
    resp_sample_value(w, info->points == 0 ? 0 : (double)bytes / (double)info->points);
}

static void render(struct resp_writer w, const struct result_info *info, bool debug)
{
    if (!info->key.known) {
        resp_error(w, SLICE_LIT("ERR TSDB: the key does not exist"));
        return;
    }
    resp_map(w, INFO_PAIRS + (debug ? DEBUG_PAIRS : 0));
    put_info(w, info);
    if (!debug)
        return;
    resp_pair_bulk(w, "keySelfName", info->name);
    put_chunks(w, info);
}

static void render_info(struct resp_writer w, const union query_result *result,
                        enum render_format format)
{
    render(w, &result->info, false);
}

static void render_debug(struct resp_writer w, const union query_result *result,
                         enum render_format format)
{
    render(w, &result->info, true);
}

void series_info(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_INFO,
                              .command = "TS.INFO",
                              .keys = &call->argv[1],
                              .keys_count = 1,
                              .to_ms = INT64_MAX};
    bool debug = call->argc > 2 && slice_ieq_str(call->argv[2], "DEBUG");
    if (read_check_key(call, call->argv[1]))
        read_submit(call, &spec, debug ? render_debug : render_info, RENDER_NESTED);
}
