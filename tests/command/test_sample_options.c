#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "command/sample_options.h"
#include "support_random.h"
#include "support_sample_options.h"

#include <stdio.h>
#include <stdlib.h>

/* Commands that are put together from what they ask for, in any order, and read back. */

enum { ARGS_MAX = 120, TEXT_MAX = 4096 };

struct line {
    struct slice argv[ARGS_MAX];
    uint32_t argc;
    char text[TEXT_MAX];
    size_t used;
};

static void word(struct line *line, const char *text)
{
    size_t n = strlen(text);
    char *copy = &line->text[line->used];
    memcpy(copy, text, n);
    for (size_t i = 0; i < n && random_u64() % 4 == 0; i++) /* any case */
        if (copy[i] >= 'A' && copy[i] <= 'Z' && text[0] != 'L')
            copy[i] = (char)(copy[i] + 32);
    line->argv[line->argc++] = slice_make(copy, n);
    line->used += n;
}

static void number(struct line *line, int64_t x)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)x);
    word(line, text);
}

enum part { COUNT, AGGREGATION, BY_TS, BY_VALUE, LATEST, NOISE, LABELS, EXCLUDE, PARTS };

struct wish {
    bool has[PARTS];
    uint32_t keys;
    int64_t count, bucket, align;
    bool aligns, empty, grouped, stamped;
    int which[4];
    uint32_t times, filters, selected;
};

static void put_aggregation(struct line *line, const struct wish *w)
{
    if (w->aligns && w->bucket % 2 == 0) {
        word(line, "ALIGN");
        number(line, w->align);
    }
    word(line, "AGGREGATION");
    for (uint32_t k = 0; k < w->keys; k++)
        word(line, aggregator_text((enum aggregator)w->which[k]));
    number(line, w->bucket);
    if (w->stamped) {
        word(line, "BUCKETTIMESTAMP");
        word(line, "~");
    }
    if (w->empty)
        word(line, "EMPTY");
    if (w->aligns && w->bucket % 2 != 0) {
        word(line, "ALIGN");
        number(line, w->align);
    }
}

static void put(struct line *line, const struct wish *w, enum part part)
{
    switch (part) {
    case COUNT:
        word(line, "COUNT");
        number(line, w->count);
        break;
    case AGGREGATION:
        put_aggregation(line, w);
        break;
    case BY_TS:
        word(line, "FILTER_BY_TS");
        for (uint32_t i = w->times; i > 0; i--)
            number(line, i * 7);
        break;
    case BY_VALUE:
        word(line, "FILTER_BY_VALUE");
        word(line, "-1.5");
        word(line, "+inf");
        break;
    case LATEST:
        word(line, "LATEST");
        break;
    case NOISE:
        word(line, "noise");
        break;
    case LABELS:
        word(line, w->selected > 0 ? "SELECTED_LABELS" : "WITHLABELS");
        for (uint32_t i = 0; i < w->selected; i++)
            word(line, "name");
        break;
    case EXCLUDE:
        word(line, "EXCLUDEEMPTY");
        break;
    case PARTS:
        break;
    }
}

static void make_wish(struct wish *w)
{
    *w = (struct wish){.keys = random_u64() % 3 == 0 ? 1 + random_below(4) : 1,
                       .count = 1 + random_below(1000),
                       .bucket = 1 + random_below(100),
                       .align = random_below(100),
                       .aligns = random_u64() % 2 == 0,
                       .empty = random_u64() % 2 == 0,
                       .stamped = random_u64() % 2 == 0,
                       .grouped = random_u64() % 2 == 0,
                       .times = 1 + random_below(20),
                       .filters = 1 + random_below(4),
                       .selected = random_below(4)};
    for (int i = 0; i < PARTS; i++)
        w->has[i] = random_u64() % 2 == 0;
    for (int i = 0; i < 4; i++)
        w->which[i] = (int)random_below(AGGREGATOR_KINDS);
    w->has[EXCLUDE] &= !w->grouped;
}

/* SELECTED_LABELS must not swallow what is no option to it: it stands last, before FILTER. */
static void put_all(struct line *line, const struct wish *w)
{
    enum part order[PARTS];
    for (int i = 0; i < PARTS; i++)
        order[i] = (enum part)i;
    for (uint32_t i = PARTS - 1; i > 0; i--) {
        uint32_t j = random_below(i + 1);
        enum part swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    line->argc = 0;
    line->used = 0;
    word(line, "TS.ALL");
    number(line, 5);
    number(line, 500);
    for (int i = 0; i < PARTS; i++)
        if (w->has[order[i]] && order[i] != LABELS)
            put(line, w, order[i]);
    if (w->has[LABELS])
        put(line, w, LABELS);
    word(line, "FILTER");
    for (uint32_t i = 0; i < w->filters; i++)
        word(line, "count=x");
    if (w->grouped) {
        word(line, "GROUPBY");
        word(line, "COUNT");
        word(line, "REDUCE");
        word(line, "COUNT");
    }
}

static bool parse(struct sample_options *o, const struct command_spec *spec,
                  const struct line *line, struct buffer *reply)
{
    buffer_reset(reply, TEXT_MAX);
    return sample_options_parse_range(o, spec, line->argv, line->argc, 1,
                                      (struct resp_writer){reply, 2});
}

static void check_samples(const struct samples_spec *s, const struct wish *w)
{
    assert_int_equal(s->from_ms, 5);
    assert_int_equal(s->last_ms, 500);
    assert_int_equal(s->limit, w->has[COUNT] ? w->count : 0);
    assert_int_equal(s->aggregators_count, w->has[AGGREGATION] ? w->keys : 0);
    for (uint32_t k = 0; k < s->aggregators_count; k++) {
        assert_int_equal(s->aggregators[k].n, 1);
        assert_int_equal(s->aggregators[k].v[0], w->which[k]);
    }
    if (w->has[AGGREGATION]) {
        assert_int_equal(s->bucket_ms, w->bucket);
        assert_int_equal(s->align_ms, w->aligns ? w->align : 0);
        assert_int_equal(s->empty, w->empty);
        assert_int_equal(s->stamp, w->stamped ? WINDOW_MID : WINDOW_START);
    }
    assert_int_equal(s->times_count, w->has[BY_TS] ? w->times : 0);
    for (uint32_t i = 0; i < s->times_count; i++)
        assert_int_equal(s->times_ms[i], (i + 1) * 7);
    assert_int_equal(s->by_value, w->has[BY_VALUE]);
    if (s->by_value)
        assert_true(s->min == -1.5 && s->max > 1e308);
}

static void what_is_asked_for_is_read_back(void **state)
{
    struct buffer reply;
    (void)state;
    buffer_init(&reply, TEXT_MAX);
    for (int round = 0; round < 20000; round++) {
        struct wish w;
        struct line line;
        struct sample_options o;
        make_wish(&w);
        put_all(&line, &w);
        sample_options_init(&o);
        o.keys_count = w.keys;
        if (!parse(&o, &spec_of_all, &line, &reply))
            fail_msg("round %d: %.*s", round, (int)reply.len, reply.data);
        check_samples(&o.samples, &w);
        assert_int_equal(o.with_labels, w.has[LABELS] && w.selected == 0);
        assert_int_equal(o.selected_count, w.has[LABELS] ? w.selected : 0);
        assert_int_equal(o.samples.exclude_empty, w.has[EXCLUDE]);
        assert_int_equal(o.filters_count, w.filters);
        assert_int_equal(o.samples.grouped, w.grouped);
        if (w.grouped) {
            assert_true(slice_ieq_str(o.samples.group, "count"));
            assert_int_equal(o.samples.reducer, AGGREGATOR_COUNT);
        }
        sample_options_fini(&o);
    }
    buffer_fini(&reply);
}

/* Splits words, which the slices then point into. */
static void split(char *words, struct line *line)
{
    line->argc = 0;
    line->argv[line->argc++] = slice_str("TS.X");
    for (char *at = strtok(words, " "); at != NULL; at = strtok(NULL, " "))
        line->argv[line->argc++] = slice_str(at);
}

static bool fails(const struct command_spec *spec, const char *words, const char *error)
{
    struct line line;
    struct sample_options o;
    struct buffer reply;
    char copy[512];
    strcpy(copy, words);
    split(copy, &line);
    sample_options_init(&o);
    buffer_init(&reply, TEXT_MAX);
    bool failed = !parse(&o, spec, &line, &reply);
    bool as_expected = error == NULL ? !failed
                                     : failed && reply.len > strlen(error) + 5 &&
                                           memcmp(reply.data + 5, error, strlen(error)) == 0;
    if (!as_expected)
        print_error("%s: %.*s\n", words, (int)reply.len, reply.data);
    buffer_fini(&reply);
    sample_options_fini(&o);
    return as_expected;
}

static void a_command_takes_what_its_specification_says(void **state)
{
    (void)state;
    assert_true(fails(&spec_of_none, "- + COUNT x AGGREGATION foo FILTER_BY_TS", NULL));
    assert_true(fails(&spec_of_range, "- + FILTER GROUPBY REDUCE SELECTED_LABELS", NULL));
    assert_true(fails(&spec_of_range, "- + COUNT x", "TSDB: Couldn't parse COUNT"));
    assert_true(sample_options_takes(&spec_of_range, "empty"));
    assert_false(sample_options_takes(&spec_of_range, "FILTER"));
}

static void errors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"-", "wrong number of arguments for 'ts.all' command"},
        {"- +", "TSDB: missing FILTER argument"},
        {"x + FILTER a=b", "TSDB: wrong fromTimestamp"},
        {"- y FILTER a=b", "TSDB: wrong toTimestamp"},
        {"- + FILTER", "TSDB: missing labels for filter argument"},
        {"- + FILTER GROUPBY a REDUCE sum", "TSDB: missing labels for filter argument"},
        {"- + GROUPBY a REDUCE sum FILTER a=b", "TSDB: GROUPBY should always come after filter"},
        {"- + FILTER a=b GROUPBY a", "wrong number of arguments for 'ts.all' command"},
        {"- + FILTER a=b GROUPBY a foo sum", "wrong number of arguments for 'ts.all' command"},
        {"- + FILTER a=b GROUPBY a REDUCE sum x", "wrong number of arguments for 'ts.all' command"},
        {"- + FILTER a=b GROUPBY a REDUCE twa", "TSDB: Invalid reducer type"},
        {"- + FILTER a=b GROUPBY a REDUCE foo", "TSDB: Invalid reducer type"},
        {"- + EXCLUDEEMPTY FILTER a=b GROUPBY a REDUCE sum", "TSDB: EXCLUDEEMPTY is not allowed"},
        {"- + AGGREGATION min,max 5 FILTER a=b GROUPBY a REDUCE sum",
         "TSDB: GROUPBY is not allowed"},
        {"- + WITHLABELS SELECTED_LABELS a FILTER a=b", "TSDB: cannot accept WITHLABELS"},
        {"- + SELECTED_LABELS a WITHLABELS FILTER a=b", "TSDB: cannot accept WITHLABELS"},
        {"- + SELECTED_LABELS FILTER a=b", "TSDB: SELECT_LABELS should have at least 1 parameter"},
        {"- + AGGREGATION count 5 COUNT FILTER a=b", "TSDB: Couldn't parse COUNT"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(fails(&spec_of_all, cases[i][0], cases[i][1]));
    char many[512] = "- + SELECTED_LABELS";
    for (int i = 0; i < SAMPLE_SELECTED_MAX; i++)
        strcat(many, " a");
    strcat(many, " FILTER a=b");
    assert_true(fails(&spec_of_all, many, NULL));
    memcpy(strstr(many, " FILTER"), " b FILTER a=b", 14);
    assert_true(fails(&spec_of_all, many, "TSDB: reached max size for SELECT_LABELS"));
}

/* What a command does not take is a word like any other: a label's name, part of a filter. */
static void without_a_range(void **state)
{
    static const struct {
        const char *words;
        bool with, good;
        uint32_t selected, filters;
    } cases[] = {
        {"FILTER a=b", false, true, 0, 1},
        {"FILTER a=b c!=d", false, true, 0, 2},
        {"LATEST WITHLABELS FILTER a=b", true, true, 0, 1},
        {"noise withlabels filter a=b", true, true, 0, 1},
        {"SELECTED_LABELS a COUNT aggregation GROUPBY FILTER a=b", false, true, 4, 1},
        {"AGGREGATION FILTER a=b", false, true, 0, 1},
        {"GROUPBY FILTER a=b GROUPBY REDUCE", false, true, 0, 3},
        {"", false, false, 0, 0},
        {"WITHLABELS a=b", false, false, 0, 0},
        {"FILTER", false, false, 0, 0},
        {"SELECTED_LABELS FILTER a=b", false, false, 0, 0},
        {"SELECTED_LABELS a WITHLABELS FILTER a=b", false, false, 0, 0},
    };
    struct buffer reply;
    (void)state;
    buffer_init(&reply, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct line line;
        struct sample_options o;
        char copy[128];
        strcpy(copy, cases[i].words);
        split(copy, &line);
        sample_options_init(&o);
        bool good = sample_options_parse(&o, &spec_of_mget, line.argv, line.argc, 1,
                                         (struct resp_writer){&reply, 2});
        assert_int_equal(good, cases[i].good);
        if (good) {
            assert_int_equal(o.with_labels, cases[i].with);
            assert_int_equal(o.selected_count, cases[i].selected);
            assert_int_equal(o.filters_count, cases[i].filters);
        }
        sample_options_fini(&o);
    }
    buffer_fini(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_is_read_back),
        cmocka_unit_test(a_command_takes_what_its_specification_says),
        cmocka_unit_test(errors),
        cmocka_unit_test(without_a_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
