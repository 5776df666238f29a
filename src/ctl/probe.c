#include "ctl/probe.h"

#include <errno.h>

#define PROBE_MS 20000
#define TURN_MS 200

struct probe {
    enum provider_outcome outcome;
    struct buffer message;
    bool has_answered;
    bool has_more;
};

static void on_prepared(const struct provider_result *result, bool more, uint64_t record_count, void *userdata)
{
    struct probe *probe = userdata;

    (void)record_count;
    probe->outcome = result->outcome;
    probe->has_answered = true;
    probe->has_more = more;
    buffer_clear(&probe->message);
    buffer_append_text(&probe->message, result->message);
}

/* As queue/zone does it: again, while there is more to find out. */
static void prepare(const struct reach *reach, const struct provider *provider, struct provider_zone *zone,
                    struct probe *probe)
{
    struct loop *loop = reach_means(reach)->loop;
    int64_t end_ms = loop_now_ms(loop) + PROBE_MS;

    do {
        probe->has_answered = false;
        provider->ops->prepare(zone, on_prepared, probe);
        while (!probe->has_answered && loop_now_ms(loop) < end_ms) {
            loop_turn(loop, TURN_MS);
        }
    } while (probe->has_answered && probe->outcome == PROVIDER_DONE && probe->has_more);
}

static const char *todo_for(enum provider_outcome outcome)
{
    switch (outcome) {
    case PROVIDER_CREDENTIALS: return "correct the zone's key, or permit what it says";
    case PROVIDER_NO_ZONE: return "correct the zone's settings, or add the zone there";
    default: return "see that this machine reaches the server; the daemon tries again by itself";
    }
}

int probe_zone(struct report *report, const struct reach *reach, void *shared, const struct zone_settings *zone)
{
    const struct provider *provider = provider_of(zone->provider);
    const char *name = zone->name.text;
    struct provider_zone *made = provider->zone_new(reach_means(reach), shared, zone);
    struct probe probe = {.outcome = PROVIDER_TRANSIENT, .message = BUFFER_INIT};

    if (!made) {
        return -ENOMEM;
    }
    prepare(reach, provider, made, &probe);
    provider->ops->free(made);
    if (!probe.has_answered) {
        report_add(report, VERDICT_FAIL, "zone", todo_for(probe.outcome), "%s: its server has not answered within %d s",
                   name, PROBE_MS / 1000);
    } else if (probe.outcome == PROVIDER_DONE) {
        report_add(report, VERDICT_OK, "zone", NULL,
                   "%s: found by %s; whether it may be changed, the first change shows", name, zone->provider->name);
    } else {
        report_add(report, VERDICT_FAIL, "zone", todo_for(probe.outcome), "%s: %s", name, buffer_text(&probe.message));
    }
    int r = buffer_status(&probe.message);
    buffer_done(&probe.message);
    return r;
}
