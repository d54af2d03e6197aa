#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Random commands, of which some answer at once and some later, in any order, against the model:
 * the replies leave as "0 1 2 3 ..." up to the first command that is not answered. */

enum { COMMANDS = 400, REPLY_BYTES_MAX = 1 << 20 };

struct world {
    struct slot_pool pool;
    struct replies replies;
    struct {
        struct slot *slot;
        uint32_t command;
    } open[COMMANDS];
    uint32_t open_count;
    bool answered[COMMANDS];
    uint32_t commands;
    char seen[COMMANDS * 8];
};

static void world_init(struct world *w, size_t reply_bytes_max)
{
    memset(w, 0, sizeof(*w));
    slot_pool_init(&w->pool, reply_bytes_max);
    replies_init(&w->replies, &w->pool);
}

static void world_fini(struct world *w)
{
    replies_fini(&w->replies);
    slot_pool_fini(&w->pool);
}

static void finish(struct world *w, uint32_t i)
{
    struct slot *slot = w->open[i].slot;
    uint32_t command = w->open[i].command;
    w->open[i] = w->open[--w->open_count];
    buffer_printf(replies_compose(&w->replies, slot), "%u ", command);
    replies_finish(&w->replies, slot);
    w->answered[command] = true;
}

static void run_command(struct world *w)
{
    uint32_t command = w->commands++;
    struct buffer *out = replies_begin(&w->replies);
    if (rand() % 3 == 0) { /* while this command runs, an earlier one may be answered */
        if (w->open_count > 0 && rand() % 2 == 0)
            finish(w, (uint32_t)rand() % w->open_count);
        buffer_printf(out, "%u ", command);
        w->answered[command] = true;
    } else {
        struct slot *slot = replies_open(&w->replies);
        assert_non_null(slot);
        w->open[w->open_count].slot = slot;
        w->open[w->open_count++].command = command;
    }
    replies_end(&w->replies);
}

static void compare(struct world *w)
{
    char expected[COMMANDS * 8] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < w->commands && w->answered[i]; i++)
        n += (size_t)snprintf(expected + n, sizeof(expected) - n, "%u ", i);
    strncat(w->seen, w->replies.out.data != NULL ? w->replies.out.data : "", w->replies.out.len);
    buffer_reset(&w->replies.out, 64);
    assert_string_equal(w->seen, expected);
    assert_int_equal(w->replies.open == 0, w->replies.first == NULL);
    if (w->replies.open == 0)
        assert_int_equal(w->replies.held_bytes, 0);
}

static void test_replies_leave_in_order(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct world w;
        srand(seed);
        world_init(&w, REPLY_BYTES_MAX);
        while (w.commands < COMMANDS) {
            if (w.open_count > 0 && rand() % 2 == 0)
                finish(&w, (uint32_t)rand() % w.open_count);
            else
                run_command(&w);
            if (rand() % 8 == 0)
                compare(&w);
        }
        while (w.open_count > 0)
            finish(&w, (uint32_t)rand() % w.open_count);
        compare(&w);
        world_fini(&w);
    }
}

static void test_slots_are_reused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, REPLY_BYTES_MAX);
    for (int i = 0; i < 1000; i++) {
        struct slot *slot = replies_open(&w.replies);
        assert_non_null(slot);
        buffer_append_str(replies_compose(&w.replies, slot), "x");
        replies_finish(&w.replies, slot);
        buffer_reset(&w.replies.out, 64);
    }
    assert_int_equal(w.pool.made, 1);
    world_fini(&w);
}

static void test_too_large_a_reply_becomes_an_error(void **state)
{
    (void)state;
    struct world w;
    char large[400];
    memset(large, 'x', sizeof(large));
    world_init(&w, 300);
    buffer_append_str(replies_begin(&w.replies), "+one\r\n");
    replies_end(&w.replies);
    buffer_append(replies_begin(&w.replies), large, sizeof(large));
    replies_end(&w.replies);
    struct slot *first = replies_open(&w.replies), *second = replies_open(&w.replies);
    first->commands = 2; /* each has a reply coming */
    buffer_append(replies_compose(&w.replies, second), large, sizeof(large));
    replies_finish(&w.replies, second);
    buffer_append(replies_compose(&w.replies, first), large, sizeof(large));
    replies_finish(&w.replies, first);
    buffer_append(&w.replies.out, "", 1);
    assert_false(w.replies.failed);
    const char *error = "-ERR the reply is larger than client-output-bytes-max, ask for less\r\n";
    char expected[512];
    snprintf(expected, sizeof(expected), "+one\r\n%s%s%s%s", error, error, error, error);
    assert_string_equal(w.replies.out.data, expected);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_leave_in_order),
        cmocka_unit_test(test_slots_are_reused),
        cmocka_unit_test(test_too_large_a_reply_becomes_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
