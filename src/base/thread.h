/*
 * Starting a thread: named, and with all signals blocked, since they are the main thread's. Any thread.
 */
#ifndef DDNS53_BASE_THREAD_H
#define DDNS53_BASE_THREAD_H

#include <pthread.h>

/* `name`: at most 15 characters. Negative errno. */
int thread_start(const char *name, void *(*run)(void *userdata), void *userdata, pthread_t *ret_thread);

#endif
