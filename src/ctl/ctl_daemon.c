/* Commands that speak with the running daemon: status, reload, put, withdraw. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "ctl/call.h"
#include "ctl/commands.h"
#include "ctl/grid.h"
#include "ctl/results.h"
#include "ctl/when.h"

#define WATCH_S 2
#define CERTIFICATE_SOON_S (14 * 86400)

static int run_status(struct ctl *ctl, const struct arguments *arguments);
static int run_reload(struct ctl *ctl, const struct arguments *arguments);
static int run_put(struct ctl *ctl, const struct arguments *arguments);
static int run_withdraw(struct ctl *ctl, const struct arguments *arguments);

static const char *const type_words[] = {"A", "AAAA", "TXT", NULL};

static const struct command_option status_options[] = {
    {.name = "watch", .letter = 'w', .help = "show it again every two seconds, until Ctrl-C"},
    {.name = NULL},
};
static const struct command_exit status_exits[] = {
    {EXIT_FINE, "the daemon runs, and nothing is wrong"},
    {EXIT_WARNED, "the daemon runs, and something is wrong, which is named"},
    {0, NULL},
};
static const struct command_option put_options[] = {
    {.name = "txt",
     .value = "TEXT",
     .help = "a value of the TXT record instead of an address; may be given more than once",
     .repeats = true},
    {.name = NULL},
};
static const struct command_option withdraw_options[] = {
    {.name = "type",
     .value = "TYPE",
     .help = "only that record: A, AAAA or TXT",
     .completion = COMPLETE_WORDS,
     .words = type_words},
    {.name = NULL},
};

const struct command commands_daemon[] = {
    {
        .name = "status",
        .arguments = "",
        .summary = "shows how the running daemon is: listeners, zones, queue, certificate, last reload",
        .options = status_options,
        .exits = status_exits,
        .example = "ddns53ctl status",
        .has_json = true,
        .run = run_status,
    },
    {
        .name = "reload",
        .arguments = "",
        .summary = "has the daemon read its files again, and shows what that brought or which line is wrong",
        .example = "ddns53ctl reload",
        .has_json = true,
        .run = run_reload,
    },
    {
        .name = "put",
        .arguments = "HOST [ADDRESS]",
        .least = 1,
        .most = 2,
        .summary = "sets a record by the operator's hand, also of a locked host",
        .description =
            "It goes through the queue as a client's update does, and what is not ours is never overwritten.",
        .options = put_options,
        .example = "ddns53ctl put home.example.com 198.18.7.9",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_put,
    },
    {
        .name = "withdraw",
        .arguments = "HOST",
        .least = 1,
        .most = 1,
        .summary = "deletes a host's records in DNS; the host stays, and its next update sets them again",
        .options = withdraw_options,
        .example = "ddns53ctl withdraw home.example.com --type AAAA",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_withdraw,
    },
    {.name = NULL},
};

/* ---- status ---- */

static void print_listeners(struct ctl *ctl, const json_t *status)
{
    static const struct grid_column columns[] = {
        {"LISTENER", false}, {"ADDRESS", false}, {"TLS", false}, {"CONNECTIONS", true}};
    _cleanup_grid_ struct grid grid;
    size_t index;
    const json_t *listener;

    grid_init(&grid, columns, ELEMENTS(columns));
    json_array_foreach(json_object_get(status, "listeners"), index, listener)
    {
        grid_add(&grid, COLOR_NONE, "%s", call_text(listener, "what"));
        grid_add(&grid, COLOR_NONE, "%s", call_text(listener, "address"));
        grid_add(&grid, COLOR_NONE, "%s", call_is(listener, "tls") ? "yes" : "no");
        grid_add(&grid, COLOR_NONE, "%lld", call_number(listener, "connections"));
    }
    (void)grid_print(&grid, ctl);
}

static const char *state_of_zone(const json_t *zone, enum color *ret_color)
{
    if (call_number(zone, "failing_s") >= 0) {
        *ret_color = COLOR_BAD;
        return "failing";
    }
    *ret_color = call_is(zone, "ready") ? COLOR_GOOD : COLOR_WARN;
    return !call_is(zone, "ready") ? "looked for" : call_is(zone, "read") ? "ok" : "being read";
}

static void print_zones(struct ctl *ctl, const json_t *status)
{
    static const struct grid_column columns[] = {{"ZONE", false},  {"PROVIDER", false}, {"STATE", false},
                                                 {"QUEUED", true}, {"OLDEST", true},    {"PACE", true}};
    _cleanup_grid_ struct grid grid;
    size_t index;
    const json_t *zone;

    grid_init(&grid, columns, ELEMENTS(columns));
    json_array_foreach(json_object_get(status, "zones"), index, zone)
    {
        char oldest[WHEN_SIZE];
        enum color color;
        const double pace = json_number_value(json_object_get(zone, "pace"));
        const char *state = state_of_zone(zone, &color);
        when_print_span(call_number(zone, "oldest_ms") / 1000, oldest);
        grid_add(&grid, COLOR_NONE, "%s", call_text(zone, "name"));
        grid_add(&grid, COLOR_NONE, "%s", call_text(zone, "provider"));
        grid_add(&grid, color, "%s", state);
        grid_add(&grid, COLOR_NONE, "%lld", call_number(zone, "queued"));
        grid_add(&grid, COLOR_NONE, "%s", call_number(zone, "queued") > 0 ? oldest : "-");
        if (pace > 0) {
            grid_add(&grid, COLOR_NONE, "%.1f/s", pace);
        } else {
            grid_add(&grid, COLOR_NONE, "-");
        }
    }
    (void)grid_print(&grid, ctl);
}

static void print_certificate(struct ctl *ctl, const json_t *status, int64_t now_s)
{
    const json_t *certificate = json_object_get(status, "certificate");
    const int64_t expires_s = call_number(certificate, "expires_s");
    char when[WHEN_SIZE];

    if (!json_is_object(certificate)) {
        return;
    }
    when_print(expires_s, now_s, when);
    const enum color color = expires_s - now_s < 0                    ? COLOR_BAD
                             : expires_s - now_s < CERTIFICATE_SOON_S ? COLOR_WARN
                                                                      : COLOR_NONE;
    ctl_print("certificate  %sexpires%s %s%s\n", ctl_color(ctl, color), expires_s < now_s ? "d" : "", when,
              ctl_plain(ctl));
}

static void print_trouble(struct ctl *ctl, const json_t *status)
{
    size_t index;
    const json_t *line;

    json_array_foreach(json_object_get(status, "trouble"), index, line)
    {
        _cleanup_buffer_ struct buffer shown = BUFFER_INIT;
        buffer_append_escaped(&shown, json_string_value(line), json_string_length(line));
        ctl_print("%strouble%s      %s\n", ctl_color(ctl, COLOR_BAD), ctl_plain(ctl), buffer_text(&shown));
    }
}

/* Of a zone that fails for less than the five minutes that /healthz waits. */
static void print_zone_trouble(struct ctl *ctl, const json_t *status)
{
    size_t index;
    const json_t *zone;

    json_array_foreach(json_object_get(status, "zones"), index, zone)
    {
        if (call_number(zone, "failing_s") >= 0) {
            char span[WHEN_SIZE];
            _cleanup_buffer_ struct buffer shown = BUFFER_INIT;
            when_print_span(call_number(zone, "failing_s"), span);
            buffer_append_escaped(&shown, call_text(zone, "trouble"), strlen(call_text(zone, "trouble")));
            ctl_print("%s%s%s fails for %s: %s\n", ctl_color(ctl, COLOR_BAD), call_text(zone, "name"), ctl_plain(ctl),
                      span, buffer_text(&shown));
        }
    }
}

static bool is_healthy(const json_t *status)
{
    size_t index;
    const json_t *zone;
    bool is_failing = false;

    json_array_foreach(json_object_get(status, "zones"), index, zone)
    {
        is_failing |= call_number(zone, "failing_s") >= 0;
    }
    return !is_failing && json_array_size(json_object_get(status, "trouble")) == 0 &&
           call_is(json_object_get(status, "reload"), "ok");
}

static void print_status(struct ctl *ctl, const json_t *status)
{
    const int64_t now_s = clock_realtime_s(clock_system());
    const json_t *reload = json_object_get(status, "reload");
    const json_t *queue = json_object_get(status, "queue");
    char uptime[WHEN_SIZE], reloaded[WHEN_SIZE];

    when_print_span(call_number(status, "uptime_s"), uptime);
    when_print(call_number(reload, "time_s"), now_s, reloaded);
    ctl_print("ddns53d %s  up %s, process %lld, %s\n", call_text(status, "version"), uptime, call_number(status, "pid"),
              call_text(status, "config"));
    ctl_print("hosts        %lld with %lld records\n", call_number(status, "hosts"), call_number(status, "records"));
    ctl_print("files        read %s, %s%s%s\n", reloaded,
              ctl_color(ctl, call_is(reload, "ok") ? COLOR_NONE : COLOR_BAD),
              call_is(reload, "ok") ? "in force" : "rejected: \"ddns53ctl reload\" says why", ctl_plain(ctl));
    ctl_print("queue        %lld of at most %lld records%s\n", call_number(queue, "records"),
              call_number(queue, "limit"), call_is(queue, "draining") ? ", the daemon is stopping" : "");
    print_certificate(ctl, status, now_s);
    print_trouble(ctl, status);
    print_zone_trouble(ctl, status);
    ctl_print("\n");
    print_zones(ctl, status);
    ctl_print("\n");
    print_listeners(ctl, status);
}

static int show_status(struct ctl *ctl, bool is_again)
{
    json_t *status = NULL;
    int r = ctl_call(ctl, "GET", "/status", NULL, NULL, &status);

    if (r != EXIT_FINE) {
        return r;
    }
    const bool is_well = is_healthy(status);
    if (ctl->is_json) {
        r = ctl_print_json(status);
        return r != EXIT_FINE || is_well ? r : EXIT_WARNED;
    }
    if (is_again && ctl->is_terminal) {
        ctl_print("\033[H\033[2J"); /* top left, and clear */
    }
    print_status(ctl, status);
    json_decref(status);
    return is_well ? EXIT_FINE : EXIT_WARNED;
}

static int run_status(struct ctl *ctl, const struct arguments *arguments)
{
    const struct timespec pause = {.tv_sec = WATCH_S};
    int status = show_status(ctl, option_given(arguments, "watch"));

    while (option_given(arguments, "watch") && status <= EXIT_WARNED && fflush(stdout) == 0) {
        (void)nanosleep(&pause, NULL);
        status = show_status(ctl, true);
    }
    return status;
}

/* ---- reload ---- */

static int run_reload(struct ctl *ctl, const struct arguments *arguments)
{
    json_t *answer = NULL;
    unsigned http_status = 0;

    (void)arguments;
    if (!ctl->is_json) {
        const int r = ctl_daemon_listens(ctl);
        return r == 0 ? ctl_reload(ctl) : ctl_call(ctl, "POST", "/reload", NULL, NULL, &answer);
    }
    int status = ctl_call(ctl, "POST", "/reload", NULL, &http_status, &answer);
    if (status != EXIT_FINE) {
        return status;
    }
    const bool ok = call_is(answer, "ok");
    status = ctl_print_json(answer);
    return status == EXIT_FINE && !ok ? EXIT_SETTINGS : status;
}

/* ---- put, withdraw ---- */

static int ask_for_change(struct ctl *ctl, const char *path, json_t *body)
{
    json_t *answer = NULL;
    unsigned http_status = 0;
    int status = ctl_call(ctl, "POST", path, body, &http_status, &answer);

    return status == EXIT_FINE ? results_tell(ctl, answer, http_status) : status;
}

static int run_put(struct ctl *ctl, const struct arguments *arguments)
{
    const char *address = argument_at(arguments, 1);
    struct name name;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);
    struct address parsed;

    if (status != EXIT_FINE) {
        return status;
    }
    if ((address != NULL) == option_given(arguments, "txt")) {
        ctl_error("name either an address or --txt TEXT");
        return EXIT_USAGE;
    }
    if (address && address_parse(address, strlen(address), &parsed) < 0) {
        ctl_error("\"%s\" is neither an IPv4 nor an IPv6 address", address);
        return EXIT_USAGE;
    }
    if (address) {
        return ask_for_change(ctl, "/put", json_pack("{s:s, s:s}", "hostname", name.text, "address", address));
    }
    json_t *values = json_array();
    const char *text;
    for (size_t i = 0; (text = option_value_at(arguments, "txt", i)); i++) {
        if (json_array_append_new(values, json_string(text)) < 0) {
            json_decref(values);
            ctl_error("--txt: its value is no UTF-8");
            return EXIT_USAGE;
        }
    }
    return ask_for_change(ctl, "/put",
                          json_pack("{s:s, s:s, s:o}", "hostname", name.text, "type", "TXT", "values", values));
}

static int run_withdraw(struct ctl *ctl, const struct arguments *arguments)
{
    const char *type = option_value(arguments, "type");
    enum record_type parsed;
    struct name name;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    if (status != EXIT_FINE) {
        return status;
    }
    if (type && record_type_parse(type, &parsed) < 0) {
        ctl_error("--type: \"%s\" is none of A, AAAA and TXT", type);
        return EXIT_USAGE;
    }
    return ask_for_change(ctl, "/withdraw", json_pack("{s:s, s:s*}", "hostname", name.text, "type", type));
}
