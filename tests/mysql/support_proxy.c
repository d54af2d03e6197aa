#include "mysql/support_proxy.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { POLL_MS = 20, CHUNK_BYTES = 65536 };

struct proxy {
    char address[128];
    char target[128];
    int listener;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic int cut;
};

static int unix_socket(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof(out->sun_path), "%.100s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* One direction's next bytes. False: the connection is over. */
static bool pass(struct proxy *proxy, int from, int to, bool from_client, bool *drop_answer)
{
    static const char commit[] = "\x03"
                                 "COMMIT";
    static _Thread_local char chunk[CHUNK_BYTES];
    ssize_t n = recv(from, chunk, sizeof(chunk), 0);
    if (n <= 0)
        return false;
    if (from_client && atomic_load(&proxy->cut) != PROXY_CUT_NEVER &&
        memmem(chunk, (size_t)n, commit, sizeof(commit) - 1) != NULL) {
        if (atomic_exchange(&proxy->cut, PROXY_CUT_NEVER) == PROXY_CUT_REQUEST)
            return false;
        *drop_answer = true;
    } else if (!from_client && *drop_answer) {
        return false;
    }
    return write_all(to, chunk, (size_t)n);
}

static void serve(struct proxy *proxy, int client)
{
    struct sockaddr_un address;
    int server = unix_socket(proxy->target, &address);
    bool drop_answer = false;
    bool open = connect(server, (struct sockaddr *)&address, sizeof(address)) == 0;
    while (open && !atomic_load(&proxy->stopping)) {
        struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (poll(fds, 2, POLL_MS) <= 0)
            continue;
        if (fds[0].revents != 0)
            open = pass(proxy, client, server, true, &drop_answer);
        if (open && fds[1].revents != 0)
            open = pass(proxy, server, client, false, &drop_answer);
    }
    close(client);
    close(server);
}

static void *proxy_run(void *arg)
{
    struct proxy *proxy = arg;
    while (!atomic_load(&proxy->stopping)) {
        struct pollfd fd = {.fd = proxy->listener, .events = POLLIN};
        if (poll(&fd, 1, POLL_MS) <= 0)
            continue;
        int client = accept(proxy->listener, NULL, NULL);
        if (client >= 0)
            serve(proxy, client);
    }
    return NULL;
}

struct proxy *proxy_start(const char *to)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    if (proxy == NULL)
        return NULL;
    struct sockaddr_un address;
    snprintf(proxy->target, sizeof(proxy->target), "%s", to + strlen("unix:"));
    snprintf(proxy->address, sizeof(proxy->address), "unix:/tmp/longtail-proxy-%d", (int)getpid());
    unlink(proxy->address + strlen("unix:"));
    proxy->listener = unix_socket(proxy->address + strlen("unix:"), &address);
    if (bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(proxy->listener, 4) == 0 &&
        pthread_create(&proxy->thread, NULL, proxy_run, proxy) == 0)
        return proxy;
    close(proxy->listener);
    free(proxy);
    return NULL;
}

void proxy_stop(struct proxy **proxy)
{
    atomic_store(&(*proxy)->stopping, true);
    pthread_join((*proxy)->thread, NULL);
    close((*proxy)->listener);
    unlink((*proxy)->address + strlen("unix:"));
    free(*proxy);
    *proxy = NULL;
}

const char *proxy_address(const struct proxy *proxy)
{
    return proxy->address;
}

void proxy_cut(struct proxy *proxy, enum proxy_cut cut)
{
    atomic_store(&proxy->cut, (int)cut);
}
