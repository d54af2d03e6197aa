#include "model/filter.h"

#include "base/error.h"

#include <stddef.h>

static const char malformed[] =
    "TSDB: failed parsing labels: expected label=value, label!=value, label=, label!=, "
    "label=(a,b) or label!=(a,b)";

struct parser {
    struct slice *values;
    uint32_t used;
};

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

/* "..." and '...' are what stands between. */
static struct slice unquote(struct slice text)
{
    bool quoted = text.n >= 2 && is_quote(text.p[0]) && text.p[text.n - 1] == text.p[0];
    return quoted ? slice_make(text.p + 1, text.n - 2) : text;
}

/* Where the next ',' stands that is not within quotes, or the end. */
static size_t find_comma(struct slice text)
{
    char quote = '\0';
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (quote != '\0')
            quote = c == quote ? '\0' : quote;
        else if (c == ',')
            return i;
        else if (is_quote(c) && memchr(text.p + i + 1, c, text.n - i - 1) != NULL)
            quote = c;
    }
    return text.n;
}

static int add_value(struct parser *p, struct filter_term *term, struct slice value)
{
    if (p->used == FILTER_VALUES_MAX)
        return LT_ELIMIT;
    if (value.n == 0)
        return 0; /* no label has an empty value */
    p->values[p->used++] = value;
    term->count++;
    return 0;
}

static int parse_list(struct parser *p, struct filter_term *term, struct slice list)
{
    int err = 0;
    for (size_t end; err == 0; list = slice_from(list, end + 1)) {
        end = find_comma(list);
        err = add_value(p, term, unquote(slice_upto(list, end)));
        if (end == list.n)
            break;
    }
    return err == 0 && term->count == 0 ? LT_EINVALID : err;
}

static int parse_term(struct parser *p, struct slice text, struct filter_term *out)
{
    size_t equals = slice_find(text, '=');
    struct slice rest = slice_from(text, equals < text.n ? equals + 1 : equals);
    *out = (struct filter_term){.values = p->values + p->used};
    out->negated = equals > 0 && equals < text.n && text.p[equals - 1] == '!';
    out->label = slice_upto(text, equals - (out->negated ? 1 : 0));
    if (equals == text.n || out->label.n == 0)
        return LT_EINVALID;
    if (rest.n == 0)
        return 0;
    if (rest.p[0] == '(')
        return rest.p[rest.n - 1] == ')' && rest.n > 1
                   ? parse_list(p, out, slice_make(rest.p + 1, rest.n - 2))
                   : LT_EINVALID;
    return add_value(p, out, unquote(rest));
}

/* Every ',' may begin a value, and every text holds one. */
static uint32_t values_max(const struct slice *texts, uint32_t count)
{
    uint64_t n = count;
    for (uint32_t i = 0; i < count && n < FILTER_VALUES_MAX; i++)
        for (size_t at = 0; at < texts[i].n; at++)
            n += texts[i].p[at] == ',';
    return n < FILTER_VALUES_MAX ? (uint32_t)n : FILTER_VALUES_MAX;
}

int filter_parse(struct arena *arena, const struct slice *texts, uint32_t count, struct filter *out,
                 const char **why_out)
{
    struct parser p = {0};
    uint32_t room = values_max(texts, count);
    out->terms = arena_alloc(arena, (count + 1) * sizeof(out->terms[0]), _Alignof(max_align_t));
    p.values = arena_alloc(arena, (room + 1) * sizeof(p.values[0]), _Alignof(max_align_t));
    if (out->terms == NULL || p.values == NULL)
        return LT_ENOMEM;
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        int err = parse_term(&p, texts[i], &out->terms[i]);
        if (err != 0) {
            *why_out = err == LT_ELIMIT
                           ? "TSDB: failed parsing labels: expected at most 4096 values"
                           : malformed;
            return LT_EINVALID;
        }
        any |= !out->terms[i].negated && out->terms[i].count > 0;
    }
    out->count = count;
    *why_out = "TSDB: please provide at least one matcher: expected a filter label=value or "
               "label=(a,b) among the others";
    return any ? 0 : LT_EINVALID;
}

bool filter_term_fits(const struct filter_term *term, const struct slice *value)
{
    bool found = value != NULL && term->count == 0;
    for (uint32_t i = 0; value != NULL && !found && i < term->count; i++)
        found = slice_eq(term->values[i], *value);
    return term->count == 0 ? found == term->negated : found != term->negated;
}

enum implied implied_find(struct slice label)
{
    static const char *const names[] = {"host", "metric", "category", "item", "dimension"};
    unsigned i = 0;
    while (i < IMPLIED_COUNT && !slice_eq_str(label, names[i]))
        i++;
    return (enum implied)i;
}
