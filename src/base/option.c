#include "base/option.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/number.h"
#include "base/vec.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    NAME_BYTES_MAX = 64,    /* of an option */
    TYPO_EDITS_MAX = 2,     /* so near a name that it is meant */
    VARIABLE_EDITS_MAX = 1, /* foreign names are common there: LONGTAIL_PORT is two from host */
    SUGGEST_EDITS_MAX = 4,
};

static const char environment_prefix[] = "LONGTAIL_";

struct option {
    const struct option_spec *spec;
    const char *text; /* the default, or in the set's arena */
    int64_t number;   /* of all types but TEXT */
};

struct option_set {
    VEC(struct option) options;
    struct arena texts;
};

/* The set's own option: where the file is. */
static const struct option_spec own_options[] = {
    {.name = "config",
     .type = OPTION_TEXT,
     .default_text = "",
     .help = "file of `name = value` lines; '#' begins a comment",
     .section = "general"},
};

/* ---- values ---- */

struct unit {
    const char *text;
    int64_t factor;
};

static const struct unit byte_units[] = {
    {"", 1}, {"b", 1}, {"kb", 1LL << 10}, {"mb", 1LL << 20}, {"gb", 1LL << 30}, {"tb", 1LL << 40},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

static int parse_units(struct slice text, const struct unit *units, size_t count, int64_t *out)
{
    size_t digits = 0;
    while (digits < text.n && isdigit((unsigned char)text.p[digits]))
        digits++;
    int64_t number;
    if (number_parse_i64(slice_upto(text, digits), &number) != 0)
        return LT_EINVALID;
    struct slice unit = slice_from(text, digits);
    for (size_t i = 0; i < count; i++) {
        if (!slice_ieq_str(unit, units[i].text))
            continue;
        return __builtin_mul_overflow(number, units[i].factor, out) ? LT_EINVALID : 0;
    }
    return LT_EINVALID;
}

static int parse_bool(struct slice text, int64_t *out)
{
    bool yes = slice_ieq_str(text, "yes");
    if (!yes && !slice_ieq_str(text, "no"))
        return LT_EINVALID;
    *out = yes;
    return 0;
}

static int parse_value(const struct option_spec *spec, struct slice text, int64_t *out)
{
    int64_t number = 0;
    int err = 0;
    switch (spec->type) {
    case OPTION_TEXT:
        break;
    case OPTION_BOOL:
        err = parse_bool(text, &number);
        break;
    case OPTION_INT:
        err = number_parse_i64(text, &number);
        break;
    case OPTION_BYTES:
        err = parse_units(text, byte_units, ARRAY_LEN(byte_units), &number);
        break;
    case OPTION_DURATION_MS:
        err = parse_units(text, duration_units, ARRAY_LEN(duration_units), &number);
        break;
    }
    if (err != 0)
        return LT_EINVALID;
    bool checked = spec->type != OPTION_TEXT && (spec->min != 0 || spec->max != 0);
    if (checked && (number < spec->min || number > spec->max))
        return LT_EINVALID;
    *out = number;
    return 0;
}

/* A limit in the largest unit that holds it whole. */
static void describe_limit(const struct unit *units, size_t count, int64_t limit,
                           struct buffer *out)
{
    const struct unit *best = &units[0];
    for (size_t i = 1; i < count; i++)
        if (limit != 0 && limit % units[i].factor == 0)
            best = &units[i];
    buffer_printf(out, "%lld%s", (long long)(limit / best->factor), best->text);
}

static void describe_range(const struct option_spec *spec, const struct unit *units, size_t count,
                           struct buffer *out)
{
    if (spec->min == 0 && spec->max == 0)
        return;
    buffer_append_str(out, ", from ");
    describe_limit(units, count, spec->min, out);
    buffer_append_str(out, " to ");
    describe_limit(units, count, spec->max, out);
}

static void describe_expected(const struct option_spec *spec, struct buffer *out)
{
    static const struct unit plain[] = {{"", 1}};
    switch (spec->type) {
    case OPTION_TEXT:
        buffer_append_str(out, "a text");
        break;
    case OPTION_BOOL:
        buffer_append_str(out, "yes or no");
        break;
    case OPTION_INT:
        buffer_append_str(out, "a whole number");
        describe_range(spec, plain, 1, out);
        break;
    case OPTION_BYTES:
        buffer_append_str(out, "a size such as 512, 64kb or 2gb");
        describe_range(spec, byte_units, ARRAY_LEN(byte_units), out);
        break;
    case OPTION_DURATION_MS:
        buffer_append_str(out, "a duration such as 250ms, 10s, 5m, 3h or 2d");
        describe_range(spec, duration_units, ARRAY_LEN(duration_units), out);
        break;
    }
}

/* ---- the set ---- */

int option_set_create(struct option_set **out)
{
    struct option_set *set = calloc(1, sizeof(*set));
    if (set == NULL)
        return LT_ENOMEM;
    arena_init(&set->texts);
    int err = option_set_add(set, own_options, ARRAY_LEN(own_options));
    if (err != 0) {
        option_set_destroy(&set);
        return err;
    }
    *out = set;
    return 0;
}

void option_set_destroy(struct option_set **set)
{
    if (*set == NULL)
        return;
    VEC_FINI(&(*set)->options);
    arena_fini(&(*set)->texts);
    free(*set);
    *set = NULL;
}

static struct option *find(const struct option_set *set, struct slice name)
{
    for (uint32_t i = 0; i < set->options.n; i++)
        if (slice_eq_str(name, set->options.v[i].spec->name))
            return &set->options.v[i];
    return NULL;
}

int option_set_add(struct option_set *set, const struct option_spec *specs, size_t count)
{
    if (!VEC_RESERVE(&set->options, count))
        return LT_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct option option = {.spec = &specs[i], .text = specs[i].default_text};
        assert(strlen(specs[i].name) < NAME_BYTES_MAX);
        assert(find(set, slice_str(specs[i].name)) == NULL);
        int err = parse_value(&specs[i], slice_str(option.text), &option.number);
        assert(err == 0);
        (void)err;
        set->options.v[set->options.n++] = option;
    }
    return 0;
}

/* ---- loading ---- */

/* How many letters must be added, removed or changed (Levenshtein). */
static unsigned edits(struct slice a, struct slice b)
{
    unsigned row[NAME_BYTES_MAX + 1];
    if (a.n > NAME_BYTES_MAX || b.n > NAME_BYTES_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}

/* The declared name that is nearest, or NULL when none is within edits_max. */
static const char *nearest(const struct option_set *set, struct slice name, unsigned edits_max)
{
    const char *best = NULL;
    unsigned best_edits = edits_max + 1;
    for (uint32_t i = 0; i < set->options.n; i++) {
        const char *candidate = set->options.v[i].spec->name;
        unsigned distance = edits(name, slice_str(candidate));
        if (distance < best_edits) {
            best = candidate;
            best_edits = distance;
        }
    }
    return best;
}

static int unknown(const struct option_set *set, const char *where, struct slice name,
                   struct buffer *message)
{
    const char *meant = nearest(set, name, SUGGEST_EDITS_MAX);
    buffer_printf(message, "%s: there is no option '%.*s'", where, (int)name.n, name.p);
    if (meant != NULL)
        buffer_printf(message, "; did you mean '%s'?", meant);
    else
        buffer_append_str(message, "; --help lists all options");
    return LT_EINVALID;
}

static int assign(struct option_set *set, const char *where, struct option *option,
                  struct slice value, struct buffer *message)
{
    int64_t number;
    if (parse_value(option->spec, value, &number) != 0) {
        buffer_printf(message, "%s: '%.*s' does not fit option %s: expected ", where, (int)value.n,
                      value.p, option->spec->name);
        describe_expected(option->spec, message);
        return LT_EINVALID;
    }
    char *text = arena_alloc(&set->texts, value.n + 1, 1);
    if (text == NULL)
        return LT_ENOMEM;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    option->text = text;
    option->number = number;
    return 0;
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && isspace((unsigned char)s.p[0]))
        s = slice_from(s, 1);
    while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

static int load_line(struct option_set *set, const char *where, struct slice line,
                     struct buffer *message)
{
    line = trim(line);
    if (line.n == 0 || line.p[0] == '#')
        return 0;
    size_t equals = slice_find(line, '=');
    if (equals == line.n) {
        buffer_printf(message, "%s: expected `name = value`, got '%.*s'", where, (int)line.n,
                      line.p);
        return LT_EINVALID;
    }
    struct slice name = trim(slice_upto(line, equals));
    struct option *option = find(set, name);
    if (option == NULL || option->spec == &own_options[0])
        return unknown(set, where, name, message);
    return assign(set, where, option, trim(slice_from(line, equals + 1)), message);
}

static int read_file(const char *path, struct buffer *text, struct buffer *message)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        goto fail_io;
    size_t n;
    do {
        char piece[4096];
        n = fread(piece, 1, sizeof(piece), file);
        buffer_append(text, piece, n);
    } while (n > 0 && text->error == 0);
    bool broken = ferror(file) != 0;
    fclose(file);
    if (broken)
        goto fail_io;
    if (text->error == LT_ELIMIT)
        buffer_printf(message, "%s: larger than 1 MiB; this is no file of options", path);
    return text->error == LT_ELIMIT ? LT_EINVALID : text->error;

fail_io:
    buffer_printf(message, "%s: cannot be read: %s", path, strerror(errno));
    return LT_EINVALID;
}

static int load_file(struct option_set *set, const char *path, struct buffer *message)
{
    struct buffer text, where;
    buffer_init(&text, FILE_BYTES_MAX);
    buffer_init(&where, SIZE_MAX);
    int err = read_file(path, &text, message);
    struct slice rest = buffer_slice(&text);
    for (unsigned line = 1; err == 0 && rest.n > 0; line++) {
        size_t end = slice_find(rest, '\n');
        buffer_reset(&where, SIZE_MAX);
        buffer_printf(&where, "%s:%u", path, line);
        err = where.error != 0 ? where.error
                               : load_line(set, where.data, slice_upto(rest, end), message);
        rest = slice_from(rest, end < rest.n ? end + 1 : end);
    }
    buffer_fini(&where);
    buffer_fini(&text);
    return err;
}

/* LONGTAIL_INFLIGHT_BYTES_MAX=64mb -> inflight-bytes-max, 64mb. False: another program's variable.
 */
static bool environment_name(const char *variable, char *name, struct slice *value)
{
    size_t prefix = sizeof(environment_prefix) - 1;
    const char *equals = strchr(variable, '=');
    if (equals == NULL || strncmp(variable, environment_prefix, prefix) != 0)
        return false;
    size_t n = (size_t)(equals - variable) - prefix;
    if (n >= NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = variable[prefix + i];
        name[i] = c == '_' ? '-' : (char)tolower((unsigned char)c);
    }
    name[n] = '\0';
    *value = slice_str(equals + 1);
    return true;
}

/* Names that are no option are left alone, unless they look like a slip of the pen: the agent's
 * variables stand beside the server's, and Kubernetes adds LONGTAIL_PORT and others for a service
 * of that name. */
static int load_environment(struct option_set *set, char **environment, bool config_only,
                            struct buffer *message)
{
    char name[NAME_BYTES_MAX];
    struct slice value;
    for (char **variable = environment; variable != NULL && *variable != NULL; variable++) {
        if (!environment_name(*variable, name, &value))
            continue;
        struct option *option = find(set, slice_str(name));
        if (config_only && (option == NULL || option->spec != &own_options[0]))
            continue;
        int err = 0;
        if (option != NULL)
            err = assign(set, "environment", option, value, message);
        else if (nearest(set, slice_str(name), VARIABLE_EDITS_MAX) != NULL)
            err = unknown(set, "environment", slice_str(name), message);
        if (err != 0)
            return err;
    }
    return 0;
}

static int load_flag(struct option_set *set, char **argv, int argc, int *at, bool config_only,
                     struct buffer *message)
{
    struct slice flag = slice_str(argv[*at]);
    if (flag.n < 3 || strncmp(flag.p, "--", 2) != 0) {
        buffer_printf(message, "command line: unexpected '%s': options look like --name value",
                      argv[*at]);
        return LT_EINVALID;
    }
    size_t equals = slice_find(flag, '=');
    struct slice name = slice_from(slice_upto(flag, equals), 2);
    struct option *option = find(set, name);
    if (option == NULL)
        return unknown(set, "command line", name, message);
    struct slice value;
    if (equals < flag.n) {
        value = slice_from(flag, equals + 1);
    } else if (*at + 1 < argc) {
        value = slice_str(argv[++*at]);
    } else {
        buffer_printf(message, "command line: --%s needs a value: ", option->spec->name);
        describe_expected(option->spec, message);
        return LT_EINVALID;
    }
    if (config_only && option->spec != &own_options[0])
        return 0;
    return assign(set, "command line", option, value, message);
}

static int load_flags(struct option_set *set, int argc, char **argv, bool config_only,
                      struct buffer *message)
{
    int err = 0;
    for (int i = 1; err == 0 && i < argc; i++)
        err = load_flag(set, argv, argc, &i, config_only, message);
    return err;
}

int option_set_load(struct option_set *set, int argc, char **argv, char **environment,
                    struct buffer *message, const char **stop_at_out)
{
    *stop_at_out = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0) {
            *stop_at_out = argv[i];
            return 0;
        }
    }
    /* Where the file is stands in what comes after it, hence two passes. */
    int err = load_environment(set, environment, true, message);
    if (err == 0)
        err = load_flags(set, argc, argv, true, message);
    if (err == 0 && option_text(set, "config")[0] != '\0')
        err = load_file(set, option_text(set, "config"), message);
    if (err == 0)
        err = load_environment(set, environment, false, message);
    if (err == 0)
        err = load_flags(set, argc, argv, false, message);
    return err;
}

/* ---- reading ---- */

const char *option_text(const struct option_set *set, const char *name)
{
    const struct option *option = find(set, slice_str(name));
    assert(option != NULL);
    return option->text;
}

bool option_bool(const struct option_set *set, const char *name)
{
    const struct option *option = find(set, slice_str(name));
    assert(option != NULL && option->spec->type == OPTION_BOOL);
    return option->number != 0;
}

int64_t option_int(const struct option_set *set, const char *name)
{
    const struct option *option = find(set, slice_str(name));
    assert(option != NULL && option->spec->type != OPTION_TEXT);
    return option->number;
}

size_t option_count(const struct option_set *set)
{
    return set->options.n;
}

const struct option_spec *option_spec_at(const struct option_set *set, size_t i)
{
    return set->options.v[i].spec;
}

const char *option_value_at(const struct option_set *set, size_t i)
{
    const struct option *option = &set->options.v[i];
    return option->spec->secret ? "" : option->text;
}

/* ---- help ---- */

static void help_option(const struct option_spec *spec, struct buffer *out)
{
    static const char *const placeholders[] = {
        [OPTION_TEXT] = "TEXT",   [OPTION_BOOL] = "yes|no",          [OPTION_INT] = "N",
        [OPTION_BYTES] = "BYTES", [OPTION_DURATION_MS] = "DURATION",
    };
    buffer_printf(out, "  --%s %s\n      %s", spec->name, placeholders[spec->type], spec->help);
    if (spec->default_text[0] != '\0' && !spec->secret)
        buffer_printf(out, " [%s]", spec->default_text);
    buffer_append_str(out, "\n");
}

void option_help(const struct option_set *set, struct buffer *out)
{
    for (uint32_t i = 0; i < set->options.n; i++) {
        const char *section = set->options.v[i].spec->section;
        bool seen = false;
        for (uint32_t j = 0; j < i; j++)
            seen |= strcmp(set->options.v[j].spec->section, section) == 0;
        if (seen)
            continue;
        buffer_printf(out, "%s%s:\n", i > 0 ? "\n" : "", section);
        for (uint32_t j = i; j < set->options.n; j++)
            if (strcmp(set->options.v[j].spec->section, section) == 0)
                help_option(set->options.v[j].spec, out);
    }
    buffer_append_str(out, "\nEach option is also an environment variable, --head-bytes-max being "
                           "LONGTAIL_HEAD_BYTES_MAX,\nand a line of the --config file. Flags win "
                           "over the environment, that over the file.\n");
}
