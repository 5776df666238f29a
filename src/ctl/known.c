#include "ctl/known.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "ctl/call.h"
#include "ctl/kept.h"

/* ---- what is known besides hosts.yaml ---- */

/* A record that is not as it should be, of the running daemon. */
struct flagged {
    char *key; /* "hostname TYPE" */
    json_t *record;
};

static struct bytes key_of_flagged(const void *value)
{
    const struct flagged *flagged = value;

    return (struct bytes){flagged->key, strlen(flagged->key)};
}

void known_done(struct known *all)
{
    size_t position = 0;
    struct flagged *flagged;

    while (all->flagged && (flagged = table_next(all->flagged, &position))) {
        json_decref(flagged->record);
        free(flagged->key);
        free(flagged);
    }
    table_free(all->flagged);
    json_decref(all->failing);
    json_decref(all->secrets);
    state_reader_close(all->reader);
}

static int add_flagged(struct table *table, json_t *record)
{
    struct flagged *flagged = calloc(1, sizeof(*flagged));
    const char *hostname = json_string_value(json_object_get(record, "hostname"));
    const char *type = json_string_value(json_object_get(record, "type"));

    if (!flagged || !hostname || !type || asprintf(&flagged->key, "%s %s", hostname, type) < 0) {
        free(flagged);
        return -ENOMEM;
    }
    flagged->record = json_incref(record);
    if (table_put(table, flagged) < 0) { /* a host moved between two pages */
        json_decref(flagged->record);
        free(flagged->key);
        free(flagged);
    }
    return 0;
}

static int ask_page(struct ctl *ctl, const char *hostname, struct table *table, json_int_t *after)
{
    static const char states[] = "{s:I, s:i, s:[s,s,s,s,s], s:s*}";
    json_t *answer = NULL;
    unsigned http_status = 0;
    size_t index;
    json_t *record;
    int status = ctl_call(ctl, "POST", "/records",
                          json_pack(states, "after", *after, "limit", 1000, "states", "drifted", "missing", "not_ours",
                                    "unknown", "waiting", "hostname", hostname),
                          &http_status, &answer);

    if (status != EXIT_FINE) {
        return status;
    }
    *after = -1;
    if (http_status >= 400) { /* the daemon does not have that host yet: it was not reloaded */
        json_decref(answer);
        return EXIT_FINE;
    }
    json_array_foreach(json_object_get(answer, "records"), index, record)
    {
        if (add_flagged(table, record) < 0) {
            status = ctl_no_memory();
        }
    }
    const json_t *next = json_object_get(answer, "next");
    *after = json_is_integer(next) ? json_integer_value(next) : -1;
    json_decref(answer);
    return status;
}

static int ask_for_failing(struct ctl *ctl, struct known *all)
{
    json_t *answer = NULL;
    size_t index;
    json_t *zone;
    int status = ctl_call(ctl, "GET", "/status", NULL, NULL, &answer);

    if (status != EXIT_FINE) {
        return status;
    }
    all->failing = json_object();
    json_array_foreach(json_object_get(answer, "zones"), index, zone)
    {
        if (json_integer_value(json_object_get(zone, "failing_s")) >= 0) {
            (void)json_object_set(all->failing, json_string_value(json_object_get(zone, "name")),
                                  json_object_get(zone, "trouble"));
        }
    }
    json_decref(answer);
    return EXIT_FINE;
}

/* `hostname` NULL: of all. */
static int ask_daemon(struct ctl *ctl, const char *hostname, struct known *all)
{
    json_int_t after = 0;

    if (ctl_daemon_listens(ctl) < 0) {
        return EXIT_FINE;
    }
    all->flagged = table_new(key_of_flagged);
    int status = all->flagged ? ask_for_failing(ctl, all) : ctl_no_memory();
    while (status == EXIT_FINE && after >= 0) {
        status = ask_page(ctl, hostname, all->flagged, &after);
    }
    return status;
}

static int open_state(struct ctl *ctl, struct known *all)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    const int r = state_reader_open(ctl->settings->state_dir, &message, &all->reader);

    if (r == 0 || r == -ENOENT) {
        return EXIT_FINE;
    }
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    ctl_error("%s", message.length > 0 ? buffer_text(&message) : strerror(-r));
    return r == -EACCES ? EXIT_FORBIDDEN : EXIT_FAILED;
}

static bool has_two_secrets(const struct hosts *hosts)
{
    bool has = false;

    for (size_t i = 0; i < hosts_count(hosts) && !has; i++) {
        has = hosts_at(hosts, i)->more->previous.is_set;
    }
    return has;
}

/* `hostname` NULL: of all hosts. The hosts have been loaded: from here on we may be another user. */
int known_gather(struct ctl *ctl, const struct hosts *hosts, const char *hostname, struct known *ret)
{
    *ret = (struct known){.now_s = clock_realtime_s(clock_system())};
    int status = ask_daemon(ctl, hostname, ret);

    if (status == EXIT_FINE && has_two_secrets(hosts)) {
        status = kept_secrets(ctl, &ret->secrets);
    }
    return status == EXIT_FINE ? open_state(ctl, ret) : status;
}

/* ---- one record ---- */

void known_record_done(struct known_record *record)
{
    rdata_drop(&record->stored.value);
}

static const json_t *find_flagged(const struct known *all, const struct host *host, enum record_type type)
{
    char key[NAME_SIZE + 16];
    const int length = snprintf(key, sizeof(key), "%s %s", host->hostname, record_type_text(type));
    const struct flagged *flagged = all->flagged ? table_get(all->flagged, key, (size_t)length) : NULL;

    return flagged ? flagged->record : NULL;
}

/* EXIT_FINE, or an exit status once it was said. */
int known_look_up(struct ctl *ctl, const struct known *all, const struct host *host, enum record_type type,
                  struct known_record *ret)
{
    const json_t *secret = json_object_get(json_object_get(all->secrets, host->hostname), "secret");

    *ret = (struct known_record){
        .host = host,
        .type = type,
        .flagged = find_flagged(all, host, type),
        .failing = json_string_value(json_object_get(all->failing, ctl->settings->zones[host->zone].name.text)),
        .secret = host->more->previous.is_set ? json_string_value(secret) : NULL,
    };
    const int r = all->reader ? state_reader_record(all->reader, host->hostname, type, &ret->stored) : 0;
    if (r < 0) {
        ctl_error("%s/state.db: the row of %s cannot be read: see whether the daemon starts with it",
                  ctl->settings->state_dir, host->hostname);
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

const char *known_state(const struct known_record *record)
{
    const char *word = json_string_value(json_object_get(record->flagged, "state"));

    return word ? word : "";
}

void append_mark(struct buffer *buffer, const char *mark)
{
    buffer_printf(buffer, "%s%s", buffer->length > 0 ? ", " : "", mark);
}

/* What is special about it, in words. */
void known_append_marks(const struct known_record *record, struct buffer *buffer)
{
    static const struct {
        const char *word;
        const char *phrase;
    } phrases[] = {{"drifted", "drifted"},
                   {"missing", "missing in DNS"},
                   {"not_ours", "not ours in DNS"},
                   {"unknown", "not looked at yet"},
                   {"waiting", "on its way"}};

    for (size_t i = 0; i < ELEMENTS(phrases); i++) {
        if (strcmp(phrases[i].word, known_state(record)) == 0) {
            append_mark(buffer, phrases[i].phrase);
        }
    }
    if (record->failing) {
        append_mark(buffer, "zone fails");
    }
    if (record->host->lock_record) {
        append_mark(buffer, "locked");
    }
    if (record->secret && strcmp(record->secret, "previous") == 0) {
        append_mark(buffer, "old secret");
    }
}

enum color known_color(const struct known_record *record)
{
    const char *state = known_state(record);

    if (record->failing) {
        return COLOR_BAD;
    }
    return state[0] != '\0' && strcmp(state, "waiting") != 0 ? COLOR_WARN : COLOR_NONE;
}

static json_t *time_or_null(int64_t time_s)
{
    return time_s == 0 ? json_null() : json_integer((json_int_t)time_s);
}

json_t *known_object(struct ctl *ctl, const struct known *known, const struct known_record *record)
{
    _cleanup_buffer_ struct buffer value = BUFFER_INIT;
    char from[ADDRESS_TEXT_SIZE] = "";
    const struct host *host = record->host;
    const char *state = known_state(record);

    rdata_print(&record->stored.value, &value);
    if (record->stored.last_accessed.family != ADDRESS_NONE) {
        address_print(&record->stored.last_accessed, from);
    }
    return json_pack("{s:s, s:s, s:s, s:s?, s:I, s:o, s:o, s:s?, s:b, s:s?, s:O?, s:s?, s:s?}", "hostname",
                     host->hostname, "type", record_type_text(record->type), "zone",
                     ctl->settings->zones[host->zone].name.text, "value", value.length > 0 ? buffer_text(&value) : NULL,
                     "ttl", (json_int_t)host->ttl_s, "last_updated_s", time_or_null(record->stored.last_updated_s),
                     "last_checked_s", time_or_null(record->stored.last_checked_s), "last_accessed_from",
                     from[0] ? from : NULL, "locked", host->lock_record, "state",
                     !known->flagged ? NULL
                     : state[0]      ? state
                                     : "in_step",
                     "dns", json_object_get(record->flagged, "dns"), "failing", record->failing, "secret_used",
                     record->secret);
}
