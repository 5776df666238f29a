/*
 * The ACME client uacme(1), run as a program: its arguments, and what came of it by what it prints. It keeps its account,
 * keys and certificates in a folder, and calls our hook with each challenge. No state.
 */
#ifndef DDNS53_ACME_UACME_H
#define DDNS53_ACME_UACME_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/name.h"

#define UACME_HOOK "ddns53-acme-hook"
#define UACME_HOOK_SOCKET "DDNS53_CONTROL_SOCKET" /* the environment variable by which the hook finds us */

struct uacme {
    const char *program; /* absolute paths */
    const char *hook;
    const char *folder;
    const char *socket;    /* our control socket, for the hook */
    const char *directory; /* URL */
    const char *email;
    const struct name *names;
    size_t name_count;
    int stop_fd; /* readable: it is to end at once; -1: none */
    const char *(*environment)(const char *name);
};

enum uacme_end {
    UACME_ISSUED,
    UACME_FAILED,
    UACME_LIMITED,    /* the authority has had enough of us for now */
    UACME_NO_ACCOUNT, /* it does not know us; only of uacme_explain */
};

/* Where the program is in the folders of `path`, a list like that of PATH, NULL: the usual one. Owned; NULL: nowhere. */
char *uacme_find(const char *path);

/* Obtains a certificate, whether or not there is one already, and an account before where there is none. Blocks for minutes:
 * for a worker's thread. `message` says why it failed. `ret_retry_s` (Unix time) is of UACME_LIMITED, 0: not said. */
enum uacme_end uacme_obtain(const struct uacme *uacme, struct buffer *message, int64_t *ret_retry_s);

/* Why it failed, out of the end of what it has printed: its own words, the authority's, or those of our hook. `otherwise` is
 * told where it has printed nothing. Pure. */
enum uacme_end uacme_explain(const char *output, const char *otherwise, struct buffer *message, int64_t *ret_retry_s);

#endif
