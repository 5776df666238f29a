/* why: the decisions about a host or from a source. tail: all of them as they come. history: what was changed. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decisions_file.h"
#include "base/escape.h"
#include "base/parse.h"
#include "ctl/commands.h"
#include "ctl/grid.h"
#include "ctl/kept.h"
#include "ctl/verdict.h"
#include "ctl/when.h"
#include "store/state_read.h"

#define WHY_COUNT 50
#define HISTORY_COUNT 50
#define COUNT_MAX 1000000
#define TAIL_MS 200

static int run_why(struct ctl *ctl, const struct arguments *arguments);
static int run_tail(struct ctl *ctl, const struct arguments *arguments);
static int run_history(struct ctl *ctl, const struct arguments *arguments);

static const struct command_option why_options[] = {
    {.name = "count", .letter = 'n', .value = "N", .help = "how many, the newest; 50 when not given"},
    {.name = NULL},
};
static const struct command_exit why_exits[] = {
    {EXIT_FINE, "there are decisions"},
    {EXIT_UNKNOWN, "there is none about that host or from that address"},
    {0, NULL},
};
static const struct command_option tail_options[] = {
    {.name = "host", .value = "HOST", .help = "only about this host", .completion = COMPLETE_HOST},
    {.name = "source", .value = "ADDRESS", .help = "only from this address"},
    {.name = "refused", .help = "only what was not done"},
    {.name = "seconds", .value = "N", .help = "end after so long"},
    {.name = NULL},
};
static const struct command_option history_options[] = {
    {.name = "since", .value = "TIME", .help = "not older than that: 90m, 12h, 7d, or a date such as 2026-11-21"},
    {.name = "count", .letter = 'n', .value = "N", .help = "how many, the newest; 50 when not given"},
    {.name = NULL},
};

const struct command commands_why[] = {
    {
        .name = "why",
        .arguments = "HOST|ADDRESS",
        .least = 1,
        .most = 1,
        .summary = "explains the last decisions about a host or from an address, refused ones and unknown names too",
        .options = why_options,
        .exits = why_exits,
        .example = "ddns53ctl why home.example.com",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_why,
    },
    {
        .name = "tail",
        .arguments = "",
        .summary = "follows decisions as they come, until Ctrl-C",
        .description = "With --json each decision is an object on a line of its own.",
        .options = tail_options,
        .example = "ddns53ctl tail --refused --seconds 2",
        .has_json = true,
        .run = run_tail,
    },
    {
        .name = "history",
        .arguments = "[HOST]",
        .most = 1,
        .summary = "lists what was changed in DNS, newest first",
        .options = history_options,
        .example = "ddns53ctl history home.example.com --since 7d",
        .completion = COMPLETE_HOST,
        .has_json = true,
        .run = run_history,
    },
    {.name = NULL},
};

/* ---- one decision ---- */

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static struct verdict verdict_of(const json_t *decision)
{
    return (struct verdict){
        .word = text_at(decision, "verdict"),
        .reason = text_at(decision, "reason"),
        .message = text_at(decision, "message"),
        .is_withdrawal = json_object_get(decision, "withdraw") != NULL,
    };
}

static void append_escaped(struct buffer *buffer, const char *before, const char *text)
{
    if (text) {
        buffer_append_text(buffer, before);
        buffer_append_escaped(buffer, text, strlen(text));
    }
}

/* What was asked for: `home.example.com. A 198.18.7.9`. */
static void append_asked(struct buffer *buffer, const json_t *decision)
{
    append_escaped(buffer, " ", text_at(decision, "host"));
    if (json_object_get(decision, "withdraw")) {
        buffer_append_text(buffer, " withdraw");
    }
    append_escaped(buffer, " ", text_at(decision, "type"));
    append_escaped(buffer, " ", text_at(decision, "value"));
}

static void append_when(struct buffer *buffer, int64_t time_s, int64_t now_s)
{
    char date[21], when[WHEN_SIZE];

    clock_print_iso8601(time_s, date);
    when_print(time_s, now_s, when);
    buffer_printf(buffer, "%s (%s)", date, when);
}

static void print_more(struct ctl *ctl, const json_t *decision, const struct buffer *when)
{
    _cleanup_buffer_ struct buffer whom = BUFFER_INIT;

    append_escaped(&whom, " about ", text_at(decision, "host"));
    append_escaped(&whom, " from ", text_at(decision, "source"));
    ctl_print("%s%s  and %" JSON_INTEGER_FORMAT " more%s within a minute, which were only counted%s\n",
              ctl_color(ctl, COLOR_DIM), buffer_text(when), json_integer_value(json_object_get(decision, "count")),
              whom.length > 0 ? buffer_text(&whom) : " from other sources", ctl_plain(ctl));
}

/* Two lines: what was asked, and what came of it by which rule. */
static void print_decision(struct ctl *ctl, const json_t *decision, int64_t now_s)
{
    const struct verdict verdict = verdict_of(decision);
    const json_int_t time_ms = json_integer_value(json_object_get(decision, "time_ms"));
    _cleanup_buffer_ struct buffer when = BUFFER_INIT, asked = BUFFER_INIT, word = BUFFER_INIT, rule = BUFFER_INIT;

    append_when(&when, time_ms / 1000, now_s);
    if (verdict.word && strcmp(verdict.word, "more") == 0) {
        print_more(ctl, decision, &when);
        return;
    }
    append_escaped(&asked, "  from ", text_at(decision, "source"));
    append_escaped(&asked, " by ", text_at(decision, "dialect"));
    buffer_append_text(&asked, ":");
    append_asked(&asked, decision);
    append_escaped(&word, "", verdict.word);
    append_escaped(&word, ", ", verdict.reason);
    verdict_explain(&verdict, &rule);
    append_escaped(&rule, "; change ", text_at(decision, "change_id"));
    if (text_at(decision, "secret") && strcmp(text_at(decision, "secret"), "previous") == 0) {
        buffer_append_text(&rule, "; it used the host's previous secret");
    }
    ctl_print("%s%s\n    %s%s%s: %s\n", buffer_text(&when), buffer_text(&asked),
              ctl_color(ctl, verdict_color(&verdict)), buffer_text(&word), ctl_plain(ctl), buffer_text(&rule));
}

/* The JSON of people: the decision, the time in words, and the rule. */
static json_t *explained(json_t *decision)
{
    const struct verdict verdict = verdict_of(decision);
    _cleanup_buffer_ struct buffer rule = BUFFER_INIT;
    char date[21];

    verdict_explain(&verdict, &rule);
    clock_print_iso8601(json_integer_value(json_object_get(decision, "time_ms")) / 1000, date);
    (void)json_object_set_new(decision, "time", json_string(date));
    (void)json_object_set_new(decision, "rule", json_string(buffer_text(&rule)));
    return decision;
}

/* ---- why ---- */

/* A number of the command line. False: it was said what is wrong. */
static bool read_count(const struct arguments *arguments, size_t otherwise, size_t *ret_count)
{
    const char *text = option_value(arguments, "count");
    uint64_t count = otherwise;

    if (text && parse_uint(text, strlen(text), 1, COUNT_MAX, &count) < 0) {
        ctl_error("--count: \"%s\" is no number from 1 to %d", text, COUNT_MAX);
        return false;
    }
    *ret_count = (size_t)count;
    return true;
}

struct subject {
    char text[NAME_SIZE]; /* as the decisions have it */
    char needle[NAME_SIZE + 2];
    bool is_address;
};

/* What is neither is looked for as a name: a device may send anything. False: it was said what is wrong. */
static int read_subject(struct ctl *ctl, const char *text, struct subject *ret)
{
    struct address address;
    struct name name;
    char printed[ADDRESS_TEXT_SIZE];

    *ret = (struct subject){.is_address = address_parse(text, strlen(text), &address) == 0};
    if (ret->is_address) {
        address_print(&address, printed);
        (void)snprintf(ret->text, sizeof(ret->text), "%s", printed);
    } else if (strcmp(text, "local") == 0) {
        ret->is_address = true;
        (void)snprintf(ret->text, sizeof(ret->text), "local");
    } else {
        int status = ctl_name(ctl, text, &name);
        if (status != EXIT_FINE) {
            return status;
        }
        (void)snprintf(ret->text, sizeof(ret->text), "%s", name.text);
    }
    (void)snprintf(ret->needle, sizeof(ret->needle), "\"%s\"", ret->text);
    return EXIT_FINE;
}

static bool is_about(const json_t *decision, void *userdata)
{
    const struct subject *subject = userdata;
    const char *text = text_at(decision, subject->is_address ? "source" : "host");

    return text && strcmp(text, subject->text) == 0;
}

static int tell_nothing(const struct ctl *ctl, const struct subject *subject)
{
    if (ctl->settings->decisions_mib == 0) {
        ctl_error("limits.decisions_mib is 0 in the settings, so that no decision is kept");
    } else if (subject->is_address) {
        ctl_error("no request from %s is known: it does not reach this server, or names another address of it; "
                  "\"ddns53ctl tail\" shows requests as they come",
                  subject->text);
    } else {
        ctl_error("no request about %s is known: its device does not reach this server, or sends another name; look by "
                  "the device's address: \"ddns53ctl why ADDRESS\"",
                  subject->text);
    }
    return EXIT_UNKNOWN;
}

static int run_why(struct ctl *ctl, const struct arguments *arguments)
{
    const int64_t now_s = clock_realtime_s(clock_system());
    struct subject subject;
    json_t *decisions = NULL;
    size_t count, index;
    json_t *decision;

    if (!read_count(arguments, WHY_COUNT, &count)) {
        return EXIT_USAGE;
    }
    int status = read_subject(ctl, argument_at(arguments, 0), &subject);
    status = status == EXIT_FINE ? kept_read(ctl, subject.needle, is_about, &subject, count, &decisions) : status;
    if (status != EXIT_FINE) {
        return status;
    }
    if (json_array_size(decisions) == 0) {
        json_decref(decisions);
        return tell_nothing(ctl, &subject);
    }
    json_array_foreach(decisions, index, decision)
    {
        if (ctl->is_json) {
            (void)explained(decision);
        } else {
            print_decision(ctl, decision, now_s);
        }
    }
    if (ctl->is_json) {
        return ctl_print_json(json_pack("{s:o}", "decisions", decisions));
    }
    json_decref(decisions);
    return EXIT_FINE;
}

/* ---- tail ---- */

struct following {
    struct ctl *ctl;
    const struct subject *host; /* NULL: any */
    const struct subject *source;
    bool is_refused_only;
    int64_t end_ms; /* monotonic; INT64_MAX: never */
};

static bool is_done(const json_t *decision)
{
    const char *word = text_at(decision, "verdict");

    return word && (strcmp(word, "good") == 0 || strcmp(word, "nochg") == 0);
}

static int show_line(const char *line, size_t length, void *userdata)
{
    const struct following *following = userdata;
    json_t *decision = json_loadb(line, length, 0, NULL);

    if (json_is_object(decision) && (!following->host || is_about(decision, (void *)(uintptr_t)following->host)) &&
        (!following->source || is_about(decision, (void *)(uintptr_t)following->source)) &&
        !(following->is_refused_only && is_done(decision))) {
        if (following->ctl->is_json) {
            char *text = json_dumps(explained(decision), JSON_COMPACT);
            ctl_print("%s\n", text ? text : "");
            free(text);
        } else {
            print_decision(following->ctl, decision, clock_realtime_s(clock_system()));
        }
    }
    json_decref(decision);
    return 0;
}

/* Until its time is over, the reader of standard output is gone, or reading fails. */
static int follow(struct following *following, struct decisions_tail *const tails[DECISIONS_FAMILIES])
{
    struct pollfd polled = {STDOUT_FILENO, 0, 0};

    for (;;) {
        for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
            const int r = decisions_tail_read(tails[i], show_line, following);
            if (r < 0) {
                ctl_error("%s/" DECISIONS_FOLDER ": %s; run this as root or as the daemon's user",
                          following->ctl->settings->state_dir, strerror(-r));
                return r == -EACCES ? EXIT_FORBIDDEN : EXIT_FAILED;
            }
        }
        if (clock_monotonic_ms(clock_system()) >= following->end_ms) {
            return EXIT_FINE;
        }
        if (fflush(stdout) != 0 || (poll(&polled, 1, TAIL_MS) > 0 && (polled.revents & (POLLERR | POLLHUP)))) {
            return EXIT_FINE;
        }
    }
}

static bool read_end(const struct arguments *arguments, int64_t *ret_end_ms)
{
    const char *text = option_value(arguments, "seconds");
    uint64_t seconds = 0;

    if (text && parse_uint(text, strlen(text), 0, COUNT_MAX, &seconds) < 0) {
        ctl_error("--seconds: \"%s\" is no number", text);
        return false;
    }
    *ret_end_ms = text ? clock_monotonic_ms(clock_system()) + (int64_t)seconds * 1000 : INT64_MAX;
    return true;
}

static int run_tail(struct ctl *ctl, const struct arguments *arguments)
{
    const char *host = option_value(arguments, "host");
    const char *source = option_value(arguments, "source");
    struct decisions_tail *tails[DECISIONS_FAMILIES] = {NULL};
    struct subject subjects[2];
    struct following following = {.ctl = ctl, .is_refused_only = option_given(arguments, "refused")};
    const struct settings *settings;
    int status = read_end(arguments, &following.end_ms) ? ctl_settings(ctl, &settings) : EXIT_USAGE;

    if (status == EXIT_FINE && host) {
        status = read_subject(ctl, host, &subjects[0]);
        following.host = &subjects[0];
    }
    if (status == EXIT_FINE && source) {
        status = read_subject(ctl, source, &subjects[1]);
        following.source = &subjects[1];
    }
    if (status == EXIT_FINE && settings->decisions_mib == 0) {
        ctl_error("limits.decisions_mib is 0 in the settings, so that no decision is kept");
        status = EXIT_FAILED;
    }
    for (size_t i = 0; status == EXIT_FINE && i < DECISIONS_FAMILIES; i++) {
        tails[i] = decisions_tail_new(settings->state_dir, (enum decisions_family)i);
        status = tails[i] ? EXIT_FINE : ctl_no_memory();
    }
    status = status == EXIT_FINE ? follow(&following, tails) : status;
    for (size_t i = 0; i < DECISIONS_FAMILIES; i++) {
        decisions_tail_free(tails[i]);
    }
    return status;
}

/* ---- history ---- */

struct history {
    json_t *changes; /* of --json */
    struct grid grid;
    int64_t now_s;
};

static json_t *change_object(const struct state_change *change)
{
    char date[21];

    clock_print_iso8601(change->time_s, date);
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "time", date, "time_s",
                     (json_int_t)change->time_s, "hostname", change->hostname, "type", change->type, "before",
                     change->before, "after", change->after, "ttl", (json_int_t)change->ttl_s, "source", change->source,
                     "dialect", change->dialect, "change_id", change->change_id);
}

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static int add_change(const struct state_change *change, void *userdata)
{
    struct history *history = userdata;
    char when[WHEN_SIZE], date[21];

    if (history->changes) {
        return json_array_append_new(history->changes, change_object(change)) < 0 ? -ENOMEM : 0;
    }
    clock_print_iso8601(change->time_s, date);
    when_print(change->time_s, history->now_s, when);
    grid_add(&history->grid, COLOR_NONE, "%s", date);
    grid_add(&history->grid, COLOR_DIM, "%s", when);
    grid_add(&history->grid, COLOR_NONE, "%s", change->hostname);
    grid_add(&history->grid, COLOR_NONE, "%s", change->type);
    grid_add(&history->grid, COLOR_NONE, "%s", or_dash(change->before));
    grid_add(&history->grid, change->after[0] != '\0' ? COLOR_NONE : COLOR_WARN, "%s",
             change->after[0] != '\0' ? change->after : "withdrawn");
    grid_add(&history->grid, COLOR_NONE, "%s", or_dash(change->source));
    grid_add(&history->grid, COLOR_NONE, "%s", change->dialect);
    grid_add(&history->grid, COLOR_DIM, "%s", or_dash(change->change_id));
    return 0;
}

static int tell_state(int r, const struct buffer *message)
{
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    ctl_error("%s", message->length > 0 ? buffer_text(message) : strerror(-r));
    return r == -EACCES ? EXIT_FORBIDDEN : EXIT_FAILED;
}

/* Prints what was collected. */
static int finish_history(struct ctl *ctl, struct history *history)
{
    if (history->changes) {
        return ctl_print_json(json_pack("{s:O}", "changes", history->changes));
    }
    return grid_print(&history->grid, ctl);
}

static int read_history(struct ctl *ctl, struct history *history, const char *hostname, int64_t since_s, size_t count)
{
    _cleanup_(state_reader_closep) struct state_reader *reader = NULL;
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int r = state_reader_open(ctl->settings->state_dir, &message, &reader);

    if (r == 0) {
        r = state_reader_history(reader, hostname, since_s, count, add_change, history);
    }
    if (r < 0 && r != -ENOENT) { /* no daemon has run yet: nothing was changed */
        return tell_state(r, &message);
    }
    return finish_history(ctl, history);
}

static int run_history(struct ctl *ctl, const struct arguments *arguments)
{
    static const struct grid_column columns[] = {{"TIME", false}, {"", false},        {"HOST", false},
                                                 {"TYPE", false}, {"BEFORE", false},  {"AFTER", false},
                                                 {"FROM", false}, {"DIALECT", false}, {"CHANGE", false}};
    const char *since = option_value(arguments, "since");
    struct history history = {.now_s = clock_realtime_s(clock_system())};
    const struct settings *settings;
    struct name name;
    int64_t since_s = INT64_MIN;
    size_t count;
    int status = ctl_settings(ctl, &settings);

    if (status == EXIT_FINE && argument_count(arguments) > 0) {
        status = ctl_name(ctl, argument_at(arguments, 0), &name);
    }
    if (status != EXIT_FINE) {
        return status;
    }
    if (since && when_parse_past(since, history.now_s, &since_s) < 0) {
        ctl_error("--since: \"%s\" is neither a span such as 90m, 12h or 7d nor a date such as 2026-11-21", since);
        return EXIT_USAGE;
    }
    if (!read_count(arguments, since ? COUNT_MAX : HISTORY_COUNT, &count)) {
        return EXIT_USAGE;
    }
    grid_init(&history.grid, columns, ELEMENTS(columns));
    history.changes = ctl->is_json ? json_array() : NULL;
    status = read_history(ctl, &history, argument_count(arguments) > 0 ? name.text : NULL, since_s, count);
    json_decref(history.changes);
    grid_done(&history.grid);
    return status;
}
