#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/rule.h"

#include <stdlib.h>

/* Rules: what hides, against a bit for each time; bytes; what becomes of two. */

enum { TIMES = 400, ROUNDS = 2000 };

struct bytes {
    struct buffer b;
};

static struct slice write(struct bytes *to, const struct rule *rule)
{
    buffer_init(&to->b, 1 << 16);
    assert_int_equal(rule_write(&to->b, rule), 0);
    return buffer_slice(&to->b);
}

static struct rule a_rule(void)
{
    return (struct rule){.source = SLICE_LIT("db1/cpu.user"),
                         .aggregator = 3,
                         .bucket_ms = 60000,
                         .align_ms = 5,
                         .after_ms = 77};
}

/* Intervals ascend and never touch, and hide what was hidden one by one. */
static void assert_hides(const struct rule *r, const bool *model)
{
    uint32_t runs = 0;
    for (uint32_t t = 0; t < TIMES; t++) {
        assert_int_equal(rule_hides(r, t), model[t]);
        runs += model[t] && (t == 0 || !model[t - 1]);
    }
    assert_int_equal(r->hidden_count, runs);
    for (uint32_t i = 0; i < r->hidden_count; i++)
        assert_true(rule_hides_all(r, r->hidden[i]));
}

static void test_hiding_agrees_with_a_model(void **state)
{
    unsigned random = 5;
    uint32_t refused = 0;
    for (int round = 0; round < ROUNDS / 20; round++) {
        struct rule r = a_rule();
        bool model[TIMES] = {false};
        int length = round % 2 == 0 ? 1 : 20;
        for (int i = 0; i < 200; i++) {
            int64_t from = rand_r(&random) % TIMES, last = from + rand_r(&random) % length;
            last = last < TIMES ? last : TIMES - 1;
            struct rule before = r;
            int err = rule_hide(&r, (struct rule_hidden){from, last});
            if (err != 0) {
                assert_int_equal(err, LT_ELIMIT);
                assert_int_equal(before.hidden_count, RULE_HIDDEN_MAX);
                assert_memory_equal(&before, &r, sizeof(r));
                refused++;
                continue;
            }
            for (int64_t t = from; t <= last; t++)
                model[t] = true;
            assert_hides(&r, model);
        }
    }
    assert_true(refused > 0);
}

static void test_the_ends_of_time(void **state)
{
    struct rule r = a_rule();
    assert_int_equal(rule_hide(&r, (struct rule_hidden){5, 4}), LT_EINVALID);
    assert_int_equal(rule_hide(&r, (struct rule_hidden){-1, 4}), LT_EINVALID);
    assert_int_equal(rule_hide(&r, (struct rule_hidden){0, 0}), 0);
    assert_int_equal(rule_hide(&r, (struct rule_hidden){INT64_MAX, INT64_MAX}), 0);
    assert_int_equal(r.hidden_count, 2);
    assert_true(rule_hides(&r, 0) && !rule_hides(&r, 1) && rule_hides(&r, INT64_MAX));
    assert_int_equal(rule_hide(&r, (struct rule_hidden){1, INT64_MAX - 1}), 0);
    assert_int_equal(r.hidden_count, 1);
    assert_true(rule_hides_all(&r, (struct rule_hidden){0, INT64_MAX}));
    assert_false(rule_hides_all(&(struct rule){.hidden_count = 0}, (struct rule_hidden){3, 3}));
}

static void test_what_is_written_is_read(void **state)
{
    unsigned random = 9;
    for (int round = 0; round < ROUNDS; round++) {
        struct rule in = a_rule(), out;
        struct bytes kept;
        in.aggregator = (uint8_t)rand_r(&random);
        in.after_ms = rand_r(&random) % 3 - 1;
        int64_t at = rand_r(&random) % 3;
        in.hidden_count = (uint32_t)rand_r(&random) % (RULE_HIDDEN_MAX + 1);
        for (uint32_t i = 0; i < in.hidden_count; i++) {
            in.hidden[i] = (struct rule_hidden){at, at + rand_r(&random) % 4};
            at = in.hidden[i].last_ms + 2 + rand_r(&random) % 4;
        }
        struct slice bytes = write(&kept, &in);
        assert_int_equal(rule_read(bytes, &out), 0);
        assert_true(rule_same(&in, &out));
        assert_int_equal(in.hidden_count, out.hidden_count);
        assert_memory_equal(in.hidden, out.hidden, in.hidden_count * sizeof(in.hidden[0]));
        for (size_t n = 0; n < bytes.n - in.source.n; n++)
            assert_int_equal(rule_read(slice_upto(bytes, n), &out), LT_EPARSE);
        for (int flip = 0; flip < 20; flip++) { /* whatever is read can be written */
            size_t i = (size_t)rand_r(&random) % bytes.n;
            char before = kept.b.data[i];
            struct bytes again;
            kept.b.data[i] ^= (char)(1 << rand_r(&random) % 8);
            int err = rule_read(bytes, &out);
            assert_true(err == 0 || err == LT_EPARSE || err == LT_EVERSION);
            if (err == 0) {
                (void)write(&again, &out);
                buffer_fini(&again.b);
            }
            kept.b.data[i] = before;
        }
        buffer_fini(&kept.b);
    }
}

static void test_bad_rules_are_refused(void **state)
{
    struct buffer out;
    struct rule r[7];
    buffer_init(&out, 1 << 16);
    for (size_t i = 0; i < 7; i++)
        r[i] = a_rule();
    r[0].source.n = 0;
    r[1].bucket_ms = 0;
    r[2].align_ms = -1;
    r[3].after_ms = -2;
    r[4].hidden_count = 1;
    r[4].hidden[0] = (struct rule_hidden){4, 3};
    r[5].hidden_count = 2;
    r[5].hidden[0] = (struct rule_hidden){1, 2};
    r[5].hidden[1] = (struct rule_hidden){3, 4}; /* they touch */
    r[6].hidden_count = RULE_HIDDEN_MAX + 1;
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(rule_write(&out, &r[i]), LT_EINVALID);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

/* ---- two of them ---- */

static void assert_merged(struct slice now, struct slice change, const struct rule *expected)
{
    struct buffer out;
    struct rule got;
    buffer_init(&out, 1 << 16);
    assert_int_equal(rule_merge(now, change, &out), 0);
    if (expected == NULL) {
        assert_int_equal(out.len, 0);
    } else {
        assert_int_equal(rule_read(buffer_slice(&out), &got), 0);
        assert_true(rule_same(&got, expected));
        assert_int_equal(got.hidden_count, expected->hidden_count);
        assert_memory_equal(got.hidden, expected->hidden, got.hidden_count * sizeof(got.hidden[0]));
    }
    buffer_fini(&out);
}

static void test_what_becomes_of_two(void **state)
{
    const struct slice none = {0};
    struct rule one = a_rule(), same = a_rule(), other = a_rule(), both = a_rule();
    struct bytes kept[4];
    one.hidden_count = same.hidden_count = 1;
    one.hidden[0] = (struct rule_hidden){10, 20};
    same.hidden[0] = (struct rule_hidden){21, 30};
    both.hidden_count = 1;
    both.hidden[0] = (struct rule_hidden){10, 30};
    other.bucket_ms = 1000;
    struct slice a = write(&kept[0], &one), b = write(&kept[1], &same), c = write(&kept[2], &other);
    assert_merged(none, a, &one);
    assert_merged(a, none, NULL);
    assert_merged(a, b, &both);
    assert_merged(a, c, &one); /* a series has one rule: the first */
    assert_merged(none, none, NULL);
    for (uint32_t i = 0; i < RULE_HIDDEN_MAX; i++)
        one.hidden[i] = (struct rule_hidden){100 + 2 * i, 100 + 2 * i};
    one.hidden_count = RULE_HIDDEN_MAX;
    struct buffer out;
    buffer_init(&out, 1 << 16);
    assert_int_equal(rule_merge(write(&kept[3], &one), b, &out), LT_ELIMIT);
    assert_int_equal(out.len, 0);
    assert_int_equal(rule_merge(a, SLICE_LIT("\1xx"), &out), LT_EPARSE);
    buffer_fini(&out);
    for (size_t i = 0; i < 4; i++)
        buffer_fini(&kept[i].b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hiding_agrees_with_a_model),
        cmocka_unit_test(test_the_ends_of_time),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_bad_rules_are_refused),
        cmocka_unit_test(test_what_becomes_of_two),
    };
    return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
