#include "daemon/work.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define DRAIN_MS 10000
#define PROVIDERS_DRAIN_MS 1500 /* what zonefile.on_change and the like have at least, at the end */

static void run_start(struct loop_work *work)
{
    struct daemon *daemon = CONTAINER_OF(work, struct daemon, start_work);

    queue_start(daemon->queue);
    certificate_begin(daemon->certificate);
}

struct queue_options daemon_queue_options(const struct settings *settings)
{
    return (struct queue_options){
        .update_timeout_ms = settings->update_timeout_s * 1000,
        .reconcile_ms = settings->reconcile_s * 1000,
        .queued_max = settings->queued_changes,
    };
}

static void run_reload(struct loop_work *work)
{
    struct daemon *daemon = CONTAINER_OF(work, struct daemon, reload_work);
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(daemon->current);
    const struct queue_options options = daemon_queue_options(settings);

    providers_reload(daemon->providers, settings);
    queue_reconfigure(daemon->queue, &options);
    certificate_reload(daemon->certificate);
}

static void tell_drained(void *userdata)
{
    const struct daemon *daemon = userdata;
    const uint64_t one = 1;

    if (write(daemon->drained, &one, sizeof(one)) < 0) {
        log_error("drain", "cannot wake the main thread: %s", strerror(errno));
    }
}

static void changes_drained(void *userdata, size_t left)
{
    struct daemon *daemon = userdata;
    const int64_t soonest_ms = loop_now_ms(daemon->loop) + PROVIDERS_DRAIN_MS;

    if (left > 0) {
        log_warning("drain", "%zu changes could not be finished; their clients were told to try again", left);
    }
    providers_drain(daemon->providers, soonest_ms > daemon->drain_end_ms ? soonest_ms : daemon->drain_end_ms,
                    tell_drained, daemon);
}

static void run_drain(struct loop_work *work)
{
    struct daemon *daemon = CONTAINER_OF(work, struct daemon, drain_work);

    daemon->drain_end_ms = loop_now_ms(daemon->loop) + DRAIN_MS;
    certificate_drain(daemon->certificate);
    queue_drain(daemon->queue, daemon->drain_end_ms, changes_drained, daemon);
}

static void run_beat(struct loop_work *work)
{
    struct daemon *daemon = CONTAINER_OF(work, struct daemon, beat);

    atomic_store(&daemon->beat_ms, loop_now_ms(daemon->loop));
}

void work_init(struct daemon *daemon)
{
    daemon->start_work.run = run_start;
    daemon->reload_work.run = run_reload;
    daemon->drain_work.run = run_drain;
    daemon->beat.run = run_beat;
}

void work_post_start(struct daemon *daemon)
{
    loop_post(daemon->loop, &daemon->start_work);
}

void work_post_reload(struct daemon *daemon)
{
    loop_post(daemon->loop, &daemon->reload_work);
}

void work_post_drain(struct daemon *daemon)
{
    loop_post(daemon->loop, &daemon->drain_work);
}

void work_post_beat(struct daemon *daemon)
{
    loop_post(daemon->loop, &daemon->beat);
}
