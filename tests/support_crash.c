#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int crash_at(const char *failpoint, const char *address, const char *prefix, uint64_t epoch)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)epoch);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("LONGTAIL_FAILPOINT", failpoint, 1);
        execl("/proc/self/exe", "test", "crash", address, prefix, text, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}
