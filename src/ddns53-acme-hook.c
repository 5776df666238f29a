/*
 * ddns53-acme-hook: what uacme(1) calls with each challenge. It hands that of dns-01 to the daemon that runs uacme, over its
 * control socket, and waits until the name servers have it. The daemon takes challenges away again by itself.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "acme/uacme.h"
#include "base/log.h"
#include "base/secret.h"
#include "io/http_client.h"

#define CONNECT_MS 5000
#define TIMEOUT_MS (6 * 60 * 1000) /* a little more than the daemon takes */
#define ANSWER_MAX_BYTES 65536
#define DECLINED 1

struct exchange {
    bool is_answered;
    int status;
};

static void tell(const char *words)
{
    (void)fprintf(stderr, UACME_HOOK ": %s\n", words);
}

static void tell_refusal(const struct http_response *response)
{
    json_t *answer = json_loadb(response->body, response->length, 0, NULL);
    const char *sentence = json_string_value(json_object_get(answer, "error"));

    tell(sentence ? sentence : "the daemon refuses, and gives no reason; see its log");
    json_decref(answer);
}

static void answered(const struct http_response *response, void *userdata)
{
    struct exchange *exchange = userdata;

    exchange->is_answered = true;
    exchange->status = EXIT_FAILURE;
    if (response->error) {
        tell(response->reason);
    } else if (response->status != 200) {
        tell_refusal(response);
    } else {
        exchange->status = EXIT_SUCCESS;
    }
}

static int send_challenge(const char *socket, const char *body)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    _cleanup_(loop_freep) struct loop *loop = loop_new(clock_system());
    _cleanup_(http_client_freep) struct http_client *client = loop ? http_client_new(loop) : NULL;
    struct exchange exchange = {.status = EXIT_FAILURE};

    if (!client || http_client_send(client,
                                    &(struct http_request){
                                        .method = "POST",
                                        .url = "http://localhost/acme/challenge",
                                        .unix_socket = socket,
                                        .headers = headers,
                                        .body = body,
                                        .body_length = strlen(body),
                                        .connect_timeout_ms = CONNECT_MS,
                                        .timeout_ms = TIMEOUT_MS,
                                        .response_max_bytes = ANSWER_MAX_BYTES,
                                    },
                                    answered, &exchange, NULL) < 0) {
        tell("out of memory");
        return EX_OSERR;
    }
    while (!exchange.is_answered) {
        loop_turn(loop, -1);
    }
    return exchange.status;
}

static int set_challenge(const char *name, const char *value)
{
    const char *socket = getenv(UACME_HOOK_SOCKET); // NOLINT(concurrency-mt-unsafe): no thread
    json_t *object = json_pack("{s:s, s:s}", "hostname", name, "value", value);
    char *body = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!socket || !body) {
        tell(socket ? "the challenge is no text"
                    : "is run by ddns53d, which says by " UACME_HOOK_SOCKET " where it listens");
        free(body);
        return EX_USAGE;
    }
    const int status = send_challenge(socket, body);
    free(body);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fputs("usage: " UACME_HOOK
                    " begin|done|failed TYPE NAME TOKEN VALUE\nRun by uacme for ddns53d; see ddns53d(8).\n",
                    stderr);
        return EX_USAGE;
    }
    log_init(LOG_LEVEL_WARNING);
    if (crypto_init() < 0) {
        tell("libsodium cannot be initialised; is there a source of random numbers?");
        return EX_OSERR;
    }
    if (strcmp(argv[1], "begin") != 0) {
        return EXIT_SUCCESS; /* the daemon sees by itself when uacme ends */
    }
    return strcmp(argv[2], "dns-01") == 0 ? set_challenge(argv[3], argv[5]) : DECLINED;
}
