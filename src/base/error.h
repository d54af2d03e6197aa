#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/* The one list of errors. Functions return 0 or one of these, negative; a count where they say so.
 * Outputs stay untouched on failure. The text is for logs; a client's error is composed where the
 * request is known, and says what was expected. */

#define LT_ERRORS(X)                                                                               \
    X(NOMEM, 1, "out of memory")                                                                   \
    X(LIMIT, 2, "a configured limit is reached")                                                   \
    X(BUSY, 3, "too much is in flight, try again later")                                           \
    X(CLOSED, 4, "closed")                                                                         \
    X(TIMEOUT, 5, "deadline passed")                                                               \
    X(CANCELLED, 6, "cancelled")                                                                   \
    X(INVALID, 7, "invalid argument")                                                              \
    X(PARSE, 8, "malformed input")                                                                 \
    X(VERSION, 9, "unknown format version")                                                        \
    X(CORRUPT, 10, "checksum or structure does not hold")                                          \
    X(NOTFOUND, 11, "not found")                                                                   \
    X(EXISTS, 12, "exists already")                                                                \
    X(HELD, 13, "the lease is held by another owner")                                              \
    X(FENCED, 14, "ownership was lost: another owner has a higher epoch")                          \
    X(DIVERGED, 15, "stored progress is not where this process left it")                           \
    X(RETRY, 16, "transient failure, the whole operation may be repeated")                         \
    X(UNAVAILABLE, 17, "a server that is needed does not answer")                                  \
    X(OUTCOME, 18, "the outcome is not known")                                                     \
    X(TRIMMED, 19, "the log no longer holds this offset")                                          \
    X(GAP, 20, "offsets are missing from the log")                                                 \
    X(IO, 21, "input or output failed")                                                            \
    X(FULL, 22, "no space left")                                                                   \
    X(UNSUPPORTED, 23, "not supported")                                                            \
    X(AGAIN, 24, "nothing yet")

enum {
#define LT_ERROR_ENUM(name, value, text) LT_E##name = -(value),
    LT_ERRORS(LT_ERROR_ENUM)
#undef LT_ERROR_ENUM
};

/* Never NULL. Thread: any. */
const char *error_text(int error);

#endif
