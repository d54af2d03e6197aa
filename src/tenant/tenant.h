#ifndef TENANT_TENANT_H
#define TENANT_TENANT_H

#include "base/attr.h"
#include "base/option.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Environments: which there are, which partition each has, and who may speak for one. This version
 * has a single one, number 1, "default", on partition 0; ENV and TOKEN commands come with tenancy,
 * behind this interface. Immutable after create: any thread. */

struct tenant;

extern const struct option_spec tenant_options[];
extern const size_t tenant_options_count;

struct tenant_environment {
    uint32_t id; /* never reused */
    const char *name;
    uint32_t partition;
};

/* password: NULL or "" lets everyone in. Copied; only its hash is kept. */
MUST_USE int tenant_create(const char *password, struct tenant **out);
void tenant_destroy(struct tenant **tenant);

bool tenant_needs_password(const struct tenant *tenant);

/* user: "" or "default", or an environment's name. The environment, or NULL. Compares in constant
 * time. */
const struct tenant_environment *tenant_authenticate(const struct tenant *tenant, struct slice user,
                                                     struct slice password);

/* The environment of a connection that need not authenticate. */
const struct tenant_environment *tenant_default(const struct tenant *tenant);

const struct tenant_environment *tenant_find(const struct tenant *tenant, uint32_t id);
uint32_t tenant_environments(const struct tenant *tenant, const struct tenant_environment **out);
uint32_t tenant_partitions(const struct tenant *tenant);

#endif
