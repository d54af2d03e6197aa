#ifndef COMMAND_RENDER_H
#define COMMAND_RENDER_H

#include "query/result.h"
#include "resp/resp.h"

/* Results as replies. Shapes are described in redis-compat/commands/. Pure. */

enum render_format {
    RENDER_NESTED, /* maps and arrays, for programs */
    RENDER_FLAT,   /* an array of rows, a header row first: for tools that want one plain table */
    RENDER_TABLE,  /* an array of lines of text, for people */
};

void render_range(struct resp_writer w, const struct result_range *range,
                  enum render_format format);
void render_topq(struct resp_writer w, const struct result_topq *topq, enum render_format format);

/* As entries (resp_entry), null where there is no value; `more` entries follow, by the caller. */
void render_labels(struct resp_writer w, const struct label *labels, uint32_t count, uint32_t more);

/* The lines of RENDER_TABLE. */
void render_range_table(struct resp_writer w, const struct result_range *range);
void render_topq_table(struct resp_writer w, const struct result_topq *topq);

#endif
