#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Thread: any. Never blocks. */

/* Unix time, UTC. May jump: for stamps, never for waiting. */
int64_t clock_wall_ms(void);

/* Since an unspecified start, never backwards: for deadlines and durations. */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);

#endif
