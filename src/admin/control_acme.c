/* The certificate: what is served, obtaining another, and the challenges that our hook brings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acme/acme.h"
#include "admin/control_internal.h"
#include "web/tls.h"

/* It is answered later, unless it could not even be begun. */
static void answer_begun(struct request *request, int r)
{
    if (r < 0) {
        control_answer(request, 500, "out_of_memory", NULL);
    }
}

/* ---- challenges ---- */

static void answer_challenge(int error, const char *message, void *userdata)
{
    struct request *request = userdata;

    if (error == 0) {
        control_answer(request, 200, "good", json_pack("{s:b}", "ok", true));
        return;
    }
    const unsigned status = error == -EPERM || error == -EINVAL ? 400 : error == -ESHUTDOWN ? 503 : 409;
    request->decision.is_written = error == -EIO; /* by the queue, or by the end of the client */
    control_answer(request, status, "failed", json_pack("{s:s}", "error", message));
}

void control_challenge(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);
    struct name name;

    if (!body || !control_name(request, body, &name)) {
        return;
    }
    struct challenges *challenges = control_of(request)->challenges;
    const char *value = json_string_value(json_object_get(body, "value"));
    const bool is_removal = json_is_true(json_object_get(body, "remove"));
    if (!value && !is_removal) {
        control_refuse(request, 400, "bad_request", "value is missing; or remove is true");
        return;
    }
    answer_begun(request, is_removal ? challenges_remove(challenges, &name, answer_challenge, request)
                                     : challenges_set(challenges, &name, value, answer_challenge, request));
}

/* ---- obtaining ---- */

static void answer_turn(int error, const char *message, void *userdata)
{
    struct request *request = userdata;

    if (error == 0) {
        control_answer(request, 200, "good", json_pack("{s:b, s:s}", "ok", true, "message", message));
        return;
    }
    request->decision.is_written = error == -EIO; /* by event=acme_failed */
    control_answer(request, error == -ESHUTDOWN ? 503 : 409, "failed", json_pack("{s:s}", "error", message));
}

void control_certificate_renew(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);

    if (body) {
        answer_begun(request, acme_renew(control_of(request)->acme, answer_turn, request));
    }
}

void control_certificate_test(struct request *request)
{
    _cleanup_(control_drop) json_t *body = control_body(request);

    if (!body) {
        return;
    }
    const char *directory = json_string_value(json_object_get(body, "directory"));
    if (directory && strncmp(directory, "https://", strlen("https://")) != 0) {
        control_refuse(request, 400, "bad_request", "directory must begin with https://");
        return;
    }
    answer_begun(request, acme_test(control_of(request)->acme, directory, answer_turn, request));
}

/* ---- what there is ---- */

static json_t *served_object(const struct tls *tls, unsigned index)
{
    struct tls_view view;

    if (tls_describe(tls, index, &view) < 0) {
        return json_null();
    }
    json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:s, s:b}", "file", view.file, "names", view.names, "begins_s",
                               (json_int_t)view.begins_s, "expires_s", (json_int_t)view.expires_s, "sha256",
                               view.fingerprint, "self_signed", view.is_self_signed);
    tls_view_done(&view);
    return object;
}

static json_t *acme_object(struct acme *acme)
{
    struct acme_view view;

    acme_view(acme, &view);
    json_t *object = json_pack("{s:b, s:b, s:I, s:I, s:s?}", "on", view.is_on, "running", view.is_running, "next_s",
                               (json_int_t)view.next_s, "failures", (json_int_t)view.failures, "trouble", view.message);
    acme_view_done(&view);
    return object;
}

void control_certificate(struct request *request)
{
    const struct control *control = control_of(request);

    control_answer(request, 200, "certificate",
                   json_pack("{s:o, s:o, s:o}", "served", served_object(control->tls, 0), "second",
                             served_object(control->tls, 1), "acme", acme_object(control->acme)));
}
