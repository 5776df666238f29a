#include "provider/rfc2136_call.h"

#include <errno.h>

/* ---- the result ---- */

static void conclude(struct rfc2136_call *call, int error)
{
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;
    struct rfc2136_context context = call->server->context;
    struct provider_result result = {.change_id = "", .culprit = PROVIDER_NO_CULPRIT};

    call->error = error;
    context.is_update = call->is_update;
    result.outcome =
        error < 0 ? rfc2136_explain_error(&context, error, &words) : rfc2136_explain(&context, &call->answer, &words);
    result.is_outdated = error == 0 && call->is_update && rfc2136_is_unmet(&call->answer);
    result.message = result.outcome == PROVIDER_DONE ? "" : buffer_text(&words);
    call->step(call, &result);
}

static void on_deferred(struct deferred *deferred)
{
    struct rfc2136_call *call = CONTAINER_OF(deferred, struct rfc2136_call, deferred);

    conclude(call, call->error);
}

/* ---- the exchange ---- */

static bool on_received(const uint8_t *message, size_t length, void *userdata)
{
    struct rfc2136_call *call = userdata;
    int r = rfc2136_read(&call->request, message, length, &call->answer);

    if (r == -EAGAIN) {
        return true;
    }
    const bool is_good = r == 0 && call->answer.rcode == DNS_NOERROR && call->answer.tsig_error == 0 &&
                         call->answer.signature == SIGNATURE_GOOD;
    if (is_good && call->message) {
        r = call->message(call);
    }
    call->error = r < 0 ? r : 0;
    return r > 0;
}

static void on_ended(int error, bool was_connected, void *userdata);

static void send_by(struct rfc2136_call *call, enum dns_transport transport)
{
    call->transport = transport;
    dns_exchange_start(&call->exchange, &call->server->address, transport, call->request.bytes, call->request.length,
                       on_received, on_ended, call);
}

static bool fits_udp(const struct rfc2136_call *call)
{
    return !call->request.is_transfer && call->request.length <= RFC2136_UDP_MAX;
}

static void on_ended(int error, bool was_connected, void *userdata)
{
    struct rfc2136_call *call = userdata;
    struct rfc2136_server *server = call->server;

    if (call->transport == DNS_UDP) {
        server->is_udp_only = error == 0;
        error = error < 0 && call->tcp_error < 0 ? call->tcp_error : error;
    } else if (was_connected) {
        server->is_udp_only = false;
    } else if (fits_udp(call)) {
        call->tcp_error = error;
        send_by(call, DNS_UDP);
        return;
    } else if (server->is_udp_only && call->is_update) {
        error = -EFBIG;
    }
    conclude(call, call->error < 0 ? call->error : error);
}

void rfc2136_call_send(struct rfc2136_call *call, int written, bool is_update, rfc2136_message message,
                       rfc2136_step step)
{
    call->is_update = is_update;
    call->message = message;
    call->step = step;
    call->error = written;
    call->tcp_error = 0;
    call->answer = (struct rfc2136_answer){.rcode = DNS_SERVFAIL};
    if (written < 0) {
        deferred_call(&call->deferred);
    } else {
        send_by(call, call->server->is_udp_only && fits_udp(call) ? DNS_UDP : DNS_TCP);
    }
}

int rfc2136_call_init(struct rfc2136_call *call, struct rfc2136_server *server)
{
    call->server = server;
    int r = deferred_init(&call->deferred, server->loop, on_deferred);
    return r < 0 ? r : dns_exchange_init(&call->exchange, server->loop);
}

void rfc2136_call_done(struct rfc2136_call *call)
{
    deferred_done(&call->deferred);
    dns_exchange_done(&call->exchange);
    rfc2136_request_done(&call->request);
}
