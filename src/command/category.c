#include "command/command.h"

#include "base/error.h"
#include "command/handlers.h"
#include "command/read_request.h"
#include "command_table.h"
#include "model/name.h"

/* CATEGORY ADD pattern [KIND gauge|delta|counter], CATEGORY LIST. */

/* ---- ADD ---- */

/* Does the name stand already, with another kind? It keeps that, so the declaration would be a lie.
 */
static bool has_other_kind(struct catalog *catalog, struct slice name, enum kind kind,
                           enum kind *other_out)
{
    struct catalog_rule rule;
    for (uint32_t i = 0; catalog_rule_at(catalog, i, &rule); i++) {
        if (slice_eq(rule.pattern, name) && rule.kind != kind) {
            *other_out = rule.kind;
            return true;
        }
    }
    struct catalog_category category;
    for (uint32_t i = 0; catalog_category_at(catalog, i, &category); i++) {
        if (slice_eq(category.name, name) && category.kind != kind) {
            *other_out = category.kind;
            return true;
        }
    }
    return false;
}

/* Where this process has no head, the log decides alone: the first declaration stands. */
static bool find_other_kind(struct command_call *call, struct slice name, enum kind kind,
                            enum kind *other_out)
{
    struct head *head = call->deps->head;
    struct head_view *view;
    if (head == NULL || head_pin(head, call->environment->id, &view) != 0)
        return false;
    bool found = has_other_kind(head_catalog(head, view), name, kind, other_out);
    head_unpin(head, &view);
    return found;
}

static bool parse_kind(struct command_call *call, enum kind *kind)
{
    if (call->argc == 3)
        return true;
    if (call->argc == 5 && slice_ieq_str(call->argv[3], "KIND") &&
        kind_parse(call->argv[4], kind) == 0)
        return true;
    resp_error_printf(call->reply, "ERR expected: CATEGORY ADD pattern [KIND gauge|delta|counter]");
    return false;
}

void category_add(struct command_call *call)
{
    struct slice pattern = call->argv[2];
    enum kind kind = KIND_GAUGE, other;
    const char *why;
    if (!parse_kind(call, &kind))
        return;
    if (name_check_pattern(pattern, &why) != 0) {
        resp_error_printf(call->reply, "ERR bad pattern '%.*s': %s",
                          (int)(pattern.n > 64 ? 64 : pattern.n), pattern.p, why);
        return;
    }
    if (find_other_kind(call, pattern, kind, &other)) {
        resp_error_printf(call->reply,
                          "ERR category %.*s is there with kind %s; a category keeps its kind",
                          (int)pattern.n, pattern.p, kind_text(other));
        return;
    }
    struct slot *slot = call_defer(call);
    if (slot == NULL)
        return;
    int err =
        ingest_rule(call->deps->ingest, call->environment, pattern, kind, write_receipt_done, slot);
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
        resp_array(w, 3);
        resp_bulk(w, r->categories[i].name);
        resp_bulk_str(w, kind_text(r->categories[i].kind));
        resp_integer(w, r->categories[i].items);
    }
}

void category_list(struct command_call *call)
{
    struct query_spec spec = {.what = QUERY_CATEGORIES, .command = "CATEGORY LIST"};
    read_submit(call, &spec, render_categories, RENDER_NESTED);
}
