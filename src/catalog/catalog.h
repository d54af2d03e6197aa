#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "model/kind.h"
#include "model/name.h"
#include "model/precision.h"

#include <stdint.h>

/* One environment's names and their numbers.
 *
 * Ids are a pure function of the log: dense, in order of first appearance. So every process that
 * loads the catalog at offset n and applies the log from n gives the same ids, and the one that
 * owns the partition stores them in the transaction that stores the points
 * (docs/adr/0004-ids-follow-the-log.md).
 *
 * Thread: one writer (the consumer) resolves and adds; any thread reads. Readers take a shared lock
 * for the length of one call (catalog_match: for a millisecond at a time); the writer takes the
 * exclusive one only to change something, for microseconds (what is forgotten: a millisecond at a
 * time), and goes first. Slices that are handed out live as long as the catalog: those names are
 * never changed or freed. Items' names and texts, of which there are tens of millions, are packed
 * or go, and are copied to whoever asks. Reference counted, because views outlive a reload.
 *
 * Items alone can be forgotten (forget.h). Their ids are never given again: they stay as holes.
 *
 * Memory: about 30 bytes an item whose name is 16 hex digits (items.h). Limits: 2^32 - 1 items a
 * category, 2^24 categories or blocks of 4096 items in all. */

struct catalog;

enum { CATALOG_NONE = UINT32_MAX };

MUST_USE int catalog_create(uint32_t environment, struct catalog **out);
struct catalog *catalog_ref(struct catalog *catalog);
void catalog_unref(struct catalog **catalog);
uint32_t catalog_environment(const struct catalog *catalog);

/* ---- writer ---- */

struct catalog_series {
    uint32_t category;
    uint32_t item;
    uint32_t dimension; /* 0 is "none": the metric has no dot */
    uint32_t collector;
};

/* Finds or adds. Names have at most NAME_BYTES_MAX bytes. LT_ENOMEM, LT_ELIMIT leave the catalog as
 * it was, but for names that the call added first; they are harmless. */
MUST_USE int catalog_host(struct catalog *catalog, struct slice host, uint32_t *out);
MUST_USE int catalog_resolve(struct catalog *catalog, struct slice metric,
                             struct catalog_series *out);
/* The same for many, one after the other, but what they need from memory is fetched together: a
 * third of the time in a catalog that no cache holds. After an error those before it stand. */
MUST_USE int catalog_resolve_all(struct catalog *catalog, const struct slice *metrics,
                                 uint32_t count, struct catalog_series *out);
/* Declares a pattern. A kind is for ever; another precision (model/precision.h) is taken over, also
 * by the category of that name. LT_EEXISTS: it stands already, and nothing changes, whatever its
 * kind. LT_EINVALID. */
MUST_USE int catalog_add_rule(struct catalog *catalog, struct slice pattern, enum kind kind,
                              uint32_t precision);
/* What a category's values are when nobody declares it. Pure. */
enum kind catalog_default_kind(struct slice category);
/* The text that an item is known by (a statement). Adds the item where it is new. *changed_out: was
 * it another text? */
MUST_USE int catalog_set_text(struct catalog *catalog, struct slice stem, struct slice text,
                              bool *changed_out);

/* A point of the item was applied. Waits for nobody, and costs a comparison or two while the hour
 * is one that the item was seen in. */
void catalog_seen(struct catalog *catalog, uint32_t category, uint32_t item, int64_t time_ms);

/* Puts back a stored entry, or items first … first + count - 1 of a category (names whose p is NULL
 * are forgotten); ids must come in order. LT_ECORRUPT: they do not. Marks come after the items.
 * After an error the catalog is good for nothing but catalog_unref. */
struct storage_name;
struct storage_doom; /* catalog/forget.h */
MUST_USE int catalog_restore(struct catalog *catalog, const struct storage_name *name);
MUST_USE int catalog_restore_items(struct catalog *catalog, uint32_t category, uint32_t first,
                                   const struct slice *names, uint32_t count);
MUST_USE int catalog_restore_text(struct catalog *catalog, uint32_t category, uint32_t item,
                                  struct slice text);
/* Puts back all that storage_load gives of one environment but watermarks. Borrows the catalog. */
struct storage_loader catalog_loader(struct catalog *catalog);

/* What was added since `from`, up to `to`: for the flush. Marks are cheap and are taken at a
 * record's end by the writer; changes() may run on any thread. */
struct catalog_mark {
    uint64_t names; /* of all kinds, in order of appearance */
    uint64_t texts;
    uint64_t dooms;
    uint64_t series;
};
struct catalog_mark catalog_mark(struct catalog *catalog);
struct storage_item_text;
struct storage_series;
struct catalog_changes { /* in this order; all are told; return 0 to go on */
    int (*name)(void *arg, const struct storage_name *name);
    int (*text)(void *arg, const struct storage_item_text *text);
    int (*doom)(void *arg, const struct storage_doom *doom);       /* in order of the log */
    int (*series)(void *arg, const struct storage_series *series); /* the same */
    void *arg;
};
MUST_USE int catalog_changes(struct catalog *catalog, struct catalog_mark from,
                             struct catalog_mark to, const struct catalog_changes *changes);
/* Storage has them: drops the journal below upto. */
void catalog_forget_changes(struct catalog *catalog, struct catalog_mark upto);

/* When the items of a category were seen, as Unix hours of their points' times: first and last,
 * where first > last means never. A page is CATALOG_SEEN_ITEMS consecutive ids. Whoever keeps them
 * writes the pages that changed, now and then; what was seen after that and is not in the log any
 * more is forgotten by a restart, so the last hour is at least this, and by that much. */
enum { CATALOG_SEEN_ITEMS = 4096 };
/* How many items the page has by now; 0: no such page, and nothing is written. *changed_out (may be
 * NULL): did any of them, since the last call that asked? If the caller cannot store them, it calls
 * seen_again. Thread: any. */
uint32_t catalog_seen_page(struct catalog *catalog, uint32_t category, uint32_t page,
                           uint32_t first_h_out[CATALOG_SEEN_ITEMS],
                           uint32_t last_h_out[CATALOG_SEEN_ITEMS], bool *changed_out);
void catalog_seen_again(struct catalog *catalog, uint32_t category, uint32_t page);
/* Puts back a stored page, before the writer begins. Items that are not there are left out: they
 * were seen, and the process died before their names were stored; the log brings both again. */
void catalog_seen_restore(struct catalog *catalog, uint32_t category, uint32_t page, uint32_t count,
                          const uint32_t *first_h, const uint32_t *last_h);

/* The items were seen in this hour, or later: what is known already and says more stays. Forgotten
 * ones are left out. Thread: any. */
void catalog_seen_since(struct catalog *catalog, uint32_t category, const uint32_t *items,
                        uint32_t count, uint32_t hour);

/* ---- readers ---- */

uint32_t catalog_find_host(struct catalog *catalog, struct slice host);
uint32_t catalog_find_dimension(struct catalog *catalog, struct slice dimension);
uint32_t catalog_find_collector(struct catalog *catalog, struct slice collector);
/* false: this metric was never seen. */
bool catalog_find_series(struct catalog *catalog, struct slice metric, struct catalog_series *out);

/* Empty where there is none. */
struct slice catalog_host_name(struct catalog *catalog, uint32_t host);
struct slice catalog_dimension_name(struct catalog *catalog, uint32_t dimension);
/* Is there such an item, in whatever dimension? */
bool catalog_has_item(struct catalog *catalog, struct slice metric);
bool catalog_has_stem(struct catalog *catalog, struct slice stem);
/* Stands in out; empty where there is no such item, or it is forgotten. */
struct slice catalog_item_name(struct catalog *catalog, uint32_t category, uint32_t item,
                               char out[NAME_BYTES_MAX]);
/* Appends it; nothing where it has none. The caller checks out->error. */
void catalog_item_text(struct catalog *catalog, uint32_t category, uint32_t item,
                       struct buffer *out);
/* Does it contain `part`, ASCII case folded? An empty part is in every text, also where there is
 * none. LT_ENOMEM, else 0 or 1. */
MUST_USE int catalog_text_has(struct catalog *catalog, uint32_t category, uint32_t item,
                              struct slice part);

struct catalog_category {
    uint32_t id;
    struct slice name;
    enum kind kind;
    uint32_t precision;
    uint32_t items; /* how many ids it has given by now: all items are below */
    uint32_t live;  /* how many of them are there: the others are forgotten */
    uint32_t collector;
};
uint32_t catalog_categories(struct catalog *catalog);
/* Their ids are below. */
uint32_t catalog_dimensions(struct catalog *catalog);
bool catalog_category_at(struct catalog *catalog, uint32_t category, struct catalog_category *out);

/* Bit i % 64 of bits_out[i / 64], for each i < items: does the name or the text of the category's
 * item i contain `text`, ASCII case folded? An empty text is in all of them. Items that are not
 * there, or came after the call began, may have no bit. The caller's memory is (items + 63) / 64
 * words. LT_ENOMEM. 5 to 9 ns an item with a name of 16 hex digits. */
MUST_USE int catalog_match(struct catalog *catalog, uint32_t category, struct slice text,
                           uint32_t items, uint64_t *bits_out);

/* Of all categories, without those that are forgotten; and the memory that the whole catalog takes,
 * about. */
uint64_t catalog_items(struct catalog *catalog);
size_t catalog_bytes(struct catalog *catalog);

/* Declarations in order. A pattern that was declared again stands there again: the last one holds.
 */
struct catalog_rule {
    struct slice pattern;
    enum kind kind;
    uint32_t precision;
};
uint32_t catalog_rules(struct catalog *catalog);
bool catalog_rule_at(struct catalog *catalog, uint32_t rule, struct catalog_rule *out);

#endif
