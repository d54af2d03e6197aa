#include "record/names.h"

#include "base/error.h"
#include "model/name.h"
#include "record/format.h"
#include "base/hex.h"
#include "record/pack.h"
#include "record/varint.h"

#include <assert.h>

enum {
    TEMPLATE_SLOTS = 1 << 12,
    /* Small, because it must stay in the cache: one of 128 KiB was a miss at each point, and more
     * than half of the time in here. */
    NAME_SLOTS_BITS = 12,
    SLOT_NUMBER_BITS = 20,
    SLOT_NUMBER_MASK = (1 << SLOT_NUMBER_BITS) - 1,
    DIGITS_ROOM = 8, /* packing writes, and hashing reads, whole words */
    NAME_DIGITS_MAX = NAME_BYTES_MAX / 2 + NAME_HOLES_MAX,
    DIGITS_ROOM_AT_ONCE = NAMES_AT_ONCE * NAME_DIGITS_MAX + DIGITS_ROOM,
    ROOM_SLACK = 8192,
};

int names_init(struct names *names, size_t bytes_max)
{
    *names = (struct names){0};
    /* The builder keeps the limit; the columns have room for more at once. */
    buffer_init(&names->shapes, bytes_max + ROOM_SLACK);
    buffer_init(&names->digits, bytes_max + ROOM_SLACK);
    int err = texts_init(&names->texts, bytes_max, TEMPLATE_SLOTS);
    names->slots = calloc(1 << NAME_SLOTS_BITS, sizeof(names->slots[0]));
    return err == 0 && names->slots == NULL ? LT_ENOMEM : err;
}

void names_fini(struct names *names)
{
    texts_fini(&names->texts);
    VEC_FINI(&names->templates);
    VEC_FINI(&names->images);
    VEC_FINI(&names->entries);
    buffer_fini(&names->shapes);
    buffer_fini(&names->digits);
    free(names->slots);
    names->slots = NULL;
}

/* ---- templates ---- */

typedef uint64_t words __attribute__((vector_size(16)));

static ALWAYS_INLINE words difference(const char *name, const char *image, const char *mask)
{
    words a, b, m;
    memcpy(&a, name, sizeof(a));
    memcpy(&b, image, sizeof(b));
    memcpy(&m, mask, sizeof(m));
    return (a ^ b) & m;
}

/* Does the name have the template's text where the mask is set? All of it is compared, a branch a
 * word would cost more. */
static ALWAYS_INLINE bool has_text(const char *name, const char *image, const char *mask, size_t n)
{
    if (UNLIKELY(n < sizeof(words))) {
        unsigned differs = 0;
        for (size_t i = 0; i < n; i++)
            differs |= (unsigned char)((name[i] ^ image[i]) & mask[i]);
        return differs == 0;
    }
    size_t last = n - sizeof(words);
    words differs = difference(name + last, image + last, mask + last);
    for (size_t i = 0; i < last; i += sizeof(words))
        differs |= difference(name + i, image + i, mask + i);
    return (differs[0] | differs[1]) == 0;
}

/* Is it a name of that template? digits then has its digits. */
static ALWAYS_INLINE bool match(const struct names *names, const struct name_template *t,
                                struct slice name, char *digits)
{
    if (t->name_bytes != name.n)
        return false;
    const char *image = names->images.v + t->image_at;
    if (!has_text(name.p, image, image + name.n, name.n))
        return false;
    for (uint32_t i = 0; i < t->holes; i++) {
        if (!hex_pack(digits, name.p + t->hole[i].at, t->hole[i].digits))
            return false;
        digits += hex_bytes(t->hole[i].digits);
    }
    return true;
}

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The next run of digits that is worth a hole, at or behind from: eight or more, or four with a
 * decimal one among them, which no word has. False: there is none. */
static bool next_hole(struct slice name, size_t from, size_t *start_out, size_t *end_out)
{
    enum { RUN_MIN = 4, SURE_RUN_MIN = 8 };
    for (size_t probe = from + RUN_MIN - 1; probe < name.n; probe += RUN_MIN) {
        /* A run of four has a digit at each fourth place. */
        if (!is_digit(name.p[probe]))
            continue;
        size_t start = probe, end = probe + 1;
        bool decimal = name.p[probe] <= '9';
        for (; start > from && is_digit(name.p[start - 1]); start--)
            decimal |= name.p[start - 1] <= '9';
        for (; end < name.n && is_digit(name.p[end]); end++)
            decimal |= name.p[end] <= '9';
        if (end - start >= SURE_RUN_MIN || (end - start >= RUN_MIN && decimal)) {
            *start_out = start;
            *end_out = end;
            return true;
        }
        probe = end; /* no digit: the next run begins behind it */
    }
    return false;
}

/* [text, digits, text ...] in msgpack, without what the first text shares with the one before. */
static void pack_pieces(const struct name_template *t, const char *image, size_t shared,
                        struct buffer *out)
{
    size_t from = shared;
    for (uint32_t i = 0; i < t->holes; i++) {
        struct name_hole hole = t->hole[i];
        pack_bytes(out, slice_make(image + from, hole.at - from));
        pack_uint(out, hole.digits);
        from = hole.at + hole.digits;
    }
    pack_bytes(out, slice_make(image + from, t->name_bytes - from));
}

/* Takes the name apart. */
static void make_template(struct slice name, struct name_template *t, char *image)
{
    size_t from = 0, start, end;
    *t = (struct name_template){.name_bytes = (uint16_t)name.n};
    if (name.n > 0)
        memcpy(image, name.p, name.n);
    memset(image + name.n, 0xff, name.n);
    for (; t->holes < NAME_HOLES_MAX && next_hole(name, from, &start, &end); from = end) {
        uint32_t digits = (uint32_t)(end - start);
        t->hole[t->holes++] = (struct name_hole){(uint16_t)start, (uint16_t)digits};
        t->digit_bytes = (uint16_t)(t->digit_bytes + hex_bytes(digits));
        memset(image + start, 0, digits);
        memset(image + name.n + start, 0, digits);
    }
}

static size_t first_text(const struct name_template *t)
{
    return t->holes > 0 ? t->hole[0].at : t->name_bytes;
}

/* Words that follow each other begin alike: host.mysql.com.insert, host.mysql.com.update. */
void names_pack_templates(const struct names *names, struct buffer *out)
{
    const char *before = NULL;
    size_t before_n = 0;
    pack_array(out, names->templates.n);
    for (uint32_t i = 0; i < names->templates.n; i++) {
        const struct name_template *t = &names->templates.v[i];
        const char *image = names->images.v + t->image_at;
        size_t n = first_text(t), shared = 0;
        while (shared < n && shared < before_n && image[shared] == before[shared])
            shared++;
        pack_array(out, 2 * t->holes + 2);
        pack_uint(out, shared);
        pack_pieces(t, image, shared, out);
        before = image;
        before_n = n;
    }
}

static void cut_templates(struct names *names, uint32_t count)
{
    if (count == names->templates.n)
        return;
    texts_cut(&names->texts, count);
    names->images.n = names->templates.v[count].image_at;
    names->templates.n = count;
}

static inline char *digits_end(const struct names *names)
{
    return names->digits.data + names->digits.len;
}

/* The name's template, found or added, and its digits behind the column's end. */
COLD static int find_template(struct names *names, struct slice name, uint32_t *out)
{
    enum { PACKED_BYTES_MAX = NAME_BYTES_MAX + 64 };
    char bytes[PACKED_BYTES_MAX];
    struct buffer packed = {.data = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
    struct name_template template;
    if (!VEC_RESERVE(&names->templates, 1) || !VEC_RESERVE(&names->images, 2 * name.n))
        return LT_ENOMEM;
    char *image = names->images.v + names->images.n;
    make_template(name, &template, image);
    pack_array(&packed, 2 * template.holes + 2);
    pack_pieces(&template, image, 0, &packed);
    assert(packed.error == 0);
    int err = texts_number(&names->texts, buffer_slice(&packed), out);
    if (err != 0)
        return err;
    if (*out == names->templates.n) {
        template.follower = *out;
        template.image_at = names->images.n;
        names->images.n += 2 * (uint32_t)name.n;
        names->templates.v[names->templates.n++] = template;
    }
    bool is_one = match(names, &names->templates.v[*out], name, digits_end(names));
    assert(is_one);
    (void)is_one;
    return 0;
}

/* ---- names ---- */

/* A name taken apart. Its digits stand behind the digits column's end and those of the names before
 * it, so that a name that turns out to be new is where it belongs already. */
struct parts {
    uint32_t template;
    uint32_t digit_bytes;
    const char *digits;
    uint32_t *slot;
    uint32_t tag;
};

/* Of the name whose digits are there, and zeros behind them. */
static ALWAYS_INLINE uint64_t hash_name(uint32_t template, const char *digits, uint32_t n)
{
    uint64_t hash = (template + UINT64_C(1)) * 0x9e3779b97f4a7c15;
    for (uint32_t i = 0; i < n; i += 8) {
        uint64_t word;
        memcpy(&word, digits + i, sizeof(word));
        hash = (hash ^ word) * 0xff51afd7ed558ccd;
        hash ^= hash >> 32;
    }
    return hash * 0x9e3779b97f4a7c15;
}

/* Its digits are there. The slot is fetched early: it is looked at when the names behind this one
 * are taken apart, too. */
static ALWAYS_INLINE void note_parts(const struct names *names, uint32_t template,
                                     uint32_t digit_bytes, char *digits, struct parts *out)
{
    memset(digits + digit_bytes, 0, DIGITS_ROOM);
    uint64_t hash = hash_name(template, digits, digit_bytes);
    uint32_t *slot = &names->slots[hash >> (64 - NAME_SLOTS_BITS)];
    __builtin_prefetch(slot, 1);
    *out = (struct parts){.template = template,
                          .digit_bytes = digit_bytes,
                          .digits = digits,
                          .slot = slot,
                          .tag = (uint32_t)hash & ~(uint32_t)SLOT_NUMBER_MASK};
}

/* The name's template, if it is the guessed one; or NULL. */
static ALWAYS_INLINE const struct name_template *guess(const struct names *names, uint32_t guessed,
                                                       struct slice name, char *digits)
{
    if (UNLIKELY(guessed >= names->templates.n))
        return NULL;
    const struct name_template *t = &names->templates.v[guessed];
    return LIKELY(match(names, t, name, digits)) ? t : NULL;
}

/* Adds what was not guessed. */
COLD static int take_apart_other(struct names *names, struct slice name, uint32_t *out)
{
    int err = find_template(names, name, out);
    if (err == 0 && names->last < names->templates.n)
        names->templates.v[names->last].follower = *out;
    return err;
}

/* Takes names apart, from the first up to one whose template is not the guessed one: names come in
 * the order in which they came before, or are all of one template. */
static ALWAYS_INLINE int take_apart(struct names *names, const struct record_point *points,
                                    uint32_t count, struct parts *parts, uint32_t *taken_out)
{
    uint32_t template = UINT32_MAX, i = 0;
    char *digits = digits_end(names);
    if (LIKELY(names->last < names->templates.n))
        template = names->templates.v[names->last].follower;
    const struct name_template *t = guess(names, template, points[0].metric, digits);
    if (UNLIKELY(t == NULL)) {
        int err = take_apart_other(names, points[0].metric, &template);
        if (err != 0)
            return err;
        t = &names->templates.v[template];
        digits = digits_end(names);
    }
    do {
        note_parts(names, template, t->digit_bytes, digits, &parts[i]);
        digits += t->digit_bytes;
        template = t->follower;
    } while (++i < count && (t = guess(names, template, points[i].metric, digits)) != NULL);
    *taken_out = i;
    return 0;
}

static ALWAYS_INLINE bool is_name(const struct names *names, uint32_t number, const struct parts *p)
{
    return number < names->entries.n && names->entries.v[number].template == p->template &&
           text_equal(names->digits.data + names->entries.v[number].digits_at, p->digits,
                      p->digit_bytes);
}

/* Else its slot gets the tag. */
static ALWAYS_INLINE bool find_name(const struct names *names, const struct parts *p,
                                    uint32_t *number_out)
{
    if (is_name(names, names->next, p)) {
        *number_out = names->next;
        return true;
    }
    uint32_t number = *p->slot & SLOT_NUMBER_MASK;
    /* The tag first: it says no where a name is new, which no other comparison does as reliably,
     * and a branch that is always taken costs nothing. */
    if ((*p->slot & ~(uint32_t)SLOT_NUMBER_MASK) == p->tag && is_name(names, number, p)) {
        *number_out = number;
        return true;
    }
    *p->slot = p->tag;
    return false;
}

static ALWAYS_INLINE void add_name(struct names *names, const struct parts *p)
{
    struct name_entry entry = {p->template, (uint32_t)names->digits.len};
    uint32_t digit_bytes = p->digit_bytes;
    bool repeats = false;
    if (digit_bytes > 0 && names->entries.n > 0) {
        struct name_entry before = names->entries.v[names->entries.n - 1];
        repeats = names->templates.v[before.template].digit_bytes == digit_bytes &&
                  text_equal(names->digits.data + before.digits_at, p->digits, digit_bytes);
        if (repeats)
            entry.digits_at = before.digits_at;
    }
    if (!repeats) {
        char *end = digits_end(names);
        if (UNLIKELY(end != p->digits)) /* a name before it was found */
            memmove(end, p->digits, digit_bytes);
        names->digits.len += digit_bytes;
    }
    names->shapes.len +=
        varint_write(names->shapes.data + names->shapes.len, (uint64_t)p->template << 1 | repeats);
    names->entries.v[names->entries.n++] = entry;
}

/* False: there are too many of them. */
static ALWAYS_INLINE bool number_name(struct names *names, const struct parts *p, size_t name_bytes,
                                      uint32_t *out)
{
    names->last = p->template;
    if (find_name(names, p, out)) {
        names->next = *out + 1;
        return true;
    }
    if (UNLIKELY(names->text_bytes + name_bytes > RECORD_TEXTS_BYTES_MAX))
        return false;
    names->text_bytes += name_bytes;
    *out = names->entries.n;
    *p->slot = p->tag | (names->entries.n & SLOT_NUMBER_MASK);
    names->ready--;
    add_name(names, p);
    names->next = names->entries.n;
    return true;
}

COLD static int make_room(struct names *names)
{
    enum { AT_ONCE = 256 };
    if (!VEC_RESERVE(&names->entries, AT_ONCE))
        return LT_ENOMEM;
    bool done = buffer_reserve(&names->shapes, AT_ONCE * VARINT_ROOM) != NULL &&
                buffer_reserve(&names->digits, DIGITS_ROOM_AT_ONCE) != NULL;
    int err = names->shapes.error != 0 ? names->shapes.error : names->digits.error;
    names->shapes.error = names->digits.error = 0;
    names->ready = done ? AT_ONCE : 0;
    return err;
}

int names_number(struct names *names, const struct record_point *points, uint32_t count,
                 uint32_t *numbers_out, uint32_t *taken_out)
{
    struct parts parts[NAMES_AT_ONCE];
    uint32_t templates_before = names->templates.n, taken;
    int err = 0;
    if (count > NAMES_AT_ONCE)
        count = NAMES_AT_ONCE;
    /* The one that is too many must be the first: nothing is to be undone then but its template. */
    if (UNLIKELY(names->text_bytes > RECORD_TEXTS_BYTES_MAX - NAMES_AT_ONCE * NAME_BYTES_MAX))
        count = 1;
    if (UNLIKELY(names->ready < NAMES_AT_ONCE ||
                 names->digits.cap - names->digits.len < DIGITS_ROOM_AT_ONCE))
        err = make_room(names);
    if (LIKELY(err == 0))
        err = take_apart(names, points, count, parts, &taken);
    if (UNLIKELY(err != 0))
        return err;
    for (uint32_t i = 0; i < taken; i++) {
        if (UNLIKELY(!number_name(names, &parts[i], points[i].metric.n, &numbers_out[i]))) {
            assert(i == 0);
            cut_templates(names, templates_before);
            return LT_ELIMIT;
        }
    }
    *taken_out = taken;
    return 0;
}

size_t names_text(const struct names *names, uint32_t number, char *out)
{
    struct name_entry entry = names->entries.v[number];
    const struct name_template *t = &names->templates.v[entry.template];
    const char *digits = names->digits.data + entry.digits_at;
    memcpy(out, names->images.v + t->image_at, t->name_bytes);
    for (uint32_t i = 0; i < t->holes; i++) {
        hex_unpack(out + t->hole[i].at, digits, t->hole[i].digits);
        digits += hex_bytes(t->hole[i].digits);
    }
    return t->name_bytes;
}

struct record_names_mark names_mark(const struct names *names)
{
    return (struct record_names_mark){
        .names = names->entries.n,
        .templates = names->templates.n,
        .shapes_bytes = names->shapes.len,
        .digits_bytes = names->digits.len,
        .text_bytes = names->text_bytes,
    };
}

void names_cut(struct names *names, struct record_names_mark mark)
{
    cut_templates(names, mark.templates);
    names->entries.n = mark.names;
    names->shapes.len = mark.shapes_bytes;
    names->digits.len = mark.digits_bytes;
    names->text_bytes = mark.text_bytes; /* there is as much room as before, or more */
}
