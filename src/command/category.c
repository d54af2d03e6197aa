#include "command/command.h"

#include "base/error.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command_table.h"
#include "ingest/control.h"
#include "model/name.h"
#include "model/precision.h"

/* CATEGORY ADD pattern [KIND gauge|delta|counter] [PRECISION error], CATEGORY LIST. */

/* ---- ADD ---- */

struct declaration {
    struct slice pattern;
    enum kind kind;
    bool has_kind;
    uint32_t precision;
};

/* Does the name stand already? It keeps its kind. */
static bool kind_of(struct catalog *catalog, struct slice name, enum kind *out)
{
    struct catalog_rule rule;
    for (uint32_t i = 0; catalog_rule_at(catalog, i, &rule); i++) {
        if (slice_eq(rule.pattern, name)) {
            *out = rule.kind;
            return true;
        }
    }
    struct catalog_category category;
    for (uint32_t i = 0; catalog_category_at(catalog, i, &category); i++) {
        if (slice_eq(category.name, name)) {
            *out = category.kind;
            return true;
        }
    }
    return false;
}

/* Where this process has no head, the log decides alone: the first declaration stands. */
static bool find_kind(struct command_call *call, struct slice name, enum kind *out)
{
    struct head *head = call->deps->head;
    struct head_view *view;
    if (head == NULL || head_pin(head, call->environment->id, &view) != 0)
        return false;
    bool found = kind_of(head_catalog(head, view), name, out);
    head_unpin(head, &view);
    return found;
}

static bool parse_options(struct command_call *call, struct declaration *d)
{
    bool has_precision = false;
    for (uint32_t i = 3; i < call->argc; i += 2) {
        bool more = i + 1 < call->argc;
        if (more && !d->has_kind && slice_ieq_str(call->argv[i], "KIND") &&
            kind_parse(call->argv[i + 1], &d->kind) == 0) {
            d->has_kind = true;
        } else if (more && !has_precision && slice_ieq_str(call->argv[i], "PRECISION")) {
            struct slice text = call->argv[i + 1];
            has_precision = true;
            if (precision_parse(text, &d->precision) == 0)
                continue;
            resp_error_printf(call->reply, "ERR bad precision '%.*s', expected " PRECISION_EXPECTED,
                              (int)(text.n > 64 ? 64 : text.n), text.p);
            return false;
        } else {
            resp_error_printf(call->reply, "ERR expected: CATEGORY ADD pattern "
                                           "[KIND gauge|delta|counter] [PRECISION error]");
            return false;
        }
    }
    return true;
}

/* What is not said is as it stands, or as it would be by itself. Another kind than the one that
 * stands would be a lie. */
static bool settle_kind(struct command_call *call, struct declaration *d)
{
    enum kind stands;
    if (!find_kind(call, d->pattern, &stands))
        stands = d->has_kind ? d->kind : catalog_default_kind(d->pattern);
    if (d->has_kind && d->kind != stands) {
        resp_error_printf(call->reply,
                          "ERR category %.*s is there with kind %s; a category keeps its kind",
                          (int)d->pattern.n, d->pattern.p, kind_text(stands));
        return false;
    }
    d->kind = stands;
    return true;
}

void category_add(struct command_call *call)
{
    struct declaration d = {.pattern = call->argv[2], .precision = PRECISION_KEEP};
    const char *why;
    if (!parse_options(call, &d))
        return;
    if (name_check_pattern(d.pattern, &why) != 0) {
        resp_error_printf(call->reply, "ERR bad pattern '%.*s': %s",
                          (int)(d.pattern.n > 64 ? 64 : d.pattern.n), d.pattern.p, why);
        return;
    }
    if (!settle_kind(call, &d))
        return;
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    int err = ingest_rule(call->deps->ingest, call->environment, d.pattern, d.kind, d.precision,
                          write_receipt_done, slot);
    if (err != 0)
        write_refused(call, slot, err);
}

/* ---- LIST ---- */

static void render_categories(struct resp_writer w, const union query_result *result,
                              enum render_format format)
{
    const struct result_categories *r = &result->categories;
    (void)format; /* one list has one form */
    resp_array(w, r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        resp_array(w, 4);
        resp_bulk(w, r->categories[i].name);
        resp_bulk_str(w, kind_text(r->categories[i].kind));
        resp_integer(w, r->categories[i].items);
        resp_double(w, precision_error(r->categories[i].precision));
    }
}

void category_list(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_CATEGORIES, .command = "CATEGORY LIST"};
    read_submit(call, &spec, render_categories, RENDER_NESTED);
}
