#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mysql/support_runs.h"

struct looked_for {
    uint64_t id; /* 0: by the others */
    enum storage_run_kind kind;
    struct storage_range range;
    struct storage_run found;
};

static int look(void *arg, const struct storage_run *run)
{
    struct looked_for *wanted = arg;
    bool in_force = run->state == STORAGE_OPEN || run->state == STORAGE_CLOSED ||
                    run->state == STORAGE_IN_FORCE;
    if (wanted->id > 0
            ? run->id == wanted->id
            : in_force && run->kind == wanted->kind && run->range.from_s == wanted->range.from_s &&
                  run->id > wanted->found.id)
        wanted->found = *run;
    return 0;
}

struct storage_run run_find(struct storage_session *s, enum storage_run_kind kind,
                            struct storage_range range)
{
    struct looked_for wanted = {.kind = kind, .range = range};
    assert_int_equal(storage_runs(s, ENVIRONMENT, NULL, look, &wanted), 0);
    assert_true(wanted.found.id > 0);
    return wanted.found;
}
