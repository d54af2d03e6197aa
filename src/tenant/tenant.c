#include "tenant/tenant.h"

#include "base/error.h"

#include <sodium.h>
#include <stdlib.h>

const struct option_spec tenant_options[] = {
    {.name = "password",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "what AUTH and HELLO must give; empty lets everyone in",
     .section = "process",
     .secret = true},
};
const size_t tenant_options_count = ARRAY_LEN(tenant_options);

enum { DIGEST_BYTES = crypto_generichash_BYTES };

struct tenant {
    struct tenant_environment environment;
    bool needs_password;
    unsigned char digest[DIGEST_BYTES]; /* of the password */
};

static void digest_of(struct slice text, unsigned char out[DIGEST_BYTES])
{
    crypto_generichash(out, DIGEST_BYTES, (const unsigned char *)text.p, text.n, NULL, 0);
}

int tenant_create(const char *password, struct tenant **out)
{
    if (sodium_init() < 0)
        return LT_EIO;
    struct tenant *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return LT_ENOMEM;
    t->environment = (struct tenant_environment){1, "default", 0};
    t->needs_password = password != NULL && *password != '\0';
    if (t->needs_password)
        digest_of(slice_str(password), t->digest);
    *out = t;
    return 0;
}

void tenant_destroy(struct tenant **tenant)
{
    free(*tenant);
    *tenant = NULL;
}

bool tenant_needs_password(const struct tenant *t)
{
    return t->needs_password;
}

const struct tenant_environment *tenant_authenticate(const struct tenant *t, struct slice user,
                                                     struct slice password)
{
    unsigned char digest[DIGEST_BYTES];
    digest_of(password, digest);
    bool known = user.n == 0 || slice_eq_str(user, t->environment.name);
    bool right = !t->needs_password || sodium_memcmp(digest, t->digest, DIGEST_BYTES) == 0;
    return known && right ? &t->environment : NULL;
}

const struct tenant_environment *tenant_default(const struct tenant *t)
{
    return &t->environment;
}

const struct tenant_environment *tenant_find(const struct tenant *t, uint32_t id)
{
    return t->environment.id == id ? &t->environment : NULL;
}

uint32_t tenant_environments(const struct tenant *t, const struct tenant_environment **out)
{
    *out = &t->environment;
    return 1;
}

uint32_t tenant_partitions(const struct tenant *t)
{
    return t->environment.partition + 1;
}
