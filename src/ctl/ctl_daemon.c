/* Commands that speak with the running daemon: status, reload, put, withdraw, plan, repair. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "ctl/call.h"
#include "ctl/commands.h"
#include "ctl/grid.h"
#include "ctl/verdict.h"
#include "ctl/when.h"

#define WATCH_S 2
#define CERTIFICATE_SOON_S (14 * 86400)

static int run_status(struct ctl *ctl, const struct arguments *arguments);
static int run_reload(struct ctl *ctl, const struct arguments *arguments);
static int run_put(struct ctl *ctl, const struct arguments *arguments);
static int run_withdraw(struct ctl *ctl, const struct arguments *arguments);
static int run_plan(struct ctl *ctl, const struct arguments *arguments);
static int run_repair(struct ctl *ctl, const struct arguments *arguments);

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
static const struct command_option plan_options[] = {
    {.name = "all", .letter = 'a', .help = "show also what is in step and what was never set"},
    {.name = NULL},
};
static const struct command_exit plan_exits[] = {
    {EXIT_FINE, "DNS holds what was set last, wherever that is known"},
    {EXIT_WARNED, "records have drifted or are missing, are not ours, or could not be looked at"},
    {0, NULL},
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
    {
        .name = "plan",
        .arguments = "[HOST]",
        .most = 1,
        .summary = "compares what was set last with what DNS has: drifted, missing, not ours, unknown",
        .options = plan_options,
        .exits = plan_exits,
        .example = "ddns53ctl plan",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_plan,
    },
    {
        .name = "repair",
        .arguments = "[HOST]",
        .most = 1,
        .summary = "sets again what somebody else has changed or deleted in DNS",
        .example = "ddns53ctl repair home.example.com",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_repair,
    },
    {.name = NULL},
};

/* ---- what answers are made of ---- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static long long number_at(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static bool is_at(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

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
        grid_add(&grid, COLOR_NONE, "%s", text_at(listener, "what"));
        grid_add(&grid, COLOR_NONE, "%s", text_at(listener, "address"));
        grid_add(&grid, COLOR_NONE, "%s", is_at(listener, "tls") ? "yes" : "no");
        grid_add(&grid, COLOR_NONE, "%lld", number_at(listener, "connections"));
    }
    (void)grid_print(&grid, ctl);
}

static const char *state_of_zone(const json_t *zone, enum color *ret_color)
{
    if (number_at(zone, "failing_s") >= 0) {
        *ret_color = COLOR_BAD;
        return "failing";
    }
    *ret_color = is_at(zone, "ready") ? COLOR_GOOD : COLOR_WARN;
    return !is_at(zone, "ready") ? "looked for" : is_at(zone, "read") ? "ok" : "being read";
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
        when_print_span(number_at(zone, "oldest_ms") / 1000, oldest);
        grid_add(&grid, COLOR_NONE, "%s", text_at(zone, "name"));
        grid_add(&grid, COLOR_NONE, "%s", text_at(zone, "provider"));
        grid_add(&grid, color, "%s", state);
        grid_add(&grid, COLOR_NONE, "%lld", number_at(zone, "queued"));
        grid_add(&grid, COLOR_NONE, "%s", number_at(zone, "queued") > 0 ? oldest : "-");
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
    const int64_t expires_s = number_at(certificate, "expires_s");
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
        if (number_at(zone, "failing_s") >= 0) {
            char span[WHEN_SIZE];
            _cleanup_buffer_ struct buffer shown = BUFFER_INIT;
            when_print_span(number_at(zone, "failing_s"), span);
            buffer_append_escaped(&shown, text_at(zone, "trouble"), strlen(text_at(zone, "trouble")));
            ctl_print("%s%s%s fails for %s: %s\n", ctl_color(ctl, COLOR_BAD), text_at(zone, "name"), ctl_plain(ctl),
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
        is_failing |= number_at(zone, "failing_s") >= 0;
    }
    return !is_failing && json_array_size(json_object_get(status, "trouble")) == 0 &&
           is_at(json_object_get(status, "reload"), "ok");
}

static void print_status(struct ctl *ctl, const json_t *status)
{
    const int64_t now_s = clock_realtime_s(clock_system());
    const json_t *reload = json_object_get(status, "reload");
    const json_t *queue = json_object_get(status, "queue");
    char uptime[WHEN_SIZE], reloaded[WHEN_SIZE];

    when_print_span(number_at(status, "uptime_s"), uptime);
    when_print(number_at(reload, "time_s"), now_s, reloaded);
    ctl_print("ddns53d %s  up %s, process %lld, %s\n", text_at(status, "version"), uptime, number_at(status, "pid"),
              text_at(status, "config"));
    ctl_print("hosts        %lld with %lld records\n", number_at(status, "hosts"), number_at(status, "records"));
    ctl_print("files        read %s, %s%s%s\n", reloaded, ctl_color(ctl, is_at(reload, "ok") ? COLOR_NONE : COLOR_BAD),
              is_at(reload, "ok") ? "in force" : "rejected: \"ddns53ctl reload\" says why", ctl_plain(ctl));
    ctl_print("queue        %lld of at most %lld records%s\n", number_at(queue, "records"), number_at(queue, "limit"),
              is_at(queue, "draining") ? ", the daemon is stopping" : "");
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
    const bool ok = is_at(answer, "ok");
    status = ctl_print_json(answer);
    return status == EXIT_FINE && !ok ? EXIT_SETTINGS : status;
}

/* ---- put, withdraw ---- */

static void print_result(struct ctl *ctl, const json_t *record)
{
    const struct verdict verdict = {
        .word = text_at(record, "verdict"),
        .message = json_string_value(json_object_get(record, "message")),
        .is_withdrawal = !json_is_string(json_object_get(record, "value")),
    };
    _cleanup_buffer_ struct buffer sentence = BUFFER_INIT;
    const char *id = json_string_value(json_object_get(record, "change_id"));

    verdict_explain(&verdict, &sentence);
    ctl_print("%s %s: %s%s%s, %s%s%s\n", text_at(record, "hostname"), text_at(record, "type"),
              ctl_color(ctl, verdict_color(&verdict)), verdict.word, ctl_plain(ctl), buffer_text(&sentence),
              id ? "; change " : "", id ? id : "");
}

/* Takes the answer. */
static int tell_results(struct ctl *ctl, json_t *answer, unsigned http_status)
{
    const json_t *records = json_object_get(answer, "records");
    int status = is_at(answer, "ok") ? EXIT_FINE : EXIT_FAILED;
    size_t index;
    const json_t *record;

    if (!records) {
        status = ctl_refused(answer, http_status);
        json_decref(answer);
        return status;
    }
    if (ctl->is_json) {
        const int printed = ctl_print_json(answer);
        return printed == EXIT_FINE ? status : printed;
    }
    json_array_foreach(records, index, record)
    {
        print_result(ctl, record);
    }
    json_decref(answer);
    return status;
}

static int ask_for_change(struct ctl *ctl, const char *path, json_t *body)
{
    json_t *answer = NULL;
    unsigned http_status = 0;
    int status = ctl_call(ctl, "POST", path, body, &http_status, &answer);

    return status == EXIT_FINE ? tell_results(ctl, answer, http_status) : status;
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

/* ---- plan ---- */

static const struct {
    const char *word;
    const char *phrase;
    enum color color;
    bool is_trouble;
} states[] = {
    {"in_step", "in step", COLOR_GOOD, false},    {"unset", "not set by us", COLOR_NONE, false},
    {"waiting", "on its way", COLOR_NONE, false}, {"drifted", "drifted", COLOR_WARN, true},
    {"missing", "missing", COLOR_WARN, true},     {"not_ours", "not ours", COLOR_WARN, true},
    {"unknown", "unknown", COLOR_WARN, true},
};

struct plan {
    struct ctl *ctl;
    struct grid grid;
    json_t *records; /* of --json */
    size_t counts[ELEMENTS(states)];
    bool is_all;
};

static size_t state_index(const json_t *record)
{
    const char *word = text_at(record, "state");

    for (size_t i = 0; i < ELEMENTS(states); i++) {
        if (strcmp(states[i].word, word) == 0) {
            return i;
        }
    }
    return ELEMENTS(states) - 1;
}

static void add_value(struct grid *grid, const json_t *value, const char *otherwise)
{
    if (json_is_object(value)) {
        grid_add(grid, COLOR_NONE, "%s ttl %lld", text_at(value, "value"), number_at(value, "ttl"));
    } else {
        grid_add(grid, COLOR_DIM, "%s", otherwise);
    }
}

static void add_plan_record(struct plan *plan, json_t *record)
{
    const size_t state = state_index(record);
    const char *foreign = json_string_value(json_object_get(record, "foreign"));

    plan->counts[state]++;
    if (!plan->is_all && !states[state].is_trouble) {
        return;
    }
    if (plan->records) {
        (void)json_array_append(plan->records, record);
        return;
    }
    grid_add(&plan->grid, COLOR_NONE, "%s", text_at(record, "hostname"));
    grid_add(&plan->grid, COLOR_NONE, "%s", text_at(record, "type"));
    grid_add(&plan->grid, states[state].color, "%s%s", states[state].phrase, is_at(record, "locked") ? ", locked" : "");
    add_value(&plan->grid, json_object_get(record, "set"), "-");
    add_value(&plan->grid, json_object_get(record, "dns"), foreign ? foreign : "-");
}

/* Every page, or those of one host. */
static int collect(struct plan *plan, const char *hostname)
{
    json_int_t after = 0;
    int status = EXIT_FINE;

    while (status == EXIT_FINE && after >= 0) {
        json_t *answer = NULL;
        size_t index;
        json_t *record;
        json_t *body = json_pack("{s:I, s:i, s:s*}", "after", after, "limit", 1000, "hostname", hostname);
        status = ctl_call(plan->ctl, "POST", "/records", body, NULL, &answer);
        if (status != EXIT_FINE) {
            break;
        }
        json_array_foreach(json_object_get(answer, "records"), index, record)
        {
            add_plan_record(plan, record);
        }
        const json_t *next = json_object_get(answer, "next");
        after = json_is_integer(next) ? json_integer_value(next) : -1;
        json_decref(answer);
    }
    return status;
}

static void print_counts(const struct plan *plan)
{
    const char *before = "";

    for (size_t i = 0; i < ELEMENTS(states); i++) {
        if (plan->counts[i] > 0) {
            ctl_print("%s%s%zu %s%s", before, ctl_color(plan->ctl, states[i].color), plan->counts[i], states[i].phrase,
                      ctl_plain(plan->ctl));
            before = ", ";
        }
    }
    ctl_print("%s\n", before[0] ? "" : "no records");
}

static int finish_plan(struct plan *plan)
{
    size_t troubles = 0;
    int status = EXIT_FINE;

    for (size_t i = 0; i < ELEMENTS(states); i++) {
        troubles += states[i].is_trouble ? plan->counts[i] : 0;
    }
    if (plan->records) {
        json_t *counts = json_object();
        for (size_t i = 0; i < ELEMENTS(states); i++) {
            (void)json_object_set_new(counts, states[i].word, json_integer((json_int_t)plan->counts[i]));
        }
        status = ctl_print_json(json_pack("{s:o, s:o}", "counts", counts, "records", json_incref(plan->records)));
    } else {
        status = grid_print(&plan->grid, plan->ctl);
        print_counts(plan);
        if (plan->counts[3] + plan->counts[4] > 0) {
            ctl_print("\"ddns53ctl repair\" sets again what has drifted or is missing\n");
        }
    }
    return status == EXIT_FINE && troubles > 0 ? EXIT_WARNED : status;
}

static int run_plan(struct ctl *ctl, const struct arguments *arguments)
{
    static const struct grid_column columns[] = {
        {"HOST", false}, {"TYPE", false}, {"STATE", false}, {"SET LAST", false}, {"IN DNS", false}};
    struct plan plan = {.ctl = ctl, .is_all = option_given(arguments, "all") || argument_count(arguments) > 0};
    struct name name;
    int status = argument_count(arguments) > 0 ? ctl_name(ctl, argument_at(arguments, 0), &name) : EXIT_FINE;

    if (status != EXIT_FINE) {
        return status;
    }
    grid_init(&plan.grid, columns, ELEMENTS(columns));
    plan.records = ctl->is_json ? json_array() : NULL;
    status = collect(&plan, argument_count(arguments) > 0 ? name.text : NULL);
    status = status == EXIT_FINE ? finish_plan(&plan) : status;
    json_decref(plan.records);
    grid_done(&plan.grid);
    return status;
}

/* ---- repair ---- */

/* Appends a page's results to `all`, which is then told as one. */
static int repair_page(struct ctl *ctl, const char *hostname, json_t *all, bool *ok, json_int_t *after)
{
    json_t *answer = NULL;
    unsigned http_status = 0;
    int status = ctl_call(ctl, "POST", "/repair", json_pack("{s:I, s:s*}", "after", *after, "hostname", hostname),
                          &http_status, &answer);

    if (status != EXIT_FINE) {
        return status;
    }
    if (!json_object_get(answer, "records")) {
        status = ctl_refused(answer, http_status);
    } else {
        const json_t *next = json_object_get(answer, "next");
        (void)json_array_extend(all, json_object_get(answer, "records"));
        *ok = *ok && is_at(answer, "ok");
        *after = json_is_integer(next) ? json_integer_value(next) : -1;
    }
    json_decref(answer);
    return status;
}

static int run_repair(struct ctl *ctl, const struct arguments *arguments)
{
    struct name name;
    int status = argument_count(arguments) > 0 ? ctl_name(ctl, argument_at(arguments, 0), &name) : EXIT_FINE;
    json_t *all = json_array();
    json_int_t after = 0;
    bool ok = true;

    while (status == EXIT_FINE && after >= 0) {
        status = repair_page(ctl, argument_count(arguments) > 0 ? name.text : NULL, all, &ok, &after);
    }
    if (status != EXIT_FINE) {
        json_decref(all);
        return status;
    }
    if (json_array_size(all) == 0 && !ctl->is_json) {
        ctl_print("nothing has drifted or is missing\n");
    }
    return tell_results(ctl, json_pack("{s:b, s:o}", "ok", ok, "records", all), 200);
}
