#ifndef MODEL_DECLARES_H
#define MODEL_DECLARES_H

/* What a process knows of an environment's declared series whose settings decide about writes. */
enum declares {
    DECLARES_NOTHING, /* there are none: what is written is LAST */
    DECLARES_SOME,    /* the catalog tells which */
    DECLARES_SOON,    /* it is being loaded */
    DECLARES_UNKNOWN, /* and nobody here knows when it will be */
};

#endif
