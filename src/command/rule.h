#ifndef COMMAND_RULE_H
#define COMMAND_RULE_H

#include "base/attr.h"
#include "command/command.h"
#include "model/rule.h"

/* Appends a record that gives a series this compaction rule, or none any more (rule NULL), and
 * declares the series if it is not (docs/adr/0024-rules-are-computed.md). epoch and what it
 * returns: as ingest_series. Thread: loop. */
MUST_USE int rule_append(const struct command_deps *deps,
                         const struct tenant_environment *environment, uint64_t epoch,
                         struct slice key, const struct rule *rule, ingest_done *done, void *arg);

#endif
