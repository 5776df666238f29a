#include "ctl/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/unix_socket.h"
#include "io/http_client.h"

#define CONNECT_MS 5000
/* As long as a certificate with several names may take; a reload of a million hosts takes a few seconds. */
#define TIMEOUT_MS 1800000
#define ANSWER_MAX_BYTES ((size_t)256 << 20)

struct caller {
    struct loop *loop;
    struct http_client *client;
    bool is_answered;
    int error;
    unsigned status;
    json_t *answer;
};

void caller_free(struct caller *caller)
{
    if (caller) {
        http_client_free(caller->client);
        loop_free(caller->loop);
        free(caller);
    }
}

static struct caller *caller_of(struct ctl *ctl)
{
    struct caller *caller = ctl->caller ? ctl->caller : calloc(1, sizeof(*caller));

    if (!caller || ctl->caller) {
        return caller;
    }
    caller->loop = loop_new(clock_system());
    caller->client = caller->loop ? http_client_new(caller->loop) : NULL;
    if (!caller->client) {
        caller_free(caller);
        return NULL;
    }
    ctl->caller = caller;
    return caller;
}

/* ---- is it there ---- */

static int try_socket(const char *path)
{
    _cleanup_close_ int folder_fd = -1;
    struct sockaddr_un address;
    int r = unix_socket_address(path, &address, &folder_fd);

    if (r < 0) {
        return r;
    }
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        return errno == ECONNREFUSED || errno == ENOTDIR ? -ENOENT : -errno;
    }
    return 0;
}

int ctl_daemon_listens(struct ctl *ctl)
{
    const struct settings *settings;

    if (ctl_settings(ctl, &settings) != EXIT_FINE) {
        return -EINVAL;
    }
    return settings->control_socket ? try_socket(settings->control_socket) : -ENOENT;
}

static int tell_unreachable(const struct settings *settings, int r)
{
    if (!settings->control_socket) {
        ctl_error(
            "admin.socket is \"\" in the settings, so that the daemon cannot be asked; name a path and restart it");
        return EXIT_NO_DAEMON;
    }
    if (r == -EACCES || r == -EPERM) {
        ctl_error("%s: %s; run this as root or as a member of the daemon's group", settings->control_socket,
                  strerror(-r));
        return EXIT_FORBIDDEN;
    }
    if (r == -ENOENT) {
        ctl_error("no daemon listens at %s; start it: systemctl start ddns53d", settings->control_socket);
    } else {
        ctl_error("%s: %s; see the log of the daemon", settings->control_socket, strerror(-r));
    }
    return EXIT_NO_DAEMON;
}

/* ---- a call ---- */

static void take_response(const struct http_response *response, void *userdata)
{
    struct caller *caller = userdata;

    caller->is_answered = true;
    caller->error = response->error;
    caller->status = response->status;
    caller->answer = response->error < 0 ? NULL : json_loadb(response->body, response->length, 0, NULL);
}

static int exchange(struct caller *caller, const char *path_of_socket, const char *method, const char *path,
                    const char *body)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    char url[128];

    (void)snprintf(url, sizeof(url), "http://localhost%s", path);
    caller->is_answered = false;
    int r = http_client_send(caller->client,
                             &(struct http_request){
                                 .method = method,
                                 .url = url,
                                 .unix_socket = path_of_socket,
                                 .headers = body ? headers : NULL,
                                 .body = body,
                                 .body_length = body ? strlen(body) : 0,
                                 .connect_timeout_ms = CONNECT_MS,
                                 .timeout_ms = TIMEOUT_MS,
                                 .response_max_bytes = ANSWER_MAX_BYTES,
                             },
                             take_response, caller, NULL);
    while (r == 0 && !caller->is_answered) {
        loop_turn(caller->loop, -1);
    }
    return r < 0 ? r : caller->error;
}

int ctl_refused(const json_t *answer, unsigned status)
{
    const char *sentence = json_string_value(json_object_get(answer, "error"));

    ctl_error("the daemon refuses (%u): %s", status, sentence ? sentence : "it gave no reason; see its log");
    return status == 404 ? EXIT_UNKNOWN : EXIT_FAILED;
}

static int take_answer(struct caller *caller, unsigned *ret_status, json_t **ret_answer)
{
    json_t *answer = TAKE_PTR(caller->answer);

    if (!json_is_object(answer)) {
        json_decref(answer);
        ctl_error("the daemon's answer is no JSON (status %u); is it of the same version as this program?",
                  caller->status);
        return EXIT_FAILED;
    }
    if (!ret_status && caller->status >= 400) {
        const int status = ctl_refused(answer, caller->status);
        json_decref(answer);
        return status;
    }
    if (ret_status) {
        *ret_status = caller->status;
    }
    *ret_answer = answer;
    return EXIT_FINE;
}

int ctl_call(struct ctl *ctl, const char *method, const char *path, json_t *body, unsigned *ret_status,
             json_t **ret_answer)
{
    _cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    const bool has_no_text = body && !text;
    const struct settings *settings;
    int status = ctl_settings(ctl, &settings);

    json_decref(body);
    if (status != EXIT_FINE) {
        return status;
    }
    int r = ctl_daemon_listens(ctl);
    if (r < 0) {
        return tell_unreachable(settings, r);
    }
    struct caller *caller = caller_of(ctl);
    if (!caller || has_no_text) {
        return ctl_no_memory();
    }
    r = exchange(caller, settings->control_socket, method, path, text);
    return r < 0 ? tell_unreachable(settings, r) : take_answer(caller, ret_status, ret_answer);
}

/* ---- what answers are made of ---- */

const char *call_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

long long call_number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

bool call_is(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* ---- reload ---- */

static void print_lines(const json_t *lines, const char *before)
{
    size_t index;
    const json_t *line;

    json_array_foreach(lines, index, line)
    {
        (void)fprintf(stderr, "%s%s\n", before, json_string_value(line));
    }
}

int ctl_reload(struct ctl *ctl)
{
    json_t *answer = NULL;
    unsigned http_status = 0;

    if (ctl_daemon_listens(ctl) == -ENOENT) {
        if (!ctl->is_json) {
            ctl_print("no daemon runs with these settings; it reads them when it starts\n");
        }
        return EXIT_FINE;
    }
    int status = ctl_call(ctl, "POST", "/reload", NULL, &http_status, &answer);
    if (status != EXIT_FINE) {
        return status;
    }
    (void)fflush(stdout);
    print_lines(json_object_get(answer, "warnings"), "warning: ");
    print_lines(json_object_get(answer, "errors"), "");
    if (json_is_true(json_object_get(answer, "ok"))) {
        if (!ctl->is_json) {
            ctl_print("the daemon has read its files: %lld host%s, %lld added, %lld removed, %lld changed\n",
                      call_number(answer, "hosts"), call_number(answer, "hosts") == 1 ? "" : "s",
                      call_number(answer, "added"), call_number(answer, "removed"), call_number(answer, "changed"));
        }
    } else if (json_object_get(answer, "errors")) {
        ctl_error("the daemon rejects its files and goes on with what it had; mend what is named above");
        status = EXIT_SETTINGS;
    } else {
        status = ctl_refused(answer, http_status);
    }
    json_decref(answer);
    return status;
}
