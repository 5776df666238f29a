/*
 * Host names that several tables keep, each text once: the hosts before and after a reload, and the records. A name never
 * moves and never changes. Names lie in chunks, which count who keeps one of theirs, and go when nobody does: so a name
 * costs its text and nothing more, and the room of one that has gone comes back with its neighbours. Where hosts come
 * and go all the time, each living about as long, names take at most some seven times the room of those that are there.
 * Any thread holds and releases names; a pool is added to by one thread at a time.
 */
#ifndef DDNS53_BASE_NAMES_H
#define DDNS53_BASE_NAMES_H

#include "base/cleanup.h"

struct names;

/* A pool with a reference count. NULL: no memory. */
struct names *names_new(void);
struct names *names_ref(struct names *names);
/* Names that are held live on without their pool. */
void names_unref(struct names *names);
DEFINE_CLEANUP(struct names *, names_unref)

/* Copies a text, which is shorter than NAME_SIZE. Returns it held; NULL: no memory. It does not look for the same one. */
const char *names_add(struct names *names, const char *text);

/* Of a name that somebody holds, which came from names_add. Returns it. */
const char *name_hold(const char *name);
/* NULL is allowed. */
void name_release(const char *name);

#endif
