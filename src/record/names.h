#ifndef RECORD_NAMES_H
#define RECORD_NAMES_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/vec.h"
#include "record/record.h"
#include "record/texts.h"

#include <stdint.h>

/* A batch's distinct names, taken apart: most of a name is text that other names share, around hex
 * digits of its own. Part of the builder.
 *
 *   host.queries.c.1374c6821ead6f47.time_us
 *   ^--------------                ^------- its template: the text, and how many digits stand where
 *                  ^^^^^^^^^^^^^^^^         8 bytes of the digits column
 *
 * Whatever template a name is matched with, text and digits give it back to the byte. A name
 * without digits is a template of its own, so that nothing needs an exception. Names are numbered
 * by first appearance; as with texts, one that was forgotten gets another number. */

enum { NAME_HOLES_MAX = 8 }; /* runs of digits in a template; further ones are text */

struct name_hole {
    uint16_t at; /* in the name */
    uint16_t digits;
};

struct name_template {
    uint32_t follower; /* the template that came after this one the last time */
    uint32_t image_at; /* the text as it stands in names, then a mask: 0 where digits stand */
    uint16_t name_bytes;
    uint16_t digit_bytes;
    uint32_t holes;
    struct name_hole hole[NAME_HOLES_MAX];
};

struct name_entry {
    uint32_t template;
    uint32_t digits_at;
};

struct names {
    struct texts texts; /* the templates' keys */
    VEC(struct name_template) templates;
    VEC(char) images;
    VEC(struct name_entry) entries;
    struct buffer shapes; /* the record's columns */
    struct buffer digits;
    uint32_t *slots;   /* as in texts.h; a name's number below a tag of its hash */
    uint32_t ready;    /* as many names have room in entries and shapes */
    uint32_t last;     /* the last name's template */
    uint32_t next;     /* the number behind the last name's */
    size_t text_bytes; /* of all names, put together again */
};

MUST_USE int names_init(struct names *names, size_t bytes_max);
void names_fini(struct names *names);

/* Finds or adds the metrics of points, of at most NAME_BYTES_MAX each: as many as can be done at
 * once, from the first on, 1 to NAMES_AT_ONCE. Says how many that were. LT_ENOMEM, LT_ELIMIT:
 * nothing changed. */
enum { NAMES_AT_ONCE = 16 };
MUST_USE int names_number(struct names *names, const struct record_point *points, uint32_t count,
                          uint32_t *numbers_out, uint32_t *taken_out);

/* Writes name `number`, of at most NAME_BYTES_MAX; returns its length. */
size_t names_text(const struct names *names, uint32_t number, char *out);

/* Appends the templates as the record holds them. */
void names_pack_templates(const struct names *names, struct buffer *out);

struct record_names_mark names_mark(const struct names *names);
void names_cut(struct names *names, struct record_names_mark mark);

/* Upper bound of what templates and columns take so far. */
static inline size_t names_bytes(const struct names *names)
{
    enum { SHARED_BYTES_MAX = 3 };
    return names->texts.bytes.len + (size_t)names->templates.n * SHARED_BYTES_MAX +
           names->shapes.len + names->digits.len;
}

#endif
