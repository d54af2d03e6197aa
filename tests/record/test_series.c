#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/name.h"
#include "model/rule.h"
#include "record/control.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Records of declared series: what is written is read, and nothing else is taken. GOLDEN=write
 * makes the files anew: only when a new version is due. */
#define GOLDEN "tests/record/golden/"

enum { ROUNDS = 3000, RECORD_MAX = 1 << 20 };

struct fixture {
    struct record_reader *reader;
    struct buffer out;
    struct buffer rule;
    unsigned random;
    char text[SETTINGS_LABELS_MAX * 2][LABEL_BYTES_MAX];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(record_reader_create(&f->reader), 0);
    buffer_init(&f->out, RECORD_MAX);
    buffer_init(&f->rule, RECORD_MAX);
    f->random = 3;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    record_reader_destroy(&f->reader);
    buffer_fini(&f->out);
    buffer_fini(&f->rule);
    free(f);
    return 0;
}

static unsigned below(struct fixture *f, unsigned n)
{
    return (unsigned)rand_r(&f->random) % n;
}

static struct settings random_settings(struct fixture *f)
{
    struct settings s = settings_none;
    s.given = below(f, 256);
    if ((s.given & SETTINGS_RETENTION) != 0)
        s.retention_ms = below(f, 2) == 0 ? INT64_MAX : below(f, 1000);
    if ((s.given & SETTINGS_CHUNK) != 0)
        s.chunk_bytes = 48 + 8 * below(f, 100);
    if ((s.given & SETTINGS_ENCODING) != 0)
        s.encoding = (enum encoding)below(f, 2);
    if ((s.given & SETTINGS_DUPLICATE) != 0)
        s.duplicate = (enum duplicate)(1 + below(f, 6));
    if ((s.given & SETTINGS_IGNORE) != 0) {
        s.ignore_ms = below(f, 2) == 0 ? INT64_MAX : below(f, 1000);
        s.ignore_value = below(f, 1000) / 8.0;
    }
    if ((s.given & SETTINGS_RULE) != 0 && below(f, 4) > 0) {
        struct rule rule = {
            .source = SLICE_LIT("db1/cpu.user"), .bucket_ms = 1 + below(f, 9), .hidden_count = 1};
        rule.hidden[0] = (struct rule_hidden){below(f, 9), 9};
        buffer_reset(&f->rule, RECORD_MAX);
        assert_int_equal(rule_write(&f->rule, &rule), 0);
        s.rule = buffer_slice(&f->rule);
    }
    if ((s.given & SETTINGS_MOVING) != 0 && below(f, 4) > 0)
        s.moving = settings_moving(SLICE_LIT("db1/cpu.user"), below(f, 2) == 0);
    return s;
}

static struct slice random_text(struct fixture *f, unsigned i)
{
    size_t n = below(f, 20) == 0 ? LABEL_BYTES_MAX : 1 + below(f, 12);
    for (size_t j = 0; j < n; j++)
        f->text[i][j] = (char)below(f, 256);
    return slice_make(f->text[i], n);
}

static uint32_t random_labels(struct fixture *f, const struct settings *s, struct label *out)
{
    uint32_t count = below(f, 10) == 0 ? SETTINGS_LABELS_MAX : below(f, 6);
    if ((s->given & SETTINGS_LABELS) == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct label){random_text(f, 2 * i), random_text(f, 2 * i + 1)};
    return count;
}

static void assert_same(const struct record *r, const struct settings *s,
                        const struct label *labels, uint32_t count)
{
    assert_true(settings_same(&r->series.settings, s));
    assert_int_equal(r->series.labels_count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(slice_eq(r->series.labels[i].name, labels[i].name));
        assert_true(slice_eq(r->series.labels[i].value, labels[i].value));
    }
}

static void test_what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        struct label labels[SETTINGS_LABELS_MAX];
        struct settings s = random_settings(f);
        uint32_t count = random_labels(f, &s, labels);
        enum record_series_way way = (enum record_series_way)below(f, 3);
        uint64_t epoch = below(f, 2) == 0 ? 0 : 1 + below(f, 1000000);
        struct record r;
        buffer_reset(&f->out, RECORD_MAX);
        assert_int_equal(record_write_series(&f->out, 7, 1000, epoch, SLICE_LIT("db1"),
                                             SLICE_LIT("a.b"), way, &s, labels, count),
                         0);
        assert_int_equal(record_read(f->reader, buffer_slice(&f->out), &r), 0);
        assert_int_equal(r.what, RECORD_SERIES);
        assert_int_equal(r.series.way, way);
        assert_true(slice_eq_str(r.series.host, "db1") && slice_eq_str(r.series.metric, "a.b"));
        assert_same(&r, &s, labels, count);
        assert_true(r.epoch == epoch);
        buffer_reset(&f->out, RECORD_MAX);
        assert_int_equal(
            record_write_drop(&f->out, 7, 1000, epoch, SLICE_LIT("db1"), SLICE_LIT("a.b")), 0);
        assert_int_equal(record_read(f->reader, buffer_slice(&f->out), &r), 0);
        assert_true(r.what == RECORD_DROP && r.epoch == epoch);
        assert_true(slice_eq_str(r.series.host, "db1") && slice_eq_str(r.series.metric, "a.b"));
    }
}

/* Any piece of one is refused, and flipped bits never break a promise. */
static void test_pieces_and_flipped_bits(void **state)
{
    struct fixture *f = *state;
    struct label labels[SETTINGS_LABELS_MAX];
    struct record r;
    for (int round = 0; round < 60; round++) {
        struct settings s = random_settings(f);
        uint32_t count = random_labels(f, &s, labels);
        buffer_reset(&f->out, RECORD_MAX);
        assert_int_equal(record_write_series(&f->out, 7, 1000, below(f, 2), SLICE_LIT("db1"),
                                             SLICE_LIT("a.b"), RECORD_SERIES_ALTER, &s, labels,
                                             count),
                         0);
        struct slice whole = buffer_slice(&f->out);
        for (size_t n = 0; n < whole.n && n < 400; n++)
            assert_int_equal(record_read(f->reader, slice_upto(whole, n), &r), LT_EPARSE);
        for (int flip = 0; flip < 200; flip++) {
            unsigned at = below(f, (unsigned)whole.n), bit = 1u << below(f, 8);
            f->out.data[at] ^= (char)bit;
            int err = record_read(f->reader, whole, &r);
            assert_true(err == 0 || err == LT_EPARSE || err == LT_EVERSION);
            if (err == 0 && r.what == RECORD_SERIES) {
                struct buffer again;
                buffer_init(&again, RECORD_MAX);
                assert_int_equal(settings_write(&again, &r.series.settings, r.series.labels,
                                                r.series.labels_count),
                                 0);
                buffer_fini(&again);
            }
            f->out.data[at] ^= (char)bit;
        }
    }
}

static void expect_golden(const char *path, struct slice bytes)
{
    char stored[4096];
    if (getenv("GOLDEN") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
        fclose(file);
    }
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(stored, 1, sizeof(stored), file);
    fclose(file);
    assert_int_equal(n, bytes.n);
    assert_memory_equal(stored, bytes.p, n);
}

static void test_golden_files(void **state)
{
    struct fixture *f = *state;
    const struct settings s = {.given = 63,
                               .retention_ms = 86400000,
                               .chunk_bytes = 128,
                               .encoding = ENCODING_UNCOMPRESSED,
                               .duplicate = DUPLICATE_SUM,
                               .ignore_ms = 10,
                               .ignore_value = 0.5};
    const struct label labels[] = {{SLICE_LIT("region"), SLICE_LIT("eu")},
                                   {SLICE_LIT("rack"), SLICE_LIT("r 1")}};
    assert_int_equal(record_write_series(&f->out, 2, 1000, 0, SLICE_LIT("db1"),
                                         SLICE_LIT("host.cpu.user"), RECORD_SERIES_EITHER, &s,
                                         labels, 2),
                     0);
    expect_golden(GOLDEN "series-2.bin", buffer_slice(&f->out));
    buffer_reset(&f->out, RECORD_MAX);
    assert_int_equal(record_write_series(&f->out, 2, 1000, 0, SLICE_LIT(""), SLICE_LIT("cpu"),
                                         RECORD_SERIES_CREATE, &settings_none, NULL, 0),
                     0);
    expect_golden(GOLDEN "series-none-2.bin", buffer_slice(&f->out));
    buffer_reset(&f->out, RECORD_MAX);
    assert_int_equal(
        record_write_drop(&f->out, 2, 1000, 0, SLICE_LIT("db1"), SLICE_LIT("host.cpu.user")), 0);
    expect_golden(GOLDEN "drop-2.bin", buffer_slice(&f->out));
    struct rule rule = {.source = SLICE_LIT("db1/host.cpu.user"),
                        .aggregator = 12,
                        .bucket_ms = 60000,
                        .align_ms = 7,
                        .after_ms = 1700000000000,
                        .hidden_count = 1,
                        .hidden = {{1700000040000, 1700000160000}}};
    assert_int_equal(rule_write(&f->rule, &rule), 0);
    struct settings ruled = {.given = SETTINGS_RULE, .rule = buffer_slice(&f->rule)};
    ruled.chunk_bytes = settings_none.chunk_bytes;
    buffer_reset(&f->out, RECORD_MAX);
    assert_int_equal(record_write_series(&f->out, 2, 1000, 0, SLICE_LIT("db1"),
                                         SLICE_LIT("host.cpu.user.1m"), RECORD_SERIES_ALTER, &ruled,
                                         NULL, 0),
                     0);
    expect_golden(GOLDEN "series-rule-2.bin", buffer_slice(&f->out));
    struct settings moving = {.given = SETTINGS_MOVING,
                              .chunk_bytes = settings_none.chunk_bytes,
                              .moving = settings_moving(SLICE_LIT("db1/host.cpu.user"), true)};
    buffer_reset(&f->out, RECORD_MAX);
    assert_int_equal(record_write_series(&f->out, 2, 1000, 7, SLICE_LIT("db2"),
                                         SLICE_LIT("host.cpu.user"), RECORD_SERIES_ALTER, &moving,
                                         NULL, 0),
                     0);
    expect_golden(GOLDEN "series-decided-3.bin", buffer_slice(&f->out));
    buffer_reset(&f->out, RECORD_MAX);
    assert_int_equal(
        record_write_drop(&f->out, 2, 1000, 7, SLICE_LIT("db1"), SLICE_LIT("host.cpu.user")), 0);
    expect_golden(GOLDEN "drop-decided-3.bin", buffer_slice(&f->out));
}

static void test_what_no_record_may_hold(void **state)
{
    struct fixture *f = *state;
    char large[LABEL_BYTES_MAX + 1] = {0};
    struct settings s[11];
    struct label labels[SETTINGS_LABELS_MAX + 1];
    const struct label bad[] = {{SLICE_LIT(""), SLICE_LIT("v")},
                                {SLICE_LIT("n"), SLICE_LIT("")},
                                {slice_make(large, sizeof(large)), SLICE_LIT("v")},
                                {SLICE_LIT("n"), slice_make(large, sizeof(large))}};
    for (unsigned i = 0; i < ARRAY_LEN(s); i++)
        s[i] = settings_none;
    s[0].given = 256;
    s[1].retention_ms = -1;
    s[2].chunk_bytes = 40;
    s[3].chunk_bytes = 52;
    s[4].chunk_bytes = 1048584;
    s[5].given = SETTINGS_DUPLICATE; /* the default cannot be given */
    s[6].ignore_ms = -1;
    s[7].ignore_value = NAN;
    s[8].ignore_value = -1;
    s[9].duplicate = (enum duplicate)7;
    s[10].moving = 1;
    for (unsigned i = 0; i < ARRAY_LEN(s); i++)
        assert_int_equal(settings_write(&f->out, &s[i], NULL, 0), LT_EINVALID);
    s[0].given = SETTINGS_LABELS;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(settings_write(&f->out, &s[0], &bad[i], 1), LT_EINVALID);
    for (unsigned i = 0; i <= SETTINGS_LABELS_MAX; i++)
        labels[i] = (struct label){SLICE_LIT("n"), SLICE_LIT("v")};
    assert_int_equal(settings_write(&f->out, &s[0], labels, SETTINGS_LABELS_MAX + 1), LT_EINVALID);
    assert_int_equal(settings_write(&f->out, &settings_none, labels, 1), LT_EINVALID);
    assert_int_equal(record_write_drop(&f->out, 1, 1, 0, SLICE_LIT("a/b"), SLICE_LIT("m")),
                     LT_EINVALID);
    assert_int_equal(record_write_series(&f->out, 1, 1, 0, SLICE_LIT("a/b"), SLICE_LIT("m"),
                                         RECORD_SERIES_CREATE, &settings_none, NULL, 0),
                     LT_EINVALID);
    assert_int_equal(record_write_series(&f->out, 1, 1, 0, SLICE_LIT("a"), SLICE_LIT("m"),
                                         (enum record_series_way)3, &settings_none, NULL, 0),
                     LT_EINVALID);
    assert_int_equal(f->out.len, 0);
}

static void test_settings_of_a_newer_program(void **state)
{
    struct settings s;
    struct label labels[SETTINGS_LABELS_MAX];
    uint32_t count;
    assert_int_equal(settings_read(SLICE_LIT("\x02\x00"), &s, labels, &count), LT_EVERSION);
    assert_int_equal(settings_read(SLICE_LIT("\x01\x80"), &s, labels, &count), LT_EPARSE);
    assert_int_equal(
        settings_read(SLICE_LIT("\x01\x80\x01\x00\x00\x00\x00\x00\x00\x02"), &s, labels, &count),
        0);
    assert_true(s.moving == 0x0200000000000001);
    assert_int_equal(settings_read(SLICE_LIT(""), &s, labels, &count), LT_EPARSE);
    assert_int_equal(settings_read(SLICE_LIT("\x01\x00"), &s, labels, &count), 0);
    assert_true(settings_same(&s, &settings_none) && count == 0);
    assert_int_equal(settings_read(SLICE_LIT("\x01\x00\x00"), &s, labels, &count), LT_EPARSE);
}

static void test_merging_takes_what_is_given(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        struct settings a = random_settings(f), b = random_settings(f), m = a;
        settings_merge(&m, &b);
        uint64_t moving = ((b.given & SETTINGS_MOVING) != 0 ? b : a).moving;
        uint32_t given = (a.given | b.given) & ~(uint32_t)(SETTINGS_RULE | SETTINGS_MOVING);
        given |= (a.given & SETTINGS_RULE) | (moving != 0 ? SETTINGS_MOVING : 0);
        assert_int_equal(m.given, given);
        assert_true(m.moving == moving);
        assert_true(m.retention_ms == ((b.given & SETTINGS_RETENTION) != 0 ? b : a).retention_ms);
        assert_int_equal(m.chunk_bytes, ((b.given & SETTINGS_CHUNK) != 0 ? b : a).chunk_bytes);
        assert_int_equal(m.encoding, ((b.given & SETTINGS_ENCODING) != 0 ? b : a).encoding);
        assert_int_equal(m.duplicate, ((b.given & SETTINGS_DUPLICATE) != 0 ? b : a).duplicate);
        assert_true(m.ignore_ms == ((b.given & SETTINGS_IGNORE) != 0 ? b : a).ignore_ms);
        assert_true(m.ignore_value == ((b.given & SETTINGS_IGNORE) != 0 ? b : a).ignore_value);
    }
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_written_is_read),
        TEST(test_pieces_and_flipped_bits),
        TEST(test_golden_files),
        TEST(test_what_no_record_may_hold),
        TEST(test_settings_of_a_newer_program),
        TEST(test_merging_takes_what_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
