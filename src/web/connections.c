#include "web/connections.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/table.h"

struct peer {
    struct address key; /* address_limit_key */
    uint32_t connections;
};

struct connection {
    struct connection *next;
    struct connection **link; /* what points to this one */
    struct peer *peer;        /* NULL: a unix socket */
    struct address address;
    int fd;
    void *userdata;
    _Atomic int64_t deadline_ms;
    bool reaped; /* guarded by the lock */
};

struct connections {
    uint32_t limit;
    uint32_t limit_per_address;
    atomic_size_t count;
    pthread_mutex_t lock; /* over all below */
    struct table *peers;
    struct connection *first;
};

static struct bytes key_of_peer(const void *value)
{
    const struct peer *peer = value;
    return (struct bytes){&peer->key, sizeof(peer->key)};
}

struct connections *connections_new(uint32_t limit, uint32_t limit_per_address)
{
    struct connections *connections = calloc(1, sizeof(*connections));
    if (connections == NULL) {
        return NULL;
    }
    connections->peers = table_new(key_of_peer);
    if (connections->peers == NULL) {
        free(connections);
        return NULL;
    }
    connections->limit = limit;
    connections->limit_per_address = limit_per_address;
    pthread_mutex_init(&connections->lock, NULL);
    return connections;
}

void connections_free(struct connections *connections)
{
    if (connections == NULL) {
        return;
    }
    table_free(connections->peers);
    pthread_mutex_destroy(&connections->lock);
    free(connections);
}

enum admission connections_admit(struct connections *connections, const struct address *peer, bool exempt)
{
    const struct address key = address_limit_key(peer);

    if (atomic_load(&connections->count) >= connections->limit) {
        return TOO_MANY;
    }
    if (exempt || connections->limit_per_address == 0 || peer->family == ADDRESS_NONE) {
        return ADMITTED;
    }
    pthread_mutex_lock(&connections->lock);
    const struct peer *known = table_get(connections->peers, &key, sizeof(key));
    enum admission admission =
        known != NULL && known->connections >= connections->limit_per_address ? TOO_MANY_OF_ADDRESS : ADMITTED;
    pthread_mutex_unlock(&connections->lock);
    return admission;
}

/* Holds the lock. NULL: no memory. */
static struct peer *take_peer(struct connections *connections, const struct address *address)
{
    const struct address key = address_limit_key(address);
    struct peer *peer = table_get(connections->peers, &key, sizeof(key));

    if (peer == NULL) {
        peer = calloc(1, sizeof(*peer));
        if (peer == NULL) {
            return NULL;
        }
        peer->key = key;
        if (table_put(connections->peers, peer) < 0) {
            free(peer);
            return NULL;
        }
    }
    peer->connections++;
    return peer;
}

/* Holds the lock. */
static void drop_peer(struct connections *connections, struct peer *peer)
{
    if (peer != NULL && --peer->connections == 0) {
        (void)table_remove(connections->peers, &peer->key, sizeof(peer->key));
        free(peer);
    }
}

struct connection *connections_open(struct connections *connections, const struct address *peer, int fd,
                                    int64_t deadline_ms)
{
    _cleanup_free_ struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return NULL;
    }
    connection->address = *peer;
    connection->fd = fd;
    atomic_init(&connection->deadline_ms, deadline_ms);

    pthread_mutex_lock(&connections->lock);
    if (peer->family != ADDRESS_NONE) {
        connection->peer = take_peer(connections, peer);
        if (connection->peer == NULL) {
            pthread_mutex_unlock(&connections->lock);
            return NULL;
        }
    }
    connection->next = connections->first;
    connection->link = &connections->first;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    connections->first = connection;
    pthread_mutex_unlock(&connections->lock);
    atomic_fetch_add(&connections->count, 1);
    return TAKE_PTR(connection);
}

void connections_close(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->lock);
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    drop_peer(connections, connection->peer);
    pthread_mutex_unlock(&connections->lock);
    atomic_fetch_sub(&connections->count, 1);
    free(connection);
}

void connection_set_deadline(struct connection *connection, int64_t deadline_ms)
{
    atomic_store(&connection->deadline_ms, deadline_ms);
}

const struct address *connection_peer(const struct connection *connection)
{
    return &connection->address;
}

int connection_fd(const struct connection *connection)
{
    return connection->fd;
}

void connection_set_userdata(struct connection *connection, void *userdata)
{
    connection->userdata = userdata;
}

void *connection_userdata(const struct connection *connection)
{
    return connection->userdata;
}

size_t connections_reap(struct connections *connections, int64_t now_ms)
{
    size_t reaped = 0;

    pthread_mutex_lock(&connections->lock);
    for (struct connection *connection = connections->first; connection != NULL; connection = connection->next) {
        if (!connection->reaped && atomic_load(&connection->deadline_ms) < now_ms) {
            (void)shutdown(connection->fd, SHUT_RDWR);
            connection->reaped = true;
            reaped++;
        }
    }
    pthread_mutex_unlock(&connections->lock);
    return reaped;
}

size_t connections_count(const struct connections *connections)
{
    return atomic_load(&connections->count);
}
