#include "command/command.h"

#include "base/error.h"
#include "command/handlers.h"
#include "command_table.h"
#include "model/name.h"

#include <stdlib.h>

/* CATEGORY ADD pattern [KIND gauge|delta|counter], CATEGORY LIST. */

/* ---- ADD ---- */

/* What stands already: a category of that name with another kind keeps it, so the rule would be a
 * lie. */
static const enum kind *find_other_kind(struct command_call *call, struct slice pattern,
                                        enum kind kind, enum kind *found)
{
    struct head *head = call->deps->head;
    struct head_view *view;
    const enum kind *result = NULL;
    if (head == NULL || head_pin(head, call->environment->id, &view) != 0)
        return NULL; /* the log decides: the first declaration stands */
    struct catalog *catalog = head_catalog(head, view);
    struct catalog_rule rule;
    struct catalog_category category;
    for (uint32_t i = 0; result == NULL && catalog_rule_at(catalog, i, &rule); i++) {
        if (slice_eq(rule.pattern, pattern) && rule.kind != kind) {
            *found = rule.kind;
            result = found;
        }
    }
    for (uint32_t i = 0; result == NULL && catalog_category_at(catalog, i, &category); i++) {
        if (slice_eq(category.name, pattern) && category.kind != kind) {
            *found = category.kind;
            result = found;
        }
    }
    head_unpin(head, &view);
    return result;
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

void write_category_add(struct command_call *call)
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
    if (find_other_kind(call, pattern, kind, &other) != NULL) {
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

struct category_list {
    struct head_wait wait;
    struct head *head;
    uint32_t environment;
    struct slot *slot;
};

static uint32_t unused_rules(struct catalog *catalog, bool list, struct resp_writer w)
{
    struct catalog_rule rule;
    uint32_t n = 0;
    for (uint32_t i = 0; catalog_rule_at(catalog, i, &rule); i++) {
        struct catalog_category category;
        bool used = false;
        for (uint32_t j = 0; !used && catalog_category_at(catalog, j, &category); j++)
            used = slice_eq(category.name, rule.pattern);
        if (used)
            continue;
        n++;
        if (!list)
            continue;
        resp_array(w, 3);
        resp_bulk(w, rule.pattern);
        resp_bulk_str(w, kind_text(rule.kind));
        resp_integer(w, 0);
    }
    return n;
}

static void list_categories(struct catalog *catalog, struct resp_writer w)
{
    uint32_t categories = catalog_categories(catalog);
    resp_array(w, categories + unused_rules(catalog, false, w));
    struct catalog_category category;
    for (uint32_t i = 0; i < categories && catalog_category_at(catalog, i, &category); i++) {
        resp_array(w, 3);
        resp_bulk(w, category.name);
        resp_bulk_str(w, kind_text(category.kind));
        resp_integer(w, category.items);
    }
    unused_rules(catalog, true, w);
}

static void list_now(void *arg, int status)
{
    struct category_list *list = arg;
    struct head_view *view;
    struct resp_writer w = slot_reply(list->slot);
    int err = status != 0 ? status : head_pin(list->head, list->environment, &view);
    if (err == 0) {
        list_categories(head_catalog(list->head, view), w);
        head_unpin(list->head, &view);
    } else {
        resp_error_printf(w, "ERR the catalog cannot be read: %s; see STATUS", error_text(err));
    }
    slot_send(list->slot);
    free(list);
}

static void list_gone(void *arg)
{
    struct category_list *list = arg;
    head_wait_cancel(list->head, &list->wait);
    slot_send(list->slot);
    free(list);
}

void write_category_list(struct command_call *call)
{
    if (session_writes_pending(call->session)) {
        call_again_after_writes(call);
        return;
    }
    struct category_list *list = calloc(1, sizeof(*list));
    struct slot *slot = list == NULL ? NULL : call_defer_blocking(call);
    if (list == NULL)
        resp_error(call->reply, SLICE_LIT("ERR out of memory"));
    if (slot == NULL) {
        free(list);
        return;
    }
    *list = (struct category_list){
        .head = call->deps->head, .environment = call->environment->id, .slot = slot};
    list->wait.partition = call->environment->partition;
    list->wait.offset = call_after(call);
    list->wait.done = list_now;
    list->wait.arg = list;
    slot_on_gone(slot, list_gone, list);
    if (head_wait_for(list->head, &list->wait))
        list_now(list, 0);
}
