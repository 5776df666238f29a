#include "config/current.h"

#include <pthread.h>

struct current {
    pthread_mutex_t lock; /* of both pointers */
    struct settings *settings;
    struct hosts *hosts;
};

struct current *current_new(struct settings *settings, struct hosts *hosts)
{
    struct current *current = calloc(1, sizeof(*current));

    if (current == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&current->lock, NULL) != 0) {
        free(current);
        return NULL;
    }
    current->settings = settings_ref(settings);
    current->hosts = hosts_ref(hosts);
    return current;
}

void current_free(struct current *current)
{
    if (current == NULL) {
        return;
    }
    settings_unref(current->settings);
    hosts_unref(current->hosts);
    pthread_mutex_destroy(&current->lock);
    free(current);
}

struct settings *current_settings(struct current *current)
{
    pthread_mutex_lock(&current->lock);
    struct settings *settings = settings_ref(current->settings);
    pthread_mutex_unlock(&current->lock);
    return settings;
}

struct hosts *current_hosts(struct current *current)
{
    pthread_mutex_lock(&current->lock);
    struct hosts *hosts = hosts_ref(current->hosts);
    pthread_mutex_unlock(&current->lock);
    return hosts;
}

void current_swap(struct current *current, struct settings *settings, struct hosts *hosts)
{
    struct settings *old_settings = NULL;
    struct hosts *old_hosts = NULL;

    pthread_mutex_lock(&current->lock);
    if (settings != NULL) {
        old_settings = current->settings;
        current->settings = settings_ref(settings);
    }
    if (hosts != NULL) {
        old_hosts = current->hosts;
        current->hosts = hosts_ref(hosts);
    }
    pthread_mutex_unlock(&current->lock);

    /* Freeing a large table takes a while; not under the lock. */
    settings_unref(old_settings);
    hosts_unref(old_hosts);
}
