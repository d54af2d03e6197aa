#ifndef COMMAND_SESSION_H
#define COMMAND_SESSION_H

#include "command/replies.h"
#include "command/table.h"
#include "command/usage.h"
#include "command/watch.h"
#include "command/transaction.h"
#include "reactor/list.h"
#include "reactor/reactor.h"

/* A client's session: from its connection's bytes to commands, and from replies to bytes. Internal
 * to this folder: handlers of data commands need command.h only. Thread: loop. */

enum {
    SESSION_NAME_BYTES_MAX = 64,
    SESSION_AUTH_FAILURES_MAX = 5,
    SESSION_SLOTS_MAX = 65536, /* open for one client; above, its input waits */
    SESSION_QUIET_MS = 50,
    SESSION_FLUSH_BYTES = 64 * 1024, /* replies leave at this size, or at the input's end */
    SESSION_KEPT_BYTES = 4 * 1024,   /* of the memory for them: there are many idle clients */
};

enum session_state {
    SESSION_OPEN,           /* runs what comes in */
    SESSION_WAITS_REPLY,    /* a blocking slot is open */
    SESSION_WAITS_WRITES,   /* a read will run again when earlier writes are answered */
    SESSION_WAITS_DECLARED, /* a write will run again when it is known what is declared */
    SESSION_WAITS_ROOM,     /* too many slots are open */
    SESSION_DRAINING,       /* closes when the open slots are answered; runs nothing more */
    SESSION_CLOSING,        /* told the connection to close */
    SESSION_GONE,           /* the connection is gone; lives on until its slots are answered */
};

/* What the sessions of a server share. Made by server.c. */
struct sessions {
    const struct command_deps *deps;
    struct command_table table;
    const struct command_spec *looked_up; /* of the table, last */
    struct slot_pool slots;
    struct usage usage;
    struct watches watches;
    size_t output_bytes_max;
    size_t transaction_bytes_max;
    struct resp_limits limits[2]; /* before and after authentication */
    struct session *first, *last;
    struct list answered; /* sessions whose replies leave at the turn's end */
    int port;             /* see server_port */
    uint32_t count;
    uint32_t wait_declared; /* sessions in that state */
    uint64_t next_id;
    uint64_t connections; /* since the start */
    uint64_t commands;    /* that ran */
    uint64_t refused;     /* unknown, malformed or not permitted */
    uint64_t errors_protocol;
    uint64_t rate; /* commands a second, of about the last one, which began: */
    uint64_t rate_commands;
    int64_t rate_mono_ms;
    uint64_t cut_slow; /* clients that did not read their replies */
    uint64_t auth_failures;
};

struct session {
    struct sessions *all;
    struct session *previous, *next;
    struct list answered; /* in all->answered, or by itself */
    struct conn *conn;    /* NULL once it is gone */
    uint64_t id;
    enum session_state state;
    uint8_t version; /* of RESP */
    uint8_t auth_failures;
    bool running;      /* inside session_input: calls from handlers must not recurse */
    bool conn_blocked; /* what the connection was told */
    uint32_t writes_pending;
    const struct tenant_environment *environment; /* NULL: not authenticated */
    const struct command_spec *last_command;
    struct resp_parser parser;
    struct slice behind; /* what came behind the command that runs, and may be taken along */
    size_t peeked;       /* bytes of it that call_peek has shown */
    size_t taken_bytes;  /* of it, that call_take has taken: */
    uint32_t taken;      /* ... so many commands */
    struct replies replies;
    struct slot *blocking;
    struct transaction *queueing; /* between MULTI and EXEC */
    struct transaction *executing;
    struct watch *watched;
    /* Set by WATCH: watch_permits. */
    bool (*exec_permits)(struct command_call *call, struct transaction *transaction);
    struct slot *watch_slot; /* WATCH waits: until the batches up to this one are applied, */
    uint64_t watch_handed;
    int64_t watch_due_mono_ms; /* ... or this moment */
    uint64_t watch_epoch;      /* of the partition's owner, which this process was */
    char name[SESSION_NAME_BYTES_MAX + 1];
    char lib_name[SESSION_NAME_BYTES_MAX + 1];
    char lib_version[SESSION_NAME_BYTES_MAX + 1];
};

/* For a connection just accepted. LT_ENOMEM. */
MUST_USE int session_create(struct sessions *all, struct conn *conn, struct session **out);

/* As the reactor's on_input and on_close. */
long session_input(struct session *session, struct slice input);
void session_gone(struct session *session);

/* Answers what was asked, then closes; asks nothing more of the client. */
void session_drain(struct session *session, const char *why);
/* Closes at once. */
void session_close(struct session *session, const char *why);

/* At the end of each loop turn: sessions that wait for what is declared go on when they may. */
void sessions_look(struct sessions *all);

/* At the end of each loop turn, behind all that may answer: hands over the replies of slots that
 * were sent since the last one, once a session however many they are. */
void sessions_flush(struct sessions *all);

/* Back to how it was opened: RESP2, nameless, authenticated only where no password is needed. */
void session_reset(struct session *session);
void session_authenticated(struct session *session, const struct tenant_environment *environment);

/* Sets a name; false where SESSION_NAME_ERROR is due. */
#define SESSION_NAME_ERROR                                                                         \
    "ERR Client names cannot contain spaces, newlines or special characters, nor pass 64 bytes"
MUST_USE bool session_set_text(char out[SESSION_NAME_BYTES_MAX + 1], struct slice text);

/* Has the command that just ran not run, and will again? */
bool session_runs_again(const struct session *session);

/* Finds, checks and runs one command (or queues it, inside MULTI). */
void dispatch(struct session *session, struct slice *argv, uint32_t argc);
void dispatch_run(struct session *session, const struct command_spec *spec, struct slice *argv,
                  uint32_t argc);

#endif
