/*
 * One DNS message to a server, and the messages that it answers: by TCP, each with two bytes of length before it
 * (RFC 1035 section 4.2.2), or by UDP. Knows nothing of DNS but that length and the message id. An exchange is embedded in
 * its owner, has one request under way at a time and is used again for the next one. I/O thread only.
 */
#ifndef DDNS53_IO_DNS_CLIENT_H
#define DDNS53_IO_DNS_CLIENT_H

#include "base/address.h"
#include "io/loop.h"

#define DNS_MESSAGE_MAX 65535

struct dns_server {
    struct address address;
    uint16_t port;
};

enum dns_transport { DNS_TCP, DNS_UDP };

/* A message with the id of the request; borrowed for the call, which must not cancel the exchange. True: more are
 * expected. */
typedef bool (*dns_received)(const uint8_t *message, size_t length, void *userdata);

/* The end of a request; the next one may begin here, and the exchange may be freed. 0: the receiver has had enough.
 * Otherwise an errno of connect(2), send(2) or recv(2), or -ETIMEDOUT, -EBADMSG (no DNS, or another id),
 * -ENODATA (closed too early), -ENOMEM. `was_connected`: by TCP, the server had accepted the connection. */
typedef void (*dns_ended)(int error, bool was_connected, void *userdata);

struct dns_exchange {
    struct loop *loop; /* NULL: not set up */
    struct loop_watch watch;
    struct loop_timer timer; /* always in the loop's heap, so that setting it cannot fail */
    int fd;                  /* -1: none */
    enum dns_transport transport;
    bool is_connected;
    int error; /* it could not even begin */
    const uint8_t *request;
    size_t request_length;
    size_t sent; /* bytes, by TCP with the two of the length */
    unsigned tries;
    uint8_t *incoming;
    size_t incoming_length;
    dns_received received;
    dns_ended ended;
    void *userdata;
};

/* Borrows the loop. -ENOMEM. The struct stays where it is until dns_exchange_done. */
int dns_exchange_init(struct dns_exchange *exchange, struct loop *loop);
/* Sends a request of at least 12 bytes, which stays as it is until `ended`. Never calls back from inside. */
void dns_exchange_start(struct dns_exchange *exchange, const struct dns_server *server, enum dns_transport transport,
                        const uint8_t *request, size_t length, dns_received received, dns_ended ended, void *userdata);
/* Drops what is under way without a callback. A zeroed struct is fine. */
void dns_exchange_done(struct dns_exchange *exchange);

#endif
