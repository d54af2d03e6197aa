#ifndef COMMAND_REMOVE_H
#define COMMAND_REMOVE_H

#include "base/arena.h"
#include "command/erase.h"

#include <stdbool.h>
#include <stdint.h>

/* Removes one key, whatever it is, while a client waits: what its rules have computed is written
 * down in their destinations; its points are erased, then what is declared of it is dropped, behind
 * them in the log. What is cut short can be done again. Thread: loop. */

struct removing {
    struct inquiry *inquiry; /* the command's; removing asks by it until done */
    struct slice key;        /* the caller's until done */
    uint64_t epoch;          /* erase.h's */
    /* Called once. word NULL: it is gone, or was never there; else as erase.h says. */
    void (*done)(struct removing *r, const char *word, const char *what);
    bool known; /* out: there was such a key */
    uint64_t
        applied; /* out: who has applied all records below finds it gone; 0: nothing to wait for */
    /* internal */
    struct erasing erasing;
    struct arena arena;
    struct slice *destinations;
    uint32_t destinations_at, destinations_count;
    bool declared;
};

/* All up to `done` are set, the rest is 0. done may be called within. */
void removing_start(struct removing *r);

#endif
