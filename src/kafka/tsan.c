#include "kafka/internal.h"

/* ThreadSanitizer knows POSIX threads and locks, and not C11's, which librdkafka uses: it would
 * neither see that these order anything, nor that such a thread has begun. glibc makes the ones of
 * the others; so, in builds with this sanitizer only, they go the way that it can see. */

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

#ifdef TSAN

#include <errno.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "glibc: one representation");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc: one representation");

/* Its reference counts are atomic, but not to be seen from outside. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:librdkafka.so\n";
}

struct start {
    thrd_start_t run;
    void *arg;
};

static void *start_thread(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)start.run(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *arg)
{
    struct start *start = malloc(sizeof(*start));
    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){run, arg};
    if (pthread_create(thread, NULL, start_thread, start) == 0)
        return thrd_success;
    free(start);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *returned;
    if (pthread_join(thread, &returned) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)returned;
    return thrd_success;
}

int mtx_init(mtx_t *lock, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, (type & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE
                                                                       : PTHREAD_MUTEX_NORMAL);
    int rc = pthread_mutex_init((pthread_mutex_t *)lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return rc == 0 ? thrd_success : thrd_error;
}

void mtx_destroy(mtx_t *lock)
{
    pthread_mutex_destroy((pthread_mutex_t *)lock);
}

int mtx_lock(mtx_t *lock)
{
    return pthread_mutex_lock((pthread_mutex_t *)lock) == 0 ? thrd_success : thrd_error;
}

int mtx_unlock(mtx_t *lock)
{
    return pthread_mutex_unlock((pthread_mutex_t *)lock) == 0 ? thrd_success : thrd_error;
}

int cnd_init(cnd_t *cond)
{
    return pthread_cond_init((pthread_cond_t *)cond, NULL) == 0 ? thrd_success : thrd_error;
}

void cnd_destroy(cnd_t *cond)
{
    pthread_cond_destroy((pthread_cond_t *)cond);
}

int cnd_signal(cnd_t *cond)
{
    return pthread_cond_signal((pthread_cond_t *)cond) == 0 ? thrd_success : thrd_error;
}

int cnd_broadcast(cnd_t *cond)
{
    return pthread_cond_broadcast((pthread_cond_t *)cond) == 0 ? thrd_success : thrd_error;
}

int cnd_wait(cnd_t *cond, mtx_t *lock)
{
    int rc = pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)lock);
    return rc == 0 ? thrd_success : thrd_error;
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict lock, const struct timespec *restrict until)
{
    int rc = pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)lock, until);
    return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : thrd_error;
}

#endif

void tsan_link(void)
{
}
