#include "acme/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/cleanup.h"

#define HOUR_S 3600
#define DAY_S 86400
#define LIMITED_S DAY_S            /* where the authority does not say for how long */
#define LIMITED_MOST_S (8 * DAY_S) /* its longest limit is a week */
#define SPREAD_DIVISOR 30          /* of a life: by so much renewals are spread, three days of ninety */

/* The first wait is long enough for an operator's mistake in DNS to have left the resolvers' caches. */
static const struct backoff_limits retry_limits = {.first_ms = 10U * 60 * 1000,
                                                   .most_ms = (uint32_t)DAY_S * 1000,
                                                   .floor_percent = 75};

int64_t acme_due_s(int64_t begins_s, int64_t expires_s, uint32_t chance)
{
    const int64_t life_s = expires_s - begins_s;
    const int64_t spread_s = life_s / SPREAD_DIVISOR;

    if (expires_s == 0 || life_s <= 0) {
        return 0;
    }
    return expires_s - life_s / 3 - (int64_t)((double)spread_s * chance / UINT32_MAX);
}

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* `time_s`, unless it lies further off than `most_s`. */
static int64_t believed(int64_t time_s, int64_t most_s, int64_t now_s)
{
    return time_s > now_s + most_s ? 0 : time_s;
}

int64_t acme_next_s(const struct acme_schedule *schedule, int64_t due_s, int64_t now_s)
{
    const int64_t not_before_s = believed(schedule->not_before_s, DAY_S, now_s);
    const int64_t limited_to_s = believed(schedule->limited_to_s, LIMITED_MOST_S, now_s);

    return latest(latest(due_s, now_s), latest(not_before_s, limited_to_s));
}

bool acme_may_try(const struct acme_schedule *schedule, int64_t now_s, int64_t *ret_from_s)
{
    const int64_t oldest_s = believed(schedule->failed_s[0], 0, now_s);
    int64_t from_s = believed(schedule->limited_to_s, LIMITED_MOST_S, now_s);

    if (oldest_s > 0) {
        from_s = latest(from_s, oldest_s + HOUR_S);
    }
    *ret_from_s = from_s;
    return from_s <= now_s;
}

void acme_failed(struct acme_schedule *schedule, int64_t now_s, bool limited, int64_t retry_s,
                 uint32_t (*random)(uint32_t upper_bound))
{
    struct backoff backoff = {.attempt = schedule->failures};
    int64_t *failed_s = schedule->failed_s;

    schedule->not_before_s = now_s + backoff_next_ms(&backoff, &retry_limits, random) / 1000;
    schedule->failures = backoff.attempt;
    memmove(failed_s, failed_s + 1, (ACME_FAILURES_AN_HOUR - 1) * sizeof(*failed_s));
    failed_s[ACME_FAILURES_AN_HOUR - 1] = now_s;
    if (limited) {
        const bool is_said = retry_s > now_s && retry_s <= now_s + LIMITED_MOST_S;
        schedule->limited_to_s = is_said ? retry_s : now_s + LIMITED_S;
    }
}

void acme_succeeded(struct acme_schedule *schedule)
{
    *schedule = (struct acme_schedule){.failures = 0};
}

/* ---- as a text ---- */

void acme_schedule_print(const struct acme_schedule *schedule, struct buffer *buffer)
{
    buffer_printf(buffer, "failures %" PRIu32 "\nnot_before %" PRId64 "\nlimited_to %" PRId64 "\nfailed",
                  schedule->failures, schedule->not_before_s, schedule->limited_to_s);
    for (size_t i = 0; i < ACME_FAILURES_AN_HOUR; i++) {
        buffer_printf(buffer, " %" PRId64, schedule->failed_s[i]);
    }
    buffer_append_char(buffer, '\n');
}

static bool read_number(const char **at, int64_t *ret_number)
{
    char *end;
    const long long number = strtoll(*at, &end, 10);

    if (end == *at || number < 0) {
        return false;
    }
    *at = end;
    *ret_number = number;
    return true;
}

static void read_line(const char *line, struct acme_schedule *schedule)
{
    const char *at = strchr(line, ' ');
    int64_t number;

    if (!at || !read_number(&at, &number)) {
        return;
    }
    if (strncmp(line, "failures ", strlen("failures ")) == 0) {
        schedule->failures = number > 1000 ? 1000 : (uint32_t)number;
    } else if (strncmp(line, "not_before ", strlen("not_before ")) == 0) {
        schedule->not_before_s = number;
    } else if (strncmp(line, "limited_to ", strlen("limited_to ")) == 0) {
        schedule->limited_to_s = number;
    } else if (strncmp(line, "failed ", strlen("failed ")) == 0) {
        size_t i = 0;
        do {
            schedule->failed_s[i++] = number;
        } while (i < ACME_FAILURES_AN_HOUR && read_number(&at, &number));
    }
}

void acme_schedule_parse(const char *text, struct acme_schedule *ret_schedule)
{
    *ret_schedule = (struct acme_schedule){.failures = 0};
    while (text && *text != '\0') {
        read_line(text, ret_schedule);
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
}
