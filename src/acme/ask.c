#include "acme/ask.h"

#include <errno.h>
#include <string.h>

#include "base/secret.h"

#define FIRST_MS 250
#define MOST_MS 5000

static void send_by(struct ask *ask, enum dns_transport transport);

static void run_timer(struct loop_timer *timer)
{
    send_by(CONTAINER_OF(timer, struct ask, timer), DNS_UDP);
}

static const char *words_of(const struct ask *ask)
{
    if (!ask->has_answered) {
        return "does not answer";
    }
    switch (ask->answer) {
    case QUESTION_NO: return "answers without the challenge";
    case QUESTION_REFUSED: return "refuses to answer, so see that it serves the zone";
    default: return "gives answers that make no sense";
    }
}

static void give_up(struct ask *ask)
{
    const struct dns_server *server = &ask->servers[ask->index];
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    char address[ADDRESS_TEXT_SIZE];

    address_print(&server->address, address);
    buffer_printf(&message, "the name server %s port %u %s", address, (unsigned)server->port, words_of(ask));
    ask->done(ask, -ETIMEDOUT, buffer_text(&message));
}

static void ask_again(struct ask *ask)
{
    const int64_t now_ms = loop_now_ms(ask->loop);

    if (now_ms >= ask->deadline_ms || loop_timer_set(ask->loop, &ask->timer, now_ms + ask->period_ms) < 0) {
        give_up(ask);
        return;
    }
    ask->period_ms += ask->period_ms / 2;
    ask->period_ms = ask->period_ms < MOST_MS ? ask->period_ms : MOST_MS;
}

static bool received(const uint8_t *message, size_t length, void *userdata)
{
    struct ask *ask = userdata;

    ask->has_answered = true;
    ask->answer = question_read(message, length, &ask->texts);
    return false;
}

static void ended(int error, bool was_connected, void *userdata)
{
    struct ask *ask = userdata;

    (void)was_connected;
    if (error) {
        ask->has_answered = false;
        ask_again(ask);
    } else if (ask->answer == QUESTION_TRUNCATED && ask->exchange.transport == DNS_UDP) {
        send_by(ask, DNS_TCP);
    } else if (ask->answer != QUESTION_YES) {
        ask_again(ask);
    } else if (++ask->index == ask->server_count) {
        ask->done(ask, 0, "");
    } else {
        send_by(ask, DNS_UDP);
    }
}

static void send_by(struct ask *ask, enum dns_transport transport)
{
    dns_exchange_start(&ask->exchange, &ask->servers[ask->index], transport, ask->message, ask->length, received, ended,
                       ask);
}

int ask_start(struct ask *ask, struct loop *loop, const struct name *name, const struct rdata *texts,
              int64_t deadline_ms, void (*done)(struct ask *ask, int error, const char *message))
{
    ask->loop = loop;
    ask->timer.run = run_timer;
    ask->index = 0;
    ask->length = question_write(name, (uint16_t)random_uniform(UINT16_MAX + 1), ask->message);
    ask->texts = rdata_hold(texts);
    ask->deadline_ms = deadline_ms;
    ask->period_ms = FIRST_MS;
    ask->done = done;
    int r = dns_exchange_init(&ask->exchange, loop);
    if (r == 0) {
        send_by(ask, DNS_UDP);
    }
    return r;
}

void ask_done(struct ask *ask)
{
    if (ask->loop) {
        dns_exchange_done(&ask->exchange);
        loop_timer_cancel(ask->loop, &ask->timer);
        rdata_drop(&ask->texts);
        ask->loop = NULL;
    }
}
