#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "load/clients.h"

/* What was asked for, in words, beside what was seen. */
struct report {
    const char *command, *draw, *times; /* as given */
    uint32_t points, connections, depth, series;
    uint64_t seed;
    double points_per_s; /* asked for; 0: as fast as it goes */
    const struct clients_result *result;
    const struct reply_counts *counts;
};

/* On stdout: a few lines, or one JSON object on one line. */
void report_text(const struct report *report);
void report_json(const struct report *report);

#endif
