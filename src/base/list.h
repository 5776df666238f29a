/*
 * Doubly linked lists. A link is embedded in what it links, so that entering a list never allocates and never fails. A list
 * owns nothing, and is empty when zeroed. Not thread-safe.
 */
#ifndef DDNS53_BASE_LIST_H
#define DDNS53_BASE_LIST_H

#include <stddef.h>

struct list_link {
    struct list_link *next;
    struct list_link *previous;
};

struct list {
    struct list_link *first;
    struct list_link *last;
};

/* What a link is embedded in; NULL: no link. */
#define LIST_ITEM(link, type, member) ((type *)list_item((link), offsetof(type, member)))
static inline void *list_item(const struct list_link *link, size_t offset)
{
    return link ? (char *)(size_t)link - offset : NULL;
}

static inline void list_append(struct list *list, struct list_link *link)
{
    *link = (struct list_link){.previous = list->last};
    *(list->last ? &list->last->next : &list->first) = link;
    list->last = link;
}

static inline void list_prepend(struct list *list, struct list_link *link)
{
    *link = (struct list_link){.next = list->first};
    *(list->first ? &list->first->previous : &list->last) = link;
    list->first = link;
}

/* It is in that list. */
static inline void list_remove(struct list *list, struct list_link *link)
{
    *(link->previous ? &link->previous->next : &list->first) = link->next;
    *(link->next ? &link->next->previous : &list->last) = link->previous;
    *link = (struct list_link){.next = NULL};
}

#endif
