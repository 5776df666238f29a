#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_monotonic_ms(const struct clock *clock)
{
    (void)clock;
    return now_ms(CLOCK_MONOTONIC);
}

static int64_t system_realtime_ms(const struct clock *clock)
{
    (void)clock;
    return now_ms(CLOCK_REALTIME);
}

static int64_t test_monotonic_ms(const struct clock *clock)
{
    return clock->test_monotonic_ms;
}

static int64_t test_realtime_ms(const struct clock *clock)
{
    return clock->test_realtime_ms;
}

const struct clock *clock_system(void)
{
    static const struct clock system_clock = {system_monotonic_ms, system_realtime_ms, 0, 0};

    return &system_clock;
}

void clock_init_test(struct clock *ret_clock, int64_t monotonic_ms, int64_t realtime_ms)
{
    *ret_clock = (struct clock){test_monotonic_ms, test_realtime_ms, monotonic_ms, realtime_ms};
}

struct date_time {
    unsigned year, month, day, hour, minute, second;
};

/* The calendar of the years 0 to 9999, which is what fits the text; a time outside becomes the nearest. Done here,
 * since gmtime_r takes glibc's time zone lock. Years are counted from March, so that the leap day comes last. */
static struct date_time date_time_from_s(int64_t time_s)
{
    const int64_t first_s = -62167219200; /* 0000-01-01T00:00:00Z */
    const int64_t last_s = 253402300799;  /* 9999-12-31T23:59:59Z */
    if (time_s < first_s) {
        time_s = first_s;
    }
    if (time_s > last_s) {
        time_s = last_s;
    }
    int64_t since_s = time_s - first_s;
    unsigned second_of_day = (unsigned)(since_s % 86400);
    /* Days since 0000-03-01 of the 400 years before, so that nothing is negative. */
    int64_t days = since_s / 86400 - 60 + 146097;
    int64_t era = days / 146097;
    int64_t day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + (era - 1) * 400 + (month <= 2 ? 1 : 0);

    return (struct date_time){(unsigned)year,       (unsigned)month,         (unsigned)day,
                              second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60};
}

void clock_print_iso8601(int64_t time_s, char ret_text[21])
{
    struct date_time t = date_time_from_s(time_s);
    char text[64];
    (void)snprintf(text, sizeof(text), "%04u-%02u-%02uT%02u:%02u:%02uZ", t.year, t.month, t.day, t.hour, t.minute,
                   t.second);
    memcpy(ret_text, text, 20);
    ret_text[20] = '\0';
}

void clock_print_basic_iso8601(int64_t time_s, char ret_text[17])
{
    struct date_time t = date_time_from_s(time_s);
    char text[64];
    (void)snprintf(text, sizeof(text), "%04u%02u%02uT%02u%02u%02uZ", t.year, t.month, t.day, t.hour, t.minute,
                   t.second);
    memcpy(ret_text, text, 16);
    ret_text[16] = '\0';
}
