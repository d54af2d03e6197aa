#include "base/clock.h"
#include "base/error.h"
#include "jobs/job.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

/* How fast a job may write, and how soon it stops. */

static struct read_guard guard;

static void reset(void)
{
    atomic_store(&guard.cancelled, false);
    guard.deadline_mono_ms = INT64_MAX;
}

static void test_without_a_limit_nothing_waits(void **state)
{
    struct job_limits limits = {0};
    struct job_context context = {.guard = &guard, .limits = &limits};
    reset();
    int64_t start = clock_mono_ms();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(job_pace(&context, UINT64_C(1) << 40), 0);
    assert_true(clock_mono_ms() - start < 500);
}

/* A second's worth is free; small pieces count as large ones do. */
static void test_a_limit_holds(void **state)
{
    struct job_limits limits = {.bytes_per_second = 1000000};
    struct job_context context = {.guard = &guard, .limits = &limits};
    reset();
    int64_t start = clock_mono_ms();
    for (int i = 0; i < 14000; i++)
        assert_int_equal(job_pace(&context, 100), 0);
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 390);
    assert_true(took < 4000);
}

static void *cancel_soon(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    atomic_store(&guard.cancelled, true);
    return NULL;
}

static void test_a_job_that_waits_can_be_stopped(void **state)
{
    struct job_limits limits = {.bytes_per_second = 1000};
    struct job_context context = {.guard = &guard, .limits = &limits};
    pthread_t thread;
    reset();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    int64_t start = clock_mono_ms();
    assert_int_equal(job_pace(&context, 1000000), LT_ECANCELLED); /* else 999 s */
    assert_true(clock_mono_ms() - start < 3000);
    assert_int_equal(job_pace(&context, 0), LT_ECANCELLED);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_limit_nothing_waits),
        cmocka_unit_test(test_a_limit_holds),
        cmocka_unit_test(test_a_job_that_waits_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
