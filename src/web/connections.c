#include "web/connections.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"

#define LOG_INTERVAL_MS 60000

/* What the limits do to connections, each counted and logged by itself. */
enum effect {
    REFUSED_TABLE,
    REFUSED_ADDRESS,
    REFUSED_NETWORK,
    CLOSED_TABLE,
    CLOSED_NETWORK,
    CLOSED_SLOW,
    EFFECT_COUNT
};

static const struct {
    bool is_refusal;
    const char *limit; /* label of the metric */
    enum log_level level;
    const char *advice;
} effects[EFFECT_COUNT] = {
    [REFUSED_TABLE] = {true, "connections", LOG_LEVEL_WARNING,
                       "all connections are in use; raise limits.connections if these are clients of yours"},
    [REFUSED_ADDRESS] = {true, "connections_per_address", LOG_LEVEL_WARNING,
                         "one address has too many connections; raise limits.connections_per_address, or name it in "
                         "server.trusted_proxies if it is a proxy of yours"},
    [REFUSED_NETWORK] = {true, "network", LOG_LEVEL_WARNING,
                         "one network has its share of all connections; raise limits.connections if these are clients "
                         "of yours"},
    [CLOSED_TABLE] =
        {false, "connections", LOG_LEVEL_WARNING,
         "who waited longest without a request made room for others; raise limits.connections if these are "
         "clients of yours"},
    [CLOSED_NETWORK] = {false, "network", LOG_LEVEL_WARNING,
                        "who waited longest without a request made room for others of its network; raise "
                        "limits.connections if these are clients of yours"},
    [CLOSED_SLOW] = {false, "request_s", LOG_LEVEL_INFO,
                     "no complete request came in time; raise limits.request_s if these are clients of yours"},
};

/* What one effect has done since it was logged last. */
struct effect_log {
    size_t count;
    int64_t logged_ms;
    struct address last; /* whom */
};

struct connection {
    struct connection *next;
    struct connection **link; /* what points to this one */
    struct seat *seat;
    struct address address;
    int fd;
    void *owner;
    _Atomic(struct server_worker *) worker;
    struct session *session;
    void *userdata;
    atomic_bool is_idle;
    int64_t waiting_ms; /* since when; guarded by the lock, as the three below */
    bool is_busy;
    bool is_kept; /* has had a request */
    bool is_shut;
};

struct connections {
    struct connections_options options;
    atomic_size_t count;
    pthread_mutex_t lock; /* over all below */
    struct admission *admission;
    struct connection *first;
    struct effect_log logs[EFFECT_COUNT];
};

const struct metric_row connections_open_row = {
    .name = "ddns53_connections",
    .help = "Connections that are open",
    .type = METRIC_GAUGE,
    .labels = {"server"},
};
const struct metric_row connections_refused_row = {
    .name = "ddns53_connections_refused_total",
    .help = "Connections that were not accepted, by the limit that was reached",
    .type = METRIC_COUNTER,
    .labels = {"server", "limit"},
};
const struct metric_row connections_closed_row = {
    .name = "ddns53_connections_closed_total",
    .help = "Connections that were closed while they waited for a request, by the limit that was reached",
    .type = METRIC_COUNTER,
    .labels = {"server", "limit"},
};

static struct metric *metric_of(const struct connections *connections, enum effect effect)
{
    return effects[effect].is_refusal ? connections->options.refused : connections->options.closed;
}

struct connections *connections_new(const struct connections_options *options)
{
    struct connections *connections = calloc(1, sizeof(*connections));

    if (!connections) {
        return NULL;
    }
    connections->admission = admission_new(options->limit, options->per_address);
    if (!connections->admission) {
        free(connections);
        return NULL;
    }
    connections->options = *options;
    int64_t now_ms = clock_monotonic_ms(options->clock);
    metric_add(options->open, 0, options->server, NULL, NULL);
    for (enum effect i = 0; i < EFFECT_COUNT; i++) {
        metric_add(metric_of(connections, i), 0, options->server, effects[i].limit, NULL);
        connections->logs[i].logged_ms = now_ms - LOG_INTERVAL_MS;
    }
    pthread_mutex_init(&connections->lock, NULL);
    return connections;
}

void connections_free(struct connections *connections)
{
    if (!connections) {
        return;
    }
    admission_free(connections->admission);
    pthread_mutex_destroy(&connections->lock);
    free(connections);
}

/* ---- what limits do ---- */

/* Counts, and once a minute logs what has come together. Without the lock. */
static void tell(struct connections *connections, enum effect effect, size_t count, const struct address *whom,
                 int64_t now_ms)
{
    const struct connections_options *options = &connections->options;
    char text[ADDRESS_TEXT_SIZE] = "local";
    char number[24];
    size_t together = 0;

    metric_add(metric_of(connections, effect), (double)count, options->server, effects[effect].limit, NULL);
    pthread_mutex_lock(&connections->lock);
    struct effect_log *log = &connections->logs[effect];
    log->count += count;
    if (now_ms - log->logged_ms >= LOG_INTERVAL_MS) {
        together = log->count;
        *log = (struct effect_log){.logged_ms = now_ms};
    }
    pthread_mutex_unlock(&connections->lock);
    if (together == 0) {
        return;
    }
    if (whom->family != ADDRESS_NONE) {
        address_print(whom, text);
    }
    (void)snprintf(number, sizeof(number), "%zu", together);
    log_event(effects[effect].level, "connection_limit", "server", options->server, "limit", effects[effect].limit,
              effects[effect].is_refusal ? "refused" : "closed", number, "last", text, "message",
              effects[effect].advice, NULL);
}

static enum effect refusal_by(enum admission_rule rule)
{
    switch (rule) {
    case RULE_ADDRESS: return REFUSED_ADDRESS;
    case RULE_NETWORK: return REFUSED_NETWORK;
    case RULE_NONE:
    case RULE_TABLE: break;
    }
    return REFUSED_TABLE;
}

static struct visitor visitor_of(const struct connections *connections, const struct address *peer, bool is_exempt,
                                 int64_t now_ms)
{
    return (struct visitor){
        .address = *peer,
        .is_known = is_exempt || logins_has(connections->options.logins, peer, now_ms),
        .is_exempt = is_exempt,
    };
}

bool connections_admit(struct connections *connections, const struct address *peer, bool is_exempt)
{
    int64_t now_ms = clock_monotonic_ms(connections->options.clock);
    const struct visitor visitor = visitor_of(connections, peer, is_exempt, now_ms);

    pthread_mutex_lock(&connections->lock);
    const struct decision decision = admission_ask(connections->admission, &visitor, now_ms);
    pthread_mutex_unlock(&connections->lock);
    if (!decision.is_admitted) {
        tell(connections, refusal_by(decision.rule), 1, peer, now_ms);
    }
    return decision.is_admitted;
}

/* ---- one connection ---- */

/* Its owner sees the end of input. Holds the lock. */
static void shut(struct connection *connection)
{
    (void)shutdown(connection->fd, SHUT_RDWR);
    connection->is_shut = true;
}

/* Who was displaced, for `tell`. */
struct displaced {
    size_t count[EFFECT_COUNT];
    struct address last[EFFECT_COUNT];
};

/* Holds the lock. */
static void make_room(struct connections *connections, const struct visitor *visitor, int64_t now_ms,
                      struct displaced *ret_displaced)
{
    struct decision decision;

    while ((decision = admission_ask(connections->admission, visitor, now_ms)).displaced) {
        struct connection *connection = seat_owner(decision.displaced);
        enum effect effect = decision.rule == RULE_NETWORK ? CLOSED_NETWORK : CLOSED_TABLE;
        admission_displace(connections->admission, decision.displaced);
        shut(connection);
        ret_displaced->count[effect]++;
        ret_displaced->last[effect] = connection->address;
    }
}

/* Holds the lock. */
static void link_connection(struct connections *connections, struct connection *connection)
{
    connection->next = connections->first;
    connection->link = &connections->first;
    if (connection->next) {
        connection->next->link = &connection->next;
    }
    connections->first = connection;
}

struct connection *connections_open(struct connections *connections, const struct address *peer, bool is_exempt, int fd,
                                    int64_t since_ms)
{
    int64_t now_ms = clock_monotonic_ms(connections->options.clock);
    const struct visitor visitor = visitor_of(connections, peer, is_exempt, now_ms);
    struct displaced displaced = {0};
    _cleanup_free_ struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        return NULL;
    }
    connection->address = *peer;
    connection->fd = fd;
    connection->waiting_ms = since_ms;
    pthread_mutex_lock(&connections->lock);
    make_room(connections, &visitor, now_ms, &displaced);
    connection->seat = admission_enter(connections->admission, &visitor, now_ms, connection);
    if (connection->seat) {
        link_connection(connections, connection);
    }
    pthread_mutex_unlock(&connections->lock);
    for (enum effect effect = 0; effect < EFFECT_COUNT; effect++) {
        if (displaced.count[effect] > 0) {
            tell(connections, effect, displaced.count[effect], &displaced.last[effect], now_ms);
        }
    }
    if (!connection->seat) {
        return NULL;
    }
    atomic_fetch_add(&connections->count, 1);
    metric_add(connections->options.open, 1, connections->options.server, NULL, NULL);
    return TAKE_PTR(connection);
}

void connections_close(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->lock);
    *connection->link = connection->next;
    if (connection->next) {
        connection->next->link = connection->link;
    }
    admission_leave(connections->admission, connection->seat);
    pthread_mutex_unlock(&connections->lock);
    atomic_fetch_sub(&connections->count, 1);
    metric_add(connections->options.open, -1, connections->options.server, NULL, NULL);
    free(connection);
}

void connections_request_complete(struct connections *connections, struct connection *connection)
{
    pthread_mutex_lock(&connections->lock);
    connection->is_busy = true;
    connection->is_kept = true;
    admission_busy(connections->admission, connection->seat);
    pthread_mutex_unlock(&connections->lock);
}

void connections_request_over(struct connections *connections, struct connection *connection, int64_t since_ms)
{
    int64_t now_ms = clock_monotonic_ms(connections->options.clock);

    pthread_mutex_lock(&connections->lock);
    connection->is_busy = false;
    connection->waiting_ms = since_ms;
    admission_waits(connections->admission, connection->seat, now_ms);
    pthread_mutex_unlock(&connections->lock);
}

const struct address *connection_peer(const struct connection *connection)
{
    return &connection->address;
}

int connection_fd(const struct connection *connection)
{
    return connection->fd;
}

void connection_set_owner(struct connection *connection, void *owner)
{
    connection->owner = owner;
}

void *connection_owner(const struct connection *connection)
{
    return connection->owner;
}

void connection_set_idle(struct connection *connection, bool idle)
{
    atomic_store(&connection->is_idle, idle);
}

void connections_end_idle(struct connections *connections)
{
    pthread_mutex_lock(&connections->lock);
    for (struct connection *connection = connections->first; connection; connection = connection->next) {
        if (atomic_load(&connection->is_idle)) {
            (void)shutdown(connection->fd, SHUT_RD);
        }
    }
    pthread_mutex_unlock(&connections->lock);
}

void connection_set_worker(struct connection *connection, struct server_worker *worker)
{
    atomic_store(&connection->worker, worker);
}

struct server_worker *connection_worker(const struct connection *connection)
{
    return atomic_load(&connection->worker);
}

void connection_set_session(struct connection *connection, struct session *session)
{
    connection->session = session;
}

struct session *connection_session(const struct connection *connection)
{
    return connection->session;
}

void connection_set_userdata(struct connection *connection, void *userdata)
{
    connection->userdata = userdata;
}

void *connection_userdata(const struct connection *connection)
{
    return connection->userdata;
}

void connections_each(struct connections *connections, void (*look)(struct connection *connection, void *userdata),
                      void *userdata)
{
    pthread_mutex_lock(&connections->lock);
    for (struct connection *connection = connections->first; connection; connection = connection->next) {
        look(connection, userdata);
    }
    pthread_mutex_unlock(&connections->lock);
}

size_t connections_reap(struct connections *connections, int64_t now_ms, uint32_t request_ms)
{
    struct address last = {.family = ADDRESS_NONE};
    size_t reaped = 0;
    size_t slow = 0;

    pthread_mutex_lock(&connections->lock);
    for (struct connection *connection = connections->first; connection; connection = connection->next) {
        if (!connection->is_shut && !connection->is_busy && connection->waiting_ms < now_ms - request_ms) {
            shut(connection);
            reaped++;
            if (!connection->is_kept) { /* a kept one that has nothing to say any more is no news */
                last = connection->address;
                slow++;
            }
        }
    }
    pthread_mutex_unlock(&connections->lock);
    if (slow > 0) {
        tell(connections, CLOSED_SLOW, slow, &last, now_ms);
    }
    return reaped;
}

size_t connections_count(const struct connections *connections)
{
    return atomic_load(&connections->count);
}
