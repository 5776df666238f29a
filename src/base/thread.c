#include "base/thread.h"

#include <signal.h>

int thread_start(const char *name, void *(*run)(void *userdata), void *userdata, pthread_t *ret_thread)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;

    (void)sigfillset(&all);
    int r = pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread inherits its maker's mask */
    if (r != 0) {
        return -r;
    }
    r = pthread_create(&thread, NULL, run, userdata);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        return -r;
    }
    (void)pthread_setname_np(thread, name);
    *ret_thread = thread;
    return 0;
}
