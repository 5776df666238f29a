#include "daemon/control.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/reload.h"

static int add_listeners(json_t *array, const char *what, const struct server *server)
{
    const char *text;

    for (size_t i = 0; server && (text = server_listening(server, i)); i++) {
        if (json_array_append_new(array, json_pack("{s:s, s:s, s:b, s:I}", "what", what, "address", text, "tls",
                                                   server_has_tls(server), "connections",
                                                   (json_int_t)server_connections(server))) < 0) {
            return -1;
        }
    }
    return 0;
}

static json_t *listeners(const struct daemon *daemon)
{
    json_t *array = json_array();

    if (array &&
        (add_listeners(array, "api", daemon->api) < 0 || add_listeners(array, "admin", daemon->admin_server) < 0 ||
         add_listeners(array, "control", daemon->control_server) < 0)) {
        json_decref(array);
        return NULL;
    }
    return array;
}

/* One text a line. */
static json_t *lines_of(const struct buffer *buffer)
{
    json_t *array = json_array();
    const char *text = buffer_text(buffer);

    while (array && *text != '\0') {
        const size_t length = strcspn(text, "\n");
        if (json_array_append_new(array, json_stringn_nocheck(text, length)) < 0) {
            json_decref(array);
            return NULL;
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return array;
}

static json_t *trouble(const struct daemon *daemon)
{
    _cleanup_buffer_ struct buffer lines = BUFFER_INIT;

    (void)daemon->admin.trouble(daemon->admin.userdata, &lines);
    return lines_of(&lines);
}

static json_t *certificate(const struct daemon *daemon)
{
    const int64_t expires_s = tls_expires_s(daemon->tls);

    return expires_s == 0 ? json_null() : json_pack("{s:I}", "expires_s", (json_int_t)expires_s);
}

json_t *control_describe(void *userdata)
{
    struct daemon *daemon = userdata;
    _cleanup_(settings_unrefp) struct settings *settings = current_settings(daemon->current);
    _cleanup_(hosts_unrefp) struct hosts *hosts = current_hosts(daemon->current);
    const int64_t now_s = clock_realtime_s(clock_system());

    return json_pack("{s:s, s:i, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:{s:I, s:I}}", "version",
                     PACKAGE_VERSION, "pid", (int)getpid(), "started_s", (json_int_t)daemon->started_s, "uptime_s",
                     (json_int_t)(now_s - daemon->started_s), "config", daemon->config, "hosts_file",
                     settings->hosts_file, "state_dir", settings->state_dir, "hosts", (json_int_t)hosts_count(hosts),
                     "records", (json_int_t)hosts_record_count(hosts), "listeners", listeners(daemon), "certificate",
                     certificate(daemon), "reload", reload_object(daemon), "trouble", trouble(daemon), "decisions",
                     "counted", (json_int_t)decisions_counted(daemon->decisions), "lost",
                     (json_int_t)decisions_lost(daemon->decisions));
}
