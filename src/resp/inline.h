#ifndef RESP_INLINE_H
#define RESP_INLINE_H

#include "base/attr.h"
#include "base/slice.h"

/* Inline commands: one line of words, as one types them into telnet. Of this folder only. Pure. */

/* True where the first bytes of a connection's line are those of an HTTP request or a TLS
 * handshake. */
bool inline_is_foreign(struct slice seen);

/* Takes the next word off *line, unescaped into *to, which moves behind it (it never needs more
 * bytes than the line has). 1: a word; 0: no more; -1: unbalanced quotes. The grammar is that of
 * Redis:
 * "..." with \n \r \t \b \a \xHH and \c for any other c; '...' with \' only; a closing quote ends
 * the word; quotes may open in its middle. */
MUST_USE int inline_next(struct slice *line, char **to, struct slice *word_out);

#endif
