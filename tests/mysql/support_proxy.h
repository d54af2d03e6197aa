#ifndef TESTS_MYSQL_SUPPORT_PROXY_H
#define TESTS_MYSQL_SUPPORT_PROXY_H

/* A unix socket in front of the database that cuts the connection around a COMMIT. One client at a
 * time; its own thread. */
struct proxy;

enum proxy_cut {
    PROXY_CUT_NEVER,
    PROXY_CUT_REQUEST, /* the server never sees the COMMIT */
    PROXY_CUT_ANSWER,  /* the server does it; the client never hears */
};

/* to: "unix:/path". NULL: it cannot. */
struct proxy *proxy_start(const char *to);
void proxy_stop(struct proxy **proxy);
const char *proxy_address(const struct proxy *proxy);
void proxy_cut(struct proxy *proxy, enum proxy_cut cut); /* the next COMMIT, once */

#endif
