#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/epochs.h"

#include <stdlib.h>

enum { RECORDS = 400 };

/* The model: which epoch each record announces, 0: none. */
static uint64_t highest_before(const uint64_t *announced, uint64_t offset)
{
    uint64_t highest = 0;
    for (uint64_t i = 0; i < offset; i++)
        highest = announced[i] > highest ? announced[i] : highest;
    return highest;
}

static void test_a_decided_record_counts_where_no_higher_epoch_is_before_it(void **state)
{
    (void)state;
    unsigned seed = 5;
    for (int round = 0; round < 200; round++) {
        static uint64_t announced[RECORDS];
        uint64_t next = 1, from = (uint64_t)(rand_r(&seed) % RECORDS);
        unsigned rare = 1 + (unsigned)rand_r(&seed) % 50;
        for (int i = 0; i < RECORDS; i++) {
            announced[i] = 0;
            if ((unsigned)rand_r(&seed) % rare == 0) /* sometimes an old one, thawed */
                announced[i] = rand_r(&seed) % 3 == 0 ? 1 + (uint64_t)rand_r(&seed) % next : next++;
        }
        struct epochs e;
        struct storage_log_epoch base = {highest_before(announced, from), 0};
        for (uint64_t i = 0; i < from && base.epoch != 0; i++)
            if (announced[i] == base.epoch && highest_before(announced, i) < base.epoch)
                base.offset = i;
        epochs_begin(&e, from, base);
        for (uint64_t at = from; at < RECORDS; at++) {
            uint64_t before = epochs_highest(&e);
            assert_true(before == highest_before(announced, at));
            if (announced[at] != 0)
                assert_int_equal(epochs_note(&e, at, announced[at]), announced[at] > before);
        }
        for (int i = 0; i < 300; i++) {
            uint64_t offset = (uint64_t)(rand_r(&seed) % RECORDS);
            uint64_t epoch = 1 + (uint64_t)rand_r(&seed) % next;
            enum epochs_verdict verdict = epochs_judge(&e, offset, epoch);
            bool counts = highest_before(announced, offset) <= epoch;
            if (verdict == EPOCHS_FORGOTTEN)
                assert_true(offset < e.from && offset <= e.base.offset && epoch < e.base.epoch);
            else
                assert_int_equal(verdict, counts ? EPOCHS_COUNTS : EPOCHS_FENCED);
            if (offset >= e.from)
                assert_int_not_equal(verdict, EPOCHS_FORGOTTEN);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_decided_record_counts_where_no_higher_epoch_is_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
