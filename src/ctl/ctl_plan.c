/* plan and repair: what was set last against what DNS has. */
#include <string.h>

#include "ctl/call.h"
#include "ctl/commands.h"
#include "ctl/grid.h"
#include "ctl/results.h"

static int run_plan(struct ctl *ctl, const struct arguments *arguments);
static int run_repair(struct ctl *ctl, const struct arguments *arguments);

static const struct command_option plan_options[] = {
    {.name = "all", .letter = 'a', .help = "show also what is in step and what was never set"},
    {.name = NULL},
};
static const struct command_exit plan_exits[] = {
    {EXIT_FINE, "DNS holds what was set last, wherever that is known"},
    {EXIT_WARNED, "records have drifted or are missing, are not ours, or could not be looked at"},
    {0, NULL},
};

const struct command commands_plan[] = {
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
    const char *word = call_text(record, "state");

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
        grid_add(grid, COLOR_NONE, "%s ttl %lld", call_text(value, "value"), call_number(value, "ttl"));
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
    grid_add(&plan->grid, COLOR_NONE, "%s", call_text(record, "hostname"));
    grid_add(&plan->grid, COLOR_NONE, "%s", call_text(record, "type"));
    grid_add(&plan->grid, states[state].color, "%s%s", states[state].phrase,
             call_is(record, "locked") ? ", locked" : "");
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
        *ok = *ok && call_is(answer, "ok");
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
    return results_tell(ctl, json_pack("{s:b, s:o}", "ok", ok, "records", all), 200);
}
