#ifndef BASE_ATTR_H
#define BASE_ATTR_H

/* Compiler attributes under the names that the headers use. */

#define MUST_USE                      __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)             __attribute__((format(printf, f, a)))
#define LIKELY(x)                     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)                   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE                 inline __attribute__((always_inline))
#define COLD                          __attribute__((cold, noinline)) /* kept out of hot code */
#define ARRAY_LEN(a)                  (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#endif
