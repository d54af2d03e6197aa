/* The sample's commands, and the ring against a simple model. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/outbox.h"
#include "agent/sample.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void test_sample_as_command_and_text(void **state)
{
    struct sample s;
    struct buffer out;
    sample_init(&s);
    buffer_init(&out, 1 << 20);
    sample_put(&s, 0.25, "host.load.%s", "load1");
    sample_delta(&s, 0, "host.x.zero");
    sample_put(&s, NAN, "host.x.nan");
    sample_delta(&s, 1ULL << 40, "host.x.big");
    assert_int_equal(sample_command(&s, 0, SLICE_LIT("db1"), 1424444400, &out), s.lines.len);
    buffer_append(&out, "", 1);
    assert_string_equal(out.data, "*7\r\n$7\r\nOBSERVE\r\n$3\r\ndb1\r\n$10\r\n1424444400\r\n"
                                  "$15\r\nhost.load.load1\r\n$4\r\n0.25\r\n"
                                  "$10\r\nhost.x.big\r\n$13\r\n1099511627776\r\n");
    buffer_reset(&out, 0);
    sample_text(&s, 0, SLICE_LIT("db1"), 1424444400, &out);
    buffer_append(&out, "", 1);
    assert_string_equal(out.data,
                        "OBSERVE db1 1424444400 host.load.load1 0.25 host.x.big 1099511627776\n");
    buffer_fini(&out);
    sample_fini(&s);
}

static void test_large_samples_are_split(void **state)
{
    struct sample s;
    struct buffer out;
    sample_init(&s);
    buffer_init(&out, 8 << 20);
    for (int i = 0; i < SAMPLE_COMMAND_POINTS_MAX + 1; i++)
        sample_put(&s, i, "m%d", i);
    size_t at = sample_command(&s, 0, SLICE_LIT("h"), 1, &out);
    assert_memory_equal(out.data, "*8003\r\n", 7);
    assert_true(at < s.lines.len);
    buffer_reset(&out, 8 << 20);
    assert_int_equal(sample_command(&s, at, SLICE_LIT("h"), 1, &out), s.lines.len);
    buffer_append(&out, "", 1);
    assert_string_equal(
        out.data, "*5\r\n$7\r\nOBSERVE\r\n$1\r\nh\r\n$1\r\n1\r\n$5\r\nm4000\r\n$4\r\n4000\r\n");
    buffer_fini(&out);
    sample_fini(&s);
}

static bool take(struct outbox *o, char *expected, uint64_t *id)
{
    struct buffer b;
    buffer_init(&b, 1 << 20);
    bool found = outbox_take(o, &b, id);
    if (found) {
        buffer_append(&b, "", 1);
        strcpy(expected, b.data);
    }
    buffer_fini(&b);
    return found;
}

static void test_outbox_retries_then_gives_up(void **state)
{
    struct outbox *o;
    char text[64];
    uint64_t id;
    assert_int_equal(outbox_create(1 << 16, 3, &o), 0);
    assert_int_equal(outbox_push(o, SLICE_LIT("a"), OUTBOX_NO_TEXT), 0);
    assert_int_equal(outbox_push(o, SLICE_LIT("b"), OUTBOX_NO_TEXT), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(take(o, text, &id));
        assert_string_equal(text, "a");
        outbox_settle(o, id, OUTBOX_RETRY);
    }
    assert_true(take(o, text, &id));
    assert_string_equal(text, "b");
    assert_false(take(o, text, &id));
    outbox_unsend(o);
    assert_true(take(o, text, &id));
    assert_string_equal(text, "b");
    outbox_settle(o, id, OUTBOX_ACKED);
    outbox_settle(o, id, OUTBOX_ACKED); /* long gone: nothing happens */
    struct outbox_stats stats = outbox_stats(o);
    assert_int_equal(stats.lost_tries, 1);
    assert_int_equal(stats.acked, 1);
    assert_int_equal(stats.held, 0);
    assert_int_equal(stats.held_bytes, 0);
    outbox_destroy(&o);
}

static void test_outbox_drops_the_oldest(void **state)
{
    struct outbox *o;
    char text[64];
    uint64_t id;
    uint64_t late;
    assert_int_equal(outbox_create(100, 5, &o), 0);
    assert_int_equal(outbox_push(o, SLICE_LIT("1"), OUTBOX_NO_TEXT), 0);
    assert_true(take(o, text, &late));
    for (int i = 2; i < 10; i++) {
        snprintf(text, sizeof(text), "%d", i);
        assert_int_equal(outbox_push(o, slice_str(text), OUTBOX_NO_TEXT), 0);
        assert_true(outbox_stats(o).held_bytes <= 100);
    }
    outbox_settle(o, late, OUTBOX_ACKED);
    assert_int_equal(outbox_stats(o).acked, 0); /* it was counted as lost already */
    assert_true(take(o, text, &id));
    int oldest = atoi(text);
    assert_int_equal(outbox_stats(o).lost_full, oldest - 1);
    assert_int_equal(outbox_push(o, slice_make((char[101]){0}, 101), OUTBOX_NO_TEXT), LT_ELIMIT);
    outbox_destroy(&o);
}

static void test_outbox_sends_texts_once(void **state)
{
    struct outbox *o;
    char text[64];
    uint64_t id;
    assert_int_equal(outbox_create(1 << 16, 1, &o), 0);
    assert_true(outbox_wants_text(o, 7));
    assert_int_equal(outbox_push(o, SLICE_LIT("t"), 7), 0);
    assert_false(outbox_wants_text(o, 7)); /* on its way */
    assert_true(take(o, text, &id));
    outbox_settle(o, id, OUTBOX_RETRY); /* the only try */
    assert_true(outbox_wants_text(o, 7));
    assert_int_equal(outbox_push(o, SLICE_LIT("t"), 7), 0);
    assert_true(take(o, text, &id));
    outbox_settle(o, id, OUTBOX_ACKED);
    assert_false(outbox_wants_text(o, 7));
    assert_int_equal(outbox_push(o, SLICE_LIT("t"), 8), 0);
    assert_true(take(o, text, &id));
    outbox_settle(o, id, OUTBOX_REFUSED);
    assert_false(outbox_wants_text(o, 8)); /* it would be refused each second */
    outbox_destroy(&o);
}

/* Random operations against an array: each command is in exactly one state, and leaves by exactly
 * one of the counted ways. */
static void test_outbox_against_model(void **state)
{
    enum { COMMANDS = 5000, TRIES = 3 };
    enum { WAITING, SENT, GONE };
    static uint8_t states[COMMANDS];
    static uint8_t tries[COMMANDS];
    static uint64_t ids[COMMANDS];
    struct outbox *o;
    srandom(20260);
    assert_int_equal(outbox_create(1 << 20, TRIES, &o), 0);
    uint64_t acked = 0;
    uint64_t lost = 0;
    uint32_t pushed = 0;
    uint32_t gone = 0;
    while (gone < COMMANDS) {
        char text[64];
        uint32_t at = pushed > 0 ? (uint32_t)random() % pushed : 0;
        switch (random() % 8) {
        case 0:
        case 1:
            if (pushed < COMMANDS) {
                snprintf(text, sizeof(text), "%u", pushed);
                assert_int_equal(outbox_push(o, slice_str(text), OUTBOX_NO_TEXT), 0);
                pushed++;
            }
            break;
        case 2:
        case 3:
        case 4: {
            uint64_t id = 0;
            uint32_t oldest = 0;
            while (oldest < pushed && states[oldest] != WAITING)
                oldest++;
            bool found = take(o, text, &id);
            assert_int_equal(found, oldest < pushed);
            if (found) {
                assert_int_equal(atoi(text), oldest);
                states[oldest] = SENT;
                tries[oldest]++;
                ids[oldest] = id;
            }
            break;
        }
        case 5:
        case 6:
            if (pushed == 0 || states[at] != SENT)
                break;
            if (random() % 4 != 0) {
                outbox_settle(o, ids[at], OUTBOX_ACKED);
                states[at] = GONE;
                gone++;
                acked++;
            } else {
                outbox_settle(o, ids[at], OUTBOX_RETRY);
                states[at] = tries[at] == TRIES ? GONE : WAITING;
                gone += tries[at] == TRIES;
                lost += tries[at] == TRIES;
            }
            break;
        case 7:
            if (random() % 20 != 0)
                break;
            outbox_unsend(o);
            for (uint32_t i = 0; i < pushed; i++) {
                if (states[i] != SENT)
                    continue;
                states[i] = tries[i] == TRIES ? GONE : WAITING;
                gone += tries[i] == TRIES;
                lost += tries[i] == TRIES;
            }
            break;
        }
    }
    struct outbox_stats stats = outbox_stats(o);
    assert_int_equal(stats.acked, acked);
    assert_int_equal(stats.lost_tries, lost);
    assert_int_equal(stats.held, 0);
    assert_int_equal(stats.held_bytes, 0);
    assert_true(lost > 0 && acked > 0);
    outbox_destroy(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_as_command_and_text),
        cmocka_unit_test(test_large_samples_are_split),
        cmocka_unit_test(test_outbox_retries_then_gives_up),
        cmocka_unit_test(test_outbox_drops_the_oldest),
        cmocka_unit_test(test_outbox_sends_texts_once),
        cmocka_unit_test(test_outbox_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
