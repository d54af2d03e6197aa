#ifndef COMMAND_DECLARE_H
#define COMMAND_DECLARE_H

#include "base/attr.h"
#include "command/command.h"
#include "command/inquiry.h"
#include "model/settings.h"
#include "record/series.h"

#include <stdbool.h>
#include <stdint.h>

/* A command that changes what is declared of one key, step by step, while its client waits:
 *
 *   look: is the key there? --> looked() --append: a record to the log--> report
 *     --wait until this process has applied it--> settled() --> reply
 *
 * Only the log's order decides: of two that create a key, the one whose record is applied first has
 * created it, and settled() tells each which it was. Each step either asks for the next one or
 * ends: composes the reply and calls declare_end. What fails on the way is answered here. A client
 * that hangs up ends what only it waits for; what the log has been given will be done. Thread:
 * loop. */

struct declare;

struct declare_steps {
    void (*looked)(struct declare *d, const struct result_key *key);
    /* offset: of the record; key: what is declared now. NULL: nothing is waited for, and settled is
     * not called: see declare_append. */
    void (*settled)(struct declare *d, uint64_t offset, const struct result_key *key);
    /* The log has the record; called in place of waiting where settled is NULL. */
    void (*stored)(struct declare *d);
};

struct declare {
    const struct declare_steps *steps;
    struct inquiry inquiry;
    struct slot *slot;
    struct buffer key;      /* as the client named it */
    struct buffer settings; /* settings_write: for the step that appends */
    void *arg;              /* the command's; freed with it, by free() */
    /* internal */
    bool stored;     /* the log has the record, */
    uint64_t offset; /* ... there */
};

/* Begins with looking. The key is checked. False: it can not, and an error is composed, or the
 * client's earlier writes are waited for, and the command will run again; arg is the caller's then.
 * command: a literal. options may be NULL. */
struct series_options;
bool declare_begin(struct command_call *call, const struct declare_steps *steps,
                   const char *command, struct slice key, const struct series_options *options,
                   void *arg);

void declare_names(const struct declare *d, struct slice *host_out, struct slice *metric_out);

/* Appends a record of these settings (NULL: what declare_begin was given). */
void declare_append(struct declare *d, enum record_series_way way, const struct settings *settings);
void declare_append_drop(struct declare *d);

/* The reply is composed. */
void declare_end(struct declare *d);
/* "ERR ..." or "BUSY ...": composes it and ends. */
void declare_fail(struct declare *d, int err);

#endif
