#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/support_declared.h"

#include "base/arena.h"
#include "catalog/match.h"

static int hit(void *arg, const struct catalog_key *keys, uint32_t count)
{
    struct hits *h = arg;
    for (uint32_t i = 0; i < count; i++)
        assert_true(VEC_PUSH(&h->keys, keys[i]));
    return 0;
}

struct hits declared_hits(struct catalog *c, const struct slice *texts, uint32_t count)
{
    struct hits hits = {0};
    struct catalog_match *match;
    struct filter filter;
    struct arena arena;
    const char *why;
    arena_init(&arena);
    assert_int_equal(filter_parse(&arena, texts, count, &filter, &why), 0);
    assert_int_equal(catalog_match_create(c, &filter, &match), 0);
    assert_int_equal(catalog_match_declared(match, hit, &hits), 0);
    catalog_match_destroy(&match);
    arena_fini(&arena);
    return hits;
}

static int no_text(void *arg, struct slice text)
{
    fail_msg("label '%.*s' is left", (int)text.n, text.p);
    return 0;
}

void declared_drop_all(struct catalog **c)
{
    assert_int_equal(catalog_drop_all(*c), 0);
    assert_int_equal(catalog_declared_count(*c), 0);
    assert_false(catalog_decides(*c));
    assert_int_equal(catalog_label_texts(*c, SLICE_LIT(""), no_text, NULL), 0);
    catalog_unref(c);
}
