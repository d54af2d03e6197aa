#include "support_mariadb.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TRIES = 300, START_TRY_US = 100000, PATH_BYTES_MAX = 400 };

struct test_mariadb {
    pid_t pid; /* 0: not running, or not ours */
    bool is_private;
    char folder[PATH_BYTES_MAX / 2];
    char address[PATH_BYTES_MAX];
};

static void redirect(const char *folder)
{
    char path[PATH_BYTES_MAX];
    snprintf(path, sizeof(path), "%s/log", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
}

static pid_t spawn(const char *folder, const char *const *argv)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    redirect(folder);
    execvp(argv[0], (char *const *)argv); /* exec changes nothing there */
    _exit(127);
}

static bool run(const char *folder, const char *const *argv)
{
    pid_t pid = spawn(folder, argv);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static const char *socket_path(const struct test_mariadb *db)
{
    return db->address + strlen("unix:");
}

static bool accepts(const struct test_mariadb *db)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path(db));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

bool test_mariadb_restart(struct test_mariadb *db)
{
    char data[PATH_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    char tmp[PATH_BYTES_MAX];
    snprintf(data, sizeof(data), "--datadir=%s/data", db->folder);
    snprintf(tmp, sizeof(tmp), "--tmpdir=%s", db->folder);
    snprintf(path, sizeof(path), "--socket=%s", socket_path(db));
    const char *argv[] = {"mariadbd",
                          "--no-defaults",
                          data,
                          tmp,
                          path,
                          "--skip-networking",
                          "--user=root",
                          "--innodb-buffer-pool-size=64M",
                          "--innodb-log-file-size=32M",
                          "--max-allowed-packet=16M",
                          NULL};
    db->pid = spawn(db->folder, argv);
    for (int i = 0; i < START_TRIES; i++) {
        if (accepts(db))
            return true;
        if (waitpid(db->pid, NULL, WNOHANG) == db->pid)
            break;
        usleep(START_TRY_US);
    }
    fprintf(stderr, "mariadbd does not come up: see %s/log\n", db->folder);
    return false;
}

static bool install(struct test_mariadb *db)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(db->folder, sizeof(db->folder), "%.100s/longtail-mariadb-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(db->folder) == NULL)
        return false;
    snprintf(db->address, sizeof(db->address), "unix:%s/sock", db->folder);
    char data[PATH_BYTES_MAX];
    snprintf(data, sizeof(data), "--datadir=%s/data", db->folder);
    /* Servers in containers that share /tmp may have the same process id, by which they name their
     * files. */
    char tmpdir[PATH_BYTES_MAX];
    snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s", db->folder);
    const char *argv[] = {"mariadb-install-db",
                          "--no-defaults",
                          data,
                          tmpdir,
                          "--user=root",
                          "--auth-root-authentication-method=normal",
                          "--skip-test-db",
                          NULL};
    if (run(db->folder, argv))
        return true;
    fprintf(stderr, "mariadb-install-db failed: see %s/log\n", db->folder);
    return false;
}

struct test_mariadb *test_mariadb_start(void)
{
    struct test_mariadb *db = calloc(1, sizeof(*db));
    if (db == NULL)
        return NULL;
    const char *given = getenv("LONGTAIL_TEST_MYSQL");
    if (given != NULL && *given != '\0') {
        snprintf(db->address, sizeof(db->address), "%s", given);
        return db;
    }
    db->is_private = true;
    if (install(db) && test_mariadb_restart(db))
        return db;
    free(db);
    return NULL;
}

void test_mariadb_kill(struct test_mariadb *db)
{
    if (db->pid > 0) {
        kill(db->pid, SIGKILL);
        waitpid(db->pid, NULL, 0);
    }
    db->pid = 0;
}

void test_mariadb_stop(struct test_mariadb **db)
{
    if (*db == NULL)
        return;
    if ((*db)->is_private) {
        test_mariadb_kill(*db);
        const char *argv[] = {"rm", "-rf", (*db)->folder, NULL};
        run((*db)->folder, argv);
    }
    free(*db);
    *db = NULL;
}

void test_mariadb_freeze(struct test_mariadb *db, bool frozen)
{
    kill(db->pid, frozen ? SIGSTOP : SIGCONT);
    if (frozen)
        waitpid(db->pid, NULL, WUNTRACED); /* until its last thread has stopped */
}

bool test_mariadb_is_private(const struct test_mariadb *db)
{
    return db->is_private;
}

const char *test_mariadb_address(const struct test_mariadb *db)
{
    return db->address;
}
