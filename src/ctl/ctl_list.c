/* list: the hosts of hosts.yaml, with what the state, the decisions and the running daemon know of them. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "ctl/commands.h"
#include "ctl/grid.h"
#include "ctl/known.h"
#include "ctl/when.h"

#define PAGE_ROWS 1000 /* of the table, whose columns are as wide as a page needs */
#define COUNT_MAX 100000000

static int run_list(struct ctl *ctl, const struct arguments *arguments);

static const char *const type_words[] = {"A", "AAAA", "TXT", NULL};
static const char *const state_options[] = {"drifted", "missing", "not_ours", "unknown", "waiting", "failing", NULL};
static const char *const sort_words[] = {"file", "name", "updated", "checked", NULL};

static const struct command_option list_options[] = {
    {.name = "zone", .value = "ZONE", .help = "only hosts of this zone"},
    {.name = "type",
     .value = "TYPE",
     .help = "only records of this type",
     .completion = COMPLETE_WORDS,
     .words = type_words},
    {.name = "state",
     .value = "STATE",
     .help = "only records that are drifted, missing, not_ours, unknown, waiting or failing; needs the daemon",
     .completion = COMPLETE_WORDS,
     .words = state_options},
    {.name = "locked", .help = "only hosts with lock_record"},
    {.name = "stale", .value = "TIME", .help = "only records that nobody has asked for since: 12h, 7d, a date"},
    {.name = "old-secret", .help = "only hosts that used their previous secret last"},
    {.name = "sort",
     .value = "BY",
     .help = "file (the default: as hosts.yaml has them), name, updated or checked, newest first",
     .completion = COMPLETE_WORDS,
     .words = sort_words},
    {.name = "reverse", .letter = 'r', .help = "the other way round"},
    {.name = "count", .letter = 'n', .value = "N", .help = "at most so many records"},
    {.name = "skip", .value = "N", .help = "leave out so many before"},
    {.name = NULL},
};

const struct command commands_list[] = {
    {
        .name = "list",
        .arguments = "[PATTERN]",
        .most = 1,
        .summary = "lists hosts with address, when it was updated and asked for, from where, and what is wrong with it",
        .description =
            "PATTERN is one of the shell's, such as '*.lan.example.com'. What only the daemon knows (drift,\n"
            "failing zones) is left out where none runs.",
        .options = list_options,
        .example = "ddns53ctl list --stale 7d --sort checked",
        .has_json = true,
        .run = run_list,
    },
    {.name = NULL},
};

/* ---- list ---- */

struct listing {
    struct ctl *ctl;
    struct known all;
    struct grid grid;
    size_t rows; /* in the grid */
    size_t skip;
    size_t count;
    size_t shown;
    /* filters */
    const char *pattern; /* lower case, with its final dot; NULL: all */
    const char *zone;
    const char *state;
    bool has_type;
    enum record_type type;
    bool is_locked_only;
    bool is_old_secret_only;
    int64_t stale_before_s; /* INT64_MAX: not asked for */
};

static bool is_wanted_host(const struct listing *listing, const struct host *host)
{
    return (!listing->is_locked_only || host->lock_record) &&
           (!listing->is_old_secret_only || host->more->previous.is_set) &&
           (!listing->zone || strcmp(listing->ctl->settings->zones[host->zone].name.text, listing->zone) == 0) &&
           (!listing->pattern || fnmatch(listing->pattern, host->hostname, 0) == 0);
}

static bool is_wanted(const struct listing *listing, const struct known_record *listed)
{
    if (listing->state) {
        const bool is_failing = strcmp(listing->state, "failing") == 0;
        if (is_failing ? !listed->failing : strcmp(known_state(listed), listing->state) != 0) {
            return false;
        }
    }
    if (listing->is_old_secret_only && (!listed->secret || strcmp(listed->secret, "previous") != 0)) {
        return false;
    }
    return listing->stale_before_s == INT64_MAX || listed->stored.last_checked_s < listing->stale_before_s;
}

static const struct grid_column list_columns[] = {{"HOST", false},    {"TYPE", false},    {"ADDRESS", false},
                                                  {"UPDATED", false}, {"CHECKED", false}, {"FROM", false},
                                                  {"", false}};

static void print_page(struct listing *listing)
{
    if (listing->rows > 0) {
        (void)grid_print(&listing->grid, listing->ctl);
    }
    grid_done(&listing->grid);
    grid_init(&listing->grid, list_columns, ELEMENTS(list_columns));
    listing->rows = 0;
}

static void add_to_grid(struct listing *listing, const struct known_record *listed)
{
    _cleanup_buffer_ struct buffer value = BUFFER_INIT;
    _cleanup_buffer_ struct buffer marks = BUFFER_INIT;
    char updated[WHEN_SIZE], checked[WHEN_SIZE], from[ADDRESS_TEXT_SIZE] = "-";

    rdata_print(&listed->stored.value, &value);
    known_append_marks(listed, &marks);
    when_print(listed->stored.last_updated_s, listing->all.now_s, updated);
    when_print(listed->stored.last_checked_s, listing->all.now_s, checked);
    if (listed->stored.last_accessed.family != ADDRESS_NONE) {
        address_print(&listed->stored.last_accessed, from);
    }
    grid_add(&listing->grid, COLOR_NONE, "%s", listed->host->hostname);
    grid_add(&listing->grid, COLOR_NONE, "%s", record_type_text(listed->type));
    grid_add(&listing->grid, COLOR_NONE, "%s", value.length > 0 ? buffer_text(&value) : "-");
    grid_add(&listing->grid, COLOR_NONE, "%s", updated);
    grid_add(&listing->grid, COLOR_NONE, "%s", checked);
    grid_add(&listing->grid, COLOR_NONE, "%s", from);
    grid_add(&listing->grid, known_color(listed), "%s", buffer_text(&marks));
    if (++listing->rows == PAGE_ROWS) {
        print_page(listing);
    }
}

/* One object a line inside of one array, so that a million of them need no memory. */
static int print_object(struct listing *listing, const struct known_record *listed)
{
    json_t *object = known_object(listing->ctl, &listing->all, listed);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    if (!text) {
        return ctl_no_memory();
    }
    ctl_print("%s\n  %s", listing->shown == 0 ? "" : ",", text);
    free(text);
    return EXIT_FINE;
}

/* Filters, counts and shows. */
static int offer(struct listing *listing, const struct known_record *listed)
{
    int status = EXIT_FINE;

    if (!is_wanted(listing, listed)) {
        return EXIT_FINE;
    }
    if (listing->skip > 0) {
        listing->skip--;
        return EXIT_FINE;
    }
    if (listing->ctl->is_json) {
        status = print_object(listing, listed);
    } else {
        add_to_grid(listing, listed);
    }
    listing->shown++;
    return status;
}

static bool is_full(const struct listing *listing)
{
    return listing->shown >= listing->count;
}

static int offer_host(struct listing *listing, const struct host *host)
{
    int status = EXIT_FINE;

    for (unsigned type = 0; status == EXIT_FINE && type < RECORD_TYPE_COUNT && !is_full(listing); type++) {
        struct known_record listed;
        if (!host_has_type(host, (enum record_type)type) || (listing->has_type && listing->type != type)) {
            continue;
        }
        status = known_look_up(listing->ctl, &listing->all, host, (enum record_type)type, &listed);
        status = status == EXIT_FINE ? offer(listing, &listed) : status;
        known_record_done(&listed);
    }
    return status;
}

/* ---- order ---- */

struct ordered {
    const struct host *host;
    int64_t time_s;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ordered *)a)->host->hostname, ((const struct ordered *)b)->host->hostname);
}

static int by_time(const void *a, const void *b)
{
    const int64_t one = ((const struct ordered *)a)->time_s, other = ((const struct ordered *)b)->time_s;

    return one != other ? (one < other ? 1 : -1) : by_name(a, b);
}

/* Of its records, the newest. */
static int64_t time_of_host(const struct listing *listing, const struct host *host, bool is_checked)
{
    int64_t newest_s = 0;

    for (unsigned type = 0; listing->all.reader && type < RECORD_TYPE_COUNT; type++) {
        struct store_record stored;
        if (host_has_type(host, (enum record_type)type) &&
            state_reader_record(listing->all.reader, host->hostname, (enum record_type)type, &stored) == 1) {
            const int64_t time_s = is_checked ? stored.last_checked_s : stored.last_updated_s;
            newest_s = time_s > newest_s ? time_s : newest_s;
            rdata_drop(&stored.value);
        }
    }
    return newest_s;
}

/* The wanted hosts in order; owned, NULL: no memory. `by` is one of sort_words. */
static struct ordered *order_hosts(const struct listing *listing, const struct hosts *hosts, const char *by,
                                   size_t *ret_count)
{
    struct ordered *ordered = calloc(hosts_count(hosts) + 1, sizeof(*ordered));
    const bool is_timed = strcmp(by, "updated") == 0 || strcmp(by, "checked") == 0;
    size_t count = 0;

    for (size_t i = 0; ordered && i < hosts_count(hosts); i++) {
        const struct host *host = hosts_at(hosts, i);
        if (is_wanted_host(listing, host)) {
            ordered[count++] =
                (struct ordered){host, is_timed ? time_of_host(listing, host, strcmp(by, "checked") == 0) : 0};
        }
    }
    if (ordered && strcmp(by, "file") != 0) {
        qsort(ordered, count, sizeof(*ordered), is_timed ? by_time : by_name);
    }
    *ret_count = count;
    return ordered;
}

static int show_all(struct listing *listing, const struct hosts *hosts, const char *by, bool is_reversed)
{
    size_t count;
    _cleanup_free_ struct ordered *ordered = order_hosts(listing, hosts, by, &count);
    int status = EXIT_FINE;

    if (!ordered) {
        return ctl_no_memory();
    }
    if (listing->ctl->is_json) {
        ctl_print("[");
    }
    for (size_t i = 0; status == EXIT_FINE && i < count && !is_full(listing); i++) {
        status = offer_host(listing, ordered[is_reversed ? count - 1 - i : i].host);
    }
    if (listing->ctl->is_json) {
        ctl_print("\n]\n");
    } else {
        print_page(listing);
    }
    return status;
}

/* ---- the command line of list ---- */

static bool is_word(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL and EXIT_USAGE's sentence where it is none of the words. */
static bool read_word(const struct arguments *arguments, const char *name, const char *const *words, const char **ret)
{
    *ret = option_value(arguments, name);
    if (*ret && !is_word(*ret, words)) {
        ctl_error("--%s: \"%s\" is none of its words; \"ddns53ctl list --help\" has them", name, *ret);
        return false;
    }
    return true;
}

static bool read_number(const struct arguments *arguments, const char *name, size_t otherwise, size_t *ret)
{
    const char *text = option_value(arguments, name);
    uint64_t number = otherwise;

    if (text && parse_uint(text, strlen(text), 0, COUNT_MAX, &number) < 0) {
        ctl_error("--%s: \"%s\" is no number", name, text);
        return false;
    }
    *ret = (size_t)number;
    return true;
}

/* As hostnames are written: lower case, with the final dot. */
static void normalize_pattern(const char *text, char ret_pattern[NAME_SIZE])
{
    size_t length = strnlen(text, NAME_SIZE - 2);

    for (size_t i = 0; i < length; i++) {
        ret_pattern[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    }
    if (length > 0 && text[length - 1] != '.' && text[length - 1] != '*') {
        ret_pattern[length++] = '.';
    }
    ret_pattern[length] = '\0';
}

static bool read_stale(const struct arguments *arguments, int64_t now_s, int64_t *ret_before_s)
{
    const char *text = option_value(arguments, "stale");

    *ret_before_s = INT64_MAX;
    if (text && when_parse_past(text, now_s, ret_before_s) < 0) {
        ctl_error("--stale: \"%s\" is neither a span such as 12h or 7d nor a date such as 2026-11-21", text);
        return false;
    }
    return true;
}

/* False: it was said what is wrong. `zone` and `pattern` are the room for the two. */
static bool read_filters(struct ctl *ctl, const struct arguments *arguments, struct listing *ret, struct name *zone,
                         char pattern[NAME_SIZE])
{
    const char *type;

    *ret = (struct listing){.ctl = ctl,
                            .is_locked_only = option_given(arguments, "locked"),
                            .is_old_secret_only = option_given(arguments, "old-secret")};
    if (!read_word(arguments, "type", type_words, &type) ||
        !read_word(arguments, "state", state_options, &ret->state) ||
        !read_number(arguments, "count", COUNT_MAX, &ret->count) || !read_number(arguments, "skip", 0, &ret->skip) ||
        !read_stale(arguments, clock_realtime_s(clock_system()), &ret->stale_before_s)) {
        return false;
    }
    ret->has_type = type && record_type_parse(type, &ret->type) == 0;
    if (option_given(arguments, "zone")) {
        if (ctl_name(ctl, option_value(arguments, "zone"), zone) != EXIT_FINE) {
            return false;
        }
        ret->zone = zone->text;
    }
    if (argument_count(arguments) > 0) {
        normalize_pattern(argument_at(arguments, 0), pattern);
        ret->pattern = pattern;
    }
    return true;
}

static int run_list(struct ctl *ctl, const struct arguments *arguments)
{
    const struct hosts *hosts;
    struct listing listing;
    struct name zone;
    char pattern[NAME_SIZE];
    const char *by;

    if (!read_filters(ctl, arguments, &listing, &zone, pattern) || !read_word(arguments, "sort", sort_words, &by)) {
        return EXIT_USAGE;
    }
    int status = ctl_hosts(ctl, &hosts);
    if (status != EXIT_FINE) {
        return status;
    }
    grid_init(&listing.grid, list_columns, ELEMENTS(list_columns));
    status = known_gather(ctl, hosts, NULL, &listing.all);
    if (status == EXIT_FINE && listing.state && !listing.all.flagged) {
        ctl_error("only a running daemon knows which records are %s; start it", listing.state);
        status = EXIT_NO_DAEMON;
    }
    if (status == EXIT_FINE) {
        status = show_all(&listing, hosts, by ? by : "file", option_given(arguments, "reverse"));
    }
    known_done(&listing.all);
    grid_done(&listing.grid);
    return status;
}
