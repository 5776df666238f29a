#include "daemon/certificate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acme/uacme.h"
#include "base/file.h"
#include "base/log.h"

#define LOOK_MS 1000
#define WARNING_S ((int64_t)7 * 86400)

/* ---- files that change ---- */

/* On the worker's thread. */
static bool look(struct worker_job *job)
{
    const struct certificate *certificate = CONTAINER_OF(job, struct certificate, look);
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(certificate->current);
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;

    if (settings->tls && tls_has_new_files(certificate->tls, settings) &&
        tls_load(certificate->tls, settings, clock_realtime_s(clock_system()), &message) < 0) {
        log_error("certificate_failed", "its files have changed, and the certificate in force stays: %s",
                  buffer_text(&message));
    }
    return true;
}

static void look_later(struct certificate *certificate)
{
    (void)loop_timer_set(certificate->loop, &certificate->timer, loop_now_ms(certificate->loop) + LOOK_MS);
}

static void looked(struct worker_job *job)
{
    look_later(CONTAINER_OF(job, struct certificate, look));
}

static void run_timer(struct loop_timer *timer)
{
    struct certificate *certificate = CONTAINER_OF(timer, struct certificate, timer);

    worker_post(certificate->files, &certificate->look);
}

/* ---- making and freeing ---- */

/* Beside our own program, as it is built, or where it is installed. Owned. */
static char *find_hook(void)
{
    char self[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (length > 0) {
        self[length] = '\0';
        _cleanup_free_ char *beside = path_beside(self, UACME_HOOK);
        if (beside && access(beside, X_OK) == 0) {
            return TAKE_PTR(beside);
        }
    }
    return strdup(LIBEXECDIR "/ddns53/" UACME_HOOK);
}

struct certificate *certificate_new(const struct certificate_means *means)
{
    _cleanup_(certificate_freep) struct certificate *certificate = calloc(1, sizeof(*certificate));

    if (!certificate) {
        return NULL;
    }
    certificate->current = means->current;
    certificate->tls = means->tls;
    certificate->loop = means->loop;
    certificate->look = (struct worker_job){.run = look, .done = looked};
    certificate->timer.run = run_timer;
    certificate->client = worker_new(means->loop, "acme");
    certificate->files = worker_new(means->loop, "certificate");
    certificate->hook = find_hook();
    if (!certificate->client || !certificate->files || !certificate->hook) {
        return NULL;
    }
    certificate->challenges = challenges_new(
        &(struct challenges_means){means->loop, certificate->files, means->queue, means->records, means->current});
    if (!certificate->challenges) {
        return NULL;
    }
    certificate->acme = acme_new(&(struct acme_means){
        .loop = means->loop,
        .worker = certificate->client,
        .challenges = certificate->challenges,
        .current = means->current,
        .metrics = means->metrics,
        .hook = certificate->hook,
        .environment = means->environment,
    });
    return certificate->acme ? TAKE_PTR(certificate) : NULL;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate) {
        return;
    }
    acme_free(certificate->acme);
    challenges_free(certificate->challenges);
    worker_free(certificate->client);
    worker_free(certificate->files);
    free(certificate->hook);
    free(certificate);
}

int certificate_start(struct certificate *certificate)
{
    int r = worker_start(certificate->client, 0);

    return r == 0 ? worker_start(certificate->files, 0) : r;
}

int certificate_stop(struct certificate *certificate, int64_t timeout_ms)
{
    if (!certificate) {
        return 0;
    }
    certificate_hurry(certificate);
    int r = worker_stop(certificate->client, timeout_ms);
    return r == 0 ? worker_stop(certificate->files, timeout_ms) : r;
}

/* ---- while it runs ---- */

void certificate_begin(struct certificate *certificate)
{
    acme_start(certificate->acme);
    look_later(certificate);
}

void certificate_reload(struct certificate *certificate)
{
    acme_reload(certificate->acme);
}

void certificate_drain(struct certificate *certificate)
{
    acme_drain(certificate->acme);
}

void certificate_hurry(struct certificate *certificate)
{
    acme_stop(certificate->acme);
}

/* ---- what is wrong ---- */

/* An obtained certificate is renewed with a third of its life left: at a tenth, that has failed for long. */
static int64_t warning_s(const struct tls_view *view, bool is_obtained)
{
    const int64_t tenth_s = (view->expires_s - view->begins_s) / 10;

    return is_obtained && tenth_s < WARNING_S ? tenth_s : WARNING_S;
}

static size_t report_expiry(const struct tls_view *view, const char *which, const struct acme_view *acme, int64_t now_s,
                            struct buffer *buffer)
{
    const bool is_obtained = acme->is_on && !view->is_self_signed;
    const int64_t left_s = view->expires_s - now_s;

    if (left_s >= warning_s(view, is_obtained)) {
        return 0;
    }
    buffer_printf(buffer, "the %s %s", which, left_s <= 0 ? "has expired" : "expires within 7 days");
    if (is_obtained) {
        buffer_printf(buffer, ", and could not be renewed%s%s; see ddns53ctl certificate show\n",
                      acme->message ? ": " : "", acme->message ? acme->message : "");
    } else {
        buffer_append_text(buffer, "; renew it and send SIGHUP\n");
    }
    return 1;
}

static size_t report(const struct certificate *certificate, const struct acme_view *acme, int64_t now_s,
                     struct buffer *buffer)
{
    struct tls_view view;
    struct tls_view second;

    if (tls_describe(certificate->tls, 0, &view) < 0) {
        return 0;
    }
    size_t count = report_expiry(&view, "certificate", acme, now_s, buffer);
    if (tls_describe(certificate->tls, 1, &second) == 0) {
        count += report_expiry(&second, "second certificate", acme, now_s, buffer);
        tls_view_done(&second);
    }
    if (acme->is_on && view.is_self_signed && acme->message) {
        buffer_printf(buffer, "no certificate has been obtained yet, the self-signed one is served: %s\n",
                      acme->message);
        count++;
    }
    tls_view_done(&view);
    return count;
}

size_t certificate_report_trouble(const struct certificate *certificate, int64_t now_s, struct buffer *buffer)
{
    struct acme_view acme;

    acme_view(certificate->acme, &acme);
    const size_t count = report(certificate, &acme, now_s, buffer);
    acme_view_done(&acme);
    return count;
}
