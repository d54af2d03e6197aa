#include "command/transaction.h"

#include "base/error.h"
#include "command/session.h"
#include "command/watch.h"
#include "command_table.h"

int transaction_create(size_t bytes_max, struct transaction **out)
{
    struct transaction *transaction = calloc(1, sizeof(*transaction));
    if (transaction == NULL)
        return LT_ENOMEM;
    arena_init(&transaction->arena);
    transaction->bytes_max = bytes_max;
    *out = transaction;
    return 0;
}

void transaction_destroy(struct transaction **transaction)
{
    if (*transaction == NULL)
        return;
    arena_fini(&(*transaction)->arena);
    VEC_FINI(&(*transaction)->commands);
    free(*transaction);
    *transaction = NULL;
}

int transaction_add(struct transaction *transaction, const struct command_spec *spec,
                    const struct slice *argv, uint32_t argc)
{
    size_t bytes = argc * sizeof(*argv);
    for (uint32_t i = 0; i < argc; i++)
        bytes += argv[i].n;
    size_t queued =
        transaction->arena.bytes + transaction->commands.n * sizeof(*transaction->commands.v);
    if (queued + bytes > transaction->bytes_max)
        return LT_ELIMIT;
    struct transaction_command command = {.spec = spec, .argc = argc};
    command.argv = arena_alloc(&transaction->arena, argc * sizeof(*argv), _Alignof(struct slice));
    if (command.argv == NULL)
        return LT_ENOMEM;
    for (uint32_t i = 0; i < argc; i++) {
        command.argv[i] = arena_copy(&transaction->arena, argv[i]);
        if (command.argv[i].p == NULL)
            return LT_ENOMEM;
    }
    return VEC_PUSH(&transaction->commands, command) ? 0 : LT_ENOMEM;
}

/* ---- MULTI, EXEC, DISCARD ---- */

void transaction_multi(struct command_call *call)
{
    struct session *session = call->session;
    if (session->queueing != NULL) {
        resp_error(call->reply, SLICE_LIT("ERR MULTI calls can not be nested"));
        return;
    }
    if (transaction_create(session->all->transaction_bytes_max, &session->queueing) != 0) {
        resp_error(call->reply, SLICE_LIT("ERR out of memory, no transaction was begun"));
        return;
    }
    resp_simple(call->reply, SLICE_LIT("OK"));
}

void transaction_exec(struct command_call *call)
{
    struct session *session = call->session;
    if (session->queueing == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR EXEC without MULTI"));
        return;
    }
    if (session->queueing->broken) {
        watch_forget(session);
        transaction_destroy(&session->queueing);
        resp_error(call->reply,
                   SLICE_LIT("EXECABORT Transaction discarded because of previous errors."));
        return;
    }
    if (session->exec_permits != NULL && !session->exec_permits(call, session->queueing)) {
        transaction_destroy(&session->queueing);
        return;
    }
    /* The array's elements are the commands' own replies, each at once or later: the session runs
     * the commands from here on, and takes no input until the last one is answered or deferred. */
    session->executing = session->queueing;
    session->queueing = NULL;
    resp_array(call->reply, session->executing->commands.n);
}

void transaction_discard(struct command_call *call)
{
    struct session *session = call->session;
    if (session->queueing == NULL) {
        resp_error(call->reply, SLICE_LIT("ERR DISCARD without MULTI"));
        return;
    }
    watch_forget(session);
    transaction_destroy(&session->queueing);
    resp_simple(call->reply, SLICE_LIT("OK"));
}
