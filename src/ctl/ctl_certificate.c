/* The certificate of the running daemon: certificate show, renew, test, challenge. */
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "ctl/call.h"
#include "ctl/commands.h"
#include "ctl/when.h"

#define SOON_S (14 * 86400)

static int run_show(struct ctl *ctl, const struct arguments *arguments);
static int run_renew(struct ctl *ctl, const struct arguments *arguments);
static int run_test(struct ctl *ctl, const struct arguments *arguments);
static int run_challenge(struct ctl *ctl, const struct arguments *arguments);

static const struct command_exit show_exits[] = {
    {EXIT_FINE, "a certificate is served, and nothing is wrong with it"},
    {EXIT_WARNED, "it has expired, or the last try to obtain one has failed"},
    {0, NULL},
};
static const struct command_option test_options[] = {
    {.name = "directory",
     .value = "URL",
     .help = "the authority to test with; the default is the staging one of Let's Encrypt"},
    {.name = NULL},
};

static const struct command_option challenge_options[] = {
    {.name = "remove", .help = "take the challenges of that name away again"},
    {.name = NULL},
};

const struct command commands_certificate[] = {
    {
        .name = "certificate show",
        .arguments = "",
        .summary = "shows which certificate is served, until when, and when the next one is obtained",
        .exits = show_exits,
        .example = "ddns53ctl certificate show",
        .has_json = true,
        .run = run_show,
    },
    {
        .name = "certificate renew",
        .arguments = "",
        .summary = "obtains a new certificate by ACME now, and waits for it",
        .description = "Authorities limit how many they issue in a week; the daemon renews by itself when it is time.",
        .example = "ddns53ctl certificate renew",
        .has_json = true,
        .run = run_renew,
    },
    {
        .name = "certificate test",
        .arguments = "",
        .summary = "obtains a certificate from the authority's staging directory, which is not used",
        .description =
            "It shows that names, zones and name servers are right, without using up what the authority allows.",
        .options = test_options,
        .example = "ddns53ctl certificate test",
        .has_json = true,
        .run = run_test,
    },
    {
        .name = "certificate challenge",
        .arguments = "NAME [VALUE]",
        .least = 1,
        .most = 2,
        .summary = "sets the challenge of another ACME client, and waits until the name servers have it",
        .description =
            "For hooks of certbot and lego. The host _acme-challenge.NAME has to be in hosts.yaml, with record_type "
            "TXT. Values add up until they are taken away.",
        .options = challenge_options,
        .example = "ddns53ctl certificate challenge www.example.com DIGEST",
        .has_json = true,
        .run = run_challenge,
    },
    {.name = NULL},
};

/* ---- show ---- */

static void print_line(const char *title, const char *text)
{
    _cleanup_buffer_ struct buffer shown = BUFFER_INIT;

    buffer_append_escaped(&shown, text, strlen(text));
    ctl_print("%-12s %s\n", title, buffer_text(&shown));
}

static void print_served(struct ctl *ctl, const json_t *served, int64_t now_s)
{
    const int64_t expires_s = call_number(served, "expires_s");
    const enum color color = expires_s <= now_s ? COLOR_BAD : expires_s - now_s < SOON_S ? COLOR_WARN : COLOR_GOOD;
    char when[WHEN_SIZE];
    char at[21];

    when_print(expires_s, now_s, when);
    clock_print_iso8601(expires_s, at);
    print_line("file", call_text(served, "file"));
    print_line("names", call_text(served, "names"));
    ctl_print("%-12s %s%s, %s%s\n", "expires", ctl_color(ctl, color), at, when, ctl_plain(ctl));
    print_line("sha256", call_text(served, "sha256"));
    if (call_is(served, "self_signed")) {
        print_line("self-signed", "yes: clients trust it only where they were given it");
    }
}

static void print_acme(const json_t *acme, int64_t now_s)
{
    const int64_t next_s = call_number(acme, "next_s");
    char when[WHEN_SIZE];

    if (!call_is(acme, "on")) {
        print_line("acme", "off: see server.acme in ddns53d.yaml(5)");
        return;
    }
    when_print(next_s, now_s, when);
    print_line("acme", call_is(acme, "running") ? "one is being obtained" : "on");
    if (next_s > 0 && !call_is(acme, "running")) {
        print_line("next try", when);
    }
    if (json_is_string(json_object_get(acme, "trouble"))) {
        ctl_print("%-12s %lld in a row\n", "failures", call_number(acme, "failures"));
        print_line("trouble", call_text(acme, "trouble"));
    }
}

static int run_show(struct ctl *ctl, const struct arguments *arguments)
{
    const int64_t now_s = clock_realtime_s(clock_system());
    json_t *answer = NULL;
    int status = ctl_call(ctl, "GET", "/certificate", NULL, NULL, &answer);

    (void)arguments;
    if (status != EXIT_FINE) {
        return status;
    }
    const json_t *served = json_object_get(answer, "served");
    const json_t *second = json_object_get(answer, "second");
    const json_t *acme = json_object_get(answer, "acme");
    const bool is_wrong = (json_is_object(served) && call_number(served, "expires_s") <= now_s) ||
                          (json_is_object(second) && call_number(second, "expires_s") <= now_s) ||
                          json_is_string(json_object_get(acme, "trouble"));
    if (ctl->is_json) {
        status = ctl_print_json(json_incref(answer));
    } else if (json_is_object(served)) {
        print_served(ctl, served, now_s);
        if (json_is_object(second)) {
            print_served(ctl, second, now_s);
        }
        print_acme(acme, now_s);
    } else {
        print_line("certificate", "none: server.tls is false");
    }
    json_decref(answer);
    return status == EXIT_FINE && is_wrong ? EXIT_WARNED : status;
}

/* ---- renew, test, challenge ---- */

/* Takes the body. The daemon answers when it is over. */
static int ask(struct ctl *ctl, const char *path, json_t *body)
{
    unsigned http_status = 0;
    json_t *answer = NULL;
    int status = ctl_call(ctl, "POST", path, body, &http_status, &answer);

    if (status != EXIT_FINE) {
        return status;
    }
    if (http_status >= 400) {
        status = ctl_refused(answer, http_status);
    } else if (ctl->is_json) {
        status = ctl_print_json(json_incref(answer));
    } else if (call_text(answer, "message")[0] != '\0') {
        print_line("obtained", call_text(answer, "message"));
    }
    json_decref(answer);
    return status;
}

static int run_renew(struct ctl *ctl, const struct arguments *arguments)
{
    (void)arguments;
    return ask(ctl, "/certificate/renew", json_object());
}

static int run_test(struct ctl *ctl, const struct arguments *arguments)
{
    const char *directory = option_value(arguments, "directory");

    return ask(ctl, "/certificate/test", directory ? json_pack("{s:s}", "directory", directory) : json_object());
}

static int run_challenge(struct ctl *ctl, const struct arguments *arguments)
{
    const char *value = argument_at(arguments, 1);
    struct name name;
    int status = ctl_name(ctl, argument_at(arguments, 0), &name);

    if (status != EXIT_FINE) {
        return status;
    }
    if (option_given(arguments, "remove") == (value != NULL)) {
        ctl_error("certificate challenge: takes a value, or --remove and none");
        return EXIT_USAGE;
    }
    return ask(ctl, "/acme/challenge",
               value ? json_pack("{s:s, s:s}", "hostname", name.text, "value", value)
                     : json_pack("{s:s, s:b}", "hostname", name.text, "remove", true));
}
