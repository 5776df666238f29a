/* The ACME client as a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "acme/uacme.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "temporary.h"

#define PROBLEM(type, detail)                                                                                      \
    "uacme: the server reported the following error:\n{\n    \"type\": \"urn:ietf:params:acme:error:" type "\",\n" \
    "    \"detail\": \"" detail "\",\n    \"status\": 400\n}\n"

static void why_it_failed(void **state)
{
    static const struct {
        const char *output;
        enum uacme_end end;
        const char *message;
        int64_t retry_s;
    } rows[] = {
        {"", UACME_FAILED, "ended with status 2", 0},
        {"\n \n", UACME_FAILED, "ended with status 2", 0},
        {"uacme: one\nuacme: two\n\n", UACME_FAILED, "two", 0},
        {"something else", UACME_FAILED, "something else", 0},
        {"uacme: curl_get: GET https://ca.test/d failed: Couldn't connect to server\n"
         "uacme: curl_get: waiting 5 seconds before retrying\n"
         "uacme: curl_get: GET https://ca.test/d failed: Timeout was reached\n"
         "uacme: acme_get: curl_get failed\nuacme: failed to fetch directory at https://ca.test/d\n",
         UACME_FAILED, "curl_get: GET https://ca.test/d failed: Timeout was reached", 0},
        {PROBLEM("unauthorized", "no \\\"TXT\\\" record") "uacme: failed to authorize order at https://ca.test/o\n",
         UACME_FAILED, "the authority says unauthorized: no \"TXT\" record", 0},
        {PROBLEM("badNonce", "first") PROBLEM("dns", "second"), UACME_FAILED, "the authority says dns: second", 0},
        {"ddns53-acme-hook: the zone cannot be written\nuacme: challenge dns-01 declined\nuacme: no challenge "
         "completed\n",
         UACME_FAILED, "the zone cannot be written", 0},
        {"uacme: running /x/ddns53-acme-hook begin\nuacme: the last\n", UACME_FAILED, "the last", 0},
        {PROBLEM("accountDoesNotExist", "who?"), UACME_NO_ACCOUNT, "the authority says accountDoesNotExist: who?", 0},
        {"uacme: no account associated with /s/key.pem found at https://ca.test/a. Consider trying 'new'\n",
         UACME_NO_ACCOUNT, "the authority has no account of ours", 0},
        {PROBLEM("rateLimited", "too many, retry after 2026-11-23 10:00:00 UTC: see https://x"), UACME_LIMITED,
         "the authority says rateLimited: too many, retry after 2026-11-23 10:00:00 UTC: see https://x", 1795428000},
        {PROBLEM("rateLimited", "too many"), UACME_LIMITED, "the authority says rateLimited: too many", 0},
        {PROBLEM("rateLimited", "retry after tomorrow"), UACME_LIMITED,
         "the authority says rateLimited: retry after tomorrow", 0},
        {"uacme: the server reported the following error:\n{\n  \"type\": 5, ", UACME_FAILED, "\"type\": 5,", 0},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buffer_ struct buffer message = BUFFER_INIT;
        int64_t retry_s = -1;
        assert_int_equal(uacme_explain(rows[i].output, "ended with status 2", &message, &retry_s), rows[i].end);
        assert_non_null(strstr(buffer_text(&message), rows[i].message));
        assert_int_equal(retry_s, rows[i].retry_s);
    }
}

static void where_it_is(void **state)
{
    char *folder = temporary_folder_make();
    _cleanup_buffer_ struct buffer path = BUFFER_INIT;

    (void)state;
    buffer_printf(&path, "relative:/nonexistent::%s", folder);
    assert_null(uacme_find(buffer_text(&path)));
    (void)temporary_file(folder, "uacme", "#!/bin/sh\n", 10, 0600);
    assert_null(uacme_find(buffer_text(&path))); /* not to be run */
    (void)temporary_file(folder, "uacme", "#!/bin/sh\n", 10, 0700);
    _cleanup_free_ char *found = uacme_find(buffer_text(&path));
    assert_string_equal(found, temporary_path(folder, "uacme"));
    temporary_folder_remove(folder);
}

/* A client that notes how it was called. */
static const char script[] =
    "#!/bin/sh\n"
    "here=${0%/*}\n"
    "echo \"$*\" >>\"$here/calls\"\n"
    "echo \"socket=$DDNS53_CONTROL_SOCKET proxy=$https_proxy home=$HOME\" >>\"$here/calls\"\n"
    "case \"$*\" in\n"
    "*' new '*) mkdir -p \"$here/a b/private\"; : >\"$here/a b/private/key.pem\"; rm -f \"$here/lost\";;\n"
    "*' issue '*) if [ -e \"$here/lost\" ]; then\n"
    "echo 'uacme: the server reported the following error:' >&2\n"
    "echo '{\"type\": \"urn:ietf:params:acme:error:accountDoesNotExist\"}' >&2; exit 2; fi;;\n"
    "esac\n";

static const char *environment_of(const char *name)
{
    return strcmp(name, "https_proxy") == 0 ? "http://proxy" : NULL;
}

static void expect_calls(char *folder, const struct uacme *uacme, const char *expected)
{
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    _cleanup_buffer_ struct buffer calls = BUFFER_INIT;
    int64_t retry_s;

    (void)unlink(temporary_path(folder, "calls"));
    if (uacme_obtain(uacme, &message, &retry_s) != UACME_ISSUED) {
        fail_msg("%s", buffer_text(&message));
    }
    assert_int_equal(file_read(temporary_path(folder, "calls"), 10000, &calls, NULL), 0);
    for (char *at = calls.data; (at = strstr(at, folder));) { /* so that the expected text can be written down */
        const size_t rest = strlen(at + strlen(folder)) + 1;
        *at = '@';
        memmove(at + 1, at + strlen(folder), rest);
    }
    assert_string_equal(calls.data, expected);
}

#define SURROUNDINGS "socket=/s/control.sock proxy=http://proxy home=\n"
#define NEW "-y -c @/a b -a https://ca.test/d new me@example.com\n" SURROUNDINGS
#define ISSUE "-f -o -t EC -c @/a b -a https://ca.test/d -h /h issue example.com *.example.com\n" SURROUNDINGS

static void how_it_is_called(void **state)
{
    char *folder = temporary_folder_make();
    _cleanup_free_ char *program = strdup(temporary_file(folder, "uacme", script, strlen(script), 0700));
    _cleanup_free_ char *into = strdup(temporary_path(folder, "a b"));
    const struct name names[] = {{"example.com."}, {"*.example.com."}};
    const struct uacme uacme = {
        .program = program,
        .hook = "/h",
        .folder = into,
        .socket = "/s/control.sock",
        .directory = "https://ca.test/d",
        .email = "me@example.com",
        .names = names,
        .name_count = 2,
        .stop_fd = -1,
        .environment = environment_of,
    };

    (void)state;
    expect_calls(folder, &uacme, NEW ISSUE);
    expect_calls(folder, &uacme, ISSUE);
    (void)temporary_file(folder, "lost", "", 0, 0600); /* the authority has forgotten the account */
    expect_calls(folder, &uacme, ISSUE NEW ISSUE);
    temporary_folder_remove(folder);
}

static void a_folder_that_cannot_be_made(void **state)
{
    const struct uacme uacme = {.program = "/bin/true", .folder = "/proc/none/acme", .environment = environment_of};
    _cleanup_buffer_ struct buffer message = BUFFER_INIT;
    int64_t retry_s;

    (void)state;
    assert_int_equal(uacme_obtain(&uacme, &message, &retry_s), UACME_FAILED);
    assert_non_null(strstr(buffer_text(&message), "/proc/none/acme: cannot be made"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(why_it_failed),
        cmocka_unit_test(where_it_is),
        cmocka_unit_test(how_it_is_called),
        cmocka_unit_test(a_folder_that_cannot_be_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
