#include "ctl/when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

/* So many of a unit are still told in it: 100 s, but 3 min. */
static const struct {
    int64_t seconds;
    int64_t most;
    const char *unit;
} units[] = {{1, 90, "s"}, {60, 90, "min"}, {3600, 48, "h"}, {86400, INT64_MAX, "days"}};

void when_print_span(int64_t span_s, char ret_text[WHEN_SIZE])
{
    size_t i = 0;

    while (span_s / units[i].seconds >= units[i].most) {
        i++;
    }
    (void)snprintf(ret_text, WHEN_SIZE, "%" PRId64 " %s", span_s / units[i].seconds, units[i].unit);
}

void when_print(int64_t time_s, int64_t now_s, char ret_text[WHEN_SIZE])
{
    char span[WHEN_SIZE];

    if (time_s == 0) {
        (void)snprintf(ret_text, WHEN_SIZE, "never");
    } else if (time_s > now_s + 1) {
        when_print_span(time_s - now_s, span);
        (void)snprintf(ret_text, WHEN_SIZE, "in %.24s", span);
    } else if (now_s - time_s < 2) {
        (void)snprintf(ret_text, WHEN_SIZE, "now");
    } else {
        when_print_span(now_s - time_s, span);
        (void)snprintf(ret_text, WHEN_SIZE, "%.24s ago", span);
    }
}

static int64_t unit_of(char letter)
{
    switch (letter) {
    case 's': return 1;
    case 'm': return 60;
    case 'h': return 3600;
    case 'd': return 86400;
    case 'w': return 7 * 86400;
    default: return 0;
    }
}

int when_parse_span(const char *text, int64_t *ret_span_s)
{
    const size_t length = strlen(text);
    const int64_t unit_s = length > 1 ? unit_of(text[length - 1]) : 0;
    uint64_t count;

    if (unit_s == 0 || parse_uint(text, length - 1, 0, 1000000, &count) < 0) {
        return -EINVAL;
    }
    *ret_span_s = (int64_t)count * unit_s;
    return 0;
}

int when_parse_past(const char *text, int64_t now_s, int64_t *ret_time_s)
{
    int64_t span_s;

    if (when_parse_span(text, &span_s) == 0) {
        *ret_time_s = now_s - span_s;
        return 0;
    }
    return parse_iso8601(text, ret_time_s);
}
