/*
 * What tests of src/update share: hosts that are loaded once, and a clock that stands still. Include after cmocka.h.
 */
#ifndef DDNS53_TESTS_UNIT_UPDATE_HOSTS_H
#define DDNS53_TESTS_UNIT_UPDATE_HOSTS_H

#include "base/clock.h"
#include "some_hosts.h"

static struct clock test_clock;
static struct hosts *hosts;

/* From a hosts file's text; for a group's setup. */
static inline int update_hosts_load(const char *text)
{
    clock_init_test(&test_clock, 1000, 1790000000000);
    hosts = hosts_of(text);
    return 0;
}

/* A group's teardown. */
static inline int update_hosts_unload(void **state)
{
    (void)state;
    hosts_unref(hosts);
    return 0;
}

#endif
