#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

/* A named place where a test stops the process as a crash would. LONGTAIL_FAILPOINT=name kills the
 * process (SIGKILL) the first time that failpoint is passed, name:N the Nth time; name:N:stop
 * freezes it instead (SIGSTOP). Unset, a failpoint costs one relaxed load. Thread: any. Every name
 * stands in tests/README.md, which says what it proves. */
void failpoint(const char *name);

#endif
