#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdint.h>

/* Random numbers that are the same in each run, so that a failure repeats: xorshift64 (Marsaglia
 * 2003). A file that includes this has a sequence of its own. */

static uint64_t random_state = 88172645463325252ULL;

static inline uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* 0 … n-1; n > 0. Not of the low bits, which are the poorest. */
static inline uint32_t random_below(uint64_t n)
{
    return (uint32_t)((random_u64() >> 11) % n);
}

#endif
