#include "acme/challenges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/ask.h"
#include "acme/challenge_names.h"
#include "base/log.h"
#include "config/acme.h"
#include "io/resolver.h"

#define DIALECT "acme"
/* A resolver that has a name's values must not keep them when the next one is added. */
#define TTL_S 0
#define TIMEOUT_MS ((int64_t)5 * 60 * 1000)
#define RESOLVE_AGAIN_MS 5000

/* A name and its values. */
struct challenge {
    struct challenge *next;
    struct name hostname;
    struct rdata values;
    bool is_of_host; /* of hosts.yaml, for another client */
};

enum step_state { STEP_SETTING, STEP_SYNCING, STEP_RESOLVING, STEP_ASKING, STEP_OVER };

/* A value on its way to the name servers. */
struct step {
    struct submission submission; /* first member: a struct submission * is also a struct step * */
    struct waiter waiter;
    struct challenges *challenges;
    struct step *next;
    struct loop_work work;
    enum step_state state;
    bool is_canceled;
    bool is_removal;
    struct name hostname;
    char *value;
    int64_t deadline_ms;
    struct sync_wait sync;
    struct worker_job job;
    struct name zone; /* the job's, as the next three */
    int resolved;
    struct loop_timer timer; /* until the resolver is asked again */
    struct buffer words;
    struct ask ask;
    challenge_done done;
    void *userdata;
};

/* Values on their way out. */
struct removal {
    struct submission submission; /* first member */
    struct waiter waiter;
};

struct challenges {
    struct challenges_means means;
    struct challenge *first;
    struct step *steps;
    bool is_stopped;
};

/* ---- the end of a step ---- */

static void step_free(struct step *step)
{
    if (step->waiter.request.record) {
        record_release(step->waiter.request.record);
    }
    ask_done(&step->ask);
    loop_timer_cancel(step->challenges->means.loop, &step->timer);
    waiter_done(&step->waiter);
    buffer_done(&step->words);
    free(step->value);
    free(step);
}

static void unlink_step(struct step *step)
{
    struct step **at = &step->challenges->steps;

    while (*at && *at != step) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = step->next;
    }
}

/* Tells what came of it, once. */
static void answer(struct step *step, int error, const char *message)
{
    const challenge_done done = step->done;

    step->done = NULL;
    if (done) {
        done(error, message, step->userdata);
    }
}

static void end(struct step *step, int error, const char *message)
{
    answer(step, error, message);
    unlink_step(step);
    step_free(step);
}

/* True: it has ended, since nobody wants it any more. */
static bool end_unwanted(struct step *step)
{
    if (step->challenges->is_stopped) {
        end(step, -ESHUTDOWN, "the daemon stops");
        return true;
    }
    if (step->is_canceled) {
        end(step, -ECANCELED, "the challenge was taken away meanwhile");
        return true;
    }
    return false;
}

/* ---- asking name servers ---- */

static void asked(struct ask *ask, int error, const char *message)
{
    struct step *step = CONTAINER_OF(ask, struct step, ask);
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;

    if (error) {
        buffer_printf(&words, "%s: %s", step->hostname.text, message);
    }
    end(step, error, buffer_text(&words));
}

static void ask_servers(struct step *step)
{
    step->state = STEP_ASKING;
    if (ask_start(&step->ask, step->challenges->means.loop, &step->hostname, &step->waiter.request.value,
                  step->deadline_ms, asked) < 0) {
        end(step, -ENOMEM, "out of memory");
    }
}

/* On the worker's thread. */
static bool resolve(struct worker_job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, job);

    step->resolved = resolver_name_servers(step->zone.text, step->ask.servers, ASK_SERVERS_MAX, &step->ask.server_count,
                                           &step->words);
    return true;
}

static void resolved(struct worker_job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, job);

    if (end_unwanted(step)) {
        return;
    }
    const int64_t now_ms = loop_now_ms(step->challenges->means.loop);
    if (step->resolved < 0 && now_ms < step->deadline_ms &&
        loop_timer_set(step->challenges->means.loop, &step->timer, now_ms + RESOLVE_AGAIN_MS) == 0) {
        return;
    }
    if (step->resolved < 0) {
        buffer_append_text(&step->words, ", so that it is not known who has the challenge: set server.acme.ask");
        end(step, -EIO, buffer_text(&step->words));
        return;
    }
    ask_servers(step);
}

static void resolve_again(struct loop_timer *timer)
{
    struct step *step = CONTAINER_OF(timer, struct step, timer);

    if (!end_unwanted(step)) {
        buffer_clear(&step->words);
        worker_post(step->challenges->means.resolver, &step->job);
    }
}

static void ask_those_of_the_zone(struct step *step, const struct settings *settings)
{
    const int zone = settings_zone_of(settings, step->hostname.text);

    if (zone < 0) {
        end(step, -EPERM, "the name is in none of the zones any more");
        return;
    }
    step->state = STEP_RESOLVING;
    step->zone = settings->zones[zone].name;
    step->job = (struct worker_job){.run = resolve, .done = resolved};
    step->timer.run = resolve_again;
    worker_post(step->challenges->means.resolver, &step->job);
}

static void take_servers(struct step *step, const struct settings *settings)
{
    for (size_t i = 0; i < settings->acme.ask_count && i < ASK_SERVERS_MAX; i++) {
        const struct endpoint *server = &settings->acme.ask[i];
        step->ask.servers[i] = (struct dns_server){server->address, server->port};
        step->ask.server_count = i + 1;
    }
}

/* ---- waiting for the provider ---- */

/* Those of the settings are asked in any case, those of the zone where the provider cannot tell. */
static void synced(struct sync_wait *sync, int error, const char *message)
{
    struct step *step = CONTAINER_OF(sync, struct step, sync);
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(step->challenges->means.current);

    if (end_unwanted(step)) {
        return;
    }
    if (error == -ENOTSUP && message[0] != '\0') {
        log_warning("acme_sync", "%s: the provider does not tell whether its servers have it, so they are asked: %s",
                    step->hostname.text, message);
    }
    take_servers(step, settings);
    if (error && error != -ENOTSUP) {
        _cleanup_buffer_ struct buffer words = BUFFER_INIT;
        buffer_printf(&words, "%s: the name servers do not have it within %d minutes%s%s", step->hostname.text,
                      (int)(TIMEOUT_MS / 60000), message[0] == '\0' ? "" : ": ", message);
        end(step, error, buffer_text(&words));
    } else if (step->ask.server_count > 0) {
        ask_servers(step);
    } else if (error == -ENOTSUP) {
        ask_those_of_the_zone(step, settings);
    } else {
        end(step, 0, "");
    }
}

static void await_sync(struct step *step)
{
    step->state = STEP_SYNCING;
    step->sync = (struct sync_wait){.record = step->waiter.request.record,
                                    .value = &step->waiter.request.value,
                                    .change_id = step->waiter.change_id,
                                    .deadline_ms = step->deadline_ms,
                                    .done = synced};
    queue_await_sync(step->challenges->means.queue, &step->sync);
}

/* ---- setting it ---- */

static void submit(struct step *step);

static void set(struct submission *submission)
{
    struct step *step = (struct step *)submission;
    const enum outcome outcome = step->waiter.outcome;
    _cleanup_buffer_ struct buffer words = BUFFER_INIT;

    if (end_unwanted(step)) {
        return;
    }
    if (outcome == OUTCOME_SET || outcome == OUTCOME_UNCHANGED) {
        await_sync(step);
    } else if (outcome == OUTCOME_TIMED_OUT && loop_now_ms(step->challenges->means.loop) < step->deadline_ms) {
        submit(step); /* it is queued, and asked for once more */
    } else {
        buffer_printf(&words, "%s TXT: cannot be set: %s%s%s%s", step->hostname.text, outcome_word(outcome),
                      step->waiter.message ? ": " : "", step->waiter.message ? step->waiter.message : "",
                      outcome == OUTCOME_CONFLICT ? ": remove what stands there, a CNAME perhaps; it is not followed"
                                                  : "");
        end(step, -EIO, buffer_text(&words));
    }
}

static void submit(struct step *step)
{
    struct waiter *waiter = &step->waiter;
    const struct change_request request = waiter->request;

    free(TAKE_PTR(waiter->message));
    *waiter = (struct waiter){.request = request};
    step->submission = (struct submission){.done = set, .dialect = DIALECT};
    submission_add(&step->submission, waiter);
    queue_submit(step->challenges->means.queue, &step->submission);
}

/* The name that a record of ours belongs to, NULL: none of them. */
static struct challenge *find_challenge(struct challenges *challenges, const struct name *hostname)
{
    struct challenge *challenge = challenges->first;

    while (challenge && strcmp(challenge->hostname.text, hostname->text) != 0) {
        challenge = challenge->next;
    }
    return challenge;
}

/* NULL: no memory. */
static struct challenge *open_challenge(struct challenges *challenges, const struct name *hostname)
{
    struct challenge *challenge = find_challenge(challenges, hostname);

    if (challenge) {
        return challenge;
    }
    challenge = calloc(1, sizeof(*challenge));
    if (challenge) {
        challenge->hostname = *hostname;
        challenge->next = challenges->first;
        challenges->first = challenge;
    }
    return challenge;
}

static bool is_value(const char *value)
{
    const size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return length > 0 && length <= 128 && value[length] == '\0';
}

static int add_value(struct challenges *challenges, struct step *step, bool is_of_host)
{
    struct challenge *challenge = open_challenge(challenges, &step->hostname);

    if (challenge) {
        challenge->is_of_host = is_of_host;
    }
    int r = challenge ? rdata_add_bytes(&challenge->values, step->value, strlen(step->value)) : -ENOMEM;

    if (r == 0) {
        step->waiter.request.value = rdata_hold(&challenge->values);
        step->waiter.request.ttl_s = TTL_S;
    }
    return r;
}

static void take_away(struct challenges *challenges, const struct name *hostname);

static void arrive(struct loop_work *work)
{
    struct step *step = CONTAINER_OF(work, struct step, work);
    struct challenges *challenges = step->challenges;
    bool is_of_host = false;

    step->next = challenges->steps;
    challenges->steps = step;
    if (end_unwanted(step)) {
        return;
    }
    if (!challenge_name_is_permitted(challenges->means.current, &step->hostname, &is_of_host)) {
        end(step, -EPERM,
            "the name is none of server.acme; for another client add its _acme-challenge to hosts.yaml, with "
            "record_type TXT");
        return;
    }
    if (step->is_removal) {
        take_away(challenges, &step->hostname);
        end(step, 0, "");
        return;
    }
    if (!is_value(step->value)) {
        end(step, -EINVAL, "the value is no digest of a key authorization");
        return;
    }
    step->waiter.request.record = records_find(challenges->means.records, step->hostname.text, RECORD_TXT);
    int r = step->waiter.request.record ? add_value(challenges, step, is_of_host) : -EPERM;
    if (r < 0) {
        end(step, r, r == -EPERM ? "the name has just left the settings" : "there are too many values of this name");
        return;
    }
    step->deadline_ms = loop_now_ms(challenges->means.loop) + TIMEOUT_MS;
    submit(step);
}

/* `value` NULL: to be taken away. */
static int post(struct challenges *challenges, const struct name *name, const char *value, challenge_done done,
                void *userdata)
{
    struct step *step = calloc(1, sizeof(*step));

    if (!step) {
        return -ENOMEM;
    }
    step->challenges = challenges;
    step->is_removal = !value;
    step->value = strdup(value ? value : "");
    step->done = done;
    step->userdata = userdata;
    step->work.run = arrive;
    if (!step->value || acme_challenge_name(name, &step->hostname) < 0) {
        step_free(step);
        return -ENOMEM;
    }
    loop_post(challenges->means.loop, &step->work);
    return 0;
}

int challenges_set(struct challenges *challenges, const struct name *name, const char *value, challenge_done done,
                   void *userdata)
{
    return post(challenges, name, value, done, userdata);
}

int challenges_remove(struct challenges *challenges, const struct name *name, challenge_done done, void *userdata)
{
    return post(challenges, name, NULL, done, userdata);
}

/* ---- taking them away ---- */

static void removed(struct submission *submission)
{
    struct removal *removal = (struct removal *)submission;
    struct waiter *waiter = &removal->waiter;
    const enum outcome outcome = waiter->outcome;

    if (outcome != OUTCOME_SET && outcome != OUTCOME_UNCHANGED && outcome != OUTCOME_TIMED_OUT) {
        log_warning("acme_leftover", "%s TXT: a challenge that is not needed any more could not be removed: %s",
                    waiter->request.record->hostname, waiter->message ? waiter->message : outcome_word(outcome));
    }
    record_release(waiter->request.record);
    waiter_done(waiter);
    free(removal);
}

/* Takes the hold of the record. */
static void remove_record(struct challenges *challenges, struct record *record)
{
    struct removal *removal = calloc(1, sizeof(*removal));

    if (!removal) {
        record_release(record);
        return;
    }
    removal->submission = (struct submission){.done = removed, .dialect = DIALECT};
    removal->waiter.request.record = record;
    submission_add(&removal->submission, &removal->waiter);
    queue_submit(challenges->means.queue, &removal->submission);
}

/* Did we set it last, in this life or in one before? */
static bool is_ours(const struct record *record)
{
    struct record_view view;

    record_view(record, &view);
    const bool is_set = !rdata_is_empty(&view.last_set) || view.busy;
    record_view_done(&view);
    return is_set;
}

static int clear_hostname(const struct name *hostname, void *userdata)
{
    struct challenges *challenges = userdata;
    struct record *record = records_find(challenges->means.records, hostname->text, RECORD_TXT);

    if (record && is_ours(record)) {
        remove_record(challenges, record);
    } else if (record) {
        record_release(record);
    }
    return 0;
}

static void challenge_free(struct challenge *challenge)
{
    rdata_drop(&challenge->values);
    free(challenge);
}

/* Forgets the values of a name, and removes its record. */
static void take_away(struct challenges *challenges, const struct name *hostname)
{
    struct challenge **at = &challenges->first;

    while (*at && strcmp((*at)->hostname.text, hostname->text) != 0) {
        at = &(*at)->next;
    }
    if (*at) {
        struct challenge *challenge = *at;
        *at = challenge->next;
        challenge_free(challenge);
    }
    (void)clear_hostname(hostname, challenges);
}

static int take_value(const struct name *hostname, void *userdata)
{
    take_away(userdata, hostname);
    return 0;
}

/* Values of names that have left the settings meanwhile. */
static void clear_others(struct challenges *challenges)
{
    struct challenge *kept = NULL;

    while (challenges->first) {
        struct challenge *challenge = challenges->first;
        challenges->first = challenge->next;
        if (challenge->is_of_host) {
            challenge->next = kept;
            kept = challenge;
        } else {
            (void)clear_hostname(&challenge->hostname, challenges);
            challenge_free(challenge);
        }
    }
    challenges->first = kept;
}

static bool is_of_host(struct challenges *challenges, const struct step *step)
{
    const struct challenge *challenge = find_challenge(challenges, &step->hostname);

    return challenge && challenge->is_of_host;
}

void challenges_clear(struct challenges *challenges)
{
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(challenges->means.current);

    if (challenges->is_stopped) {
        return;
    }
    for (struct step *step = challenges->steps, *next; step; step = next) {
        next = step->next;
        step->is_canceled = !is_of_host(challenges, step);
        if (step->is_canceled && step->state == STEP_ASKING) {
            (void)end_unwanted(step);
        }
    }
    (void)challenge_names_each(settings, take_value, challenges);
    clear_others(challenges);
}

/* ---- beginning and end ---- */

struct challenges *challenges_new(const struct challenges_means *means)
{
    struct challenges *challenges = calloc(1, sizeof(*challenges));

    if (challenges) {
        challenges->means = *means;
    }
    return challenges;
}

/* What the queue or the worker still has is freed when they give it back, or at the end. */
void challenges_stop(struct challenges *challenges)
{
    challenges->is_stopped = true;
    for (struct step *step = challenges->steps, *next; step; step = next) {
        next = step->next;
        answer(step, -ESHUTDOWN, "the daemon stops");
        ask_done(&step->ask);
    }
}

void challenges_free(struct challenges *challenges)
{
    if (!challenges) {
        return;
    }
    while (challenges->steps) {
        struct step *step = challenges->steps;
        challenges->steps = step->next;
        step_free(step);
    }
    while (challenges->first) {
        struct challenge *challenge = challenges->first;
        challenges->first = challenge->next;
        challenge_free(challenge);
    }
    free(challenges);
}
