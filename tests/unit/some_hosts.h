/*
 * A host table from "NAME TYPES" lines, in the zones a.test. and b.test. Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_SOME_HOSTS_H
#define DDNS53_TESTS_UNIT_SOME_HOSTS_H

#include <string.h>

#include "base/problems.h"
#include "config/hosts.h"

static inline struct settings *some_settings(void)
{
    static const char text[] = "zones:\n"
                               "  - {name: a.test., provider: zonefile}\n"
                               "  - {name: b.test., provider: zonefile}\n";
    _cleanup_(problems_freep) struct problems *problems = problems_new("d.yaml");
    struct settings *settings = NULL;

    assert_int_equal(settings_load_text(text, strlen(text), "/d.yaml", problems, &settings), 0);
    return settings;
}

/* Of a hosts file's text. */
static inline struct hosts *hosts_of(const char *text)
{
    _cleanup_(problems_freep) struct problems *problems = problems_new("h.yaml");
    _cleanup_(settings_unrefp) struct settings *settings = some_settings();
    struct hosts *hosts = NULL;

    assert_int_equal(hosts_load_text(text, strlen(text), "/h.yaml", settings, problems, &hosts), 0);
    return hosts;
}

/* Pairs of hostname and record types ("A", "[A, AAAA]"), NULL at the end. */
static inline struct hosts *some_hosts(const char *const *pairs)
{
    _cleanup_buffer_ struct buffer text = BUFFER_INIT;

    buffer_append_text(&text, *pairs ? "hosts:\n" : "hosts: []\n");
    for (; *pairs; pairs += 2) {
        buffer_printf(&text, "  - {hostname: %s, record_type: %s, shared_secret: a secret of the tests}\n", pairs[0],
                      pairs[1]);
    }
    return hosts_of(buffer_text(&text));
}

#endif
