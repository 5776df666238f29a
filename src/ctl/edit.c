#include "ctl/edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/record.h"
#include "ctl/call.h"

/* RFC 4648 section 6, in lower case: no letter looks like a digit of it, and no device changes the case of a password. */
static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

void edit_make_secret(char ret_secret[EDIT_SECRET_SIZE])
{
    uint8_t random[EDIT_SECRET_SIZE - 1];

    random_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        ret_secret[i] = base32[random[i] % (sizeof(base32) - 1)]; /* 5 bits of each */
    }
    ret_secret[sizeof(random)] = '\0';
    wipe(random, sizeof(random));
}

int edit_types(const char *text, unsigned *ret_types)
{
    unsigned types = 0;

    while (text) {
        char word[8];
        enum record_type type;
        size_t length = strcspn(text, ",");
        (void)snprintf(word, sizeof(word), "%.*s", length < sizeof(word) ? (int)length : 0, text);
        if (record_type_parse(word, &type) < 0) {
            ctl_error("--type: must be A, AAAA or TXT, or several with commas between them");
            return EXIT_USAGE;
        }
        types |= 1U << type;
        text = text[length] == ',' ? text + length + 1 : NULL;
    }
    *ret_types = types;
    return EXIT_FINE;
}

static int status_of(int r)
{
    switch (r) {
    case -ENOENT: return EXIT_UNKNOWN;
    case -EEXIST: return EXIT_EXISTS;
    case -EINVAL:
    case -EBADMSG: return EXIT_SETTINGS;
    case -EBUSY: return EXIT_AGAIN;
    case -EACCES:
    case -EPERM: return EXIT_FORBIDDEN;
    default: return EXIT_FAILED;
    }
}

static int edit(struct ctl *ctl, hosts_change change, void *context, bool is_rehearsal, bool *ret_changed)
{
    const struct settings *settings;
    struct hosts *hosts = NULL;
    int status = ctl_settings(ctl, &settings);

    if (status != EXIT_FINE) {
        return status;
    }
    _cleanup_(problems_freep) struct problems *problems = problems_new(settings->hosts_file);
    int r = problems ? (is_rehearsal ? hosts_edit_rehearse : hosts_edit_file)(settings->hosts_file, settings, change,
                                                                              context, problems, &hosts, ret_changed)
                     : -ENOMEM;
    if (r == -ENOMEM) {
        return ctl_no_memory();
    }
    ctl_tell_problems(problems);
    if (r < 0) {
        ctl_error("%s is as it was%s", settings->hosts_file,
                  r == -EINVAL    ? "; with that change, the daemon would reject it for what is named above"
                  : r == -EBADMSG ? ", and the daemon would reject it: first mend what is named above"
                                  : "");
        return status_of(r);
    }
    if (is_rehearsal) {
        hosts_unref(hosts);
        return EXIT_FINE;
    }
    hosts_unref(ctl->hosts);
    ctl->hosts = hosts;
    return EXIT_FINE;
}

int edit_hosts(struct ctl *ctl, hosts_change change, void *context, bool *ret_changed)
{
    return edit(ctl, change, context, false, ret_changed);
}

int edit_rehearse(struct ctl *ctl, hosts_change change, void *context)
{
    bool is_changed;

    return edit(ctl, change, context, true, &is_changed);
}

int edit_tell(struct ctl *ctl, const char *hostname, const char *what, bool is_changed)
{
    if (!is_changed) {
        if (!ctl->is_json) {
            ctl_print("%s: nothing to change\n", hostname);
        }
        return EXIT_FINE;
    }
    if (!ctl->is_json) {
        ctl_print("%s: %s in %s\n", hostname, what, ctl->settings->hosts_file);
    }
    return ctl_reload(ctl);
}
