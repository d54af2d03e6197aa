#ifndef REACTOR_LIST_H
#define REACTOR_LIST_H

#include <stdbool.h>

/* A doubly linked ring of links that are embedded in what is listed. A link that is in no list
 * points at itself, so that removing it is always allowed. */
struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *link)
{
    link->prev = link->next = link;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* To the end, from wherever it was. */
static inline void list_append(struct list *list, struct list *link)
{
    list_remove(link);
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* Moves all links of from to the end of the empty list to. */
static inline void list_move(struct list *from, struct list *to)
{
    if (list_empty(from))
        return;
    *to = *from;
    to->prev->next = to;
    to->next->prev = to;
    list_init(from);
}

#endif
