#ifndef TESTS_SUPPORT_CRASH_H
#define TESTS_SUPPORT_CRASH_H

#include <stdint.h>

/* The process that dies: this program again, because a failpoint is armed when the first one is
 * passed. Its main() is given `crash <address> <prefix> <epoch>`, to do some work on a partition
 * that it owns. Returns its wait status. */
int crash_at(const char *failpoint, const char *address, const char *prefix, uint64_t epoch);

#endif
