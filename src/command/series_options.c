#include "command/series_options.h"

#include "base/error.h"
#include "base/number.h"
#include "command/read_request.h"

#include <inttypes.h>
#include <math.h>

struct words {
    struct command_call *call;
    uint32_t first;
};

/* The argument behind the keyword; 0: it is not there. It may be behind the last one. */
static uint32_t find(const struct words *w, const char *keyword)
{
    for (uint32_t i = w->first; i < w->call->argc; i++)
        if (slice_ieq_str(w->call->argv[i], keyword))
            return i + 1;
    return 0;
}

/* Empty behind the last one: no option takes that. */
static struct slice word_at(const struct words *w, uint32_t at)
{
    return at < w->call->argc ? w->call->argv[at] : SLICE_LIT("");
}

static bool refuse(const struct words *w, const char *what, struct slice got, const char *expected)
{
    resp_error_printf(w->call->reply, "ERR TSDB: %s: got '%.*s', expected %s; nothing is changed",
                      what, READ_QUOTE(got), expected);
    return false;
}

static bool take_retention(const struct words *w, struct settings *out)
{
    uint32_t at = find(w, "RETENTION");
    if (at == 0)
        return true;
    out->given |= SETTINGS_RETENTION;
    return (number_parse_i64(word_at(w, at), &out->retention_ms) == 0 && out->retention_ms >= 0) ||
           refuse(w, "Couldn't parse RETENTION", word_at(w, at),
                  "milliseconds, 0 for no limit of its own");
}

static bool take_chunk(const struct words *w, struct settings *out)
{
    uint32_t at = find(w, "CHUNK_SIZE");
    int64_t bytes;
    if (at == 0)
        return true;
    if (number_parse_i64(word_at(w, at), &bytes) != 0 || bytes <= 0)
        return refuse(w, "Couldn't parse CHUNK_SIZE", word_at(w, at), "a number of bytes");
    if (bytes < SETTINGS_CHUNK_BYTES_MIN || bytes > SETTINGS_CHUNK_BYTES_MAX ||
        bytes % SETTINGS_CHUNK_BYTES_STEP != 0)
        return refuse(w, "CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]",
                      word_at(w, at), "such a number (it is reported, and has no effect here)");
    out->given |= SETTINGS_CHUNK;
    out->chunk_bytes = (uint32_t)bytes;
    return true;
}

static bool take_encoding(const struct words *w, struct settings *out)
{
    uint32_t at = find(w, "ENCODING");
    if (at != 0 && encoding_parse(word_at(w, at), &out->encoding) != 0)
        return refuse(w, "unknown ENCODING parameter", word_at(w, at),
                      "COMPRESSED or UNCOMPRESSED");
    if (at == 0 && find(w, "UNCOMPRESSED") != 0)
        out->encoding = ENCODING_UNCOMPRESSED;
    else if (at == 0 && find(w, "COMPRESSED") == 0)
        return true;
    out->given |= SETTINGS_ENCODING;
    return true;
}

static bool take_policy(const struct words *w, const char *keyword, const char *why,
                        enum duplicate *out, bool *given_out)
{
    uint32_t at = find(w, keyword);
    *given_out = at != 0;
    return at == 0 || duplicate_parse(word_at(w, at), out) == 0 ||
           refuse(w, why, word_at(w, at), "BLOCK, LAST, FIRST, MIN, MAX or SUM");
}

static bool take_duplicate(const struct words *w, unsigned takes, struct series_options *out)
{
    bool given;
    if (!take_policy(w, "DUPLICATE_POLICY", "Unknown DUPLICATE_POLICY", &out->settings.duplicate,
                     &given))
        return false;
    if (given)
        out->settings.given |= SETTINGS_DUPLICATE;
    return (takes & SERIES_OPTIONS_ON_DUPLICATE) == 0 ||
           take_policy(w, "ON_DUPLICATE", "Unknown ON_DUPLICATE policy", &out->on_duplicate,
                       &given);
}

static bool take_ignore(const struct words *w, struct settings *out)
{
    static const char expected[] = "IGNORE maxTimeDiff maxValDiff, neither of them negative";
    uint32_t at = find(w, "IGNORE");
    if (at == 0)
        return true;
    if (number_parse_i64(word_at(w, at), &out->ignore_ms) != 0 || out->ignore_ms < 0)
        return refuse(w, "Couldn't parse IGNORE", word_at(w, at), expected);
    if (number_parse_f64(word_at(w, at + 1), &out->ignore_value) != 0 || !(out->ignore_value >= 0))
        return refuse(w, "Couldn't parse IGNORE", word_at(w, at + 1), expected);
    out->ignore_value += 0.0; /* no -0 */
    out->given |= SETTINGS_IGNORE;
    return true;
}

static bool is_value(struct slice text)
{
    return slice_find(text, '(') == text.n && slice_find(text, ')') == text.n &&
           slice_find(text, ',') == text.n;
}

static bool take_labels(const struct words *w, struct series_options *out)
{
    uint32_t at = find(w, "LABELS");
    if (at == 0)
        return true;
    out->settings.given |= SETTINGS_LABELS;
    for (; at + 1 < w->call->argc; at += 2) {
        struct label label = {w->call->argv[at], w->call->argv[at + 1]};
        if (label.name.n == 0 || label.value.n == 0 || !is_value(label.value))
            return refuse(w, "Couldn't parse LABELS", label.name.n == 0 ? label.name : label.value,
                          "pairs of a label and its value, neither empty, and no ( ) , in values");
        if (label.name.n > LABEL_BYTES_MAX || label.value.n > LABEL_BYTES_MAX)
            return refuse(w, "Couldn't parse LABELS", label.name, "texts of at most 1024 bytes");
        if (out->labels_count == SETTINGS_LABELS_MAX)
            return refuse(w, "Couldn't parse LABELS", label.name, "at most 128 of them");
        out->labels[out->labels_count++] = label;
    }
    return true;
}

bool series_options_parse(struct command_call *call, uint32_t first, unsigned takes,
                          struct series_options *out)
{
    const struct words w = {call, first};
    out->settings = settings_none;
    out->labels_count = 0;
    out->on_duplicate = DUPLICATE_DEFAULT;
    return take_labels(&w, out) && take_retention(&w, &out->settings) &&
           take_chunk(&w, &out->settings) &&
           ((takes & SERIES_OPTIONS_ENCODING) == 0 || take_encoding(&w, &out->settings)) &&
           take_duplicate(&w, takes, out) && take_ignore(&w, &out->settings);
}
