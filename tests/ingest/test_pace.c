#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/pace.h"

#include <stdlib.h>

/* Against a model that remembers when every record was acknowledged: the oldest one that is not
 * applied tells how far behind the consumer is. The pace may say so later by the distance of its
 * marks, which is an eighth of the longest lag since they were made, and never earlier. */

enum { LIMIT_MS = 1600, STEP_MS = LIMIT_MS / (PACE_MARKS / 2), RECORDS = 60000 };

struct model {
    int64_t acked_ms[RECORDS];
    uint32_t acked, applied;
};

static int64_t model_lag_ms(const struct model *m, int64_t now_ms)
{
    return m->applied < m->acked ? now_ms - m->acked_ms[m->applied] : 0;
}

/* A consumer that is now faster and now slower than the writers, and stands still at times. */
static void test_behind_is_said_when_it_is_so(void **state)
{
    (void)state;
    static struct model m;
    unsigned seed = 11;
    for (int round = 0; round < 20; round++) {
        struct pace pace = {0};
        m = (struct model){0};
        uint32_t speed = 5;
        int64_t longest_ms = 0;
        unsigned said = 0;
        for (int64_t now_ms = 1000; m.acked + 10 < RECORDS; now_ms += 1 + rand_r(&seed) % 20) {
            if (rand_r(&seed) % 200 == 0)
                speed = (uint32_t)rand_r(&seed) % 11;
            for (uint32_t n = (uint32_t)rand_r(&seed) % 10; n > 0; n--) {
                m.acked_ms[m.acked++] = now_ms;
                pace_note(&pace, m.acked, now_ms, LIMIT_MS);
            }
            uint32_t more = speed == 0 ? 0 : (uint32_t)rand_r(&seed) % speed;
            m.applied = m.applied + more < m.acked ? m.applied + more : m.acked;
            bool behind = pace_is_behind(&pace, m.applied, now_ms, LIMIT_MS);
            int64_t lag_ms = model_lag_ms(&m, now_ms);
            if (behind)
                assert_true(lag_ms >= LIMIT_MS);
            longest_ms = lag_ms > longest_ms ? lag_ms : lag_ms == 0 ? 0 : longest_ms;
            if (lag_ms >= LIMIT_MS + 2 * STEP_MS + longest_ms / 8)
                assert_true(behind);
            said += behind;
        }
        assert_true(said > 0);
    }
}

static void test_an_idle_consumer_is_not_behind(void **state)
{
    (void)state;
    struct pace pace = {0};
    assert_false(pace_is_behind(&pace, 0, 0, LIMIT_MS));
    pace_note(&pace, 1, 1000, LIMIT_MS);
    assert_false(pace_is_behind(&pace, 1, 1001, LIMIT_MS));
    pace_note(&pace, 2, 1000000, LIMIT_MS);
    assert_false(pace_is_behind(&pace, 1, 1000000 + LIMIT_MS - 1, LIMIT_MS));
    assert_true(pace_is_behind(&pace, 1, 1000000 + LIMIT_MS, LIMIT_MS));
    assert_false(pace_is_behind(&pace, 2, 1000000 + LIMIT_MS, LIMIT_MS));
    pace_note(&pace, 3, 2000000, LIMIT_MS);
    assert_false(pace_is_behind(&pace, UINT64_MAX, 3000000, LIMIT_MS)); /* nobody applies */
    assert_false(pace_is_behind(&pace, 2, 3000000, LIMIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behind_is_said_when_it_is_so),
        cmocka_unit_test(test_an_idle_consumer_is_not_behind),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
