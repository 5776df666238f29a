#include "io/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "io/http_call.h"
#include "io/http_library.h"

/* How long to stay away from a multi handle that cannot poll (no memory), so that the loop does not spin. */
#define POLL_FAILED_MS 10

/* Kept between uses; a stale one is noticed and replaced by curl. */
#define IDLE_CONNECTIONS_MAX 8L
/* Without a call for so long, all are closed: with GnuTLS each holds the authorities that were read for it, 2 to 4 MB. */
#define IDLE_MS (60 * 1000)

struct http_client {
    struct loop *loop;
    CURLM *multi;
    char *ca_file; /* NULL: what libcurl was built with */
    struct list calls;
    struct loop_timer idle; /* set while there is no call */
};

/* ---- calls ---- */

int http_client_send(struct http_client *client, const struct http_request *request, http_done done, void *userdata,
                     struct http_call **ret_call)
{
    _cleanup_(http_call_freep) struct http_call *call = NULL;
    const int r = http_call_new(request, client->ca_file, &call);

    if (r < 0) {
        return r;
    }
    call->client = client;
    call->done = done;
    call->userdata = userdata;
    if (curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call) != CURLE_OK ||
        curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        return -ENOMEM;
    }
    loop_timer_cancel(client->loop, &client->idle);
    list_append(&client->calls, &call->link);
    if (ret_call) {
        *ret_call = call;
    }
    (void)TAKE_PTR(call);
    return 0;
}

static void call_unlink(struct http_call *call)
{
    struct http_client *client = call->client;

    list_remove(&client->calls, &call->link);
    curl_multi_remove_handle(client->multi, call->easy);
    if (!client->calls.first) {
        /* without memory for it the connections stay until the next pause */
        (void)loop_timer_set(client->loop, &client->idle, loop_now_ms(client->loop) + IDLE_MS);
    }
}

void http_call_cancel(struct http_call *call)
{
    if (!call) {
        return;
    }
    call_unlink(call);
    http_call_free(call);
}

static void finish_calls(struct http_client *client)
{
    const CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        void *private = NULL;
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct http_call *call = private;
        http_call_end(call, message->data.result);
        call_unlink(call);
        call->done(&call->response, call->userdata); /* may send and cancel others: `message` is gone */
        http_call_free(call);
    }
}

/* ---- the poller ---- */

static void poller_wait(void *userdata, int timeout_ms, int watched_fd)
{
    struct http_client *client = userdata;
    struct curl_waitfd watched = {.fd = watched_fd, .events = CURL_WAIT_POLLIN};
    int running = 0;

    if (curl_multi_poll(client->multi, &watched, 1, timeout_ms < 0 ? INT_MAX : timeout_ms, NULL) != CURLM_OK) {
        (void)poll(NULL, 0, POLL_FAILED_MS);
    }
    (void)curl_multi_perform(client->multi, &running);
    finish_calls(client);
}

static void poller_wake(void *userdata)
{
    const struct http_client *client = userdata;
    curl_multi_wakeup(client->multi);
}

/* ---- the client ---- */

static CURLM *new_multi(void)
{
    CURLM *multi = curl_multi_init();

    if (multi) {
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    }
    return multi;
}

static void set_poller(struct http_client *client)
{
    loop_set_poller(client->loop, &(struct loop_poller){.wait = poller_wait, .wake = poller_wake, .userdata = client});
}

/* curl closes connections only with their handle. Other threads wake the old one until the poller is taken away. */
static void close_idle_connections(struct loop_timer *timer)
{
    struct http_client *client = CONTAINER_OF(timer, struct http_client, idle);
    CURLM *fresh = new_multi();

    if (!fresh) {
        return; /* no memory: they stay until the next pause */
    }
    loop_set_poller(client->loop, NULL);
    curl_multi_cleanup(client->multi);
    client->multi = fresh;
    set_poller(client);
    (void)malloc_trim(0);
}

struct http_client *http_client_new(struct loop *loop)
{
    if (!http_library_start()) {
        return NULL;
    }

    _cleanup_(http_client_freep) struct http_client *client = calloc(1, sizeof(*client));
    if (!client) {
        return NULL;
    }
    client->multi = new_multi();
    if (!client->multi) {
        return NULL;
    }
    client->idle.run = close_idle_connections;
    const char *ca_file = http_library_ca_file();
    if (ca_file) {
        client->ca_file = strdup(ca_file);
        if (!client->ca_file) {
            return NULL;
        }
    }

    client->loop = loop;
    set_poller(client);
    return TAKE_PTR(client);
}

void http_client_free(struct http_client *client)
{
    if (!client) {
        return;
    }
    if (client->loop) {
        loop_set_poller(client->loop, NULL);
    }
    while (client->calls.first) {
        http_call_cancel(LIST_ITEM(client->calls.first, struct http_call, link));
    }
    if (client->loop) {
        loop_timer_cancel(client->loop, &client->idle);
    }
    curl_multi_cleanup(client->multi);
    free(client->ca_file);
    free(client);
}
