#ifndef TESTS_SUPPORT_MARIADB_H
#define TESTS_SUPPORT_MARIADB_H

#include <stdbool.h>

/* A MariaDB for tests. LONGTAIL_TEST_MYSQL=unix:/path names one that runs already (its user root
 * has no password); else a private one is started in a new folder under TMPDIR, with a socket and
 * no port. It dies with the process that started it. Caller: one thread. */
struct test_mariadb;

/* NULL, and the reason on stderr: no server can be had on this machine. */
struct test_mariadb *test_mariadb_start(void);
void test_mariadb_stop(struct test_mariadb **db);

/* "unix:/path" */
const char *test_mariadb_address(const struct test_mariadb *db);

/* A private one may be killed, stopped and started; others not. */
bool test_mariadb_is_private(const struct test_mariadb *db);
void test_mariadb_kill(struct test_mariadb *db);    /* SIGKILL, and waits until it is gone */
bool test_mariadb_restart(struct test_mariadb *db); /* after kill; false: it does not come up */
void test_mariadb_freeze(struct test_mariadb *db, bool frozen);

#endif
