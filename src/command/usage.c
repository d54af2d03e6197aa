#include "command/usage.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t count_specs(struct command_table table)
{
    uint32_t count = table.count;
    for (uint32_t i = 0; i < table.count; i++)
        count += count_specs(table.specs[i].subcommands);
    return count;
}

int usage_init(struct usage *t, struct command_table table)
{
    *t = (struct usage){.table = table, .count = count_specs(table)};
    t->commands = calloc(t->count, sizeof(t->commands[0]));
    return t->commands == NULL ? LT_ENOMEM : 0;
}

void usage_fini(struct usage *t)
{
    free(t->commands);
    t->commands = NULL;
}

void usage_reset(struct usage *t)
{
    memset(t->commands, 0, t->count * sizeof(t->commands[0]));
    t->errors_count = 0;
    t->errors_all = 0;
}

static bool is_in(struct command_table table, const struct command_spec *spec, uint32_t *out)
{
    uintptr_t first = (uintptr_t)table.specs, at = (uintptr_t)spec;
    if (at < first || at >= (uintptr_t)(table.specs + table.count))
        return false;
    *out = (uint32_t)((at - first) / sizeof(*spec));
    return true;
}

struct usage_command *usage_of(struct usage *t, const struct command_spec *spec)
{
    uint32_t at, before = t->table.count;
    if (LIKELY(is_in(t->table, spec, &at)))
        return &t->commands[at];
    for (uint32_t i = 0; i < t->table.count; i++) {
        struct command_table subcommands = t->table.specs[i].subcommands;
        if (is_in(subcommands, spec, &at))
            return &t->commands[before + at];
        before += subcommands.count;
    }
    return &t->commands[0]; /* never: the table has all */
}

/* "-WORD text": by its first word, which is in capitals. */
COLD static void count_error(struct usage *t, struct slice reply, uint32_t calls)
{
    size_t n = 1;
    while (n < reply.n && reply.p[n] >= 'A' && reply.p[n] <= 'Z')
        n++;
    struct slice word = slice_make(reply.p + 1, n - 1);
    t->errors_all += calls;
    if (word.n == 0 || word.n >= USAGE_ERROR_BYTES_MAX)
        return;
    uint32_t i = 0;
    while (i < t->errors_count && !slice_eq_str(word, t->errors[i].name))
        i++;
    if (i == USAGE_ERRORS_MAX)
        return;
    if (i == t->errors_count) {
        t->errors[i] = (struct usage_error){0};
        memcpy(t->errors[i].name, word.p, word.n);
        t->errors_count++;
    }
    t->errors[i].count += calls;
}

void usage_reply(struct usage *t, const struct command_spec *spec, struct slice reply,
                 uint32_t calls, bool rejected)
{
    if (LIKELY(reply.n == 0 || reply.p[0] != '-'))
        return;
    count_error(t, reply, calls);
    if (spec == NULL)
        return;
    struct usage_command *c = usage_of(t, spec);
    *(rejected ? &c->rejected : &c->failed) += calls;
}

static void write_command(const struct command_spec *spec, const struct usage_command *c,
                          struct status_sink *sink)
{
    char name[64], text[160];
    if (c->calls == 0 && c->rejected == 0)
        return;
    double each = c->timed == 0 ? 0 : (double)c->timed_ns / (double)c->timed / 1000;
    snprintf(name, sizeof(name), "cmdstat_%s", spec->name);
    snprintf(text, sizeof(text),
             "calls=%llu,usec=%.0f,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
             (unsigned long long)c->calls, each * (double)c->calls, each,
             (unsigned long long)c->rejected, (unsigned long long)c->failed);
    sink->text(sink, name, text);
}

void usage_write_commands(void *arg, struct status_sink *sink)
{
    struct usage *t = arg;
    for (uint32_t i = 0; i < t->table.count; i++) {
        const struct command_spec *spec = &t->table.specs[i];
        write_command(spec, usage_of(t, spec), sink);
        for (uint32_t j = 0; j < spec->subcommands.count; j++) {
            const struct command_spec *sub = &spec->subcommands.specs[j];
            write_command(sub, usage_of(t, sub), sink);
        }
    }
}

void usage_write_errors(void *arg, struct status_sink *sink)
{
    const struct usage *t = arg;
    for (uint32_t i = 0; i < t->errors_count; i++) {
        char name[64], text[32];
        snprintf(name, sizeof(name), "errorstat_%s", t->errors[i].name);
        snprintf(text, sizeof(text), "count=%llu", (unsigned long long)t->errors[i].count);
        sink->text(sink, name, text);
    }
}
