/* show: all that is known of a host. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "ctl/commands.h"
#include "ctl/known.h"
#include "ctl/when.h"

static int run_show(struct ctl *ctl, const struct arguments *arguments);

const struct command commands_show[] = {
    {
        .name = "show",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "shows all that is known of a host",
        .example = "ddns53ctl show home.example.com",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_show,
    },
    {.name = NULL},
};

static void append_schemes(unsigned auth, struct buffer *buffer)
{
    static const struct {
        unsigned scheme;
        const char *word;
    } schemes[] = {{AUTH_HASH, "hash"}, {AUTH_SIGNED, "signed"}, {AUTH_SECRET, "secret"}, {AUTH_BASIC, "basic"}};

    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        if (auth & schemes[i].scheme) {
            append_mark(buffer, schemes[i].word);
        }
    }
}

static void append_types(const struct host *host, struct buffer *buffer)
{
    for (unsigned type = 0; type < RECORD_TYPE_COUNT; type++) {
        if (host_has_type(host, (enum record_type)type)) {
            append_mark(buffer, record_type_text((enum record_type)type));
        }
    }
}

static void print_row(struct ctl *ctl, const struct host *host)
{
    _cleanup_buffer_ struct buffer types = BUFFER_INIT, auth = BUFFER_INIT, marks = BUFFER_INIT;
    char until[WHEN_SIZE];

    append_types(host, &types);
    append_schemes(host->auth, &auth);
    if (host->lock_record) {
        append_mark(&marks, "locked");
    }
    if (host->allow_internal) {
        append_mark(&marks, "may set other addresses");
    }
    if (host->read_privilege) {
        append_mark(&marks, "may list its group");
    }
    ctl_print("  %s:%" PRIu32 "  %s, ttl %" PRIu32 "%s%s\n", ctl->settings->hosts_file, host->line, buffer_text(&types),
              host->ttl_s, marks.length > 0 ? ", " : "", buffer_text(&marks));
    if (host->more->follows) {
        ctl_print("    follows %s\n", host->more->follows->hostname);
    }
    if (host->secret->is_set) {
        ctl_print("    auth %s\n", buffer_text(&auth));
    }
    if (host->more->previous.is_set) {
        const int64_t left_s = host->more->previous_until_s - clock_realtime_s(clock_system());
        when_print_span(left_s > 0 ? left_s : 0, until);
        ctl_print("    its previous secret is valid for %s more\n", until);
    }
}

static void print_value(const char *what, const json_t *value)
{
    if (json_is_object(value)) {
        const char *text = json_string_value(json_object_get(value, "value"));
        _cleanup_buffer_ struct buffer shown = BUFFER_INIT;
        buffer_append_escaped(&shown, text ? text : "", text ? strlen(text) : 0);
        ctl_print("    %s %s ttl %" JSON_INTEGER_FORMAT "\n", what, buffer_text(&shown),
                  json_integer_value(json_object_get(value, "ttl")));
    }
}

static void print_record(struct ctl *ctl, const struct known_record *listed, const struct known *all)
{
    _cleanup_buffer_ struct buffer value = BUFFER_INIT, shown = BUFFER_INIT, marks = BUFFER_INIT;
    char updated[WHEN_SIZE], checked[WHEN_SIZE], from[ADDRESS_TEXT_SIZE] = "";

    rdata_print(&listed->stored.value, &value);
    buffer_append_escaped(&shown, buffer_text(&value), value.length);
    known_append_marks(listed, &marks);
    when_print(listed->stored.last_updated_s, all->now_s, updated);
    when_print(listed->stored.last_checked_s, all->now_s, checked);
    if (listed->stored.last_accessed.family != ADDRESS_NONE) {
        address_print(&listed->stored.last_accessed, from);
    }
    ctl_print("  %s %s  %s%s%s\n", record_type_text(listed->type), shown.length > 0 ? buffer_text(&shown) : "-",
              ctl_color(ctl, known_color(listed)), buffer_text(&marks), ctl_plain(ctl));
    ctl_print("    updated %s, checked %s%s%s\n", updated, checked, from[0] ? " from " : "", from);
    print_value("in DNS now:", json_object_get(listed->flagged, "dns"));
    if (listed->failing) {
        ctl_print("    the zone fails: %s\n", listed->failing);
    }
}

static int show_rows(struct ctl *ctl, const struct host *first, const struct known *all, json_t *records)
{
    int status = EXIT_FINE;

    for (const struct host *host = first; host && status == EXIT_FINE; host = host->more->next_same_name) {
        for (unsigned type = 0; type < RECORD_TYPE_COUNT && status == EXIT_FINE; type++) {
            struct known_record listed;
            if (!host_has_type(host, (enum record_type)type)) {
                continue;
            }
            status = known_look_up(ctl, all, host, (enum record_type)type, &listed);
            if (status == EXIT_FINE && records) {
                (void)json_array_append_new(records, known_object(ctl, all, &listed));
            } else if (status == EXIT_FINE) {
                print_record(ctl, &listed, all);
            }
            known_record_done(&listed);
        }
    }
    return status;
}

static json_t *row_object(const struct host *host)
{
    _cleanup_buffer_ struct buffer types = BUFFER_INIT, auth = BUFFER_INIT;

    append_types(host, &types);
    append_schemes(host->auth, &auth);
    return json_pack("{s:I, s:s, s:I, s:s, s:b, s:b, s:b, s:s?, s:o}", "line", (json_int_t)host->line, "record_type",
                     buffer_text(&types), "ttl", (json_int_t)host->ttl_s, "auth", buffer_text(&auth), "locked",
                     host->lock_record, "allow_internal", host->allow_internal, "read_privilege", host->read_privilege,
                     "follows", host->more->follows ? host->more->follows->hostname : NULL, "previous_secret_until_s",
                     host->more->previous.is_set ? json_integer((json_int_t)host->more->previous_until_s)
                                                 : json_null());
}

static int show_json(struct ctl *ctl, const struct host *first, const struct known *all)
{
    json_t *rows = json_array();
    json_t *records = json_array();

    for (const struct host *host = first; rows && host; host = host->more->next_same_name) {
        (void)json_array_append_new(rows, row_object(host));
    }
    int status = records ? show_rows(ctl, first, all, records) : ctl_no_memory();
    if (status != EXIT_FINE) {
        json_decref(rows);
        json_decref(records);
        return status;
    }
    return ctl_print_json(json_pack("{s:s, s:s, s:o, s:o}", "hostname", first->hostname, "zone",
                                    ctl->settings->zones[first->zone].name.text, "rows", rows, "records", records));
}

static int show_text(struct ctl *ctl, const struct host *first, const struct known *all)
{
    const json_t *secret = json_object_get(all->secrets, first->hostname);
    char when[WHEN_SIZE];

    ctl_print("%s%s%s  zone %s\n", ctl_color(ctl, COLOR_STRONG), first->hostname, ctl_plain(ctl),
              ctl->settings->zones[first->zone].name.text);
    for (const struct host *host = first; host; host = host->more->next_same_name) {
        print_row(ctl, host);
    }
    if (secret) {
        when_print(json_integer_value(json_object_get(secret, "time_ms")) / 1000, all->now_s, when);
        ctl_print("    it used its %s secret %s\n", json_string_value(json_object_get(secret, "secret")), when);
    }
    int status = show_rows(ctl, first, all, NULL);
    if (status == EXIT_FINE && !all->flagged) {
        ctl_print("no daemon runs: what DNS holds is not known\n");
    }
    return status;
}

static int run_show(struct ctl *ctl, const struct arguments *arguments)
{
    const struct host *host;
    struct known all;
    int status = ctl_host(ctl, argument_at(arguments, 0), &host);

    if (status != EXIT_FINE) {
        return status;
    }
    status = known_gather(ctl, ctl->hosts, host->hostname, &all);
    if (status == EXIT_FINE) {
        status = ctl->is_json ? show_json(ctl, host, &all) : show_text(ctl, host, &all);
    }
    known_done(&all);
    return status;
}
