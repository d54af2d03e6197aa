#include "command/module.h"

bool module_is_whole(struct command_table table)
{
    static const char *const commands[] = {
        "ts.add",       "ts.alter",      "ts.create",      "ts.createrule", "ts.decrby",
        "ts.del",       "ts.deleterule", "ts.get",         "ts.incrby",     "ts.info",
        "ts.madd",      "ts.mget",       "ts.mrange",      "ts.mrevrange",  "ts.nrange",
        "ts.nrevrange", "ts.queryindex", "ts.querylabels", "ts.range",      "ts.read",
        "ts.revrange",
    };
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (table_find(table, slice_str(commands[i])) == NULL)
            return false;
    return true;
}

void module_reply_list(struct resp_writer reply, struct command_table table)
{
    bool whole = module_is_whole(table);
    resp_array(reply, whole);
    if (!whole)
        return;
    resp_map(reply, 4);
    resp_pair_text(reply, "name", MODULE_NAME);
    resp_pair_integer(reply, "ver", MODULE_VERSION);
    resp_pair_text(reply, "path", "");
    resp_bulk_str(reply, "args");
    resp_array(reply, 0);
}
