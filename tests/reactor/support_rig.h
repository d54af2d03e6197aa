#ifndef TESTS_REACTOR_SUPPORT_RIG_H
#define TESTS_REACTOR_SUPPORT_RIG_H

#include "reactor/reactor.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* A reactor on a thread of its own with one listener, whose handler speaks a small language of
 * lines, so that tests can be blocking clients:
 *
 *   echo TEXT   writes TEXT\n             trust     conn_trust
 *   flood N     writes N bytes of 'x'     block     conn_block(true); rig_unblock ends it
 *   bye         writes bye\n, closes      bad       writes err\n, gives the connection up
 *   killall     closes all connections of the listener at once
 */
struct rig {
    struct reactor *reactor;
    struct listener *listener;
    struct reactor_watch *watch;
    pthread_t thread;
    int event_fd;
    void (*call)(struct rig *rig);
    sem_t called;
    struct conn *blocked; /* the last one */
    bool refuse;          /* on_open refuses, with "no\n" */
    _Atomic int inputs;   /* calls of on_input */
    _Atomic int closed;   /* calls of on_close */
    _Atomic int turns;
    _Atomic(const char *) why; /* of the last on_close */
    _Atomic long input_bytes;  /* rig_measure: of the blocked connection */
};

struct conn_limits rig_limits(void);
void rig_start(struct rig *rig, const char *address, const struct conn_limits *limits);
void rig_stop(struct rig *rig);

/* Runs call on the loop's thread, and waits for it. */
void rig_call(struct rig *rig, void (*call)(struct rig *rig));
void rig_unblock(struct rig *rig);

/* Waits until *counter is at least n; fails the test after 10 s. */
void rig_wait(_Atomic int *counter, int n);

/* ---- blocking clients; reads give up after 10 s ---- */
int client_connect(struct rig *rig);
int client_socket(void);
int client_connect_with(struct rig *rig, int fd);
void client_send(int fd, const char *text);
/* Exactly this text comes next. */
void client_expect(int fd, const char *text);
/* The connection ends in an orderly way, nothing comes before. */
void client_expect_end(int fd);
/* It ends in whatever way; what comes before is counted. drain also closes. */
long client_read_all(int fd);
long client_drain(int fd);

#endif
