#include "web/server_tickets.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

#define KEY_BYTES 64 /* as gnutls_session_ticket_key_generate makes it */

struct tickets {
    const struct clock *clock;
    pthread_mutex_t lock; /* over all below */
    bool has_key;
    int64_t made_ms; /* monotonic */
    uint8_t key[KEY_BYTES];
};

struct tickets *tickets_new(const struct clock *clock)
{
    struct tickets *tickets = calloc(1, sizeof(*tickets));

    if (tickets) {
        tickets->clock = clock;
        pthread_mutex_init(&tickets->lock, NULL);
    }
    return tickets;
}

void tickets_free(struct tickets *tickets)
{
    if (!tickets) {
        return;
    }
    pthread_mutex_destroy(&tickets->lock);
    wipe(tickets->key, sizeof(tickets->key));
    free(tickets);
}

/* Holds the lock. An old key is no good any more, even if there is no new one. */
static void renew(struct tickets *tickets, int64_t now_ms)
{
    gnutls_datum_t key = {NULL, 0};
    int r = gnutls_session_ticket_key_generate(&key);

    tickets->has_key = r == 0 && key.size == sizeof(tickets->key);
    tickets->made_ms = now_ms;
    if (tickets->has_key) {
        memcpy(tickets->key, key.data, key.size);
        wipe(key.data, key.size);
    } else {
        log_warning("session_tickets", "no key can be made: %s; clients cannot resume their TLS sessions",
                    gnutls_strerror(r));
    }
    gnutls_free(key.data);
}

static bool copy_key(struct tickets *tickets, uint8_t ret_key[KEY_BYTES])
{
    int64_t now_ms = clock_monotonic_ms(tickets->clock);

    pthread_mutex_lock(&tickets->lock);
    if (tickets->made_ms == 0 || now_ms - tickets->made_ms >= (int64_t)TICKETS_RENEW_S * 1000) {
        renew(tickets, now_ms);
    }
    bool has_key = tickets->has_key;
    memcpy(ret_key, tickets->key, KEY_BYTES);
    pthread_mutex_unlock(&tickets->lock);
    return has_key;
}

void tickets_enable(struct tickets *tickets, gnutls_session_t session)
{
    uint8_t bytes[KEY_BYTES];
    const gnutls_datum_t key = {bytes, sizeof(bytes)};

    if (copy_key(tickets, bytes)) {
        gnutls_db_set_cache_expiration(session, TICKET_LIFE_S);
        (void)gnutls_session_ticket_enable_server(session, &key); /* it copies the key */
    }
    wipe(bytes, sizeof(bytes));
}
