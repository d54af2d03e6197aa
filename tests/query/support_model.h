#ifndef TESTS_QUERY_SUPPORT_MODEL_H
#define TESTS_QUERY_SUPPORT_MODEL_H

#include "support_runs.h"

/* Random points, cuts and flushes, beside the same points in plain arrays: what reads are checked
 * against. */

enum { HOSTS = 4, METRICS = 14, DENSE = 3, COLLECTORS = 3 };
enum { BASE_S = 1424444400, SPAN_S = 7200 };

extern const char *const hosts[HOSTS];
extern const char *const metrics[METRICS];
extern const char *const collectors[COLLECTORS];
extern const int dense[DENSE]; /* metrics: delta, gauge, counter; on host 0, 1, 0 */

/* A series' points after all writes, in time order. */
struct model_point {
    int64_t time_ms;
    double value;
};
struct model {
    struct world world;
    struct inline_executor executor;
    struct query *query;
    struct query_answer answer;
    bool dense;  /* only a few series have points: these are asked for */
    bool narrow; /* few series, times and values: much is written twice, and ranks the same */
    VEC(struct model_point) series[HOSTS][METRICS];
    bool reported[HOSTS][COLLECTORS][SPAN_S];
};

void model_init(struct model *m, uint32_t seed);
/* Many points a minute and series, compact but for what the head has of the last hour: RANGE goes
 * by the minutes of rows, stored ones and others, beside seconds. */
void model_init_dense(struct model *m, uint32_t seed);
void model_fini(struct model *m);

/* The answer, which the caller frees; another outcome than 0 fails the test. */
union query_result *model_ask(struct model *m, struct query_spec *spec);
/* query_done, with the model as its argument: into m->answer. */
void model_keep_answer(void *arg, const struct query_answer *answer);

void model_random_range(struct model *m, int64_t *from_ms, int64_t *to_ms);
/* The key's text, of at most 64 bytes; its length. */
int model_key(char *out, int host, int metric);
/* NaN is NaN. */
bool same_double(double a, double b);

#endif
