#include "load/report.h"

#include <stdio.h>

static double seconds(const struct report *r)
{
    return (double)r->result->window_ns / 1e9;
}

static double per_second(const struct report *r, uint64_t count)
{
    return r->result->window_ns > 0 ? (double)count / seconds(r) : 0;
}

static double cpu_s(const struct report *r)
{
    return (double)(r->result->cpu_user_ns + r->result->cpu_system_ns) / 1e9;
}

static double cpu_us_a_point(const struct report *r)
{
    return r->result->points > 0 ? cpu_s(r) * 1e6 / (double)r->result->points : 0;
}

static unsigned long long whole(uint64_t x)
{
    return x;
}

void report_text(const struct report *r)
{
    const struct latency *l = &r->result->latency;
    printf("%s x %u, %u connections x %u deep, %u series (%s), times %s, seed %llu, %.2f s:\n",
           r->command, r->points, r->connections, r->depth, r->series, r->draw, r->times,
           whole(r->seed), seconds(r));
    printf("  acknowledged  %.0f points/s, %.0f commands/s\n", per_second(r, r->result->points),
           per_second(r, r->result->commands));
    printf("  latency, ms   p50 %.3f, p90 %.3f, p99 %.3f, p99.9 %.3f, max %.3f\n",
           latency_percentile_ms(l, .5), latency_percentile_ms(l, .9),
           latency_percentile_ms(l, .99), latency_percentile_ms(l, .999), latency_max_ms(l));
    if (r->points_per_s > 0) {
        const struct latency *late = &r->result->lateness;
        printf("  paced         %.0f points/s asked for; sent late by p50 %.3f ms, p99 %.3f, max "
               "%.3f\n",
               r->points_per_s, latency_percentile_ms(late, .5), latency_percentile_ms(late, .99),
               latency_max_ms(late));
    }
    printf("  own CPU       %.2f s, %.3f us a point\n", cpu_s(r), cpu_us_a_point(r));
    printf("  checked       %llu points good; %llu errors, %llu wrong, %llu commands unanswered\n",
           whole(r->counts->points_acked), whole(r->counts->errors), whole(r->counts->wrong),
           whole(r->result->unanswered));
    if (r->counts->errors > 0)
        printf("  first error   %s\n", r->counts->first_error);
    if (r->counts->wrong > 0)
        printf("  first wrong   %s\n", r->counts->first_wrong);
}

static void json_text(const char *name, const char *text, const char *end)
{
    printf("\"%s\": \"", name);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p >= 0x7f)
            printf("\\u%04x", *p);
        else if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else
            putchar(*p);
    }
    printf("\"%s", end);
}

static void json_number(const char *name, double x)
{
    printf("\"%s\": %.15g, ", name, x);
}

static void json_latency(const char *name, const struct latency *l)
{
    printf("\"%s\": {", name);
    json_number("p50", latency_percentile_ms(l, .5));
    json_number("p90", latency_percentile_ms(l, .9));
    json_number("p99", latency_percentile_ms(l, .99));
    json_number("p999", latency_percentile_ms(l, .999));
    json_number("mean", latency_mean_ms(l));
    printf("\"max\": %.15g}, ", latency_max_ms(l));
}

void report_json(const struct report *r)
{
    putchar('{');
    json_text("command", r->command, ", ");
    json_text("draw", r->draw, ", ");
    json_text("times", r->times, ", ");
    json_number("points", r->points);
    json_number("connections", r->connections);
    json_number("depth", r->depth);
    json_number("series", r->series);
    json_number("seed", (double)r->seed);
    json_number("rate", r->points_per_s);
    json_number("seconds", seconds(r));
    json_number("points_per_s", per_second(r, r->result->points));
    json_number("commands_per_s", per_second(r, r->result->commands));
    json_latency("latency_ms", &r->result->latency);
    json_latency("lateness_ms", &r->result->lateness);
    json_number("cpu_user_s", (double)r->result->cpu_user_ns / 1e9);
    json_number("cpu_system_s", (double)r->result->cpu_system_ns / 1e9);
    json_number("cpu_us_a_point", cpu_us_a_point(r));
    json_number("points_sent", (double)r->result->commands_sent * r->points);
    json_number("points_acked", (double)r->counts->points_acked);
    json_number("errors", (double)r->counts->errors);
    json_number("wrong", (double)r->counts->wrong);
    json_number("unanswered", (double)r->result->unanswered);
    json_text("first_error", r->counts->first_error, ", ");
    json_text("first_wrong", r->counts->first_wrong, "}\n");
}
