#ifndef LOAD_TRAFFIC_H
#define LOAD_TRAFFIC_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is sent: commands of a fixed layout. A command is written once, as a template; sending it
 * again changes only the digits that differ: each point's 16 hex digits, its value, its time. So a
 * point costs a dozen nanoseconds, and the load generator leaves the cores to what it measures.
 *
 *   key      db001/host.queries.load.<16 hex digits>.time_us: 48 bytes. The digits are a bijective
 *            mix of the series' number: they look random, and need no table
 *   value    an integer random walk of each series, steps of up to 10, always four digits: it
 *            starts anywhere within 1000 … 9999 and turns round at the ends
 *
 * Everything follows from the seed, but for the times of TIMES_NOW. One thread. */

enum command { COMMAND_MADD, COMMAND_ADD, COMMAND_OBSERVE };

enum draw {
    DRAW_UNIFORM, /* any series, each as likely as any other */
    DRAW_EACH,    /* one after the other; after the last the first again: a pass */
    DRAW_NEW,     /* never the same: names that no other seed and no other draw has */
};

struct traffic_config {
    enum command command;
    uint32_t points; /* a command; of COMMAND_ADD 1 */
    uint32_t series; /* of DRAW_EACH a multiple of points */
    enum draw draw;
    bool advance;    /* the first pass has time start_s, each further one a second more; otherwise
                        a point has the time at which it is sent */
    int64_t start_s; /* 10 digits: from 1000000000 on */
    uint64_t seed;
};

struct traffic;

/* LT_ENOMEM. */
MUST_USE int traffic_create(const struct traffic_config *config, struct traffic **out);
void traffic_destroy(struct traffic **traffic);

/* All commands have this length. */
size_t traffic_command_bytes(const struct traffic *traffic);

/* Writes the template. */
void traffic_template(const struct traffic *traffic, char *out);

/* Turns a template, or an earlier command in its place, into the next command. Returns the time of
 * its points in ms, as the reply should have it. */
int64_t traffic_next(struct traffic *traffic, char *command, int64_t wall_ms);

/* A series' key, for creating it beforehand. */
enum { TRAFFIC_KEY_BYTES = 48 };
void traffic_key(uint32_t series, char out[TRAFFIC_KEY_BYTES + 1]);

#endif
