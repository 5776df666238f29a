#include "web/logins.h"

#include <pthread.h>

#include "base/list.h"
#include "base/table.h"

struct login {
    struct address address; /* address_limit_key */
    int64_t at_ms;
    struct list_link link;
};

struct logins {
    size_t addresses_max;
    pthread_mutex_t lock; /* over all below */
    struct table *by_address;
    struct list by_age; /* the oldest first */
};

static struct bytes key_of_login(const void *value)
{
    const struct login *login = value;
    return (struct bytes){&login->address, sizeof(login->address)};
}

static struct login *oldest(const struct logins *logins)
{
    return LIST_ITEM(logins->by_age.first, struct login, link);
}

struct logins *logins_new(size_t addresses_max)
{
    struct logins *logins = calloc(1, sizeof(*logins));

    if (!logins) {
        return NULL;
    }
    logins->by_address = table_new(key_of_login);
    if (!logins->by_address) {
        free(logins);
        return NULL;
    }
    logins->addresses_max = addresses_max;
    pthread_mutex_init(&logins->lock, NULL);
    return logins;
}

void logins_free(struct logins *logins)
{
    if (!logins) {
        return;
    }
    for (struct login *login; (login = oldest(logins));) {
        list_remove(&logins->by_age, &login->link);
        free(login);
    }
    table_free(logins->by_address);
    pthread_mutex_destroy(&logins->lock);
    free(logins);
}

static void forget(struct logins *logins, struct login *login)
{
    list_remove(&logins->by_age, &login->link);
    (void)table_remove(logins->by_address, &login->address, sizeof(login->address));
    free(login);
}

/* NULL: no memory. */
static struct login *add(struct logins *logins, const struct address *key)
{
    struct login *login = calloc(1, sizeof(*login));

    if (!login) {
        return NULL;
    }
    login->address = *key;
    if (table_put(logins->by_address, login) < 0) {
        free(login);
        return NULL;
    }
    return login;
}

static void note(struct logins *logins, const struct address *key, int64_t now_ms)
{
    struct login *login = table_get(logins->by_address, key, sizeof(*key));

    if (login) {
        list_remove(&logins->by_age, &login->link);
    } else {
        login = add(logins, key);
    }
    if (!login) {
        return;
    }
    login->at_ms = now_ms;
    list_append(&logins->by_age, &login->link);
    while ((login = oldest(logins)) &&
           (table_count(logins->by_address) > logins->addresses_max || now_ms - login->at_ms > LOGINS_KEPT_MS)) {
        forget(logins, login);
    }
}

void logins_note(struct logins *logins, const struct address *address, int64_t now_ms)
{
    if (!logins || address->family == ADDRESS_NONE) {
        return;
    }
    const struct address key = address_limit_key(address);
    pthread_mutex_lock(&logins->lock);
    note(logins, &key, now_ms);
    pthread_mutex_unlock(&logins->lock);
}

bool logins_has(struct logins *logins, const struct address *address, int64_t now_ms)
{
    if (!logins || address->family == ADDRESS_NONE) {
        return false;
    }
    const struct address key = address_limit_key(address);
    pthread_mutex_lock(&logins->lock);
    const struct login *login = table_get(logins->by_address, &key, sizeof(key));
    bool has = login && now_ms - login->at_ms <= LOGINS_KEPT_MS;
    pthread_mutex_unlock(&logins->lock);
    return has;
}
