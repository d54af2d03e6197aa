#include "command/table.h"

#include <ctype.h>

/* false: longer than any command's name. */
static bool lower(struct slice word, char out[TABLE_WORD_BYTES_MAX])
{
    if (word.n > TABLE_WORD_BYTES_MAX)
        return false;
    for (size_t i = 0; i < word.n; i++)
        out[i] = (char)tolower((unsigned char)word.p[i]);
    return true;
}

const struct command_spec *table_find(struct command_table table, struct slice word)
{
    char name[TABLE_WORD_BYTES_MAX];
    if (!lower(word, name))
        return NULL;
    uint32_t lo = 0, hi = table.count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = slice_cmp(slice_make(name, word.n), table.specs[mid].word);
        if (c == 0)
            return table.specs + mid;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct command_spec *table_find_full(struct command_table table, struct slice name)
{
    size_t bar = slice_find(name, '|');
    const struct command_spec *spec = table_find(table, slice_upto(name, bar));
    if (spec == NULL || bar == name.n)
        return spec;
    return table_find(spec->subcommands, slice_from(name, bar + 1));
}

/* Levenshtein's distance, row by row. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[TABLE_WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b.n];
}

const struct command_spec *table_closest(struct command_table table, struct slice word)
{
    enum { ERRORS_MAX = 2 };
    char name[TABLE_WORD_BYTES_MAX];
    if (!lower(word, name))
        return NULL;
    const struct command_spec *closest = NULL;
    size_t least = ERRORS_MAX + 1;
    for (uint32_t i = 0; i < table.count; i++) {
        size_t d = distance(slice_make(name, word.n), table.specs[i].word);
        /* A word of which hardly a letter stays is no typing error. */
        if (d < least && 2 * d < word.n) {
            least = d;
            closest = &table.specs[i];
        }
    }
    return closest;
}
