/*
 * Listening sockets: TCP over IPv6 and IPv4, unix sockets, and those that systemd opened for us. A listener owns its
 * socket and the unix socket's file. Main thread only.
 */
#ifndef DDNS53_WEB_LISTEN_H
#define DDNS53_WEB_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "config/settings.h"

struct listener {
    int fd;
    bool inherited;  /* from systemd, which goes on listening after us */
    char *unix_path; /* ours to remove; owned, NULL: none */
    dev_t device;    /* of that file, so that nobody else's is removed */
    ino_t inode;
    uint16_t port; /* the real one where 0 was asked for; 0: a unix socket */
    char *text;    /* `[::]:443`, `unix:PATH`; owned */
};

/* Opens endpoints[index]; the others are looked at because [::] leaves IPv4 alone where another endpoint has the same
 * port there. Negative errno with a sentence in `message`. */
int listener_open(const struct endpoint *endpoints, size_t count, size_t index, struct buffer *message,
                  struct listener *ret_listener);
/* Takes `fd`, also on failure. */
int listener_adopt(int fd, struct buffer *message, struct listener *ret_listener);

/* From now on nobody can connect, unless another descriptor of the socket is open. One of systemd's stays as it is. */
void listener_stop(struct listener *listener);
void listener_done(struct listener *listener);

#endif
