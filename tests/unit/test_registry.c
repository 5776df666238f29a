/*
 * A provider in one file: its settings, its zones, what they share, and its row in the table, which stands here instead of
 * provider/registry.c's. It is loaded through the real settings loader, driven through the real queue, and served by the
 * real daemon.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>

#include <cmocka.h>

#include "base/log.h"
#include "config/settings_table.h"
#include "daemon/daemon.h"
#include "provider/deferred.h"
#include "provider/registry.h"
#include "temporary.h"

/* ---- the provider ---- */

struct toy_settings {
    char *colour;
    uint32_t requests_per_second;
};

struct toy_zone_settings {
    char *shelf;
    uint32_t wheels;
    struct secret **tokens;
    size_t token_count;
};

/* What the zones share. */
struct box {
    char colour[32];
    unsigned started;
    unsigned reloads;
    void (*drained)(void *userdata);
    void *userdata;
};

struct provider_zone {
    struct box *box;
    char shelf[32];
    uint32_t default_ttl_s;
    struct provider_found found; /* the only record; its value is owned */
    struct deferred deferred;
    void (*answer)(struct provider_zone *zone);
    union {
        provider_prepared prepared;
        provider_applied applied;
        provider_looked_up looked_up;
        provider_listed listed;
    } done;
    void *userdata;
};

static struct provider_zone *the_zone; /* the toy's last one, for the test to look at */
static struct box *the_box;
static int told = -1; /* where the toy writes what it has done; -1: nowhere */
static const struct provider_result done = {.message = "", .change_id = "", .culprit = PROVIDER_NO_CULPRIT};

static const struct setting toy_rows[] = {
    {SETTING_KEY("zones[]", "shelf"), .type = &setting_text, SETTING_AT(struct toy_zone_settings, shelf),
     .restart = true, .help = "where it stands"},
    {SETTING_KEY("zones[]", "wheels"), .type = &setting_uint, SETTING_AT(struct toy_zone_settings, wheels),
     SETTING_RANGE(0, 18, "wheels"), .default_text = "4", .restart = true, .help = "how many it has"},
    {SETTING_KEY("zones[]", "tokens"), .type = &setting_secrets,
     SETTING_LIST_AT(struct toy_zone_settings, tokens, token_count), .default_text = "[]", .restart = true,
     .help = "what opens it"},
    {SETTING_KEY("toy", "colour"), .type = &setting_text, SETTING_AT(struct toy_settings, colour),
     .default_text = "red", .restart = true, .help = "of the box"},
    {SETTING_KEY("toy", "requests_per_second"), .type = &setting_uint,
     SETTING_AT(struct toy_settings, requests_per_second), SETTING_RANGE(1, 1000, "a second"), .default_text = "50",
     .help = "the pace"},
};

static int toy_check_zone(struct problems *problems, const struct yaml_node *node, const void *zone)
{
    const struct toy_zone_settings *settings = zone;

    if (settings->wheels % 2 == 0 || strcmp(settings->shelf, "top") != 0) {
        return 0;
    }
    problems_add(problems, node->line, node->column, "zones[].wheels: must be even on the top shelf, take one off");
    return -EINVAL;
}

static bool toy_has_same_hidden(const void *a, const void *b)
{
    const struct toy_zone_settings *first = a;
    const struct toy_zone_settings *second = b;

    for (size_t i = 0; i < first->token_count; i++) {
        if (!secret_equals(first->tokens[i], secret_bytes(second->tokens[i]), secret_length(second->tokens[i]))) {
            return false;
        }
    }
    return true;
}

/* Makes the colour of the box loud. */
static int toy_finish(struct problems *problems, const struct yaml_node *root, const char *path,
                      struct settings *settings, void *own)
{
    char *colour = ((struct toy_settings *)own)->colour;

    (void)problems;
    assert_non_null(yaml_get(root, "zones"));
    assert_int_equal(path[0], '/');
    assert_true(settings->zone_count > 0);
    colour[0] = (char)(colour[0] - 'a' + 'A');
    return 0;
}

static void *box_new(const struct provider_means *means, const void *own)
{
    struct box *box = calloc(1, sizeof(*box));

    assert_non_null(means->loop);
    assert_non_null(box);
    (void)snprintf(box->colour, sizeof(box->colour), "%s", ((const struct toy_settings *)own)->colour);
    the_box = box;
    return box;
}

static void box_free(void *shared)
{
    free(shared);
    the_box = NULL;
}

static int box_start(void *shared)
{
    ((struct box *)shared)->started++;
    return 0;
}

static int box_stop(void *shared, int64_t timeout_ms)
{
    (void)shared;
    return timeout_ms > 0 ? 0 : -ETIMEDOUT;
}

static uint32_t box_pace(const void *own)
{
    return ((const struct toy_settings *)own)->requests_per_second;
}

static void box_reload(void *shared)
{
    ((struct box *)shared)->reloads++;
}

static void box_drain(void *shared, int64_t deadline_ms, void (*drained)(void *userdata), void *userdata)
{
    struct box *box = shared;

    if (told >= 0) {
        (void)dprintf(told, "drained\n");
        drained(userdata);
        return;
    }
    assert_int_equal(deadline_ms, 5000);
    box->drained = drained;
    box->userdata = userdata;
}

static size_t box_report_trouble(void *shared, struct buffer *buffer)
{
    buffer_printf(buffer, "the box is %s\n", ((const struct box *)shared)->colour);
    return 1;
}

static void run_deferred(struct deferred *deferred)
{
    struct provider_zone *zone = CONTAINER_OF(deferred, struct provider_zone, deferred);

    zone->answer(zone);
}

static struct provider_zone *toy_zone_new(const struct provider_means *means, void *shared,
                                          const struct zone_settings *zone)
{
    const struct toy_zone_settings *own = zone->own;
    struct provider_zone *made = calloc(1, sizeof(*made));

    assert_non_null(made);
    assert_int_equal(deferred_init(&made->deferred, means->loop, run_deferred), 0);
    made->box = shared;
    made->default_ttl_s = zone->default_ttl_s;
    (void)snprintf(made->shelf, sizeof(made->shelf), "%s", own->shelf);
    the_zone = made;
    return made;
}

static void toy_free(struct provider_zone *zone)
{
    if (zone) {
        deferred_done(&zone->deferred);
        rdata_drop(&zone->found.value);
        free(zone);
    }
}

static void answer_prepared(struct provider_zone *zone)
{
    zone->done.prepared(&done, false, 1, zone->userdata);
}

static void toy_prepare(struct provider_zone *zone, provider_prepared prepared, void *userdata)
{
    zone->done.prepared = prepared;
    zone->userdata = userdata;
    zone->answer = answer_prepared;
    deferred_call(&zone->deferred);
}

static void answer_applied(struct provider_zone *zone)
{
    _cleanup_buffer_ struct buffer value = BUFFER_INIT;

    rdata_print(&zone->found.value, &value);
    if (told >= 0) {
        (void)dprintf(told, "%s on the shelf %s: %s\n", zone->found.hostname, zone->shelf, buffer_text(&value));
    }
    zone->done.applied(&done, zone->userdata);
}

static void toy_apply(struct provider_zone *zone, const struct change_request *const *changes, size_t count,
                      provider_applied applied, void *userdata)
{
    assert_int_equal(count, 1);
    rdata_drop(&zone->found.value);
    zone->found = (struct provider_found){
        .hostname = changes[0]->record->hostname,
        .type = changes[0]->record->type,
        .knowledge = RECORD_PLAIN,
        .value = rdata_hold(&changes[0]->value),
        .ttl_s = changes[0]->ttl_s,
    };
    zone->done.applied = applied;
    zone->userdata = userdata;
    zone->answer = answer_applied;
    deferred_call(&zone->deferred);
}

static void answer_looked_up(struct provider_zone *zone)
{
    zone->done.looked_up(&done, &zone->found, zone->userdata);
}

static void toy_look_up(struct provider_zone *zone, const struct record *record, provider_looked_up looked_up,
                        void *userdata)
{
    if (zone->found.knowledge != RECORD_PLAIN) {
        zone->found =
            (struct provider_found){.hostname = record->hostname, .type = record->type, .knowledge = RECORD_ABSENT};
    }
    zone->done.looked_up = looked_up;
    zone->userdata = userdata;
    zone->answer = answer_looked_up;
    deferred_call(&zone->deferred);
}

static void answer_listed(struct provider_zone *zone)
{
    zone->done.listed(&done, false, zone->userdata);
}

static void toy_list_page(struct provider_zone *zone, bool restart, provider_each each, provider_listed listed,
                          void *userdata)
{
    (void)restart;
    (void)each;
    zone->done.listed = listed;
    zone->userdata = userdata;
    zone->answer = answer_listed;
    deferred_call(&zone->deferred);
}

static const struct provider_ops toy_ops = {
    .name = "toy",
    .changes_max = 1,
    .value_characters_max = SIZE_MAX,
    .value_characters_factor = 1,
    .prepare = toy_prepare,
    .apply = toy_apply,
    .look_up = toy_look_up,
    .list_page = toy_list_page,
    .free = toy_free,
};

static const struct provider toy = {
    .settings =
        {
            .name = "toy",
            .rows = toy_rows,
            .row_count = ELEMENTS(toy_rows),
            .size = sizeof(struct toy_settings),
            .zone_size = sizeof(struct toy_zone_settings),
            .check_zone = toy_check_zone,
            .has_same_hidden = toy_has_same_hidden,
            .finish = toy_finish,
        },
    .ops = &toy_ops,
    .shared_new = box_new,
    .shared_free = box_free,
    .zone_new = toy_zone_new,
    .start = box_start,
    .stop = box_stop,
    .pace = box_pace,
    .reload = box_reload,
    .drain = box_drain,
    .report_trouble = box_report_trouble,
};

static const struct provider left_out = {.settings = {.name = "attic", .missing = "libattic"}};

const struct provider_settings *const provider_table[] = {
    &route53_provider.settings, &zonefile_provider.settings, &toy.settings, &left_out.settings, NULL,
};

/* ---- through the loader ---- */

#define TWO_ZONES                                          \
    "zones:\n  - {name: plain.test, provider: zonefile}\n" \
    "  - {name: toy.test, provider: toy, shelf: low, wheels: 3, tokens: [\"a long token, no. 1\"]}\n"

static int load(const char *text, struct problems **ret_problems, struct settings **ret_settings)
{
    *ret_problems = problems_new("d.yaml");
    assert_non_null(*ret_problems);
    return settings_load_text(text, strlen(text), "/etc/d.yaml", *ret_problems, ret_settings);
}

static struct settings *load_good(const char *text)
{
    _cleanup_(problems_freep) struct problems *problems = NULL;
    struct settings *settings = NULL;
    int r = load(text, &problems, &settings);

    if (problems_count(problems) > 0) {
        fail_msg("%s", problems_text(problems, 0));
    }
    assert_int_equal(r, 0);
    return settings;
}

static void its_keys_are_read(void **state)
{
    _cleanup_(settings_unrefp) struct settings *settings = load_good(TWO_ZONES "toy: {requests_per_second: 7}\n");
    const struct toy_settings *own = settings_of_provider(settings, &toy.settings);
    const struct toy_zone_settings *zone = settings->zones[1].own;

    (void)state;
    assert_ptr_equal(settings->zones[1].provider, &toy.settings);
    assert_ptr_equal(provider_of(settings->zones[1].provider), &toy);
    assert_string_equal(own->colour, "Red"); /* the default, finished */
    assert_int_equal(own->requests_per_second, 7);
    assert_string_equal(zone->shelf, "low");
    assert_int_equal(zone->wheels, 3);
    assert_true(secret_equals(zone->tokens[0], "a long token, no. 1", 19));
}

static void wrong_keys_are_explained(void **state)
{
    static const struct {
        const char *text;
        const char *problem;
    } rows[] = {
        {"zones: [{name: a.test, provider: toy}]\n", "d.yaml:1:9: zones[].shelf: is missing, add where it stands"},
        {"zones: [{name: a.test, provider: toy, shelf: low, wheels: 19}]\n",
         "d.yaml:1:59: zones[].wheels: 19 is out of range, must be 0 to 18 wheels"},
        {"zones: [{name: a.test, provider: toy, shelf: top, wheels: 3}]\n",
         "d.yaml:1:9: zones[].wheels: must be even on the top shelf, take one off"},
        {"zones: [{name: a.test, provider: toy, shelf: low, zone_id: Z1}]\n",
         "d.yaml:1:60: zones[].zone_id: only a zone of provider route53 has it, remove it"},
        {"zones: [{name: a.test, provider: zonefile, wheels: 6}]\n",
         "d.yaml:1:52: zones[].wheels: only a zone of provider toy has it, remove it"},
        {"zones: [{name: a.test, shelf: low}]\n",
         "d.yaml:1:31: zones[].shelf: only a zone of provider toy has it, remove it"},
        {"zones: [{name: a.test, provider: toy, shelf: low, weels: 4}]\n",
         "d.yaml:1:51: zones[].weels: unknown key, did you mean zones[].wheels?"},
        {"zones: [{name: a.test, provider: zonefile}]\ntoy: {color: red}\n",
         "d.yaml:2:7: toy.color: unknown key, did you mean toy.colour?"},
        {"zones: [{name: a.test, provider: toys, shelf: low}]\n",
         "d.yaml:1:34: zones[].provider: \"toys\" is no provider, write route53, zonefile, toy or attic"},
        {"zones: [{name: a.test, provider: attic}]\n",
         "d.yaml:1:34: zones[].provider: \"attic\" is not in this ddns53d, which was built without libattic: build "
         "one with it"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(problems_freep) struct problems *problems = NULL;
        struct settings *settings = NULL;
        assert_int_equal(load(rows[i].text, &problems, &settings), -EINVAL);
        assert_string_equal(problems_text(problems, 0), rows[i].problem);
    }
}

/* The sample file has all keys with their defaults: whoever writes another provider there need not remove them. */
static void defaults_of_others_are_let_through(void **state)
{
    static const char text[] = "zones:\n"
                               "  - {name: a.test, provider: zonefile, zone_id: \"\", private: false, wheels: 4}\n"
                               "  - {name: b.test, provider: toy, shelf: low, private: no, tokens: []}\n";
    _cleanup_(settings_unrefp) struct settings *settings = NULL;
    _cleanup_(problems_freep) struct problems *problems = NULL;

    (void)state;
    assert_int_equal(load(text, &problems, &settings), -EINVAL); /* "no" is no value of `private` at all */
    assert_non_null(strstr(problems_text(problems, 0), "zones[].private: \"no\" is neither true nor false"));
    assert_null(problems_text(problems, 1));
    settings = load_good("zones:\n  - {name: a.test, provider: zonefile, zone_id: \"\", private: false, wheels: 4}\n"
                         "  - {name: b.test, provider: toy, shelf: low, private: false, tokens: []}\n");
    assert_int_equal(settings->zone_count, 2);
}

/* All keys of all providers are dumped, those of another provider with their defaults, unless they have none. */
static void its_keys_are_dumped(void **state)
{
    _cleanup_(settings_unrefp) struct settings *settings = load_good(TWO_ZONES);
    _cleanup_buffer_ struct buffer dump = BUFFER_INIT;
    bool has_help = false;

    (void)state;
    settings_dump(settings, &dump);
    assert_non_null(strstr(buffer_text(&dump), "zones:\n"
                                               "  - name: \"plain.test.\"\n"
                                               "    provider: zonefile\n"
                                               "    default_ttl: 60\n"
                                               "    zone_id: \"\"\n"
                                               "    private: false\n"
                                               "    wheels: 4\n"
                                               "    tokens: []\n"
                                               "  - name: \"toy.test.\"\n"
                                               "    provider: toy\n"
                                               "    default_ttl: 60\n"
                                               "    zone_id: \"\"\n"
                                               "    private: false\n"
                                               "    shelf: \"low\"\n"
                                               "    wheels: 3\n"
                                               "    tokens: [\"***\"]\n"));
    assert_non_null(strstr(buffer_text(&dump), "toy:\n  colour: \"Red\"\n  requests_per_second: 50\n"));
    for (size_t i = 0; settings_key_name(i); i++) {
        has_help |= strcmp(settings_key_name(i), "toy.colour") == 0 && strcmp(settings_key_help(i), "of the box") == 0;
    }
    assert_true(has_help);
}

static void a_reload_keeps_what_needs_a_restart(void **state)
{
    static const char others[] = "zones:\n  - {name: plain.test, provider: zonefile}\n"
                                 "  - {name: toy.test, provider: toy, shelf: low, wheels: 3, tokens: [\"a long token, "
                                 "no. 2\"]}\n"
                                 "toy: {colour: blue, requests_per_second: 9}\n";
    _cleanup_(settings_unrefp) struct settings *running = load_good(TWO_ZONES);
    _cleanup_(settings_unrefp) struct settings *same = load_good(TWO_ZONES);
    _cleanup_(settings_unrefp) struct settings *loaded = load_good(others);
    _cleanup_buffer_ struct buffer keys = BUFFER_INIT;

    (void)state;
    assert_int_equal(settings_merge(running, same, &keys), 0);
    assert_string_equal(buffer_text(&keys), "");
    assert_int_equal(settings_merge(running, loaded, &keys), 0);
    assert_string_equal(buffer_text(&keys), "zones, toy.colour"); /* of the zones only the token differs */

    const struct toy_settings *own = settings_of_provider(loaded, &toy.settings);
    assert_string_equal(own->colour, "Red");
    assert_int_equal(own->requests_per_second, 9);
    settings_unref(TAKE_PTR(running)); /* the zones outlive it */
    const struct toy_zone_settings *zone = loaded->zones[1].own;
    assert_true(secret_equals(zone->tokens[0], "a long token, no. 1", 19));
}

/* ---- through the queue ---- */

static unsigned answers;

static void note_answer(struct submission *submission)
{
    (void)submission;
    answers++;
}

static void note_drained(void *userdata)
{
    (*(unsigned *)userdata)++;
}

struct bench {
    struct clock clock;
    struct loop *loop;
    struct records *records;
    struct queue *queue;
    struct providers *providers;
};

static void bench_init(struct bench *bench, const struct settings *settings)
{
    const struct queue_options options = {.update_timeout_ms = 10000, .queued_max = 10};

    assert_int_equal(crypto_init(), 0);
    clock_init_test(&bench->clock, 1000000, 1800000000000);
    bench->loop = loop_new(&bench->clock);
    bench->records = records_new();
    bench->queue = queue_new(bench->loop, bench->records, NULL, NULL, &options);
    bench->providers = providers_new(&(struct provider_means){.loop = bench->loop});
    assert_non_null(bench->providers);
    assert_int_equal(providers_add_zones(bench->providers, settings, bench->queue), 0);
}

static void bench_done(struct bench *bench)
{
    queue_free(bench->queue);
    providers_free(bench->providers);
    records_free(bench->records);
    loop_free(bench->loop);
}

static void bench_run(struct bench *bench, int64_t ms)
{
    for (int64_t i = 0; i < ms; i++) {
        bench->clock.test_monotonic_ms++;
        loop_turn(bench->loop, 0);
    }
}

static void a_change_gets_to_it(void **state)
{
    static const char text[] = "zones:\n  - {name: toy.test, provider: toy, shelf: low, default_ttl: 30}\n"
                               "  - {name: more.toy.test, provider: toy, shelf: top}\n";
    _cleanup_(settings_unrefp) struct settings *settings = load_good(text);
    struct bench bench;
    struct address address;
    struct submission submission = {.done = note_answer, .dialect = "query"};

    (void)state;
    answers = 0;
    bench_init(&bench, settings);
    struct record *record = records_add(bench.records, "car.more.toy.test.", RECORD_A, 1);
    assert_non_null(record);
    assert_int_equal(address_parse("192.0.2.7", 9, &address), 0);
    struct waiter waiter = {.request = {.record = record, .value = rdata_of_address(&address), .ttl_s = 60}};
    submission_add(&submission, &waiter);
    queue_start(bench.queue);
    queue_submit(bench.queue, &submission);
    bench_run(&bench, 3000);

    assert_int_equal(answers, 1);
    assert_int_equal(waiter.outcome, OUTCOME_SET);
    assert_string_equal(the_zone->shelf, "top");
    assert_int_equal(the_zone->default_ttl_s, 60);
    assert_ptr_equal(the_zone->box, the_box); /* shared by both zones */
    assert_string_equal(the_zone->found.hostname, "car.more.toy.test.");
    assert_true(address_equal(&the_zone->found.value.address, &address));
    waiter_done(&waiter);
    bench_done(&bench);
    assert_null(the_box);
}

static void its_hooks_are_called(void **state)
{
    _cleanup_(settings_unrefp) struct settings *settings = load_good(TWO_ZONES);
    _cleanup_(settings_unrefp) struct settings *slower = load_good(TWO_ZONES "toy: {requests_per_second: 9}\n");
    _cleanup_buffer_ struct buffer trouble = BUFFER_INIT;
    struct bench bench;
    struct queue_view view;
    unsigned drained = 0;

    (void)state;
    bench_init(&bench, settings);
    assert_int_equal(providers_start(bench.providers), 0);
    assert_int_equal(the_box->started, 1);

    assert_int_equal(queue_snapshot(bench.queue, &view), 0);
    assert_true(view.zones[0].pace == 0); /* zonefile: none */
    assert_true(view.zones[1].pace == 50);
    assert_string_equal(view.zones[1].provider, "toy");
    queue_view_done(&view);
    providers_reload(bench.providers, slower);
    assert_int_equal(the_box->reloads, 1);
    assert_int_equal(queue_snapshot(bench.queue, &view), 0);
    assert_true(view.zones[1].pace == 9);
    queue_view_done(&view);

    assert_int_equal(providers_report_trouble(bench.providers, &trouble), 1);
    assert_string_equal(buffer_text(&trouble), "the box is Red\n");

    providers_drain(bench.providers, 5000, note_drained, &drained);
    assert_int_equal(drained, 0); /* the toy has not finished */
    the_box->drained(the_box->userdata);
    assert_int_equal(drained, 1);

    assert_int_equal(providers_stop(bench.providers, 1000), 0);
    bench_done(&bench);
}

/* ---- through the daemon ---- */

static void tell_nobody(const struct problems *problems, void *userdata)
{
    (void)problems;
    (void)userdata;
}

/* A process of its own. Writes its port to `output`, then what the toy does. */
static void serve(const char *config, int output)
{
    struct settings *settings = NULL;
    struct hosts *hosts = NULL;
    struct buffer message = BUFFER_INIT;
    struct daemon *daemon = daemon_new(config);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    told = output;
    log_init(LOG_LEVEL_ERROR);
    if (!daemon || crypto_init() < 0 || log_start() < 0 ||
        daemon_load_files(config, NULL, NULL, NULL, tell_nobody, NULL, &settings, &hosts) < 0 ||
        daemon_init(daemon, settings, hosts, &message) < 0) {
        _exit(EX_SOFTWARE);
    }
    settings_unref(settings);
    hosts_unref(hosts);
    (void)dprintf(output, "%u\n", (unsigned)server_port(daemon->api, 0));
    _exit(daemon_serve(daemon));
}

/* The whole answer to one request. */
static void ask(uint16_t port, const char *request, char *answer, size_t size)
{
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t length = 0;

    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    for (ssize_t got; length < size - 1 && (got = recv(fd, answer + length, size - 1 - length, 0)) > 0;) {
        length += (size_t)got;
    }
    answer[length] = '\0';
    close(fd);
}

static void a_daemon_serves_it(void **state)
{
    static const char settings[] = "server: {listen: [\"127.0.0.1:0\"], tls: false}\n"
                                   "admin: {listen: \"\"}\n"
                                   "state_dir: state\n"
                                   "zones: [{name: toy.test, provider: toy, shelf: low}]\n";
    static const char hosts[] = "hosts:\n"
                                "  - hostname: car.toy.test\n"
                                "    record_type: A\n"
                                "    shared_secret: the secret of the car\n"
                                "    auth: [basic]\n"
                                "    allow_internal: true\n";
    /* car.toy.test:the secret of the car */
    static const char request[] = "GET /nic/update?hostname=car.toy.test&myip=192.0.2.7 HTTP/1.1\r\n"
                                  "Host: toy.test\r\n"
                                  "User-Agent: toy\r\n"
                                  "Connection: close\r\n"
                                  "Authorization: Basic Y2FyLnRveS50ZXN0OnRoZSBzZWNyZXQgb2YgdGhlIGNhcg==\r\n\r\n";
    char *folder = temporary_folder_make();
    char line[128], answer[4096];
    int ends[2], status;

    (void)state;
    (void)temporary_file(folder, "hosts.yaml", hosts, strlen(hosts), 0600);
    _cleanup_free_ char *config = strdup(temporary_file(folder, "ddns53d.yaml", settings, strlen(settings), 0600));
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        serve(config, ends[1]);
    }
    assert_true(child > 0);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    assert_non_null(output);
    assert_non_null(fgets(line, sizeof(line), output));
    ask((uint16_t)strtoul(line, NULL, 10), request, answer, sizeof(answer));
    assert_non_null(strstr(answer, "\r\n\r\ngood 192.0.2.7"));
    assert_non_null(fgets(line, sizeof(line), output));
    assert_string_equal(line, "car.toy.test. on the shelf low: 192.0.2.7\n");

    assert_int_equal(kill(child, SIGTERM), 0);
    assert_non_null(fgets(line, sizeof(line), output));
    assert_string_equal(line, "drained\n");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)fclose(output);
    temporary_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daemon_serves_it), /* first: it forks, and no thread has been made yet */
        cmocka_unit_test(its_keys_are_read),
        cmocka_unit_test(wrong_keys_are_explained),
        cmocka_unit_test(defaults_of_others_are_let_through),
        cmocka_unit_test(its_keys_are_dumped),
        cmocka_unit_test(a_reload_keeps_what_needs_a_restart),
        cmocka_unit_test(a_change_gets_to_it),
        cmocka_unit_test(its_hooks_are_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
