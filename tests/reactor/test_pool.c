#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/error.h"
#include "reactor/pool.h"
#include "reactor/reactor.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The loop runs in the test's thread; the last done that is awaited stops it. */
struct bench {
    struct reactor *reactor;
    struct pool *pool;
    struct executor *executor;
    sem_t gate;    /* a job that waits passes here */
    sem_t entered; /* and says so before */
    int order[64]; /* jobs as their done came: id, negative where it did not run */
    int done;
    int awaited;
    _Atomic int contexts;
    _Atomic int contexts_fail_at; /* the Nth fails; 0: none */
    struct job *again;            /* submitted from the next done */
    int again_status;
};

struct job {
    struct executor_job base;
    struct bench *bench;
    int id;
    bool waits;
    void *context;
};

static void work(struct executor_job *base, void *context)
{
    struct job *job = (struct job *)base;
    job->context = context;
    if (job->waits) {
        sem_post(&job->bench->entered);
        sem_wait(&job->bench->gate);
    }
}

static void done(struct executor_job *base, bool ran)
{
    struct job *job = (struct job *)base;
    struct bench *bench = job->bench;
    bench->order[bench->done++] = ran ? job->id : -job->id;
    if (bench->again != NULL) {
        struct job *again = bench->again;
        bench->again = NULL;
        bench->again_status = executor_submit(bench->executor, &again->base);
    }
    if (bench->done == bench->awaited)
        reactor_stop(bench->reactor);
}

static int context_create(void *arg, void **out)
{
    struct bench *bench = arg;
    int n = ++bench->contexts;
    if (n == bench->contexts_fail_at) {
        bench->contexts--;
        return LT_ENOMEM;
    }
    *out = malloc(1);
    return 0;
}

static void context_destroy(void **context)
{
    free(*context);
    *context = NULL;
}

static void context_count_down(void **context)
{
    struct bench *bench = *context;
    bench->contexts--;
}

static int context_bench(void *arg, void **out)
{
    struct bench *bench = arg;
    int n = ++bench->contexts;
    if (n == bench->contexts_fail_at) {
        bench->contexts--;
        return LT_ENOMEM;
    }
    *out = bench;
    return 0;
}

static int bench_start(struct bench *bench, uint32_t threads, uint32_t queue_max)
{
    sem_init(&bench->gate, 0, 0);
    sem_init(&bench->entered, 0, 0);
    assert_int_equal(reactor_create(&bench->reactor), 0);
    struct pool_config config = {.name = "a name longer than 15",
                                 .threads = threads,
                                 .queue_max = queue_max,
                                 .context_create = context_create,
                                 .context_destroy = context_destroy,
                                 .arg = bench};
    int status = pool_create(bench->reactor, &config, &bench->pool);
    if (status == 0)
        bench->executor = pool_executor(bench->pool);
    return status;
}

static void bench_stop(struct bench *bench)
{
    pool_destroy(&bench->pool);
    reactor_destroy(&bench->reactor);
    sem_destroy(&bench->gate);
    sem_destroy(&bench->entered);
}

static struct job make_job(struct bench *bench, int id, bool waits)
{
    return (struct job){
        .base = {.work = work, .done = done}, .bench = bench, .id = id, .waits = waits};
}

static void run_until(struct bench *bench, int awaited)
{
    bench->awaited = awaited;
    if (bench->done < awaited)
        reactor_run(bench->reactor);
    assert_int_equal(bench->done, awaited);
}

static void test_one_thread_keeps_the_order(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 1, 50), 0);
    struct job jobs[50];
    for (int i = 0; i < 50; i++) {
        jobs[i] = make_job(&bench, i, false);
        assert_int_equal(executor_submit(bench.executor, &jobs[i].base), 0);
    }
    run_until(&bench, 50);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(bench.order[i], i);
        assert_ptr_equal(jobs[i].context, jobs[0].context);
    }
    assert_non_null(jobs[0].context);
    bench_stop(&bench);
}

static void test_each_thread_has_its_context(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 3, 3), 0);
    assert_int_equal(bench.contexts, 3);
    struct job jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = make_job(&bench, i + 1, true);
        assert_int_equal(executor_submit(bench.executor, &jobs[i].base), 0);
    }
    for (int i = 0; i < 3; i++) /* all three run at once */
        sem_wait(&bench.entered);
    struct pool_state pool = pool_state(bench.pool);
    assert_int_equal(pool.running, 3);
    assert_int_equal(pool.queued, 0);
    assert_int_equal(pool.threads, 3);
    for (int i = 0; i < 3; i++)
        sem_post(&bench.gate);
    run_until(&bench, 3);
    assert_ptr_not_equal(jobs[0].context, jobs[1].context);
    assert_ptr_not_equal(jobs[0].context, jobs[2].context);
    assert_ptr_not_equal(jobs[1].context, jobs[2].context);
    bench_stop(&bench);
}

static void test_a_full_queue_refuses(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 1, 2), 0);
    struct job jobs[4];
    for (int i = 0; i < 4; i++)
        jobs[i] = make_job(&bench, i + 1, i == 0);
    assert_int_equal(executor_submit(bench.executor, &jobs[0].base), 0);
    sem_wait(&bench.entered);
    assert_int_equal(executor_submit(bench.executor, &jobs[1].base), 0);
    assert_int_equal(executor_submit(bench.executor, &jobs[2].base), 0);
    assert_int_equal(executor_submit(bench.executor, &jobs[3].base), LT_EBUSY);
    assert_int_equal(pool_state(bench.pool).queued, 2);
    sem_post(&bench.gate);
    run_until(&bench, 3);
    bench_stop(&bench);
    assert_int_equal(bench.done, 3);
}

static void test_only_queued_jobs_can_be_cancelled(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 1, 4), 0);
    struct job jobs[5];
    for (int i = 0; i < 5; i++) {
        jobs[i] = make_job(&bench, i + 1, i == 0);
        assert_int_equal(executor_submit(bench.executor, &jobs[i].base), 0);
        if (i == 0)
            sem_wait(&bench.entered);
    }
    assert_false(executor_cancel(bench.executor, &jobs[0].base)); /* runs */
    assert_true(executor_cancel(bench.executor, &jobs[2].base));  /* in the middle */
    assert_true(executor_cancel(bench.executor, &jobs[4].base));  /* at the end */
    assert_false(executor_cancel(bench.executor, &jobs[4].base)); /* again */
    assert_int_equal(bench.done, 0);                              /* never from within */
    struct job late = make_job(&bench, 6, false);
    assert_int_equal(executor_submit(bench.executor, &late.base), 0);
    run_until(&bench, 2);
    assert_int_equal(bench.order[0], -3);
    assert_int_equal(bench.order[1], -5);
    sem_post(&bench.gate);
    run_until(&bench, 6);
    static const int rest[] = {1, 2, 4, 6};
    for (int i = 0; i < 4; i++)
        assert_int_equal(bench.order[2 + i], rest[i]);
    assert_false(executor_cancel(bench.executor, &jobs[0].base)); /* has run */
    bench_stop(&bench);
}

static void test_done_may_submit(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 1, 1), 0);
    struct job job = make_job(&bench, 1, false);
    bench.again = &job;
    assert_int_equal(executor_submit(bench.executor, &job.base), 0);
    run_until(&bench, 2);
    assert_int_equal(bench.again_status, 0);
    bench_stop(&bench);
}

static void test_destroy_drops_the_queue_and_waits(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 1, 4), 0);
    struct job jobs[3];
    for (int i = 0; i < 3; i++) {
        jobs[i] = make_job(&bench, i + 1, i == 0);
        assert_int_equal(executor_submit(bench.executor, &jobs[i].base), 0);
        if (i == 0)
            sem_wait(&bench.entered);
    }
    struct job again = make_job(&bench, 4, false);
    bench.again = &again;
    sem_post(&bench.gate);
    bench_stop(&bench);
    assert_int_equal(bench.done, 3);
    assert_int_equal(bench.again_status, LT_ECLOSED);
    for (int i = 0; i < 3; i++) /* in any order; the first one ran */
        assert_true(bench.order[i] == 1 || bench.order[i] == -2 || bench.order[i] == -3 ||
                    bench.order[i] == 2 || bench.order[i] == 3);
}

static void test_a_context_that_fails_fails_the_pool(void **state)
{
    (void)state;
    struct bench bench = {.contexts_fail_at = 2};
    assert_int_equal(reactor_create(&bench.reactor), 0);
    struct pool_config config = {.name = "pool",
                                 .threads = 3,
                                 .queue_max = 1,
                                 .context_create = context_bench,
                                 .context_destroy = context_count_down,
                                 .arg = &bench};
    assert_int_equal(pool_create(bench.reactor, &config, &bench.pool), LT_ENOMEM);
    assert_null(bench.pool);
    assert_int_equal(bench.contexts, 0); /* those that were made are gone again */
    reactor_destroy(&bench.reactor);
}

/* ---- a shared loop ---- */

enum { PARTS = 2000 };

struct loop {
    struct executor_job base;
    struct executor_assist assist;
    struct bench *bench;
    _Atomic int next;
    _Atomic int done[PARTS];
    _Atomic int helpers;
    _Atomic bool ended;
    void *context;
    bool waits_for_helpers;
};

static void take_parts(struct loop *loop)
{
    int part;
    while (loop->waits_for_helpers && loop->helpers < (int)loop->assist.helpers_max)
        sched_yield();
    while ((part = loop->next++) < PARTS) {
        assert_false(loop->ended);
        loop->done[part]++;
    }
}

static void loop_help(struct executor_assist *assist, void *context)
{
    struct loop *loop = CONTAINER_OF(assist, struct loop, assist);
    assert_ptr_not_equal(context, loop->context);
    loop->helpers++;
    take_parts(loop);
}

static void loop_work(struct executor_job *base, void *context)
{
    struct loop *loop = (struct loop *)base;
    loop->context = context;
    executor_assist_begin(loop->bench->executor, &loop->assist);
    take_parts(loop);
    executor_assist_end(loop->bench->executor, &loop->assist);
    loop->ended = true;
}

static void loop_done(struct executor_job *base, bool ran)
{
    struct loop *loop = (struct loop *)base;
    assert_true(ran);
    if (++loop->bench->done == loop->bench->awaited)
        reactor_stop(loop->bench->reactor);
}

static struct loop *make_loop(struct bench *bench, uint32_t helpers_max)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    assert_non_null(loop);
    loop->base = (struct executor_job){.work = loop_work, .done = loop_done};
    loop->assist = (struct executor_assist){.work = loop_help, .helpers_max = helpers_max};
    loop->bench = bench;
    return loop;
}

static void check_loop(struct loop **loop)
{
    for (int i = 0; i < PARTS; i++)
        assert_int_equal((*loop)->done[i], 1);
    free(*loop);
}

static void test_idle_workers_help(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 4, 4), 0);
    struct loop *loop = make_loop(&bench, 2);
    loop->waits_for_helpers = true;
    assert_int_equal(executor_submit(bench.executor, &loop->base), 0);
    run_until(&bench, 1);
    assert_int_equal(loop->helpers, 2); /* not the third one */
    check_loop(&loop);
    bench_stop(&bench);
}

/* Nobody is waited for who has not begun: all workers are busy with loops, or with a job that
 * waits.
 */
static void test_a_loop_ends_without_help(void **state)
{
    (void)state;
    struct bench bench = {0};
    assert_int_equal(bench_start(&bench, 2, 8), 0);
    struct job job = make_job(&bench, 1, true);
    assert_int_equal(executor_submit(bench.executor, &job.base), 0);
    sem_wait(&bench.entered);
    struct loop *loop = make_loop(&bench, 3);
    assert_int_equal(executor_submit(bench.executor, &loop->base), 0);
    run_until(&bench, 1);
    assert_int_equal(loop->helpers, 0);
    check_loop(&loop);
    sem_post(&bench.gate);
    run_until(&bench, 2);
    bench_stop(&bench);
}

static void test_many_loops_at_once(void **state)
{
    (void)state;
    enum { LOOPS = 40 };
    struct bench bench = {0};
    struct loop *loops[LOOPS];
    assert_int_equal(bench_start(&bench, 3, LOOPS), 0);
    for (int i = 0; i < LOOPS; i++) {
        loops[i] = make_loop(&bench, (uint32_t)i % 4);
        assert_int_equal(executor_submit(bench.executor, &loops[i]->base), 0);
    }
    run_until(&bench, LOOPS);
    for (int i = 0; i < LOOPS; i++) {
        assert_true(loops[i]->helpers <= i % 4);
        check_loop(&loops[i]);
    }
    bench_stop(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_keeps_the_order),
        cmocka_unit_test(test_each_thread_has_its_context),
        cmocka_unit_test(test_a_full_queue_refuses),
        cmocka_unit_test(test_only_queued_jobs_can_be_cancelled),
        cmocka_unit_test(test_done_may_submit),
        cmocka_unit_test(test_destroy_drops_the_queue_and_waits),
        cmocka_unit_test(test_a_context_that_fails_fails_the_pool),
        cmocka_unit_test(test_idle_workers_help),
        cmocka_unit_test(test_a_loop_ends_without_help),
        cmocka_unit_test(test_many_loops_at_once),
    };
    return cmocka_run_group_tests_name("reactor/pool", tests, NULL, NULL);
}
