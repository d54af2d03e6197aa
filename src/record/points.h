#ifndef RECORD_POINTS_H
#define RECORD_POINTS_H

#include "base/attr.h"
#include "base/slice.h"
#include "base/vec.h"
#include "record/record.h"
#include "record/unpack.h"
#include "record/varint.h"

#include <stdint.h>

/* Reading what stands behind the head of a record of points: points1.c the columns of version 1,
 * points2.c those of version 2. Of this folder only.
 *
 * Every column is read only after its count was found to fit into what is left of the input:
 * memory follows the bytes that are there, never a count that is only claimed. */

enum { POINTS_HOLES_MAX = 8 };

struct points_template {
    uint32_t image_at;
    uint16_t name_bytes;
    uint16_t digit_bytes;
    uint8_t holes;
    struct points_hole {
        uint16_t at; /* in the name */
        uint16_t digits;
    } hole[POINTS_HOLES_MAX];
};

struct points_names {
    struct slice *v;
    uint32_t n, cap;
};

struct record_reader {
    struct points_names hosts;
    struct points_names metrics;
    VEC(struct record_run) runs;
    VEC(uint32_t) metric_index;
    VEC(double) values;
    VEC(struct points_template) templates; /* of version 2 */
    VEC(char) images;    /* of templates: names whose digits are missing, or none */
    VEC(char) texts;     /* of names, put together again */
    VEC(uint32_t) items; /* of doom and forget */
    struct label labels[SETTINGS_LABELS_MAX];
};

/* LT_EPARSE, LT_ENOMEM. */
MUST_USE int points1_read(struct record_reader *r, struct unpack *in, uint64_t *points_out);
/* what: points, decided or undecided. */
MUST_USE int points2_read(struct record_reader *r, struct unpack *in, enum record_what what,
                          uint64_t *points_out);

/* An array of bin. LT_EPARSE, LT_ENOMEM. */
MUST_USE int points_read_names(struct unpack *in, bool hosts, struct points_names *out);

struct points_run_fields {
    uint64_t way;  /* as it may be in this kind of record, the policy aside */
    bool declared; /* POLICY_DECLARED may be */
    uint64_t host, count;
    int64_t delta_ms;
};

/* Fails where the run breaks a promise; *points is the sum of the counts so far. */
MUST_USE bool points_make_run(struct points_run_fields fields, uint32_t hosts, int64_t before_ms,
                              uint64_t *points, struct record_run *out);

static inline struct varint_input points_varints(struct slice bytes)
{
    return (struct varint_input){(const unsigned char *)bytes.p,
                                 (const unsigned char *)bytes.p + bytes.n};
}

#endif
