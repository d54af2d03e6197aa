#ifndef AGENT_SAMPLE_H
#define AGENT_SAMPLE_H

#include "base/attr.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

/* What one collector saw in one second. Pure. Caller-owned; one thread at a time.
 * Held as text, a line a point (`host.load.load1 0.25`): it is what --once prints and what tests
 * read; sample_command() makes commands of it. At SAMPLE_BYTES_MAX it fails as a buffer does. */
enum { SAMPLE_BYTES_MAX = 8 << 20, SAMPLE_COMMAND_POINTS_MAX = 4000 };

struct sample {
    struct buffer lines;
    uint32_t points;
};

void sample_init(struct sample *s);
void sample_fini(struct sample *s);
void sample_reset(struct sample *s);

/* Adds a point; the metric's name by format. Values that are not finite are left out. */
void sample_put(struct sample *s, double value, const char *format, ...) PRINTF_LIKE(3, 4);

/* A delta: as sample_put, unless it is zero. */
void sample_delta(struct sample *s, uint64_t value, const char *format, ...) PRINTF_LIKE(3, 4);

/* Appends `OBSERVE host second metric value …` in RESP, with at most SAMPLE_COMMAND_POINTS_MAX
 * points, beginning at byte `from` of lines; returns where the next command begins, lines.len at
 * the end. The caller checks out's error. */
size_t sample_command(const struct sample *s, size_t from, struct slice host, int64_t second,
                      struct buffer *out);

/* The same command for people, one line. */
size_t sample_text(const struct sample *s, size_t from, struct slice host, int64_t second,
                   struct buffer *out);

/* `name` with what would break a metric's name replaced by '_': dots, blanks, control characters,
 * '*'. Cut to fit out, terminated. */
const char *sample_component(struct slice name, char *out, size_t out_bytes);

/* Appends one RESP bulk string. */
void sample_bulk(struct buffer *out, struct slice s);

#endif
