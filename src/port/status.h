#ifndef PORT_STATUS_H
#define PORT_STATUS_H

#include <stdint.h>

/* How modules say how they are. A module offers one function that writes its lines into a sink;
 * main/ collects these as providers; STATUS, INFO and later the HTTP shim are sinks. Thread: loop;
 * must not block. Texts are copied. */
struct status_sink {
    void (*number)(struct status_sink *sink, const char *name, int64_t value);
    void (*text)(struct status_sink *sink, const char *name, const char *value);
};

struct status_provider {
    const char *section; /* "log", "partition 0" */
    void (*write)(void *arg, struct status_sink *sink);
    void *arg;
};

#endif
