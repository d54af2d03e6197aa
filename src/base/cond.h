#ifndef BASE_COND_H
#define BASE_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Condition variables that wait by clock_mono_ms: a wall clock that is set neither prolongs a wait
 * nor ends it. */

/* For pthread_cond_wait, _signal, _broadcast and _destroy too. Linux's does not fail. */
void cond_init(pthread_cond_t *cond);

/* As pthread_cond_timedwait; false: the time has come. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_mono_ms);

#endif
