#include "base/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -1: the environment was not read yet; 0: nothing armed; else passes left until then. */
static _Atomic long failpoint_left = -1;

static long failpoint_arm(void)
{
    const char *spec = getenv("LONGTAIL_FAILPOINT");
    long left = 0;
    if (spec != NULL && *spec != '\0') {
        const char *colon = strchr(spec, ':');
        left = colon != NULL ? strtol(colon + 1, NULL, 10) : 1;
    }
    long unset = -1;
    atomic_compare_exchange_strong(&failpoint_left, &unset, left);
    return atomic_load(&failpoint_left);
}

void failpoint(const char *name)
{
    long left = atomic_load_explicit(&failpoint_left, memory_order_relaxed);
    if (left == 0 || (left < 0 && failpoint_arm() <= 0))
        return;
    const char *spec = getenv("LONGTAIL_FAILPOINT");
    if (spec == NULL)
        return;
    size_t n = strcspn(spec, ":");
    if (strlen(name) == n && memcmp(spec, name, n) == 0 &&
        atomic_fetch_sub(&failpoint_left, 1) == 1)
        kill(getpid(), strstr(spec, ":stop") != NULL ? SIGSTOP : SIGKILL);
}
